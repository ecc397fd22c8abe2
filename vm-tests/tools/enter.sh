#!/bin/sh
# Runs a command with another root: enter.sh ENTRY [BIND...] -- COMMAND [ARGUMENT...]
# Start it in a mount namespace of its own. ENTRY/tree stays as it is: what the command writes to it goes to
# memory and is gone with the command. Each BIND appears at its own path. Every step is an exec, so the command
# keeps this process's ID, signals and parent-death signal.
set -eu

entry=$1
shift
stage=$entry/mount
new=$stage/new
mount -t tmpfs -o mode=0755 tools "$stage"
mkdir "$stage/upper" "$stage/work" "$new"
mount -t overlay -o "lowerdir=$entry/tree,upperdir=$stage/upper,workdir=$stage/work" tools "$new"

mount --rbind /dev "$new/dev"
mount --rbind /sys "$new/sys"
mount -t proc proc "$new/proc"
mount -t tmpfs -o mode=0755 tools "$new/run"
mount -t tmpfs -o mode=1777 tools "$new/tmp"
# Names are resolved as where we come from: `ip netns exec` gives a namespace its own files. Copies, so that a command
# which writes to them does not change where we come from.
for file in /etc/hosts /etc/resolv.conf; do
  [ ! -e "$file" ] || { rm -f "$new$file"; cp "$file" "$new$file"; }
done
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$new$1"; else mkdir -p "$new${1%/*}"; touch "$new$1"; fi
  mount --rbind "$1" "$new$1"
  shift
done
shift

directory=$(pwd)
cd "$new"
pivot_root . mnt
umount -l mnt
cd "$directory" 2>/dev/null || cd /
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec "$@"
