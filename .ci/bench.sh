#!/usr/bin/env bash
# Measures what has a bar: the code by criterion, then a release server by signed requests and by
# MQTT.
#
#   .ci/bench.sh [api|code|mqtt]…
#
# PEER=host:port measures another server's API beside it. MQTT needs the load generator mqload
# (MQLOAD=path), and measures another broker beside it with MQTT_PEER=port and MQTT_PEER_PID=pid.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/places.sh
. .ci/places.sh

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(code api mqtt)
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

port=45660
mqtt_port=45661

# A release server with an empty store; the arguments are its own.
start_server() {
  cargo build --release --quiet --package ferrite --package ferrite-load
  [ -z "$server" ] || { kill "$server"; wait "$server" || true; }
  rm -rf "$scratch/data"
  "$TARGET/release/ferrite" serve --data-dir "$scratch/data" --set log.level=warn \
    --set "listen.http=127.0.0.1:$port" --set listen.https=off --set listen.mqtts=off \
    "$@" >"$scratch/server.log" 2>&1 &
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
  load ferrite "127.0.0.1:$port"
  [ -z "${PEER:-}" ] || load peer "$PEER"
}

# Under a policy of the form that devices have: each message is asked of it twice.
make_policy() {
  eval "$("$TARGET/release/ferrite" env --data-dir "$scratch/data")"
  "$VENV/bin/aws" iot create-policy --policy-name bench --policy-document '{
    "Version": "2012-10-17",
    "Statement": [
      {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/*"},
      {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
       "Resource": "arn:aws:iot:*:*:topic/bench/*"},
      {"Effect": "Allow", "Action": "iot:Subscribe",
       "Resource": "arn:aws:iot:*:*:topicfilter/bench/*"}
    ]}' --endpoint-url "http://127.0.0.1:$port" >/dev/null
}

# The lines of mqload that have a bar, for one broker and one load.
mqtt_load() {
  local name=$1 pid=$2 listen=$3
  shift 3
  printf '%-8s %-36s ' "$name" "$*"
  "$MQLOAD" "$@" --port "$listen" --pid "$pid" --username policy/bench --duration 5 2>/dev/null |
    awk '/^(delivered_per_s|delivered_per_broker_cpu_s|latency_p50_us|latency_p99_us|lost|connects_per_s|rss_bytes_per_connection) / \
      {printf "%s %s  ", $1, $2} END {print ""}'
}

bench_mqtt() {
  if [ ! -x "${MQLOAD:-}" ]; then
    echo "MQTT is not measured: name the load generator with MQLOAD=path/to/mqload"
    return 0
  fi
  start_server --dev --set "listen.mqtt=127.0.0.1:$mqtt_port"
  make_policy
  local load
  for load in "pairs --count 10" "pairs --count 10 --qos 1" "fanin" "fanin --qos 1" \
    "fanout --subs 100" "fanout --subs 100 --qos 1" "pairs --count 10 --window 1" \
    "pairs --count 10 --window 1 --qos 1" "connect --count 5000 --hold 1"; do
    # Each load is several words.
    # shellcheck disable=SC2086
    {
      mqtt_load ferrite "$server" "$mqtt_port" $load
      [ -z "${MQTT_PEER:-}" ] || mqtt_load peer "$MQTT_PEER_PID" "$MQTT_PEER" $load
    }
  done
}

for step in "${steps[@]}"; do
  "bench_$step"
done
