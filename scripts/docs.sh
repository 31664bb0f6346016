#!/usr/bin/env bash
# docs.sh: what the documentation points at is there. Every relative link leads to a file or folder, and every test that a page
# names (`TestX`, `FuzzX`, or `TestX…` for all that begin so) exists: in the linked file if it is a link.
set -euo pipefail
cd "$(dirname "$0")/.."

# listed PATTERN: the files of the work tree that match and are not ignored.
listed() {
  git ls-files --cached --others --exclude-standard "$1" | while read -r file; do
    if [ -e "$file" ]; then echo "$file"; fi
  done
}

wrong=$(
  # The names of all tests come first, then the pages.
  {
    listed '*_test.go' | xargs grep -hoE '^func (Test|Fuzz|Benchmark)[A-Za-z0-9_]*' | sed 's/^func /test /'
    listed '*.md' | while read -r page; do
      printf 'page %s\n' "$page"
      sed 's/^/text /' "$page"
    done
  } | awk '
    $1 == "test" { known[$2] = 1; next }
    $1 == "page" { page = $2; folder = page; if (!sub(/\/[^\/]*$/, "", folder)) folder = "."; next }
    {
      line = substr($0, 6)
      rest = line
      while (match(rest, /\]\([^)#: ]+[)#]/)) { # no scheme, no bare fragment
        target = substr(rest, RSTART + 2, RLENGTH - 3)
        before = substr(rest, 1, RSTART - 1)
        rest = substr(rest, RSTART + RLENGTH)
        path = folder "/" target
        if (system("test -e \"" path "\"") != 0) print page ": there is no " target
        else if (target ~ /_test\.go$/ && match(before, /`(Test|Fuzz|Benchmark)[A-Za-z0-9_]+`$/)) {
          name = substr(before, RSTART + 1, RLENGTH - 2)
          if (system("grep -q \"^func " name "(\" \"" path "\"") != 0) print page ": " target " has no " name
        }
      }
      rest = line
      while (match(rest, /`(Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*(…)?`/)) {
        name = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH)
        if (sub(/…$/, "", name)) {
          found = 0
          for (k in known) if (index(k, name) == 1) { found = 1; break }
        } else found = name in known
        if (!found) print page ": there is no test " name
      }
    }'
)
if [ -n "$wrong" ]; then
  printf '%s\n' "$wrong" >&2
  exit 1
fi
printf '%d pages\n' "$(listed '*.md' | wc -l)"
