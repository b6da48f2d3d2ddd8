#!/bin/sh
# Build the pinned llama.cpp once and keep it under the cache, keyed by version, flags and compiler.
# Writes .deps/paths.cmake for CMake. Usage: tools/deps.sh [--offline] [--server]
#   --server   also build llama.cpp's own server (the peer that bench/ measures against)
#   --offline  use only what the cache has
set -eu
cd "$(dirname "$0")/.."

SDIST=llama_cpp_python-0.3.36
SDIST_SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
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

cache=${XOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xoe}
cpu=$(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1)
key=$(printf '%s\n' "$SDIST_SHA256" "$FLAGS" "$(${CC:-cc} --version | head -n 1)" "$(uname -m)" "$cpu" "v2" |
  sha256sum | cut -c1-16)
dir=$cache/deps/llama-$key

fetch() { # the source archive into $cache/src, checked
  mkdir -p "$cache/src"
  tar=$cache/src/$SDIST.tar.gz
  if [ -f "$tar" ] && echo "$SDIST_SHA256  $tar" | sha256sum -c --status; then return; fi
  [ $offline = 0 ] || die "llama.cpp's source is not in $cache/src and --offline was given; run once with a network"
  say "downloading $SDIST (77 MB) from the Python package index"
  tmp=$(mktemp -d)
  python3 -m pip download -q --no-deps --no-binary llama-cpp-python -d "$tmp" llama-cpp-python==0.3.36 ||
    die "could not download llama-cpp-python==0.3.36 with pip; check the network and pip's configuration, then run again"
  echo "$SDIST_SHA256  $tmp/$SDIST.tar.gz" | sha256sum -c --status ||
    die "the sha256 of $SDIST.tar.gz is not $SDIST_SHA256: refused; run again, or ask whoever serves your package index"
  mv "$tmp/$SDIST.tar.gz" "$tar"
  rm -rf "$tmp"
}

build() {
  fetch
  work=$dir.work
  mkdir -p "$work" "$dir.tmp"
  [ -d "$work/src" ] || { mkdir -p "$work/src.tmp"; tar xzf "$tar" -C "$work/src.tmp" --strip-components=3 "$SDIST/vendor/llama.cpp"; mv "$work/src.tmp" "$work/src"; }
  say "building llama.cpp (about 5 minutes on 2 cores)"
  # shellcheck disable=SC2086
  cmake -S "$work/src" -B "$work/build" -G Ninja $FLAGS >"$work/cmake.log" 2>&1 || { tail -n 20 "$work/cmake.log" >&2; die "cmake failed, see $work/cmake.log"; }
  ninja -C "$work/build" llama llama-common 2>&1 | tee "$work/build.log" | grep --line-buffered -E '^\[[0-9]*[05]/|FAILED|error:' >&2 || true
  [ -f "$work/build/common/libllama-common.a" ] || { tail -n 20 "$work/build.log" >&2; die "the build failed, see $work/build.log"; }
  mkdir -p "$dir.tmp/lib" "$dir.tmp/include/common"
  find "$work/build" -name '*.a' -exec cp {} "$dir.tmp/lib/" \;
  cp "$work"/src/include/*.h "$work"/src/ggml/include/*.h "$dir.tmp/include/"
  (cd "$work/src/common" && find . -name '*.h' -o -name '*.hpp') | (cd "$work/src/common" && cpio -pdm --quiet "$dir.tmp/include/common" 2>/dev/null) ||
    (cd "$work/src/common" && find . \( -name '*.h' -o -name '*.hpp' \) -exec cp --parents {} "$dir.tmp/include/common/" \;)
  cp "$work/src/LICENSE" "$dir.tmp/LICENSE"
  rm -rf "$dir"
  mv "$dir.tmp" "$dir"
}

[ -f "$dir/lib/libllama-common.a" ] || build
if [ $server = 1 ] && [ ! -x "$dir/bin/llama-server" ]; then
  [ -d "$dir.work/build" ] || { rm -rf "$dir"; build; }
  say "building llama.cpp's server for the benchmarks (about 2 minutes)"
  ninja -C "$dir.work/build" llama-server llama-bench >"$dir.work/server.log" 2>&1 || { tail -n 20 "$dir.work/server.log" >&2; die "llama-server failed to build, see $dir.work/server.log"; }
  mkdir -p "$dir/bin"
  cp "$dir.work/build/bin/llama-server" "$dir.work/build/bin/llama-bench" "$dir/bin/"
fi
mkdir -p .deps
printf 'set(XOE_LLAMA_DIR "%s")\n' "$dir" >.deps/paths.cmake
say "llama.cpp ready in $dir"
