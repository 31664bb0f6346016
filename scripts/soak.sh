#!/usr/bin/env bash
# soak.sh [PART...]: the long forms of the tests whose short forms `make test` runs. -h says how long each takes.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off

usage() {
  cat <<'END'
usage: soak.sh [PART...]

Runs the parts named, one after another, or all of them, and goes on when one fails. On two cores it takes about three hours.

  faults      every operation under every fault, three times over                      6 min
  histories   8 processes x 16 clients for 60 s under random faults, three times       6 min
  soak        15 minutes at full load, mysqld killed every 30 s                       16 min
  abuse       floods, garbage, slow clients: 15 s each, in three pairs of windows     15 min
  pools       the suites on MySQL, and the demo, with pools of one connection         10 min
  simulator   100,000 runs of the session simulator                                   15 min
  fuzz        10 minutes for each fuzz target, one a core                             90 min

The machine should have nothing else to do: soak and abuse hold it to figures.
END
}

# on_mysql PACKAGE ARGUMENTS...: a package of integration/ with its tests' own flags.
on_mysql() {
  local package=$1
  shift
  (cd integration && ./engine.sh run go test -count=1 -v -timeout 60m "./$package" -args "$@")
}

part_faults() { (cd integration && ./engine.sh run go test -race -count=3 -timeout 60m ./faults); }
part_histories() { for _ in 1 2 3; do on_mysql histories -duration=60s -processes=8 -clients=16 || return 1; done; }
part_soak() {
  local direct=
  if [ "$(uname)" = Linux ]; then direct=-direct; fi # without the engine's proxy, which is a part of the load elsewhere
  on_mysql soak -duration=15m -kill-every=30s -recovery=2s ${direct:+"$direct"}
}
part_abuse() { on_mysql abuse -duration=15s -pairs=3 -share=0.8 -kids=100000; }
part_pools() {
  (cd integration && WATCHWORD_TEST_MAX_CONNS=1 ./engine.sh run go test -count=1 -p 1 -timeout 30m ./store ./flows ./faults)
}
part_simulator() { (cd session && go test -count=1 -v -timeout 120m ./sessionsim -args -total=100000); }
part_fuzz() { scripts/fuzz.sh -t 10m; }

parts="faults histories soak abuse pools simulator fuzz"
case ${1:-} in -h | --help | help) usage; exit ;; esac
if [ $# = 0 ]; then
  # shellcheck disable=SC2086 # one argument for each
  set -- $parts
fi
for part in "$@"; do
  case " $parts " in *" $part "*) ;; *) usage >&2; exit 2 ;; esac
done

scripts/prerequisites.sh go cc
summary='' failed=
for part in "$@"; do
  printf '\n=== %s\n' "$part"
  began=$SECONDS
  if "part_$part"; then result=ok; else result=FAILED failed=1; fi
  summary="$summary$(printf '%-10s %5d s  %s' "$part" "$((SECONDS - began))" "$result")"$'\n'
done
printf '\n%s' "$summary"
if [ -n "$failed" ]; then exit 1; fi
