#!/usr/bin/env bash
# release.sh rehearse [VERSION] | tag VERSION: tags of all released modules, in a throw-away clone whose modules are then consumed from an
# empty directory, or here. -h says more.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export GOWORK=off
prefix=github.com/watchword-dev/watchword

usage() {
  cat <<'END'
usage: release.sh rehearse [VERSION]
       release.sh tag VERSION

rehearse   clones what is committed, tags it there, and consumes every module as a stranger does: `go get` into an empty module, a
           program that uses it, `go install` of the command; what the API has changed in since the release before (gorelease); the npm
           package as it would be published. Needs the network. VERSION is the one that the modules require of each other, if it is left out.
tag        makes the same tags here. It pushes nothing:  git push origin --tags  does.

All modules share a version. Each is tagged DIRECTORY/VERSION on the commit that is checked out; but the command, which `go install`
takes only without replace directives, on a commit of its own that has none.
END
}

# released: the modules that are tagged, those first that others need.
released() { printf '%s\n' session store/mysql adapters/nethttp adapters/gin adapters/echo adapters/fiber adapters/grpc adapters/connect adapters/otel cmd/watchword; }

# private runs a command for which our modules come from a clone, and nobody is asked about them.
private() {
  GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$clone.insteadOf" GIT_CONFIG_VALUE_0="https://$prefix" \
    GOPRIVATE="$prefix" GOMODCACHE="$work/modules" GOFLAGS=-modcacherw GOPROXY="file://$cache,$proxies" "$@"
}

# check VERSION: what is wrong with the modules for it.
check() {
  local dir other wrong=0
  [[ $1 =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || { echo "release.sh: $1 is no version: it must be as v1.2.3" >&2; return 1; }
  for dir in $(released); do
    for other in $(cd "$dir" && go mod edit -json | sed -n "s|.*\"Path\": \"$prefix/\\(.*\\)\",|\\1|p" | sort -u); do
      if [ "$other" = "$dir" ]; then continue; fi
      grep -q "$prefix/$other $1\$" "$dir/go.mod" || { echo "release.sh: $dir/go.mod does not require $other $1" >&2; wrong=1; }
    done
  done
  if [ "v$(sed -n 's/.*"version": "\(.*\)",/\1/p' adapters/browser/package.json)" != "$1" ]; then
    echo "release.sh: adapters/browser/package.json has another version than $1" >&2
    wrong=1
  fi
  return "$wrong"
}

# tag VERSION: tags the checked-out commit.
tag() {
  local dir
  for dir in $(released); do
    case $dir in
      cmd/*) alone "$dir" "$1" ;;
      *) git tag -a -m "$dir $1" "$dir/$1" ;;
    esac
  done
}

# alone MODULE VERSION: tags a commit beside the branch, on which the module has no replace directives. What it needs is tagged already.
alone() {
  local dir=$1 side
  side=$(mktemp -d)
  git worktree add -q --detach "$side"
  (
    cd "$side/$dir"
    for replaced in $(go mod edit -json | sed -n '/"Replace"/,$ s/.*"Path": "\(github[^"]*\)".*/\1/p'); do go mod edit -dropreplace "$replaced"; done
    private go mod tidy
    git commit -q -m "$dir without replace directives, for $2" .
    git tag -a -m "$dir $2" "$dir/$2"
  )
  git worktree remove --force "$side"
}

# consume VERSION: every module from an empty one.
consume() {
  local dir package
  for dir in $(released); do
    rm -rf "$work/app"
    mkdir "$work/app"
    (
      cd "$work/app"
      case $dir in
        cmd/*)
          private env GOBIN="$work/bin" go install "$prefix/$dir@$1"
          "$work/bin/${dir##*/}" --help >/dev/null
          ;;
        *)
          go mod init example.com/app 2>/dev/null
          private go get "$prefix/$dir@$1" 2>get.log || { cat get.log >&2; exit 1; }
          package=$prefix/$dir
          printf 'package main\n\nimport _ "%s"\n\nfunc main() {}\n' "$package" >main.go
          private go mod tidy 2>/dev/null
          private go build -o app . && ./app
          [ "$(private go list -m -f '{{.Version}}{{if .Replace}} replaced{{end}}' "$package")" = "$1" ]
          ;;
      esac
    )
    printf -- '- %s@%s: as a stranger gets it\n' "$dir" "$1"
  done
}

# compare VERSION: what has changed in the API since the last release that is tagged here.
compare() {
  local dir base
  for dir in $(released); do
    case $dir in cmd/*) continue ;; esac # a program
    base=$(git -C "$root" tag --list "$dir/v*" --sort=-v:refname | { grep -vFx "$dir/$1" || true; } | head -n 1)
    printf -- '- %s: ' "$dir"
    if [ -z "$base" ]; then
      echo "the first release"
      continue
    fi
    echo "since ${base##*/}"
    (cd "$clone/$dir" && private go run golang.org/x/exp/cmd/gorelease@latest -base="${base##*/}" -version="$1")
  done
}

rehearse() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  clone=$work/clone cache=$(go env GOMODCACHE)/cache/download proxies=$(go env GOPROXY)
  git clone -q "$root" "$clone"
  cd "$clone"
  git config user.name rehearsal
  git config user.email rehearsal@example.com
  echo "== versions"
  check "$1"
  echo "== tags, in a clone of $(git rev-parse --short HEAD)"
  tag "$1"
  git tag --list "*/$1"
  echo "== every module, consumed from an empty one"
  consume "$1"
  echo "== changes of the API"
  compare "$1"
  echo "== the npm package"
  (cd adapters/browser && npm ci --no-audit --no-fund --silent && npm publish --dry-run --access public 2>&1)
  echo "release.sh: $1 can be released"
}

case ${1:-} in
  rehearse) rehearse "${2:-$(sed -n "s|.*$prefix/session \\(v[^ ]*\\).*|\\1|p" store/mysql/go.mod | head -n 1)}" ;;
  tag)
    [ $# = 2 ] || { usage >&2; exit 2; }
    [ -z "$(git status --porcelain)" ] || { echo "release.sh: not everything is committed" >&2; exit 1; }
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    clone=$root cache=$(go env GOMODCACHE)/cache/download proxies=$(go env GOPROXY)
    check "$2" && tag "$2"
    ;;
  -h | --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
