#!/usr/bin/env bash
# Installs what the tests need: Debian packages where we are root, and environments of Python and
# Node in one folder.
#
# What cannot be installed is named at the end, with what is not tested without it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/places.sh
. .ci/places.sh

# Each line: what must exist (a command, or a file), its Debian package, and what it is for.
packages() {
  cat <<'LIST'
cc build-essential building SQLite and the cryptography library
/usr/include/stdio.h build-essential building SQLite and the cryptography library
pkg-config pkg-config building
openssl openssl checking keys and certificates with an independent tool
jq jq the scripted AWS CLI story
curl curl looking at the server by hand
psql postgresql-client the store on PostgreSQL
/usr/lib/postgresql/*/bin/initdb postgresql the store on PostgreSQL
/usr/bin/aws awscli the story with the AWS CLI v2
python3 python3 the acceptance suite
mosquitto_pub mosquitto-clients the device story with mosquitto's clients
node nodejs the device story with the npm SDK
npm npm the device story with the npm SDK
chromium chromium MQTT over WebSocket in a browser
cmake cmake building the runtime of functions in JavaScript
autoreconf autoconf building the runtime of functions in JavaScript
automake automake building the runtime of functions in JavaScript
libtoolize libtool building the runtime of functions in JavaScript
LIST
}

is_present() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing_packages() {
  local probe package purpose
  while read -r probe package purpose; do
    is_present "$probe" || echo "$package"
  done < <(packages)
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages | sort -u)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    return 0
  fi
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || true
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || true
}

make_python_environment() {
  local stamp="$VENV/requirements.txt"
  cmp -s acceptance/requirements.txt "$stamp" && return 0
  echo "making the Python environment in $VENV"
  python3 -m venv "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    -r acceptance/requirements.txt
  cp acceptance/requirements.txt "$stamp"
}

# Packages of npm go beside the Python environment's own files, never into the checkout's sources.
# What follows the folders is for npm.
install_npm_packages() {
  local from=$1 place=$VENV/$2 lock=package-lock.json
  shift 2
  command -v npm >/dev/null || return 0
  cmp -s "$from/$lock" "$place/installed.json" && return 0
  echo "installing what $from names in $place"
  mkdir -p "$place"
  cp "$from/package.json" "$from/$lock" "$place/"
  npm ci --prefix "$place" --no-audit --no-fund --loglevel error "$@" >/dev/null &&
    cp "$from/$lock" "$place/installed.json"
}

make_node_environment() { install_npm_packages acceptance/sdk/node node --ignore-scripts; }

# This one compiles: curl, AWS's client of the Runtime API, and what joins them to Node, whose headers
# may be those of a package. Where that cannot be done, functions in JavaScript are not tested.
make_lambda_environment() {
  [ ! -d /usr/include/node ] || export npm_config_nodedir=/usr
  MAKEFLAGS="-j$(nproc)" install_npm_packages acceptance/sdk/lambda lambda ||
    echo "missing: aws-lambda-ric could not be built; functions in JavaScript are not tested"
}

report_missing() {
  local probe package purpose
  while read -r probe package purpose; do
    is_present "$probe" ||
      echo "missing: $probe, for $purpose; install it with: apt-get install $package"
  done < <(packages)
  command -v cargo-nextest >/dev/null ||
    echo "missing: cargo-nextest; cargo test is used instead (cargo install cargo-nextest --locked)"
}

install_packages
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  echo "missing: Python 3 with venv, for the acceptance suite;" \
    "install it with: apt-get install python3 python3-venv" >&2
  exit 1
fi
make_python_environment
make_node_environment
make_lambda_environment
report_missing
