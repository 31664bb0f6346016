#!/usr/bin/env bash
# coverage.sh [--least PERCENT] PROFILE...: statement coverage of what the profiles are about, all of them taken together, by
# package and by the folders session/ and store/mysql/, with the lines that no test reached. Fails if one of these two folders is below
# PERCENT (90). The steps `unit` and `integration` of test.sh write the profiles.
set -euo pipefail
cd "$(dirname "$0")/.."

least=90
if [ "${1:-}" = --least ]; then
  least=$2
  shift 2
fi
if [ $# = 0 ]; then
  echo "coverage.sh: no profile is given; test.sh's steps unit and integration write some" >&2
  exit 2
fi
for profile in "$@"; do
  if [ ! -s "$profile" ]; then
    echo "coverage.sh: $profile is missing or empty; run \`scripts/test.sh unit integration\` first" >&2
    exit 1
  fi
done

# A line of a profile is file:line.column,line.column statements count. Several packages' tests name the same block.
cat "$@" | awk -v least="$least" '
  /^mode:/ { next }
  {
    block = $1
    statements[block] = $2
    count[block] += $3
  }
  END {
    prefix = "github.com/watchword-dev/watchword/"
    for (block in statements) {
      split(block, part, ":")
      file = substr(part[1], length(prefix) + 1)
      package = file
      sub(/\/[^\/]*$/, "", package)
      folder = file ~ /^session\// ? "session" : file ~ /^store\/mysql\// ? "store/mysql" : ""
      if (folder == "") continue
      total[package] += statements[block]; whole[folder] += statements[block]
      if (count[block] > 0) { reached[package] += statements[block]; sum[folder] += statements[block]; continue }
      split(part[2], ends, ","); split(ends[1], from, "."); split(ends[2], to, ".")
      printf "missed %s %d %d\n", file, from[1], to[1]
    }
    for (package in total) printf "package %s %.1f\n", package, 100 * reached[package] / total[package]
    split("session store/mysql", folders, " ")
    for (i = 1; i in folders; i++) {
      folder = folders[i]
      percent = whole[folder] ? 100 * sum[folder] / whole[folder] : 0
      printf "folder %s %.1f %d %d %s\n", folder, percent, sum[folder], whole[folder], (percent < least ? "LOW" : "ok")
    }
  }
' | LC_ALL=C sort -k1,1 -k2,2 -k3,3n | awk -v least="$least" '
  $1 == "missed" {
    if ($2 != file) { if (file != "") lines = lines "\n"; file = $2; lines = lines "  " file ":" }
    lines = lines " " ($3 == $4 ? $3 : $3 "-" $4)
  }
  $1 == "package" { packages = packages sprintf("  %-40s %5.1f %%\n", $2, $3) }
  $1 == "folder" {
    folders = folders sprintf("  %-40s %5.1f %%  (%d of %d statements)\n", $2 "/", $3, $4, $5)
    if ($6 == "LOW") low = low " " $2
  }
  END {
    if (lines != "") printf "lines that no test reaches:\n%s\n", lines
    printf "statement coverage by package:\n%sby folder:\n%s", packages, folders
    if (low != "") { printf "below %s %%:%s\n", least, low > "/dev/stderr"; exit 1 }
  }'
