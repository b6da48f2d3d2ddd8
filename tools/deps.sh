#!/bin/sh
# Build the pinned llama.cpp once and keep it under the cache, keyed by version, flags and compiler.
# Writes .deps/paths.cmake for CMake. Usage: tools/deps.sh [--offline] [--server]
#   --server   also build llama.cpp's own server (the peer that bench/ measures against)
#   --offline  use only what the cache has
set -eu
cd "$(dirname "$0")/.."

NAME=llama-cpp-python==0.3.36
SDIST=llama_cpp_python-0.3.36
SDIST_SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
LLAMA_VERSION=0.5.0
FLAGS="-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON
 -DGGML_NATIVE=ON -DGGML_OPENMP=ON -DGGML_CCACHE=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_COMMON=ON
 -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF
 -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_SERVER=ON"

offline=0 server=0
for a in "$@"; do
  case $a in
    --offline) offline=1 ;;
    --server) server=1 ;;
    *) echo "tools/deps.sh: unknown argument $a" >&2; exit 2 ;;
  esac
done

say() { printf '%s\n' "deps: $*" >&2; }
die() { say "$*"; exit 1; }

for tool in cmake ninja "${CC:-cc}" "${CXX:-c++}" sha256sum flock; do
  command -v "$tool" >/dev/null 2>&1 || die "$tool is not installed: ./up and ./check install what tools/packages.txt names"
done

cache=${XOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xoe}
mkdir -p "$cache/src" "$cache/deps" || die "cannot write in $cache: set XOE_CACHE to a folder of yours"
cpu=$(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1)
key=$(printf '%s\n' "$SDIST_SHA256" "$FLAGS" "$(${CC:-cc} --version | head -n 1)" "$(uname -m)" "$cpu" "v2" |
  sha256sum | cut -c1-16)
dir=$cache/deps/llama-$key
tar=$cache/src/$SDIST.tar.gz

# Ninja's jobs: all cores, but a gigabyte and a half of memory each (the largest file needs as much).
cores=$(nproc)
jobs=$(awk -v cores="$cores" '/^MemAvailable/ {n = int($2 / 1572864); print n < 1 ? 1 : n < cores ? n : cores}' /proc/meminfo)

right_archive() { [ -f "$1" ] && echo "$SDIST_SHA256  $1" | sha256sum -c --status 2>/dev/null; }

python() { # the one that ./up made, else the system's
  if [ -n "${XOE_PYTHON:-}" ]; then
    echo "$XOE_PYTHON"
  elif [ -x "$cache/venv/bin/python" ]; then
    echo "$cache/venv/bin/python"
  else
    echo python3
  fi
}

fetch() { # the source archive into $tar; pip checks the hash before it opens the archive
  if right_archive "$tar"; then return; fi
  [ $offline = 0 ] || die "llama.cpp's source is not in $cache/src and --offline was given; run once with a network"
  say "downloading $SDIST (77 MB) from the Python package index"
  tmp=$(mktemp -d "$cache/src/tmp.XXXXXX")
  printf '%s --hash=sha256:%s\n' "$NAME" "$SDIST_SHA256" >"$tmp/source.txt"
  "$(python)" -m pip download -q --disable-pip-version-check --no-deps --no-binary llama-cpp-python --require-hashes \
    -d "$tmp" -r "$tmp/source.txt" >"$tmp/log" 2>&1 || {
    # pip also asks the archive for its metadata, which may fail after the archive was fetched
    right_archive "$tmp/$SDIST.tar.gz" || {
      tail -n 5 "$tmp/log" >&2
      rm -rf "$tmp"
      die "could not download $NAME with pip; check the network and pip's configuration (an own index: PIP_INDEX_URL), then run again"
    }
  }
  right_archive "$tmp/$SDIST.tar.gz" || {
    rm -rf "$tmp"
    die "the sha256 of $SDIST.tar.gz is not $SDIST_SHA256: refused; run again, or ask whoever serves your package index"
  }
  mv "$tmp/$SDIST.tar.gz" "$tar"
  rm -rf "$tmp"
}

run_ninja() { # LOG TARGET…: shows every fifth step; fails when ninja does
  log=$1
  shift
  rm -f "$work/ok"
  { ninja -C "$work/build" -j "$jobs" "$@" 2>&1 && : >"$work/ok"; } | tee "$log" |
    grep --line-buffered -E '^\[[0-9]*[05]/' | cut -c1-100 >&2 || :
  [ -f "$work/ok" ] || {
    grep -E -A4 'FAILED|error' "$log" | head -n 30 >&2
    die "llama.cpp failed to build, see $log"
  }
}

build() {
  fetch
  work=$dir.work
  rm -rf "$dir.tmp" "$work/src.tmp"
  mkdir -p "$work" "$dir.tmp/lib" "$dir.tmp/include/common"
  if [ ! -d "$work/src" ]; then
    mkdir -p "$work/src.tmp"
    tar xzf "$tar" -C "$work/src.tmp" --strip-components=3 "$SDIST/vendor/llama.cpp"
    mv "$work/src.tmp" "$work/src"
  fi
  say "building llama.cpp (about 5 minutes on 2 cores)"
  # shellcheck disable=SC2086
  cmake -S "$work/src" -B "$work/build" -G Ninja $FLAGS >"$work/cmake.log" 2>&1 || {
    tail -n 20 "$work/cmake.log" >&2
    die "cmake failed, see $work/cmake.log"
  }
  run_ninja "$work/build.log" llama llama-common
  find "$work/build" -name '*.a' -exec cp {} "$dir.tmp/lib/" \;
  cp "$work"/src/include/*.h "$work"/src/ggml/include/*.h "$dir.tmp/include/"
  (cd "$work/src/common" && find . \( -name '*.h' -o -name '*.hpp' \) -exec cp --parents {} "$dir.tmp/include/common/" \;)
  cp "$work/src/LICENSE" "$dir.tmp/LICENSE"
  rm -rf "$dir"
  mv "$dir.tmp" "$dir"
}

exec 9>"$cache/deps/.lock"
flock -n 9 || {
  say "another build works in $cache/deps; waiting for it"
  flock 9
}
[ -f "$dir/lib/libllama-common.a" ] || build
if [ $server = 1 ] && [ ! -x "$dir/bin/llama-server" ]; then
  work=$dir.work
  [ -d "$work/build" ] || build
  say "building llama.cpp's server for the benchmarks (about 2 minutes)"
  run_ninja "$work/server.log" llama-server llama-bench
  mkdir -p "$dir/bin"
  cp "$work/build/bin/llama-server" "$work/build/bin/llama-bench" "$dir/bin/"
fi

mkdir -p .deps
printf 'set(XOE_LLAMA_DIR "%s")\nset(XOE_LLAMA_VERSION "%s")\n' "$dir" "$LLAMA_VERSION" >.deps/paths.cmake.tmp
mv .deps/paths.cmake.tmp .deps/paths.cmake
say "llama.cpp ready in $dir"
