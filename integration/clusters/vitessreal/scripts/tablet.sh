#!/bin/bash
# tablet.sh CONTROL ADDRESS UID KEYSPACE SHARD: mysqld, and the vttablet before it. The container ends with vttablet, and lives on without mysqld.
# CONTROL and ADDRESS are the addresses of the cluster's control and of the container.
set -eu
control=$1 address=$2 uid=$3 keyspace=$4 shard=$5
printf -v dir '%s/vt_%010d' "$VTDATAROOT" "$uid"
printf -v alias 'cell-%010d' "$uid"

# A former primary that was killed begins anew, from the binary logs of the present one: it may have written what it acknowledged to nobody
# and no other has, and with that it may not follow. So does whoever is told to.
if [ -d "$dir" ]; then
  order=(vtctldclient --server "$control:15999" --action-timeout 10s)
  own=$("${order[@]}" GetTablet "$alias") || own=unknown
  record=$("${order[@]}" GetShard "$keyspace/$shard") || record=unknown
  former=
  if [[ $own =~ \"type\":[[:space:]]*\"PRIMARY\" ]] && [ "$record" != unknown ] && ! [[ $record =~ \"uid\":[[:space:]]*${uid}[^0-9] ]]; then
    former=yes
  fi
  if [ -n "$former" ] || [ -e "$VTDATAROOT/anew" ]; then rm -rf "$dir" "$VTDATAROOT/anew"; fi
fi
if [ -d "$dir" ]; then
  rm -f "$dir"/mysql.sock* "$dir"/mysql.pid # they name processes of the container's life before
  action=start
else
  action=init
fi
EXTRA_MY_CNF=/vt/watchword.cnf mysqlctl --tablet-uid "$uid" --mysql-port 3306 --log-format text "$action"

vttablet --topo-implementation etcd2 --topo-global-server-address "$control:2379" --topo-global-root /vitess/global \
  --tablet-path "$alias" --tablet-hostname "$address" --init-keyspace "$keyspace" --init-shard="$shard" --init-tablet-type replica \
  --port 15100 --grpc-port 16100 --service-map grpc-queryservice,grpc-tabletmanager,grpc-updatestream \
  --health-check-interval 1s --shard-sync-retry-delay 1s --log-format text &
wait "$!"
