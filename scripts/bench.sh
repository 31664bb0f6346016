#!/usr/bin/env bash
# bench.sh [-short | PART...] | bench.sh profile: the benchmarks, on a real MySQL. -h says more.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export GOWORK=off

usage() {
  cat <<'END'
usage: bench.sh [PART...]   measure these parts, or all, and write docs/benchmarks.md, docs/benchmarks.json and docs/plots
       bench.sh -short      show that all parts run, in two minutes; nothing is written
       bench.sh -list       the parts
       bench.sh profile     write CPU and allocation profiles of the hot paths to .bin/profiles, and print the top of each

The page keeps what it says of the parts that are not measured again. The machine should have nothing else to do. A count
that is not what was promised, of statements or allocations, fails the run; a time does not.
END
}

case ${1:-} in -h | --help | help) usage; exit ;; esac
scripts/prerequisites.sh go
mkdir -p .bin
(cd integration/bench && go build -o "$root/.bin/bench" .)

case ${1:-} in
  -list) exec .bin/bench -help ;;
  -short) exec integration/engine.sh run .bin/bench -short ;;
  profile)
    rm -rf .bin/profiles
    .bin/bench -profile .bin/profiles
    for file in .bin/profiles/*.pb.gz; do
      printf '\n=== %s\n' "$file"
      case $file in
        *.cpu.pb.gz) go tool pprof -top -nodecount=15 .bin/bench "$file" 2>/dev/null ;;
        *) go tool pprof -top -nodecount=15 -sample_index=alloc_space .bin/bench "$file" 2>/dev/null ;;
      esac
    done
    ;;
  -*)
    usage >&2
    exit 2
    ;;
  '') exec integration/engine.sh run .bin/bench -out docs ;;
  *)
    parts=$(printf '%s,' "$@")
    exec integration/engine.sh run .bin/bench -out docs -only "${parts%,}"
    ;;
esac
