#!/usr/bin/env bash
# Makes sure that `docker compose` can build and run the demo, and prints the variables for docker-compose.yml that it takes, one
# NAME=value a line. It runs below `engine.sh run`, which has chosen a MySQL image.
#
# On a machine that has pulled its MySQL image there is nothing to do: Docker brings compose and buildx along, and pulls the
# base images. Where engine.sh had to build that image, as root on Debian and without a registry, this does the same for the rest:
# nginx, compose and buildx come from Debian's packages, Go and Node are those of this machine.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly local_mysql=watchword/mysql:debian tools=watchword/build:local nginx=watchword/nginx:debian
readonly label=dev.watchword.recipe plugins=/usr/local/lib/docker/cli-plugins

say() { printf 'compose: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
has_compose() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }

if [ "${WATCHWORD_TEST_MYSQL_IMAGE:-}" != "$local_mysql" ]; then
  has_compose || die "docker has no compose or no buildx: install both (on Debian and Ubuntu from Docker's own packages)"
  if [ -n "${WATCHWORD_TEST_MYSQL_IMAGE:-}" ]; then echo "MYSQL_IMAGE=$WATCHWORD_TEST_MYSQL_IMAGE"; fi
  exit
fi

if [ "$(id -u)" != 0 ] || ! grep -q '^ID=debian$' /etc/os-release; then
  die "$local_mysql needs what else is built from Debian's packages, and this is not Debian, or not root"
fi
for program in mmdebstrap flock go node npm; do
  command -v "$program" >/dev/null || die "$program is not installed, and there is no registry to get an image with it from"
done
exec 8>/run/lock/watchword-compose
flock 8 # one at a time

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 '/debian/\?$') ||
  die "apt has no Debian mirror set up to take packages from"

# extract SUITE DIRECTORY PACKAGE,...: the packages' files and those of what they depend on, with their signatures checked. The machine's
# clock may be off, or its mirror a snapshot.
extract() {
  mmdebstrap --quiet --variant=extract --mode=root --format=directory \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' --include="$3" \
    "$1" "$2" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror%/} $1 main" 2>"$work/log" ||
    { cat "$work/log" >&2; die "could not take $3 from Debian $1"; }
}

# fresh IMAGE RECIPE: it is there, and built by this recipe.
fresh() { [ "$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null)" = "$2" ]; }

# import ROOT IMAGE RECIPE [CHANGE...]: makes the image, with what else a program expects to find; each change is a line of a Dockerfile.
import() {
  local root=$1 image=$2 recipe=$3 dir old change
  shift 3
  for dir in bin lib lib64 sbin; do # old suites have not merged /usr
    if [ -d "$root/$dir" ] && [ ! -L "$root/$dir" ]; then
      mkdir -p "$root/usr/$dir"
      cp -a "$root/$dir/." "$root/usr/$dir/"
      rm -rf "${root:?}/$dir"
      ln -s "usr/$dir" "$root/$dir"
    fi
  done
  [ -e "$root/usr/bin/sh" ] || ln -s bash "$root/usr/bin/sh"
  rm -rf "$root"/usr/share/{doc,man,locale,info,lintian} "$root"/var/{cache,lib/apt,lib/dpkg,log}/* "$root"/etc/apt
  mkdir -p "$root"/{proc,sys,dev,root,run,tmp}
  chmod 1777 "$root/tmp"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  local changes=(-c "ENV PATH=/usr/local/go/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" -c "LABEL $label=$recipe")
  for change in "$@"; do changes+=(-c "$change"); done
  old=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
  tar -C "$root" --numeric-owner --exclude='./dev/*' -cf - . | docker import "${changes[@]}" - "$image" >/dev/null
  if [ -n "$old" ]; then docker image rm "$old" >/dev/null 2>&1 || true; fi
}

if ! has_compose; then
  say "installing compose and buildx from Debian sid in $plugins"
  extract sid "$work/plugins" docker-compose,docker-buildx
  install -D -t "$plugins" "$work"/plugins/usr/libexec/docker/cli-plugins/docker-{compose,buildx}
  rm -rf "$work/plugins"
  has_compose || die "compose and buildx from Debian sid do not run here: $(docker compose version 2>&1 | tail -n 1)"
fi

script=$(sha256sum <"$here/setup.sh")

recipe=$(echo "$script" | cut -c1-16)
if ! fresh "$nginx" "$recipe"; then
  say "building $nginx from Debian's packages"
  extract sid "$work/nginx" base-files,bash,coreutils,nginx
  rm -rf "$work"/nginx/{etc/nginx,usr/share/perl*}
  mkdir -p "$work/nginx/etc/nginx"
  import "$work/nginx" "$nginx" "$recipe"
  rm -rf "$work/nginx"
fi

# What builds: the registries and certificates that this machine uses come along with its Go and its Node.
goroot=$(go env GOROOT) node=$(readlink -f "$(command -v node)") npm=$(npm root --global 2>/dev/null)/npm
registries=(
  "ENV GOPROXY=$(go env GOPROXY)" "ENV GOSUMDB=$(go env GOSUMDB)" "ENV npm_config_registry=$(npm config get registry 2>/dev/null)"
)
certificates=/etc/ssl/certs/ca-certificates.crt
recipe=$({
  echo "$script"
  go version
  node --version
  npm --version 2>/dev/null
  printf '%s\n' "${registries[@]}"
  cat "$certificates"
} | sha256sum | cut -c1-16)
if ! fresh "$tools" "$recipe"; then
  say "building $tools from $goroot and $node"
  # shellcheck source=/dev/null
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME") # Node needs the libraries that it has here
  root=$work/tools
  extract "$suite" "$root" base-files,bash,coreutils,libstdc++6,libatomic1
  mkdir -p "$root"/usr/local/{bin,go,lib/node_modules} "$root$(dirname "$certificates")"
  # Of Go what builds programs, not what tests or documents it.
  tar -C "$goroot" -chf - --exclude='*_test.go' --exclude=testdata --exclude=./src/cmd bin/go go.env VERSION pkg/include pkg/tool lib src |
    tar -C "$root/usr/local/go" -xf -
  install -t "$root/usr/local/bin" "$node"
  cp -aL "$npm" "$root/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  cp -L "$certificates" "$root$certificates"
  import "$root" "$tools" "$recipe" "${registries[@]}" "ENV NODE_EXTRA_CA_CERTS=$certificates"
  rm -rf "$root"
fi

printf '%s\n' "GO_IMAGE=$tools" "NODE_IMAGE=$tools" "NGINX_IMAGE=$nginx" "MYSQL_IMAGE=$local_mysql"
