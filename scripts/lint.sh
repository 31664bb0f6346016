#!/usr/bin/env bash
# lint.sh [DIRECTORY...]: runs golangci-lint, at the version tools/go.mod pins, in every module or in those named.
# It is built from source into .bin/, so that nothing needs to be installed first.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export GOWORK=off # the linter's modules and ours have nothing to do with each other

# A linter that was built by an older Go refuses code for a newer one: the stamp names both.
stamp="$(cat tools/go.mod tools/go.sum | cksum) $(go env GOVERSION GOOS GOARCH | tr '\n' ' ')"
if [ ! -x .bin/golangci-lint ] || [ "$(cat .bin/golangci-lint.stamp 2>/dev/null)" != "$stamp" ]; then
  echo "building golangci-lint; the first time this takes a few minutes"
  mkdir -p .bin
  (cd tools && go build -o "$root/.bin/golangci-lint" github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
  echo "$stamp" >.bin/golangci-lint.stamp
fi

if [ $# = 0 ]; then
  modules=$(scripts/modules.sh) # on its own line, so that its failure is one
  while read -r dir; do set -- "$@" "$dir"; done <<<"$modules"
fi
failed=
for dir in "$@"; do
  echo "$dir"
  # One at a time: a second linter would otherwise refuse to start beside the first.
  (cd "$dir" && "$root/.bin/golangci-lint" run --config "$root/.golangci.yml" --allow-serial-runners ./...) || failed="$failed $dir"
done
if [ -n "$failed" ]; then
  echo "golangci-lint has something to say in:$failed" >&2
  exit 1
fi
