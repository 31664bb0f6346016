#!/usr/bin/env bash
# test.sh [STEP...]: the checks that `make test` makes, in order, or only those named. Stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off # each module has to stand on its own, as its consumers will have it

# Takes longer than the tests may, on a slow machine with two cores and the race detector; a hung test still ends.
timeout=15m

# Where the steps unit and integration leave their profiles for the step coverage, and what those are about.
cover=$PWD/.bin/cover
module=github.com/watchword-dev/watchword
core=$module/session,$module/session/internal/...,$module/session/memstore,$module/session/wire

# without_coverage passes go test's lines on, as they come, without what each package reached: the step coverage takes them all together.
without_coverage() { awk '{ sub(/\tcoverage: .*/, ""); print; fflush() }'; }

# in_modules COMMAND...: runs it in every module, naming the module first.
in_modules() {
  local dir
  for dir in $modules; do
    printf -- '- %s\n' "$dir"
    (cd "$dir" && "$@")
  done
}

step_prerequisites() { scripts/prerequisites.sh go cc node; }

step_fmt() {
  local files
  # shellcheck disable=SC2086 # one argument for each
  files=$(gofmt -l $modules)
  if [ -n "$files" ]; then
    printf 'not as gofmt writes it (run gofmt -w):\n%s\n' "$files" >&2
    return 1
  fi
}

step_vet() { in_modules go vet ./...; }

step_tidy() {
  in_modules go build ./...
  in_modules go mod tidy -diff
}

step_consumer() { scripts/consumer.sh; }

step_docs() { scripts/docs.sh; }

step_lint() { scripts/lint.sh; }

# Everything but integration/ needs no database, no network and no engine; in integration/bench, which is a program, the tests do not
# either. Fuzz targets run over their seeds here.
step_unit() {
  local dir profile
  mkdir -p "$cover"
  for dir in $modules; do
    if [ "$dir" = integration ]; then continue; fi
    printf -- '- %s\n' "$dir"
    profile=()
    case $dir in
      session) profile=(-coverpkg "$core" -coverprofile "$cover/session.out") ;;
      store/mysql) profile=(-coverprofile "$cover/store-mysql.out") ;;
    esac
    (cd "$dir" && go test -race -timeout "$timeout" ${profile[@]+"${profile[@]}"} ./... | without_coverage)
  done
}

# Again without the race detector, which leaves time for many more rounds of the simulator. How much memory the list of what was
# revoked takes can be measured only here: the detector needs some of its own for each entry.
step_simulator() { (cd session && go test -count=1 -timeout "$timeout" ./sessionsim/... ./internal/denylist); }

# Each target for half a minute, from what is committed. The seed has a tree that passed pass again; `make soak` tries what is new.
step_fuzz() { scripts/fuzz.sh -t 30s -s 1; }

# The TypeScript client and the demo's page: types, units and size, and a real browser against real servers.
step_browser() {
  (
    cd adapters/browser
    npm ci --no-audit --no-fund
    npm run check
    npm test
    npm run e2e
  )
  (
    cd demo/web
    npm ci --no-audit --no-fund
    npm run check
    npm run e2e
  )
}

# One package at a time: each has a MySQL server of its own, and the machine may be small.
step_integration() {
  mkdir -p "$cover"
  (cd integration && ./engine.sh run go test -race -count=1 -p 1 -timeout "$timeout" \
    -coverpkg "$core,$module/store/mysql" -coverprofile "$cover/integration.out" ./... | without_coverage)
}

# All benchmarks, so briefly that the figures mean nothing: they run, and counts of statements and allocations are what was promised.
step_bench() { scripts/bench.sh -short; }

# What the tests of the steps unit and integration reached of the core and of the store, and what they did not.
step_coverage() { scripts/coverage.sh "$cover"/{session,store-mysql,integration}.out; }

title() {
  case $1 in
    prerequisites) echo 'what is needed is there' ;;
    fmt) echo 'gofmt' ;;
    vet) echo 'go vet' ;;
    tidy) echo 'every module builds alone, go.mod is tidy' ;;
    consumer) echo 'what a consumer of single modules downloads' ;;
    docs) echo 'what the documentation points at is there' ;;
    lint) echo 'golangci-lint' ;;
    unit) echo 'tests, race detector on' ;;
    browser) echo 'the TypeScript client and the demo, in Node and in a browser' ;;
    simulator) echo 'session simulator at full size, memory of the denylist; race detector off' ;;
    fuzz) echo 'each fuzz target for half a minute' ;;
    integration) echo 'integration tests on MySQL, race detector on' ;;
    bench) echo 'the benchmarks run, and count what was promised' ;;
    coverage) echo 'statement coverage of session/ and store/mysql' ;;
    *) return 1 ;;
  esac
}

if [ $# = 0 ]; then set -- prerequisites fmt vet tidy consumer docs lint unit simulator fuzz browser integration bench coverage; fi
for step in "$@"; do
  title "$step" >/dev/null || { echo "test.sh: there is no step $step" >&2; exit 2; }
done

scripts/prerequisites.sh go
modules=$(scripts/modules.sh)
summary=
for step in "$@"; do
  printf '\n=== %s: %s\n' "$step" "$(title "$step")"
  began=$SECONDS
  set +e
  (set -e && "step_$step") # not `|| code=$?`, which would switch -e off inside
  code=$?
  set -e
  took=$((SECONDS - began))
  line=$(printf '%-14s %4d s  %s' "$step" "$took" "$(if [ "$code" = 0 ]; then echo ok; else echo FAILED; fi)")
  summary="$summary$line"$'\n'
  if [ "$code" != 0 ]; then break; fi
  printf '=== %s: ok, %d s\n' "$step" "$took"
done

printf '\n%s%-14s %4d s\n' "$summary" total "$SECONDS"
if [ "$code" != 0 ]; then
  echo "test.sh: the step \"$step\" failed; \`scripts/test.sh $step\` runs it alone" >&2
  exit 1
fi
