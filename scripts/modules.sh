#!/usr/bin/env bash
# Prints the directory of every module that go.work lists, one a line, relative to the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
GOWORK=$PWD/go.work go list -m -f '{{.Dir}}' | while read -r dir; do echo "${dir#"$PWD"/}"; done
