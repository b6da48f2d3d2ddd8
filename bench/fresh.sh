#!/bin/sh
# A fresh machine: a minimal Debian tree with only git and certificates, in which ./up --no-serve and ./check run.
# Usage (root): bench/fresh.sh [--keep] [--share-models] [FOLDER]
#   --share-models  bind this machine's model folder and pip's cache, so that nothing is fetched twice
# Package sources are those of this machine, read at run time.
set -eu
cd "$(dirname "$0")/.."
keep=0 share=0 tree=
for a in "$@"; do
  case $a in
    --keep) keep=1 ;;
    --share-models) share=1 ;;
    -*) echo "fresh.sh: unknown argument $a" >&2; exit 2 ;;
    *) tree=$a ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo "fresh.sh needs root (chroot)" >&2; exit 1; }
command -v debootstrap >/dev/null || apt-get install -y -qq debootstrap >/dev/null
tree=${tree:-$(mktemp -d "${TMPDIR:-/var/tmp}/xoe-fresh-XXXXXX")}
chmod 755 "$tree"
home=$(getent passwd 0 | cut -d: -f6)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(URI)' 'Created-By: Packages' | head -n 1 | sed 's|/dists/.*||')
echo "fresh: making $suite in $tree"
debootstrap --variant=minbase --include=git,ca-certificates "$suite" "$tree" "$mirror" >"$tree.log" 2>&1 || { tail -n 5 "$tree.log"; exit 1; }
cleanup() {
  for m in "$home/.local/share/xoe/models" /proc /dev; do umount -l "$tree$m" 2>/dev/null || true; done
  [ $keep = 1 ] || rm -rf "$tree" "$tree.log"
}
trap cleanup EXIT
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
cp /etc/resolv.conf /etc/hosts "$tree/etc/" 2>/dev/null || true
for f in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/apt.conf /etc/pip.conf /usr/local/share/ca-certificates /etc/ssl/certs "$HOME/.config/pip" "$HOME/.npmrc"; do
  [ -e "$f" ] || continue
  mkdir -p "$tree$(dirname "$f")"
  cp -rL "$f" "$tree$(dirname "$f")/" 2>/dev/null || true
done
git clone -q . "$tree$home/xoe"
if [ $share = 1 ]; then
  mkdir -p "$tree$home/.local/share/xoe/models"
  mount --bind "${XDG_DATA_HOME:-$HOME/.local/share}/xoe/models" "$tree$home/.local/share/xoe/models"
fi
run() {
  start=$(date +%s)
  env -i HOME="$home" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    $(env | grep -E '^(PIP_|https?_proxy|no_proxy|npm_config_)' | tr '\n' ' ') chroot "$tree" sh -c "cd $home/xoe && $1"
  rc=$?
  echo "fresh: $1 -> exit $rc after $(($(date +%s) - start)) s"
  return $rc
}
run "./up --no-serve"
run "./check"
