#!/usr/bin/env bash
# Finds, or on Debian installs and starts, a container engine with a MySQL image, and runs a command with it.
# `engine.sh --help` says what is chosen when.
set -euo pipefail

usage() {
  cat <<'EOF'
Usage: integration/engine.sh run COMMAND...   run COMMAND with an engine, an image and the environment the Go tests need
       integration/engine.sh start            the same, but leave the engine running; prints the environment for `eval`
       integration/engine.sh stop             stop the engine that start or run started, once no run uses it any more
       integration/engine.sh status           say what is there

MySQL:   WATCHWORD_TEST_MYSQL_DSN, when set: nothing is started. Tests that break a server of their own then need an engine
         and an image that are there already; without them they are skipped, and only then.
Engine:  the one that `docker` reaches (DOCKER_HOST and contexts count). Else, as root on Debian or Ubuntu: docker.io is
         installed and dockerd started. It is stopped by the last run that uses it, unless `start` asked for it to stay.
         An engine that this script did not start is never stopped.
Image:   WATCHWORD_TEST_MYSQL_IMAGE, when set: that one, local or pulled; another is never put in its place.
         Else mysql:8.4 when it is local; else watchword/mysql:debian when it is local and built by the present scripts;
         else mysql:8.4 pulled; else, as root on Debian, watchword/mysql:debian is built from Debian's own packages.
         So a registry that does not answer is asked once. `docker image rm watchword/mysql:debian` has it asked again.
EOF
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly default_image=mysql:8.4 local_image=watchword/mysql:debian
readonly state=/run/watchword-engine # lock, users, pid, log, kept: only where this script may start an engine itself
readonly own_socket=unix:///var/run/docker.sock

say() { printf 'engine: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

installed() { # every one of them, unlike `command -v A B`
  local name
  for name in "$@"; do command -v "$name" >/dev/null || return 1; done
}
answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
have() { docker image inspect "$1" >/dev/null 2>&1; }
may_start() { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && installed apt-get flock; }
may_build() { may_start && grep -q '^ID=debian$' /etc/os-release; }

# --- Locks: "lock" guards starting, stopping and building; every run holds a share of "users" while it lasts. ---------

lock() {
  mkdir -p "$state"
  exec 8>"$state/lock"
  flock -n 8 || { say "waiting for another run to finish starting or stopping the engine"; flock 8; }
}
unlock() { exec 8>&-; }
share() { exec 9>"$state/users" && flock -s 9; }

# --- The engine -------------------------------------------------------------------------------------------------------

# born PID: when that process started, in ticks since boot; nothing for a zombie. A pid alone may have been given anew.
born() { awk '$3 != "Z" { print $22 }' "/proc/$1/stat" 2>/dev/null || true; }

# ours: the dockerd this script started still runs; sets engine_pid.
ours() {
  local started
  [ -s "$state/pid" ] || return 1
  read -r engine_pid started <"$state/pid"
  [ "$(cat "/proc/$engine_pid/comm" 2>/dev/null)" = dockerd ] && [ "$(born "$engine_pid")" = "$started" ]
}

# dockerd_here: some dockerd runs in this network namespace. A second one would delete the first one's bridge.
dockerd_here() {
  local proc comm
  for proc in /proc/[0-9]*; do
    { read -r comm <"$proc/comm"; } 2>/dev/null || continue
    if [ "$comm" = dockerd ] && [ "$proc/ns/net" -ef /proc/self/ns/net ]; then return 0; fi
  done
  return 1
}

apt_install() {
  say "installing $*"
  local log=$state/apt.log
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  "${apt[@]}" install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null ||
    { # most often the package lists are missing or old
      "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"
    } >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; die "apt-get could not install $*; its last lines are above"; }
}

# wait_ready SECONDS [PID]: until the engine answers, or PID has ended.
wait_ready() {
  local tries=$(($1 * 4))
  while ! answers; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then return 1; fi
    if [ -n "${2:-}" ] && [ -z "$(born "$2")" ]; then return 1; fi
    sleep 0.25
  done
}

start_engine() {
  if [ -n "${DOCKER_CONTEXT:-}" ] || [ "${DOCKER_HOST:-$own_socket}" != "$own_socket" ]; then
    die "no engine answers at DOCKER_HOST=${DOCKER_HOST:-} DOCKER_CONTEXT=${DOCKER_CONTEXT:-}; start it, or unset both"
  fi
  installed dockerd iptables || apt_install docker.io iptables
  installed docker || apt_install docker-cli # a package of its own from Debian 13 on
  if dockerd_here; then # the package's service, perhaps; it may need a moment
    wait_ready 30 || die "a dockerd runs here but \`docker version\` does not reach it; stop it, or set DOCKER_HOST"
    return
  fi
  # A container that was restarted may have kept /run: a stale file that names some other process would stop dockerd.
  local file comm pid
  for file in /run/docker.pid /run/docker/containerd/containerd.pid; do
    comm=$(basename "$file" .pid) && comm=${comm/#docker/dockerd}
    if [ -s "$file" ] && [ "$(cat "/proc/$(cat "$file")/comm" 2>/dev/null)" != "$comm" ]; then rm -f "$file"; fi
  done
  say "starting dockerd (log: $state/log)"
  ( # A pipe that dockerd inherited would keep the reader at its other end waiting for ever.
    for file in /proc/self/fd/*; do
      if [ "${file##*/}" -gt 2 ]; then eval "exec ${file##*/}>&-"; fi
    done
    exec setsid dockerd --ip 127.0.0.1 </dev/null >"$state/log" 2>&1
  ) &
  pid=$!
  rm -f "$state/kept"
  printf '%s %s\n' "$pid" "$(born "$pid")" >"$state/pid"
  wait_ready 60 "$pid" || { tail -n 20 "$state/log" >&2; die "dockerd did not become ready; its last lines are above"; }
  # A run that was killed could not remove its containers, and there is no reaper here. Nobody else uses a new engine.
  docker container prune --force --filter label=org.testcontainers >/dev/null
}

stop_engine() {
  ours || return 0
  say "stopping dockerd"
  kill "$engine_pid"
  local tries=240
  while ours; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then die "dockerd (pid $engine_pid) did not stop within a minute; see $state/log"; fi
    sleep 0.25
  done
  rm -f "$state/pid" "$state/kept"
}

# release: give back this run's share; the last one out stops the engine, unless `start` asked for it to stay.
release() {
  may_start || return 0
  lock
  exec 9>&-
  if ours && [ ! -e "$state/kept" ]; then
    exec 9>"$state/users"
    if flock -n 9; then stop_engine; fi
    exec 9>&-
  fi
  unlock
}

# --- The image --------------------------------------------------------------------------------------------------------

# pull IMAGE: gives up when no layer has begun to arrive after 20 s. Left alone, docker tries a dead registry for minutes.
pull() {
  local log pid seconds=0
  log=$(mktemp)
  say "pulling $1"
  docker pull "$1" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$seconds" -ge 600 ] || { [ "$seconds" -ge 20 ] && ! grep -qE 'fs layer|Already exists|Download' "$log"; }; then
      kill "$pid" 2>/dev/null || true
      echo "gave up after $seconds s" >>"$log"
      break
    fi
    sleep 1
    seconds=$((seconds + 1))
    if [ $((seconds % 30)) = 0 ]; then say "still pulling $1 ($seconds s)"; fi
  done
  if wait "$pid"; then
    rm -f "$log"
    return 0
  fi
  say "could not pull $1: $(tail -n 1 "$log")"
  rm -f "$log"
  return 1
}

choose_image() {
  local image=${WATCHWORD_TEST_MYSQL_IMAGE:-}
  if [ -n "$image" ] && [ "$image" != "$local_image" ]; then
    have "$image" || pull "$image" ||
      die "WATCHWORD_TEST_MYSQL_IMAGE=$image can be had neither locally nor from its registry; unset it for the default"
  elif [ -z "$image" ] && have "$default_image"; then
    image=$default_image
  elif may_build && "$here/mysqlimage/build.sh" --check "$local_image"; then
    image=$local_image
  elif [ -z "$image" ] && pull "$default_image"; then
    image=$default_image
  elif may_build; then
    image=$local_image
    installed mmdebstrap || apt_install mmdebstrap
    say "building $image from Debian's packages"
    "$here/mysqlimage/build.sh" "$image" >&2 || die "could not build $image"
  else
    die "no MySQL image: connect to a network that reaches $default_image, or set WATCHWORD_TEST_MYSQL_IMAGE or WATCHWORD_TEST_MYSQL_DSN"
  fi
  export WATCHWORD_TEST_MYSQL_IMAGE=$image
  # Where no registry answers, testcontainers' reaper cannot be had either. Tests remove their own containers.
  if [ "$image" = "$local_image" ]; then export TESTCONTAINERS_RYUK_DISABLED=true; fi
  say "using $image"
}

# --- The commands -----------------------------------------------------------------------------------------------------

prepare() {
  if may_start; then
    lock
    share
  fi
  if ! answers; then
    may_start || die "no container engine answers: install and start Docker, or set WATCHWORD_TEST_MYSQL_DSN to a MySQL server"
    start_engine
  fi
  # testcontainers knows DOCKER_HOST and the usual sockets, but no docker contexts.
  if [ -z "${DOCKER_HOST:-}" ]; then
    local host
    host=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)
    case $host in unix://*) export DOCKER_HOST=$host ;; esac
  fi
  # In a container testcontainers dials the bridge's gateway; an engine beside us publishes its ports on loopback.
  if [ -e /.dockerenv ] && dockerd_here; then
    export TESTCONTAINERS_HOST_OVERRIDE=${TESTCONTAINERS_HOST_OVERRIDE:-127.0.0.1}
  fi
  choose_image
  if may_start; then unlock; fi
}

case ${1:-} in
  run)
    shift
    if [ $# = 0 ]; then
      usage >&2
      exit 2
    fi
    if [ -n "${WATCHWORD_TEST_MYSQL_DSN:-}" ]; then exec "$@"; fi
    trap release EXIT
    prepare
    code=0
    "$@" 9>&- || code=$?
    exit "$code"
    ;;
  start)
    if [ -n "${WATCHWORD_TEST_MYSQL_DSN:-}" ]; then say "WATCHWORD_TEST_MYSQL_DSN is set: no engine is needed"; exit 0; fi
    trap release EXIT
    prepare
    if may_start && ours; then touch "$state/kept"; fi
    for name in DOCKER_HOST TESTCONTAINERS_HOST_OVERRIDE TESTCONTAINERS_RYUK_DISABLED WATCHWORD_TEST_MYSQL_IMAGE; do
      if [ -n "${!name:-}" ]; then printf 'export %s=%q\n' "$name" "${!name}"; fi
    done
    ;;
  stop)
    if ! may_start || ! ours; then say "no engine of this script's is running"; exit 0; fi
    rm -f "$state/kept"
    release
    if ours; then say "still in use by another run: the last one stops it"; fi
    ;;
  status)
    if answers; then echo "engine: answers, version $(docker version --format '{{.Server.Version}}')"; else echo "engine: none answers"; fi
    if may_start && ours; then
      echo "started by this script, pid $engine_pid$(if [ -e "$state/kept" ]; then echo ', kept until stop'; fi)"
    fi
    for image in "${WATCHWORD_TEST_MYSQL_IMAGE:-$default_image}" "$local_image"; do
      echo "image $image: $(if have "$image"; then echo present; else echo absent; fi)"
    done
    ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
