#!/bin/bash
# Runs mariadbd as a node of a Galera cluster: with an empty data directory as a node that is new, with WATCHWORD_BOOTSTRAP=1 as the first
# one of all; and otherwise as one that comes back.
set -eu
data=/var/lib/mysql run=/run/mysqld state=/var/lib/mysql/grastate.dat

# As in the official image: nothing, or a leading dash, means mariadbd with those options.
if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then set -- mariadbd "$@"; fi
if [ "$1" != mariadbd ]; then exec "$@"; fi
shift

mkdir -p "$run"
chown mysql:mysql "$run"
rm -f "$run"/*
args=(--user=mysql --datadir="$data" --socket="$run/mysqld.sock" --pid-file="$run/mysqld.pid")

if [ ! -d "$data/mysql" ]; then
  cp -a --sparse=always /usr/share/mysql-seed/. "$data/"
  bootstrap=0
  if [ "${WATCHWORD_BOOTSTRAP:-}" = 1 ]; then bootstrap=1; fi
  sed -i "s/^safe_to_bootstrap:.*/safe_to_bootstrap: $bootstrap/" "$state"
fi

# The node that left the cluster last when all were shut down is marked so, and has everything: it begins the cluster anew. After a crash of
# all nodes none is marked. Then each has written down whom it last saw, and they find each other by that.
if [ ! -e "$data/gvwstate.dat" ] && grep -q '^safe_to_bootstrap: *1' "$state"; then
  args+=(--wsrep-new-cluster)
elif grep -q '^seqno: *-1' "$state"; then
  # It crashed. InnoDB knows how far it had come, and so only what it missed needs to be sent to it.
  log=$(mktemp)
  chown mysql:mysql "$log"
  mariadbd "${args[@]}" "$@" --wsrep-recover --log-error="$log" || { cat "$log" >&2; exit 1; }
  position=$(sed -n 's/.*WSREP: Recovered position: *//p' "$log" | tail -n 1)
  rm -f "$log"
  if [ -n "$position" ]; then args+=(--wsrep-start-position="$position"); fi
fi
exec mariadbd "${args[@]}" "$@"
