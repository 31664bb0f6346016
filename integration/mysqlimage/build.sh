#!/usr/bin/env bash
# Builds a MySQL image from Debian's own packages, for machines that reach Debian's mirrors but no container registry.
#   build.sh [TAG]           builds it (default watchword/mysql:debian); needs root on Debian, mmdebstrap and docker
#   build.sh --check [TAG]   succeeds when TAG is there and was built by these scripts as they are now
# The packages come from the mirror that this machine's apt is set up with. Only Debian's unstable suite has MySQL.
set -euo pipefail

suite=sid
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
recipe=$(cat "$here/build.sh" "$here/entrypoint.sh" | sha256sum | cut -c1-16)
label=dev.watchword.recipe

if [ "${1:-}" = --check ]; then
  built=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "${2:-watchword/mysql:debian}" 2>/dev/null) &&
    [ "$built" = "$recipe" ]
  exit
fi
tag=${1:-watchword/mysql:debian}

# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$' || true)
if [ -z "$mirror" ]; then
  echo "build.sh: apt has no Debian mirror set up to take MySQL from" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
step() { printf '%4ds %s\n' "$SECONDS" "$1" >&2; }

step "extracting MySQL from Debian $suite"
# The machine's clock may be off or its mirror a snapshot; the signatures are checked all the same.
mmdebstrap --quiet --variant=extract --mode=root --format=directory \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
  --include=base-files,bash,coreutils,gzip,mysql-server-core,mysql-client-core \
  "$suite" "$root" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror%/} $suite main" 2>"$work/log" ||
  { cat "$work/log" >&2; exit 1; }

# What a server in a test has no use for: two thirds of the image.
rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,perl,bash-completion,zsh,icons,applications} "$root"/usr/share/mysql-test \
  "$root"/usr/lib/*-linux-gnu/perl* "$root"/usr/bin/{perl*,myisam*,ibd2sdi,innochecksum,mysqlslap} \
  "$root"/var/{cache,lib/apt,lib/dpkg,log}/* "$root"/etc/apt

# The packages are extracted, not configured: what their scripts would have set up.
printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' 'mysql:x:999:999:MySQL:/var/lib/mysql:/bin/false' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'mysql:x:999:' >"$root/etc/group"
printf '%s\n' 'hosts: files dns' 'passwd: files' 'group: files' >"$root/etc/nsswitch.conf"
mkdir -p "$root"/{proc,sys,dev,tmp,root,run/mysqld,var/lib/mysql,etc/mysql/conf.d}
rm -rf "$root/var/run" && ln -s /run "$root/var/run"
[ -e "$root/usr/bin/sh" ] || ln -s bash "$root/usr/bin/sh"
chmod 1777 "$root/tmp"
cat >"$root/etc/mysql/my.cnf" <<'EOF'
[mysqld]
skip-name-resolve
bind-address = *
innodb_redo_log_capacity = 16M
innodb_numa_interleave = OFF
!includedir /etc/mysql/conf.d/
EOF
chown 999:999 "$root"/var/lib/mysql "$root"/run/mysqld
chmod 1777 "$root"/run/mysqld # as in the official image; a tmpfs that is mounted there takes it over
install -m 755 "$here/entrypoint.sh" "$root/usr/bin/docker-entrypoint.sh"

step "initialising the data directory" # once here, instead of ten seconds in every container
chroot "$root" /usr/sbin/mysqld --user=mysql --initialize-insecure --datadir=/var/lib/mysql --log-error=/tmp/init.log ||
  { cat "$root/tmp/init.log" >&2; exit 1; }
rm -f "$root/tmp/init.log" "$root/var/lib/mysql/auto.cnf" # auto.cnf: each server makes an identity of its own
mv "$root/var/lib/mysql" "$root/usr/share/mysql-seed"
install -d -o 999 -g 999 -m 750 "$root/var/lib/mysql"

step "importing $tag"
old=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
tar -C "$root" --numeric-owner --exclude='./dev/*' -cf - . | docker import \
  -c 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin' -c 'ENTRYPOINT ["/usr/bin/docker-entrypoint.sh"]' -c 'CMD ["mysqld"]' \
  -c 'EXPOSE 3306' -c "LABEL $label=$recipe" - "$tag" >/dev/null
if [ -n "$old" ]; then docker image rm "$old" >/dev/null 2>&1 || true; fi # the one it replaces, unless a container uses it
step "built $tag, $(docker image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%d MB", $1 / 1e6 }')"
