#!/usr/bin/env bash
# fuzz.sh [-t TIME] [-j JOBS] [-s SEED] [-l] [PACKAGE_OR_TARGET...]: fuzzes every target of every module, or those named, for TIME each.
# Fails where one fails, and where corpora and targets do not match. -h says more.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
export GOWORK=off # each module has to stand on its own, as its consumers will have it

# How much longer than TIME one target may take: to run its corpus and to put a failing input into few bytes. Nothing hangs for ever.
slack=90
# How many tries are spent on making an input shorter: Go's default of a minute, for each input that is new, would be all of TIME.
shorten=300x

die() { printf 'fuzz.sh: %s\n' "$*" >&2; exit 2; }

usage() {
  cat <<'END'
usage: fuzz.sh [-t TIME] [-j JOBS] [-s SEED] [-l] [PACKAGE_OR_TARGET...]

Fuzzes every target of every module, or those named: a target (FuzzOpen), a directory (session/wire), or both
(session/wire:FuzzHeaders). Several run at once, each on one core.

  -t TIME  how long for each: 30s (the default), 10m, 2h
  -j JOBS  how many at once; default: one for each core
  -s SEED  a number that the mutations are drawn from; default: others each time. With one, a machine tries much the same each time
  -l       only list the targets, and check that corpora and targets match
  -h       this

A failing input is left in testdata/fuzz/TARGET, to be given a name and committed: go test runs it from then on. What a run finds
interesting beside is thrown away with it, so that every run begins with the corpora of the repository.
END
}

# targets prints "directory target" for every one there is, relative to the repository.
targets() {
  grep -rE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]*\(' . |
    sed -E 's|^\./(.*)/[^/]*_test\.go:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' | sort
}

# corpora prints the same for every directory of seeds that has any.
corpora() {
  find . -name node_modules -prune -o -type f -path '*/testdata/fuzz/*/*' -print |
    sed -E 's|^\./(.*)/testdata/fuzz/([^/]*)/[^/]*$|\1 \2|' | sort -u
}

# matching refuses seeds of a target that is not there (any more), and targets without seeds.
matching() {
  local stale bare
  stale=$(comm -13 <(targets) <(corpora))
  bare=$(comm -23 <(targets) <(corpora))
  if [ -n "$stale" ]; then printf 'seeds for a target that is not there: %s\n' "${stale/ //testdata/fuzz/}" >&2; fi
  if [ -n "$bare" ]; then printf 'a target without committed seeds: %s\n' "$bare" >&2; fi
  [ -z "$stale$bare" ]
}

# wanted reports whether one of the arguments names a target.
wanted() {
  local dir=$1 target=$2 name
  shift 2
  if [ $# = 0 ]; then return 0; fi
  for name in "$@"; do
    name=${name#./}
    case "$target" in "$name") return 0 ;; esac
    case "$dir:$target" in "${name%/}":* | "$name" | "${name%/}"/*) return 0 ;; esac
  done
  return 1
}

# seconds turns 30s, 10m or 2h into a number.
seconds() {
  case $1 in
    *[!0-9smh]* | [smh]* | *[smh]?*) die "-t $1: it must be a number of s, m or h, such as 30s" ;;
    *s) echo "${1%s}" ;;
    *m) echo $((${1%m} * 60)) ;;
    *h) echo $((${1%h} * 3600)) ;;
    *) die "-t $1: it must be a number of s, m or h, such as 30s" ;;
  esac
}

# one DIRECTORY TARGET: fuzzes it with the binary that was built, and prints its line, or what has failed.
one() {
  local dir=$1 target=$2 log limit code=0 began=$SECONDS last execs new note=ok
  log=$work/$(printf '%s' "$dir" | tr / _).$target.log
  limit=$(command -v timeout || command -v gtimeout || true)
  (
    cd "$dir"
    # shellcheck disable=SC2086 # the limit is a command with its arguments, or nothing
    GODEBUG=${GODEBUG:-}${seed:+,fuzzseed=$seed} GOMAXPROCS=1 nice -n 5 ${limit:+$limit -k 5 $((length + slack))} "$work/$(printf '%s' "$dir" | tr / _).test" \
      -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "${length}s" -test.fuzzminimizetime "$shorten" \
      -test.fuzzcachedir "$work/cache/$dir" -test.parallel 1
  ) >"$log" 2>&1 </dev/null || code=$?
  last=$(grep -aE '^fuzz: .* execs: ' "$log" | tail -n 1 || true)
  execs=$(printf '%s' "$last" | sed -nE 's/.* execs: ([0-9]+) .*/\1/p')
  new=$(printf '%s' "$last" | sed -nE 's/.* new interesting: ([0-9]+) .*/\1/p')
  if [ "$code" = 124 ] || [ "$code" = 137 ]; then
    note="FAILED: it did not stop by itself within $((length + slack)) s"
  elif [ "$code" != 0 ] && stopped "$log" "$target"; then
    code=0
  elif [ "$code" != 0 ]; then
    note=FAILED
  elif [ "${execs:-0}" = 0 ]; then
    code=1 note="FAILED: $length s are too few for its corpus; nothing was fuzzed"
  fi
  local took=$((SECONDS - began))
  printf '%-28s %-18s %10s execs %7s/s %5s new %5d s  %s\n' \
    "$dir" "$target" "${execs:-0}" "$((${execs:-0} / (took > 0 ? took : 1)))" "${new:-0}" "$took" "$note"
  if [ "$code" = 0 ]; then return 0; fi
  {
    printf '\n%s in %s:\n' "$target" "$dir"
    grep -avE '^fuzz: (elapsed|minimizing)|^PASS$|^FAIL$' "$log" | head -n 100 || true
    sed -nE 's|^ *Failing input written to (testdata/fuzz/.*)$|\1|p' "$log" | while read -r input; do
      printf '\nThe failing input is %s:\n' "$dir/$input"
      cat "$dir/$input"
    done
    echo
  } >&2
  return 1
}

# stopped reports whether nothing is wrong but that the time was over: Go up to 1.26 may call that a failure
# (go.dev/issue/75804). There is no failing input then, and no other word.
stopped() {
  grep -aq 'now fuzzing with' "$1" &&
    [ "$(grep -avE '^fuzz: (elapsed|minimizing)' "$1" | sed -E 's/^ +//; s/ \([0-9.]+s\)$//' | tr '\n' '|')" = "--- FAIL: $2|context deadline exceeded|FAIL|" ]
}

length=30
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
only_list='' seed=''
if [ "${1:-}" = --one ]; then # one of several at once, started by xargs below
  length=$2 work=$3 seed=$4
  one "$5" "$6"
  exit
fi
while getopts t:j:s:lh option; do
  case $option in
    t) length=$(seconds "$OPTARG") ;;
    j) jobs=$OPTARG ;;
    s)
      case $OPTARG in '' | *[!0-9]*) die "-s $OPTARG: it must be a number" ;; esac
      seed=$OPTARG
      ;;
    l) only_list=1 ;;
    h) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))

matching || exit 1
chosen=$(targets | while read -r dir target; do
  if wanted "$dir" "$target" "$@"; then echo "$dir $target"; fi
done)
if [ -z "$chosen" ]; then die "no target is named $*; -l lists them all"; fi
if [ -n "$only_list" ]; then echo "$chosen"; exit; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Each package once, with the instrumentation that fuzzing needs.
echo "$chosen" | cut -d ' ' -f 1 | sort -u | while read -r dir; do
  (cd "$dir" && go test -c -fuzz '^Fuzz' -o "$work/$(printf '%s' "$dir" | tr / _).test" .)
done

printf '%s targets, %s s each, %s at once\n' "$(echo "$chosen" | wc -l | tr -d ' ')" "$length" "$jobs"
failed=
echo "$chosen" | xargs -P "$jobs" -L 1 "$root/scripts/fuzz.sh" --one "$length" "$work" "$seed" || failed=1
if [ -n "$failed" ]; then
  echo "fuzz.sh: a target has failed; commit its input under a name that says what it shows" >&2
  exit 1
fi
