#!/usr/bin/env bash
# Consumes the modules from outside of the workspace, as a user does, and checks what that brings along: of session itself
# and golang-jwt, and of store/mysql these and the driver with its one dependency.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
prefix=github.com/watchword-dev/watchword
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT

# consume PACKAGES: a module that imports them; its module graph must be that in standard input.
consume() {
  rm -rf "$outside/app"
  mkdir "$outside/app"
  cd "$outside/app"
  {
    printf 'module example.com/app\n\ngo 1.25.0\n\n'
    for module in session store/mysql adapters/nethttp; do
      printf 'replace %s/%s => %s/%s\n' "$prefix" "$module" "$root" "$module"
    done
  } >go.mod
  { printf 'package main\n\nimport (\n'; printf "\t_ \"$prefix/%s\"\n" "$@"; printf ')\n\nfunc main() {}\n'; } >main.go
  go mod tidy >/dev/null 2>tidy.log || { cat tidy.log >&2; return 1; }
  go build -o /dev/null .
  diff -u - <(go list -m -f '{{.Path}}' all | tail -n +2) || {
    echo "consumer.sh: importing $* brings other modules (+) than it should (-)" >&2
    return 1
  }
  printf -- '- %s: as it should be\n' "$*"
}

consume session session/wire session/memstore <<EOF
github.com/golang-jwt/jwt/v5
$prefix/session
EOF
consume session adapters/nethttp <<EOF
github.com/golang-jwt/jwt/v5
$prefix/adapters/nethttp
$prefix/session
EOF
consume session store/mysql <<EOF
filippo.io/edwards25519
github.com/go-sql-driver/mysql
github.com/golang-jwt/jwt/v5
$prefix/session
$prefix/store/mysql
EOF
