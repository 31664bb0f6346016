#!/usr/bin/env bash
# demo.sh: builds the demo where that is due (the client in adapters/browser, the front end in demo/web, the API) and runs it, with its
# lab. Settings of one's own, such as WATCHWORD_MYSQL_DSN, go along.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf '%s\n' "$*" >&2; exit 1; }

scripts/prerequisites.sh go
scripts/prerequisites.sh node || die "The API alone does without: go run ./demo/api"

# due DIR BUILT: some file of the directory is newer than what was built of it, or nothing was. Tests do not count.
due() {
  local newer
  if [ ! -e "$2" ]; then return 0; fi
  newer=$(find "$1" \( -name node_modules -o -name dist -o -name e2e -o -name test -o -name 'test-results' \) -prune -o -type f -newer "$2" -print -quit)
  [ -n "$newer" ]
}

# packages DIR: installs what package-lock.json names, unless npm has done so since it was changed. (npm keeps a copy in node_modules.)
packages() {
  if [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ]; then return 0; fi
  echo "installing the npm packages of $1"
  (cd "$1" && npm ci --no-audit --no-fund --loglevel=error)
}

# build DIR: runs its build, whose words are of interest only when it fails.
build() {
  local words
  echo "building $1"
  words=$(cd "$1" && npm run build --silent 2>&1) || die "$words"
}

if due adapters/browser adapters/browser/dist/index.js; then
  packages adapters/browser
  build adapters/browser
fi
packages demo/web
if due demo/web demo/web/dist/index.html || [ adapters/browser/dist/index.js -nt demo/web/dist/index.html ]; then
  build demo/web
fi
go build -o .bin/demo ./demo/api

export WATCHWORD_WEB=${WATCHWORD_WEB:-$PWD/demo/web/dist} WATCHWORD_DEMO_LAB=${WATCHWORD_DEMO_LAB:-1}
exec .bin/demo
