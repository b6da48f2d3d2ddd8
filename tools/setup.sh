# Set-up that ./up and ./check share. POSIX sh, to be sourced from the root of the repository.
# Every step looks first whether there is anything to do.

: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
XOE_CACHE=${XOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xoe}
export HOME XOE_CACHE
offline=${offline:-0}
mkdir -p "$XOE_CACHE"

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$0: $*"
  exit 1
}

# Run as root: directly, or with sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo -- "$@"
  else
    return 127
  fi
}

installed() { # PACKAGE, or cmd:NAME for a command from anywhere
  case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 ;;
    *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  esac
}

# Of "a|b" the one that is there, else the first that apt can have, else the last.
pick() {
  alternatives=$(printf '%s' "$1" | tr '|' ' ')
  for alternative in $alternatives; do
    if installed "$alternative"; then
      echo "$alternative"
      return
    fi
  done
  for alternative in $alternatives; do
    case $alternative in
      cmd:*) continue ;;
    esac
    if apt-cache show "$alternative" >/dev/null 2>&1; then
      echo "$alternative"
      return
    fi
  done
  echo "${1##*|}"
}

missing_packages() { # FILE…: the packages that are not installed, on one line
  missing=
  for package in $(cat "$@"); do
    name=$(pick "$package")
    installed "$name" || missing="$missing $name"
  done
  echo "$missing"
}

system_packages() { # FILE…
  if ! command -v apt-get >/dev/null 2>&1; then
    say "No apt-get here: install these yourself, under the names of your system: $(cat "$@" | tr '\n' ' ')"
    return 0
  fi
  wanted=$(missing_packages "$@")
  if [ -z "$wanted" ]; then
    say "System packages: all installed"
    return 0
  fi
  [ "$offline" = 0 ] || die "system packages are missing and --offline was given. Missing:$wanted. Run once without --offline."
  say "System packages: installing$wanted"
  log=$(mktemp)
  options="-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3"
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get $options update >"$log" 2>&1 ||
    {
      tail -n 5 "$log" >&2
      die "apt-get update failed (needs root or sudo, and a reachable package mirror). To be installed:$wanted"
    }
  wanted=$(missing_packages "$@") # names are known only now on a fresh machine
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get $options install -y --no-install-recommends $wanted >"$log" 2>&1 ||
    {
      tail -n 15 "$log" >&2
      die "apt-get could not install:$wanted. Install them by hand and run $0 again."
    }
  rm -f "$log"
}

# A Python environment for pip: the system's own is often closed ("externally managed").
python_environment() {
  XOE_PYTHON=$XOE_CACHE/venv/bin/python
  export XOE_PYTHON
  stamp=$XOE_CACHE/venv/.requirements
  if [ -x "$XOE_PYTHON" ] && cmp -s tools/requirements.txt "$stamp" && "$XOE_PYTHON" -c 'import numpy, pip' 2>/dev/null; then
    say "Python environment: ready"
    return 0
  fi
  [ "$offline" = 0 ] || {
    say "Python environment: not there and --offline was given; going on without"
    unset XOE_PYTHON
    return 0
  }
  say "Python environment: making $XOE_CACHE/venv"
  rm -rf "$XOE_CACHE/venv"
  system_python=/usr/bin/python3
  [ -x "$system_python" ] || system_python=python3
  "$system_python" -m venv "$XOE_CACHE/venv" || die "python3 cannot make a virtual environment: install python3-venv"
  "$XOE_PYTHON" -m pip install -q --disable-pip-version-check -r tools/requirements.txt ||
    die "pip could not install tools/requirements.txt from the Python package index; check the network and pip's configuration, then run $0 again"
  cp tools/requirements.txt "$stamp"
}

dependencies() {
  if [ "$offline" = 1 ]; then tools/deps.sh --offline; else tools/deps.sh; fi
}

# Jobs for ninja: all cores, but a gigabyte of memory each.
jobs() {
  cores=$(nproc)
  gigabytes=$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  if [ "$gigabytes" -ge 1 ] && [ "$gigabytes" -lt "$cores" ]; then echo "$gigabytes"; else echo "$cores"; fi
}

build() { # PRESET FOLDER
  build_log=$XOE_CACHE/build-$1.log
  cmake --preset "$1" >"$build_log" 2>&1 || {
    tail -n 25 "$build_log" >&2
    die "cmake --preset $1 failed, see $build_log"
  }
  ninja -C "$2" -j "$(jobs)" >>"$build_log" 2>&1 || {
    grep -E -A6 'FAILED|error:' "$build_log" | head -n 40 >&2
    die "the build in $2 failed, see $build_log"
  }
}

base_setup() { # FILE… of packages
  system_packages "$@"
  python_environment
  dependencies
}
