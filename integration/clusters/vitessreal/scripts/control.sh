#!/bin/bash
# control.sh ADDRESS: what the parts of a cluster find each other by (etcd), what carries orders out (vtctld), and what appoints primaries
# (vtorc). It ends when one of them does. ADDRESS is the container's own.
set -eu
address=$1
topology=(--topo-implementation etcd2 --topo-global-server-address "$address:2379" --topo-global-root /vitess/global)

etcd --data-dir "$VTDATAROOT/etcd" --log-level warn \
  --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls "http://$address:2379" &
until (: >"/dev/tcp/$address/2379") 2>/dev/null; do sleep 0.1; done
vtctldclient --server internal "${topology[@]}" AddCellInfo --root /vitess/cell --server-address "$address:2379" cell

vtctld "${topology[@]}" --cell cell --service-map grpc-vtctl,grpc-vtctld --port 15000 --grpc-port 15999 --log-format text &
# It looks at each tablet once a second, as its defaults would have it wait for five.
vtorc "${topology[@]}" --cell cell --port 16000 --instance-poll-time 1s --topo-information-refresh-duration 3s --log-format text &
wait -n
