#!/usr/bin/env bash
# Builds an image of Vitess, for machines that reach Debian's mirrors and Go modules but no container registry: vttestserver, the programs
# of a cluster, MySQL, and etcd. It has the layout of Vitess's own images: /vt/bin, /vt/config, VTROOT, VTDATAROOT.
#   build.sh [TAG]           builds it (default watchword/vitess:debian); needs root on Debian, Go, mmdebstrap and docker
#   build.sh --check [TAG]   succeeds when TAG is there and was built by these files as they are now
# vitess.mod and vitess.sum pin the version; they do not have the names go.mod and go.sum so that they are no module of this repository.
set -euo pipefail

suite=sid
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
recipe=$(cat "$here/build.sh" "$here/vitess.mod" "$here/vitess.sum" | sha256sum | cut -c1-16)
label=dev.watchword.recipe

if [ "${1:-}" = --check ]; then
  built=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "${2:-watchword/vitess:debian}" 2>/dev/null) &&
    [ "$built" = "$recipe" ]
  exit
fi
tag=${1:-watchword/vitess:debian}

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

step "building Vitess; without a build cache this takes several minutes"
mkdir "$work/module"
cp "$here/vitess.mod" "$work/module/go.mod"
cp "$here/vitess.sum" "$work/module/go.sum"
(
  cd "$work/module"
  export GOWORK=off CGO_ENABLED=0
  go build -trimpath -ldflags='-s -w' -o "$work/bin/" \
    vitess.io/vitess/go/cmd/{mysqlctl,vtcombo,vtctld,vtctldclient,vtgate,vtorc,vttablet,vttestserver}
  cp -r "$(go list -m -f '{{.Dir}}' vitess.io/vitess)/config" "$work/config"
)
chmod -R u+w "$work/config"

step "extracting MySQL and etcd from Debian $suite"
# The machine's clock may be off or its mirror a snapshot; the signatures are checked all the same.
mmdebstrap --quiet --variant=extract --mode=root --format=directory \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
  --include=base-files,bash,coreutils,sed,grep,mysql-server-core,mysql-client-core,etcd-server \
  "$suite" "$root" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror%/} $suite main" 2>"$work/log" ||
  { cat "$work/log" >&2; exit 1; }

# What a server in a test has no use for: two thirds of the image.
rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,perl,bash-completion,zsh,icons,applications} "$root"/usr/share/mysql-test \
  "$root"/usr/lib/*-linux-gnu/perl* "$root"/usr/bin/{perl*,myisam*,ibd2sdi,innochecksum,mysqlslap} \
  "$root"/var/{cache,lib/apt,lib/dpkg,log}/* "$root"/etc/apt

# The packages are extracted, not configured: what their scripts would have set up.
printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' 'vitess:x:999:999:Vitess:/vt:/bin/bash' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'vitess:x:999:' >"$root/etc/group"
printf '%s\n' 'hosts: files dns' 'passwd: files' 'group: files' >"$root/etc/nsswitch.conf"
mkdir -p "$root"/{proc,sys,dev,tmp,root,run,etc/mysql,vt/bin,vt/vtdataroot,vt/schema}
rm -rf "$root/var/run" && ln -s /run "$root/var/run"
[ -e "$root/usr/bin/sh" ] || ln -s bash "$root/usr/bin/sh"
chmod 1777 "$root/tmp"

install -m 755 "$work"/bin/* "$root/vt/bin/"
cp -r "$work/config" "$root/vt/config"
# Vitess's settings are for MySQL 8.0 and 8.4; 9.7 has these two by their later names alone.
sed -i -E 's/^(loose[-_])?innodb[-_]log[-_]file[-_]size/innodb_redo_log_capacity/; s/^slave[-_]net[-_]timeout/replica_net_timeout/' \
  "$root"/vt/config/mycnf/*.cnf
chown -R 999:999 "$root/vt/vtdataroot"

step "importing $tag"
old=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
tar -C "$root" --numeric-owner --exclude='./dev/*' -cf - . | docker import \
  -c 'ENV PATH=/vt/bin:/usr/sbin:/usr/bin:/sbin:/bin' -c 'ENV VTROOT=/vt' -c 'ENV VTDATAROOT=/vt/vtdataroot' \
  -c 'ENV VT_MYSQL_ROOT=/usr' -c 'ENV HOME=/tmp' -c 'ENV USER=vitess' -c 'USER 999' -c 'CMD ["/vt/bin/vttestserver"]' \
  -c "LABEL $label=$recipe" - "$tag" >/dev/null
if [ -n "$old" ]; then docker image rm "$old" >/dev/null 2>&1 || true; fi # the one it replaces, unless a container uses it
step "built $tag, $(docker image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%d MB", $1 / 1e6 }')"
