#!/usr/bin/env bash
# Runs the steps of `make test`, all of them or those that are named, and ends in their summaries.
#
#   .ci/test.sh [deps|fmt|clippy|unit|doc|acceptance]…        ARGS goes to pytest
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/places.sh
. .ci/places.sh

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(deps fmt clippy unit doc acceptance)
scratch=$(mktemp -d)
postgres_port=

cleanup() {
  [ -z "$postgres_port" ] || testing/postgres.sh stop "$scratch/postgres" "$postgres_port" || true
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step_deps() { .ci/deps.sh; }

step_fmt() { cargo fmt --all --check; }

step_clippy() { cargo clippy --workspace --all-targets --quiet -- -D warnings; }

step_unit() {
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --workspace --no-fail-fast --status-level slow --final-status-level fail
  else
    echo "cargo-nextest is not installed: cargo test does the same, more slowly"
    cargo test --workspace --quiet --no-fail-fast --lib --bins --tests
  fi
  cargo test --workspace --quiet --doc
  features_on_every_store
}

# What features keep must come back alike from every engine; memory's turn was above. The tests of
# `changes` and of the schedule's `clock` and `simulation` own the clock, and neither a disk nor a
# network waits for a clock that jumps.
features_on_every_store() {
  local store stores=(sqlite)
  [ -z "${FERRITE_TEST_POSTGRES_URL:-}" ] || stores+=(postgres)
  for store in "${stores[@]}"; do
    echo "the features on $store"
    FERRITE_TEST_STORE=$store cargo test --quiet -p ferrite-service -p ferrite-registry \
      -p ferrite-identity --test it -- --skip changes:: --skip clock:: --skip simulation::
  done
}

step_doc() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet; }

step_acceptance() {
  cargo build --package ferrite --package ferrite-mqload --quiet
  # ARGS is several words.
  # shellcheck disable=SC2086
  FERRITE_BIN="$TARGET/debug/ferrite" "$VENV/bin/python" -m pytest acceptance ${ARGS:-}
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The store's tests also run on a PostgreSQL of their own, unless one is given.
start_postgres() {
  [ -z "${FERRITE_TEST_POSTGRES_URL:-}" ] || return 0
  if [ ! -x testing/postgres.sh ] || ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
    printf '\nPostgreSQL is not installed: the store is tested on SQLite and in memory alone\n'
    return 0
  fi
  postgres_port=$(free_port)
  testing/postgres.sh start "$scratch/postgres" "$postgres_port" >"$scratch/postgres.out" 2>&1 || {
    cat "$scratch/postgres.out"
    return 1
  }
  export FERRITE_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$postgres_port/postgres"
}

# The runners' own last lines, repeated at the very end.
summaries() {
  sed 's/\x1b\[[0-9;]*m//g' "$scratch"/*.log |
    grep -E '^ *Summary \[|^test result: .* [1-9][0-9]* passed|^=+ .*(passed|failed|error).* =+$' || true
}

# Sets `status`; a plain call, since bash forgets `set -e` in whatever `||` and `if` look at.
run_step() {
  local name=$1 started=$SECONDS verdict=passed
  printf '\n── %s\n' "$name"
  set +e
  (
    set -e
    "step_$name"
  ) 2>&1 | tee "$scratch/$name.log"
  status=${PIPESTATUS[0]}
  set -e
  [ "$status" = 0 ] || verdict=FAILED
  printf '── %s: %s in %s s\n' "$name" "$verdict" $((SECONDS - started))
}

for step in "${steps[@]}"; do
  [ "$step" != unit ] || start_postgres
  run_step "$step"
  if [ "$status" != 0 ]; then
    summaries
    exit 1
  fi
done
printf '\n── all %s steps passed in %s s\n' ${#steps[@]} "$SECONDS"
summaries
