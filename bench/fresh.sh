#!/bin/sh
# A fresh machine: a minimal Debian tree with only git and certificates, in which ./up --no-serve and then ./check run
# on the last commit. Prints the time and result of each; exit status 0 when both succeed.
# Package sources and the settings of pip and npm are those of this machine, read at run time. All mounts live in a
# namespace of their own, so that what is left behind when this script is killed is plain files.
set -eu
cd "$(dirname "$0")/.."

usage() {
  cat <<'HELP'
Usage: bench/fresh.sh [--keep] [--share-models] [--suite NAME] [--run COMMAND] [FOLDER]      (as root)

  --keep           leave the tree; run it again with the same FOLDER to go on in it
  --share-models   use this machine's model folder instead of fetching models again
  --suite NAME     Debian or Ubuntu release [this machine's]; must be among its package sources
  --run COMMAND    run this there instead of ./up --no-serve and ./check
  FOLDER           where the tree goes [a temporary one]

Examples
  bench/fresh.sh
  bench/fresh.sh --keep --share-models /var/tmp/fresh
  bench/fresh.sh --run './check quick'
HELP
}

keep=0 share=0 tree= command= suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=1 ;;
    --share-models) share=1 ;;
    --suite | --run)
      [ $# -ge 2 ] || { echo "fresh.sh: $1 needs a value" >&2; exit 2; }
      if [ "$1" = --suite ]; then suite=$2; else command=$2; fi
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    -*) echo "fresh.sh: unknown argument $1; try --help" >&2; exit 2 ;;
    *) tree=$1 ;;
  esac
  shift
done
die() {
  echo "fresh: $*" >&2
  exit 1
}
[ "$(id -u)" = 0 ] || die "needs root (chroot)"
command -v debootstrap >/dev/null 2>&1 || apt-get install -y -qq debootstrap >/dev/null || die "debootstrap could not be installed"

tree=${tree:-$(mktemp -d "${TMPDIR:-/var/tmp}/xoe-fresh-XXXXXX")}
mkdir -p "$tree"
chmod 755 "$tree"
tree=$(cd "$tree" && pwd)
home=$(getent passwd 0 | cut -d: -f6)

make_tree() {
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$suite //p" | head -n 1)
  [ -n "$mirror" ] || die "no package source of this machine has $suite; run apt-get update, or name another --suite"
  echo "fresh: making $suite in $tree"
  debootstrap --variant=minbase --include=git,ca-certificates "$suite" "$tree" "$mirror" >"$tree.log" 2>&1 ||
    { tail -n 5 "$tree.log" >&2; die "debootstrap failed, see $tree.log"; }
  for f in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf /etc/apt/apt.conf.d /etc/pip.conf /etc/npmrc \
    /usr/local/share/ca-certificates /etc/ssl/certs "$HOME/.config/pip" "$HOME/.pip" "$HOME/.npmrc"; do
    [ -e "$f" ] || continue
    case $f in
      "$HOME"/*) to=$tree$home/${f#"$HOME"/} ;;
      *) to=$tree$f ;;
    esac
    mkdir -p "$(dirname "$to")"
    cp -rL "$f" "$(dirname "$to")/" 2>/dev/null || true # a dangling link is no reason to stop
  done
}

[ -x "$tree/usr/bin/git" ] || make_tree
cp /etc/resolv.conf /etc/hosts "$tree/etc/" 2>/dev/null || true
[ -d "$tree$home/xoe/.git" ] || git clone -q --no-hardlinks . "$tree$home/xoe"
models=
if [ $share = 1 ]; then
  models=${XOE_MODELS_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/xoe/models}
  [ -d "$models" ] || die "there is no model folder $models to share"
fi

# inside: $1 tree, $2 home there, $3 model folder or "", $4 command
enter='set -eu
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
if [ -n "$3" ]; then
  mkdir -p "$1$2/.local/share/xoe/models"
  mount --bind "$3" "$1$2/.local/share/xoe/models"
fi
for v in $(env | sed -n "s/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p"); do
  case $v in
    PIP_FIND_LINKS) unset "$v" ;; # a folder that is not there
    PIP_* | npm_config_* | NODE_EXTRA_CA_CERTS | http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY) ;;
    *) unset "$v" ;;
  esac
done
export HOME="$2" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec chroot "$1" sh -c "cd $2/xoe && $4"'

run() {
  start=$(date +%s)
  rc=0
  PATH=$PATH unshare --mount --propagation private sh -c "$enter" sh "$tree" "$home" "$models" "$1" || rc=$?
  echo "fresh: $1: exit $rc after $(($(date +%s) - start)) s"
  [ $rc = 0 ] || failed=1
}

failed=0
if [ -n "$command" ]; then
  run "$command"
else
  run "./up --no-serve"
  [ $failed = 1 ] || run ./check
fi
if [ $keep = 1 ]; then echo "fresh: the tree is in $tree"; else rm -rf --one-file-system "$tree" "$tree.log"; fi
exit $failed
