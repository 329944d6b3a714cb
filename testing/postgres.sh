#!/bin/sh
# Runs a private PostgreSQL for tests, with what Debian's package installs.
#
#   testing/postgres.sh start DIR PORT   waits until it answers and prints its URL
#   testing/postgres.sh stop  DIR PORT   does nothing if it does not run
#
# Data, log and socket stay in DIR. Anybody on this machine may connect, and fsync is on, as it is
# where the store is used. PostgreSQL refuses to run as root, and then runs as `postgres`.
set -eu

if [ $# -ne 3 ]; then
  echo "usage: testing/postgres.sh start|stop DIR PORT" >&2
  exit 2
fi
act=$1 port=$3
# The newest installed version.
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ]; then
  echo "PostgreSQL is not installed: apt-get install postgresql" >&2
  exit 1
fi

as_postgres() {
  if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

is_running() {
  [ -d "$dir/data" ] && as_postgres "$bin/pg_ctl" status -D "$dir/data" >/dev/null 2>&1
}

start() {
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  # The caller's directory may be one that `postgres` cannot enter.
  cd /
  if [ "$(id -u)" -eq 0 ]; then
    chown postgres: "$dir"
    # `mktemp -d` makes directories that nobody else passes through.
    as_postgres test -x "$dir" || chmod a+x "$(dirname "$dir")"
  fi
  if [ ! -f "$dir/data/PG_VERSION" ]; then
    as_postgres "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 \
      --locale=C >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }
  fi
  if ! is_running; then
    options="-p $port -k $dir -c listen_addresses=127.0.0.1 -c fsync=on -c max_connections=400"
    as_postgres "$bin/pg_ctl" start -w -t 60 -D "$dir/data" -l "$dir/server.log" \
      -o "$options" >/dev/null || { cat "$dir/server.log" >&2; exit 1; }
  fi
  echo "postgres://postgres@127.0.0.1:$port/postgres"
}

stop() {
  [ -d "$1" ] || return 0
  dir=$(cd "$1" && pwd)
  cd /
  if is_running; then
    as_postgres "$bin/pg_ctl" stop -w -t 60 -m fast -D "$dir/data" >/dev/null
  fi
}

case $act in
  start) start "$2" ;;
  stop) stop "$2" ;;
  *) echo "unknown act \`$act\`: start or stop" >&2; exit 2 ;;
esac
