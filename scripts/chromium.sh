#!/usr/bin/env bash
# Prints the path of a Chromium for the browser tests: the system's, else the one that Playwright has downloaded. Where there is
# none, as root on Debian, it installs Debian's; elsewhere it has Playwright download its own.
set -euo pipefail
cd "$(dirname "$0")/../adapters/browser"

die() { printf '%s\n' "$*" >&2; exit 1; }

system() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name"; then return; fi
  done
  return 1
}

# playwright prints where Playwright keeps its own, if it is there.
playwright() {
  local path
  path=$(node -e "console.log(require('@playwright/test').chromium.executablePath())" 2>/dev/null) && [ -x "$path" ] && echo "$path"
}

if system || playwright; then exit; fi

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
  echo "installing Chromium, which the browser tests need" >&2
  apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  "${apt[@]}" install -y --no-install-recommends chromium >/dev/null 2>&1 </dev/null ||
    { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends chromium; } >/dev/null </dev/null ||
    die "apt-get could not install chromium: install it by hand."
  system || die "Debian's chromium is installed, and no browser is on the PATH."
else
  npx --no-install playwright install chromium >&2 || die "No Chromium: install chromium or Google Chrome, or run \`npm ci\` in adapters/browser and try again."
  playwright || die "Playwright has installed its Chromium, and it is not where it says."
fi
