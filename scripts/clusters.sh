#!/usr/bin/env bash
# clusters.sh [KIND...]: the tests that need a cluster of databases, each on a cluster that is brought up for it. -h says which there are.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export GOWORK=off

kinds="galera group-replication vitess vitess-shards"

usage() {
  cat <<'END'
usage: clusters.sh [KIND...]

Brings up a cluster of each kind, or of those named, in containers; runs on it the contract of the store, the flows over HTTP, and what the
cluster has tests for of its own; and takes it down. It goes on when a kind fails.

  galera              three nodes of MariaDB with Galera, which all take writes
  group-replication   three MySQL servers in a group, behind a router that finds the primary
  vitess              vtgate before a keyspace of two shards and one that is not sharded
  vitess-shards       the same with etcd, vtctld, vtorc, and a primary with two replicas for each shard, to be broken

Output is kept in .bin/clusters/KIND.log. The first run builds images: on Debian, as root, that needs nothing else; elsewhere the variables
that `.bin/clusters-run --help` and a failure name say which images to take.
END
}

# suites KIND: what runs on a cluster that is up, which the environment names.
suites() {
  local failed=0
  step() {
    printf '\n--- %s\n' "$*"
    "$@" || failed=1
  }
  cd integration
  case $1 in
    vitess | vitess-shards)
      # Its keyspaces are fixed, and package vitess runs the contract. Of the flows one needs two databases, and three look at mysqld itself,
      # where they would meet the statements and connections of Vitess's own.
      step go test -count=1 -timeout 20m \
        -skip '^(TestBadTokens|TestVerificationAsksTheServerNothing|TestStatementsOfAttempts|TestLimitsWithoutTheDatabase)$' ./flows
      ;;
    *)
      step go test -count=1 -timeout 20m ./store
      step go test -count=1 -timeout 20m ./flows
      step go test -count=1 -v -timeout 20m -run 'TestHistories$' ./histories -args -duration=60s
      ;;
  esac
  cd clusters
  case $1 in
    group-replication) step go test -count=1 -v -tags clusters -timeout 30m ./groupreplication ;;
    vitess-shards)
      # What a shard is asked is counted where one mysqld has all of them.
      step go test -count=1 -v -tags clusters -timeout 30m -skip '^TestCapacityOf' ./vitess
      step go test -count=1 -v -tags clusters -timeout 60m ./vitessreal
      ;;
    *) step go test -count=1 -v -tags clusters -timeout 30m "./$1" ;;
  esac
  return "$failed"
}

case ${1:-} in
  -h | --help | help) usage; exit ;;
  --suites) suites "$2"; exit ;;
esac
if [ $# = 0 ]; then
  # shellcheck disable=SC2086 # one argument for each
  set -- $kinds
fi
for kind in "$@"; do
  case " $kinds " in *" $kind "*) ;; *) usage >&2; exit 2 ;; esac
done

scripts/prerequisites.sh go cc
mkdir -p .bin/clusters
(cd integration/clusters && go build -o "$root/.bin/clusters-run" .)
summary='' failed=
for kind in "$@"; do
  printf '\n=== %s\n' "$kind"
  began=$SECONDS
  if integration/engine.sh run .bin/clusters-run run "$kind" scripts/clusters.sh --suites "$kind" 2>&1 | tee ".bin/clusters/$kind.log"; then
    result=ok
  else
    result=FAILED failed=1
  fi
  summary="$summary$(printf '%-18s %5d s  %s' "$kind" "$((SECONDS - began))" "$result")"$'\n'
done
printf '\n%s' "$summary"
if [ -n "$failed" ]; then exit 1; fi
