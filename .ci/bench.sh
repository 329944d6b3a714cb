#!/usr/bin/env bash
# Measures what has a bar: the code by criterion, then a release server by signed requests.
#
#   .ci/bench.sh [api|code]…      PEER=host:port measures another server beside it
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/places.sh
. .ci/places.sh

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(code api)
scratch=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

bench_code() { cargo bench --workspace --benches; }

# Three runs of each, since a machine that is also used for something else varies.
load() {
  local operation
  for operation in create-thing describe-thing; do
    for _ in 1 2 3; do
      printf '%-8s %-15s ' "$1" "$operation"
      "$TARGET/release/ferrite-load" --address "$2" --operation "$operation" --seconds 5
    done
  done
}

bench_api() {
  cargo build --release --quiet --package ferrite --package ferrite-load
  local port=45660
  "$TARGET/release/ferrite" serve --data-dir "$scratch/data" --set log.level=warn \
    --set "listen.http=127.0.0.1:$port" >"$scratch/server.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$port/_ferrite/ready" >/dev/null && break
    sleep 0.05
  done
  sed -n 's/^Ferrite is/started:/p' "$scratch/server.log"
  echo "idle memory: $(ps -o rss= -p "$server") kB"
  eval "$("$TARGET/release/ferrite" env --data-dir "$scratch/data")"
  load ferrite "127.0.0.1:$port"
  [ -z "${PEER:-}" ] || load peer "$PEER"
}

for step in "${steps[@]}"; do
  "bench_$step"
done
