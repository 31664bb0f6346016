#!/bin/bash
# Answers the official image's environment: MYSQL_ROOT_PASSWORD, MYSQL_RANDOM_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD,
# MYSQL_ROOT_HOST, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD; of the rest, our tests need nothing. An empty data directory is filled
# from the one baked into the image, and the accounts are made by --init-file, so that mysqld starts once, in a second or two. It
# also runs as user 999 from the start, which is mysql here and there.
set -eu
data=/var/lib/mysql run=/run/mysqld

# As in the official image: nothing, or a leading dash, means mysqld with those options.
if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then set -- mysqld "$@"; fi
if [ "$1" != mysqld ]; then exec "$@"; fi
shift

string() { local s=${1//\\/\\\\}; printf "'%s'" "${s//\'/\'\'}"; }
# shellcheck disable=SC2016 # the backticks are SQL's
name() { printf '`%s`' "${1//\`/\`\`}"; }

mkdir -p "$run"
args=()
if [ "$(id -u)" = 0 ]; then
  chown mysql:mysql "$run"
  args=(--user=mysql)
fi
args+=(--datadir="$data" --socket="$run/mysqld.sock" --pid-file="$run/mysqld.pid" --secure-file-priv=NULL)
if [ ! -d "$data/mysql" ]; then
  if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
    MYSQL_ROOT_PASSWORD=$(head -c 24 /dev/urandom | base64)
    echo "[Note] [Entrypoint]: GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
  elif [ -z "${MYSQL_ROOT_PASSWORD:-}${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
    echo '[ERROR] [Entrypoint]: set MYSQL_ROOT_PASSWORD, MYSQL_RANDOM_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD' >&2
    exit 1
  fi
  init=$run/init.sql
  install -o mysql -g mysql -m 600 /dev/null "$init"
  {
    if [ -n "${MYSQL_DATABASE:-}" ]; then echo "CREATE DATABASE IF NOT EXISTS $(name "$MYSQL_DATABASE");"; fi
    if [ -n "${MYSQL_USER:-}" ]; then
      account="$(string "$MYSQL_USER")@'%'"
      echo "CREATE USER IF NOT EXISTS $account IDENTIFIED BY $(string "${MYSQL_PASSWORD:-}");"
      if [ -n "${MYSQL_DATABASE:-}" ]; then echo "GRANT ALL ON $(name "${MYSQL_DATABASE//_/\\_}").* TO $account;"; fi
    fi
    host=${MYSQL_ROOT_HOST-%} password=$(string "${MYSQL_ROOT_PASSWORD:-}")
    if [ -n "$host" ] && [ "$host" != localhost ]; then
      echo "CREATE USER IF NOT EXISTS 'root'@$(string "$host") IDENTIFIED BY $password;"
      echo "GRANT ALL ON *.* TO 'root'@$(string "$host") WITH GRANT OPTION;"
    fi
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $password;"
  } >>"$init"
  args+=(--init-file="$init")
  cp -a --sparse=always /usr/share/mysql-seed/. "$data/"
fi

# testcontainers' mysql module waits for "port: 3306  MySQL Community Server" unless told otherwise; Debian's build says
# "(Debian)" there, so a line of our own follows it. mysqld stays process 1 and gets the signals.
exec mysqld "${args[@]}" "$@" 2> >(while IFS= read -r line; do
  printf '%s\n' "$line"
  if [[ $line == *'ready for connections.'*'port: 3306 '* ]]; then echo '[Entrypoint]: ready, port: 3306  MySQL Community Server - GPL (built by Debian)'; fi
done >&2)
