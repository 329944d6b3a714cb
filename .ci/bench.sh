#!/usr/bin/env bash
# Measures what has a bar: the code by criterion, then a release server by signed requests, by how
# soon changes bind devices, and by MQTT. Shadows, rules, and a fleet of ten million things, which
# takes an hour to make, are measured only when asked for.
#
#   .ci/bench.sh [api|code|effect|mqtt]… [--runs 5] [--seconds 10] [--rows WORD]   options: for mqtt
#   .ci/bench.sh effect [--rounds 50] [--connections 10000] [--sites WORD]
#   .ci/bench.sh rules [--runs 3] [--seconds 6] [--rows WORD]
#   .ci/bench.sh shadow
#   .ci/bench.sh fleet [--large 10000000] [--small 1000] [--data DIR]
#
# PEER=host:port measures another server's API beside it. bench/README.md is about MQTT.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/places.sh
. .ci/places.sh

steps=()
while [ $# -gt 0 ] && [[ $1 != --* ]]; do
  steps+=("$1")
  shift
done
options=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(code api effect mqtt)
scratch=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

bench_code() { cargo bench --workspace --benches; }

# Three runs of each, since a machine that is also used for something else varies.
load_things() {
  measure "$1" "$2" create-thing
  measure "$1" "$2" describe-thing
}

# The bars are for one core. No more clients than may wait for keys.
load_certificates() {
  measure "$1" "$2" create-certificate-from-csr --pid "$server" --at-least 2000
  measure "$1" "$2" create-keys-and-certificate --clients 16 --pid "$server" --at-least 15
}

measure() {
  local name=$1 address=$2 operation=$3
  shift 3
  for _ in 1 2 3; do
    printf '%-8s %-28s ' "$name" "$operation"
    "$TARGET/release/ferrite-load" --address "$address" --operation "$operation" --seconds 5 "$@"
  done
}

port=45660

# A release server with an empty store, and more arguments.
start_server() {
  cargo build --release --quiet --package ferrite --package ferrite-load
  [ -z "$server" ] || { kill "$server"; wait "$server" || true; }
  rm -rf "$scratch/data"
  "$TARGET/release/ferrite" serve --data-dir "$scratch/data" --set log.level=warn \
    --set "listen.http=127.0.0.1:$port" --set listen.https=off --set listen.mqtts=off "$@" \
    >"$scratch/server.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$port/_ferrite/ready" >/dev/null && break
    sleep 0.05
  done
}

bench_api() {
  start_server
  sed -n 's/^Ferrite is/started:/p' "$scratch/server.log"
  echo "idle memory: $(ps -o rss= -p "$server") kB"
  eval "$("$TARGET/release/ferrite" env --data-dir "$scratch/data")"
  load_things ferrite "127.0.0.1:$port"
  [ -z "${PEER:-}" ] || load_things peer "$PEER"
  # Not beside all those things.
  start_server
  eval "$("$TARGET/release/ferrite" env --data-dir "$scratch/data")"
  load_certificates ferrite "127.0.0.1:$port"
}

bench_mqtt() {
  [ -x "$VENV/bin/python" ] || .ci/deps.sh
  cargo build --release --quiet --package ferrite --package ferrite-mqload
  "$VENV/bin/python" bench/run.py "$TARGET/release" "${options[@]}"
}

bench_effect() {
  [ -x "$VENV/bin/python" ] || .ci/deps.sh
  cargo build --release --quiet --package ferrite --package ferrite-mqload
  local own=()
  [ "${steps[*]}" != effect ] || own=("${options[@]}")
  "$VENV/bin/python" bench/effect.py "$TARGET/release" "${own[@]}"
}

# Updates are durable; the store's own read-modify-write of a kilobyte, of as many records, is what
# they are held against. Over MQTT each client is a thing that has its share of them by name.
bench_shadow() {
  cargo build --release --quiet --package ferrite-mqload
  local mqtt=$((port + 1)) payload=$scratch/payload.json fleet=100000
  start_server --dev --set "listen.mqtt=127.0.0.1:$mqtt"
  eval "$("$TARGET/release/ferrite" env --data-dir "$scratch/data")"
  local load=("$TARGET/release/ferrite-load" --address "127.0.0.1:$port" --fleet "$fleet")
  "${load[@]}" --operation fill-shadows
  measure ferrite "127.0.0.1:$port" update-shadow --fleet "$fleet" --pid "$server"
  measure ferrite "127.0.0.1:$port" get-shadow --fleet "$fleet" --pid "$server"
  "${load[@]}" --operation fill-named-shadows
  echo '{"state":{"reported":{"setting03":{"value":7},"setting07":{"value":8},"seen":9}}}' >"$payload"
  ask_shadow update "$fleet"
  echo '{"clientToken":"a"}' >"$payload"
  ask_shadow get "$fleet"
  cargo bench --quiet --package ferrite-store --bench store -- SQLite
  [ -z "${FERRITE_TEST_POSTGRES_URL:-}" ] \
    || cargo bench --quiet --package ferrite-store --bench store -- PostgreSQL
  cargo bench --quiet --package ferrite-shadow --bench documents
}

ask_shadow() {
  local request=$1 numbers=$(($2 / 64)) topic="\$aws/things/{client}/shadow/name"
  for _ in 1 2 3; do
    "$TARGET/release/mqload" request --port "$mqtt" --pid "$server" --qos 1 --count 64 \
      --payload-file "$payload" --numbers "$numbers" --publish "$topic/{number}/$request" \
      --answer "$topic/+/$request/accepted" --refused "$topic/+/$request/rejected" --duration 5 \
      --json 2>/dev/null | jq -r --arg request "$request" '"ferrite  \($request) by MQTT  " +
        "\(.answered_per_s | round)/s, p50 \(.latency_p50_us | round) µs, " +
        "p99 \(.latency_p99_us | round) µs; \(.answered_per_broker_cpu_s | round) per second of " +
        "CPU, of which the server used \(.broker_cpu_s) s and the generator \(.generator_cpu_s) s"'
  done
}

bench_rules() {
  [ -x "$VENV/bin/python" ] || .ci/deps.sh
  cargo build --release --quiet --package ferrite --package ferrite-mqload
  "$VENV/bin/python" bench/rules.py "$TARGET/release" "${options[@]}"
}

bench_fleet() {
  [ -x "$VENV/bin/python" ] || .ci/deps.sh
  cargo build --release --quiet --package ferrite --package ferrite-load
  "$VENV/bin/python" bench/fleet.py "$TARGET/release" "${options[@]}"
}

for step in "${steps[@]}"; do
  "bench_$step"
done
