#!/usr/bin/env bash
# Consumes the modules from outside of the workspace, as a user does, and checks what that brings along: of session itself
# and golang-jwt, of store/mysql these and the driver with its one dependency, and of an adapter these and what its framework
# brings by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
prefix=github.com/watchword-dev/watchword
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT

# graph REQUIREMENT PACKAGE...: prints the modules that a module gets which imports the packages. REQUIREMENT is what its go.mod
# requires at a version of its own, as PATH@VERSION, or nothing.
graph() {
  local requirement=$1 dir
  shift
  rm -rf "$outside/app"
  mkdir "$outside/app"
  (
    cd "$outside/app"
    {
      printf 'module example.com/app\n\ngo 1.26.0\n\n'
      for dir in $modules; do printf 'replace %s/%s => %s/%s\n' "$prefix" "$dir" "$root" "$dir"; done
    } >go.mod
    if [ -n "$requirement" ]; then go mod edit "-require=$requirement"; fi
    { printf 'package main\n\nimport (\n'; printf '\t_ "%s"\n' "$@"; printf ')\n\nfunc main() {}\n'; } >main.go
    go mod tidy >/dev/null 2>tidy.log || { cat tidy.log >&2; return 1; }
    go build -o /dev/null .
    go list -m -f '{{.Path}}' all | tail -n +2 | sort
  )
}

# consume PACKAGE...: the module graph of whoever imports them, our own packages, must be that in standard input.
consume() {
  graph '' "${@/#/$prefix/}" >"$outside/got"
  diff -u <(sort) "$outside/got" || {
    echo "consumer.sh: importing $* brings other modules (+) than it should (-)" >&2
    return 1
  }
  printf -- '- %s: as it should be\n' "$*"
}

# adapt ADAPTER PACKAGE: an adapter must bring nothing but what its framework's package does, itself, session and golang-jwt.
adapt() {
  local adapter=$1 package=$2 version
  version=$(cd "$adapter" && go list -m -f '{{.Path}}@{{.Version}}' "$package")
  { graph "$version" "$package"; printf '%s\n' "$prefix/$adapter" "$prefix/session" github.com/golang-jwt/jwt/v5; } | sort >"$outside/want"
  graph "$version" "$prefix/$adapter" >"$outside/got"
  comm -13 "$outside/want" "$outside/got" >"$outside/more"
  if [ -s "$outside/more" ]; then
    echo "consumer.sh: importing $adapter brings more than $package and session do:" >&2
    cat "$outside/more" >&2
    return 1
  fi
  printf -- '- %s: as it should be\n' "$adapter"
}

modules=$(scripts/modules.sh)
export GOWORK=off

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
adapt adapters/gin github.com/gin-gonic/gin
adapt adapters/echo github.com/labstack/echo/v5
adapt adapters/fiber github.com/gofiber/fiber/v3
adapt adapters/grpc google.golang.org/grpc
adapt adapters/connect connectrpc.com/connect
adapt adapters/otel go.opentelemetry.io/otel/sdk/metric # whose API it is written for; the SDK is what its tests have
