#!/usr/bin/env bash
# vuln.sh [DIRECTORY...]: govulncheck in every module, or in those named: known vulnerabilities in what the code calls, of dependencies and
# of Go itself. It needs the database of vulnerabilities: vuln.go.dev, or a copy that GOVULNDB names (file:///…). It fails where it cannot
# reach that, since nothing was checked then; so it is not part of `make test`, which has to pass without a network.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off

tool=golang.org/x/vuln/cmd/govulncheck@v1.9.0
if [ $# = 0 ]; then
  modules=$(scripts/modules.sh)
  while read -r dir; do set -- "$@" "$dir"; done <<<"$modules"
fi
failed=
for dir in "$@"; do
  echo "$dir"
  (cd "$dir" && go run "$tool" ${GOVULNDB:+-db "$GOVULNDB"} ./...) || failed="$failed $dir"
done
if [ -n "$failed" ]; then
  echo "govulncheck found something, or could not look, in:$failed" >&2
  exit 1
fi
