#!/usr/bin/env bash
# Builds an image of MariaDB with Galera from Debian's own packages, for machines that reach Debian's mirrors but no container registry.
#   build.sh [TAG]           builds it (default watchword/galera:debian); needs root on Debian, mmdebstrap and docker
#   build.sh --check [TAG]   succeeds when TAG is there and was built by these scripts as they are now
# The packages come from the mirror that this machine's apt is set up with.
set -euo pipefail

suite=bookworm
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
recipe=$(cat "$here/build.sh" "$here/entrypoint.sh" | sha256sum | cut -c1-16)
label=dev.watchword.recipe
password=watchword-test # of root, from everywhere: the containers' ports are published on loopback only

if [ "${1:-}" = --check ]; then
  built=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "${2:-watchword/galera:debian}" 2>/dev/null) &&
    [ "$built" = "$recipe" ]
  exit
fi
tag=${1:-watchword/galera:debian}

# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$' || true)
if [ -z "$mirror" ]; then
  echo "build.sh: apt has no Debian mirror set up to take MariaDB from" >&2
  exit 1
fi

work=$(mktemp -d)
server= # of the seeding below
root=$work/root
cleanup() {
  if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap cleanup EXIT
step() { printf '%4ds %s\n' "$SECONDS" "$1" >&2; }

step "extracting MariaDB and Galera from Debian $suite"
# The machine's clock may be off or its mirror a snapshot; the signatures are checked all the same. From hostname on: what the scripts call
# that copy a node's data to another.
mmdebstrap --quiet --variant=extract --mode=root --format=directory \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
  --include=base-files,bash,dash,coreutils,mariadb-server,mariadb-client,galera-4,mariadb-backup,rsync,socat,iproute2,hostname,sed,grep,mawk,findutils,procps,util-linux,tar,gzip,debianutils,lsof \
  "$suite" "$root" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror%/} $suite main" 2>"$work/log" ||
  { cat "$work/log" >&2; exit 1; }

# What a server in a test has no use for.
rm -rf "$root"/usr/share/{doc,man,locale,info,lintian,perl,bash-completion,zsh,icons,applications} "$root"/usr/share/mysql/mysql-test \
  "$root"/usr/lib/*-linux-gnu/perl* "$root"/usr/bin/{perl*,myisam*,aria_*,sst_dump,mariadb-ldb,mysqlslap,mariadb-slap} \
  "$root"/var/{cache,lib/apt,lib/dpkg,log}/* "$root"/etc/{apt,mysql,init.d,systemd}

# The packages are extracted, not configured: what their scripts would have set up.
printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' 'mysql:x:999:999:MariaDB:/var/lib/mysql:/bin/false' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'mysql:x:999:' >"$root/etc/group"
printf '%s\n' 'hosts: files dns' 'passwd: files' 'group: files' >"$root/etc/nsswitch.conf"
mkdir -p "$root"/{proc,sys,dev,tmp,root,run/mysqld,var/lib/mysql,etc/mysql/conf.d}
rm -rf "$root/var/run" && ln -s /run "$root/var/run"
for pair in sh:dash awk:mawk; do
  [ -e "$root/usr/bin/${pair%:*}" ] || [ -e "$root/bin/${pair%:*}" ] || ln -s "${pair#*:}" "$root/usr/bin/${pair%:*}"
done
chmod 1777 "$root/tmp"
cat >"$root/etc/mysql/my.cnf" <<'MY'
[mysqld]
bind-address = 0.0.0.0
skip-name-resolve
innodb_log_file_size = 32M
!includedir /etc/mysql/conf.d/
MY
chown 999:999 "$root"/var/lib/mysql "$root"/run/mysqld
install -m 755 "$here/entrypoint.sh" "$root/usr/bin/docker-entrypoint.sh"

step "initialising the data directory" # once here, instead of in every container
chroot "$root" mariadb-install-db --no-defaults --user=mysql --datadir=/var/lib/mysql --skip-test-db --force --innodb-log-file-size=32M \
  --auth-root-authentication-method=normal >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
# A cluster of one makes the account and leaves a position in the cluster's history behind. Nodes that begin with this directory know that they
# have the same data, so that none has to copy another's.
chroot "$root" mariadbd --no-defaults --user=mysql --datadir=/var/lib/mysql --socket=/run/mysqld/seed.sock --skip-networking \
  --log-error=/tmp/seed.log --binlog-format=ROW --innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-cluster-name=watchword \
  --wsrep-provider=/usr/lib/galera/libgalera_smm.so --wsrep-cluster-address=gcomm:// --wsrep-new-cluster --innodb-log-file-size=32M \
  --wsrep-node-address=127.0.0.1 \
  --wsrep-provider-options='gmcast.listen_addr=tcp://127.0.0.1:0;gcache.size=8M' >/dev/null 2>&1 &
server=$!
sql() { chroot "$root" mariadb --no-defaults --user=root --socket=/run/mysqld/seed.sock --execute="$1"; }
for tries in $(seq 300); do
  if sql 'SELECT 1' >/dev/null 2>&1; then break; fi
  if ! kill -0 "$server" 2>/dev/null || [ "$tries" = 300 ]; then
    tail -n 20 "$root/tmp/seed.log" >&2
    exit 1
  fi
  sleep 0.1
done
sql "CREATE USER root@'%' IDENTIFIED BY '$password'; GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION; ALTER USER root@localhost IDENTIFIED BY '$password'"
kill "$server"
wait "$server" || true
server=
grep -q '^seqno: *[1-9]' "$root/var/lib/mysql/grastate.dat" || { echo "build.sh: the seed has no position" >&2; tail -n 20 "$root/tmp/seed.log" >&2; exit 1; }
rm -f "$root/tmp/seed.log" "$root"/var/lib/mysql/{galera.cache,gvwstate.dat}
mv "$root/var/lib/mysql" "$root/usr/share/mysql-seed"
install -d -o 999 -g 999 -m 750 "$root/var/lib/mysql"

step "importing $tag"
old=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
tar -C "$root" --numeric-owner --exclude='./dev/*' -cf - . | docker import \
  -c 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin' -c 'ENTRYPOINT ["/usr/bin/docker-entrypoint.sh"]' -c 'CMD ["mariadbd"]' \
  -c 'EXPOSE 3306' -c "LABEL $label=$recipe" - "$tag" >/dev/null
if [ -n "$old" ]; then docker image rm "$old" >/dev/null 2>&1 || true; fi # the one it replaces, unless a container uses it
step "built $tag, $(docker image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%d MB", $1 / 1e6 }')"
