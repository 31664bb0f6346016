#!/usr/bin/env bash
# prerequisites.sh [go] [cc] [node]: makes sure that Go and Node are new enough and, for the race detector, that a C compiler is there.
# As root on Debian it installs the compiler; otherwise it says in one sentence what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf '%s\n' "$*" >&2; exit 1; }

export GOWORK=$PWD/go.work
want_go=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' go.work)

for what in "$@"; do
  case $what in
    go)
      command -v go >/dev/null || die "Go is not installed (or not on the PATH): install Go $want_go or newer."
      # A Go that may fetch newer toolchains answers with the one that go.work asks for.
      have_go=$(go env GOVERSION 2>/dev/null | sed 's/^go\([0-9]*\.[0-9]*\).*/\1/')
      case $have_go in [0-9]*.[0-9]*) ;; *) have_go=0.0 ;; esac
      if [ $((${have_go%.*} * 1000 + ${have_go#*.})) -lt $((${want_go%.*} * 1000 + ${want_go#*.})) ]; then
        die "Go is too old ($(go version | cut -d' ' -f3)): install Go $want_go or newer, or let Go fetch it with GOTOOLCHAIN=auto."
      fi
      ;;
    cc)
      cc=$(go env CC)
      if [ "$(uname -s)" != Linux ] || command -v "${cc%% *}" >/dev/null; then continue; fi # elsewhere -race needs none
      if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then
        die "No C compiler ($cc), which Go's race detector needs: install gcc with its C library headers."
      fi
      echo "installing gcc, which Go's race detector needs"
      apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
      "${apt[@]}" install -y --no-install-recommends gcc libc6-dev >/dev/null 2>&1 </dev/null ||
        { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends gcc libc6-dev; } >/dev/null </dev/null ||
        die "apt-get could not install gcc and libc6-dev: install them by hand."
      ;;
    node)
      command -v node >/dev/null && command -v npm >/dev/null || die "Node.js with npm is not installed (or not on the PATH): install Node 20.19 or newer."
      node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
        die "Node.js is too old ($(node --version)): install Node 20.19 or newer."
      ;;
    *) die "usage: prerequisites.sh [go] [cc] [node]" ;;
  esac
done
