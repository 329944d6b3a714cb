# Where builds, the Python environment and test files live. Sourced, not run.

TARGET=${CARGO_TARGET_DIR:-$PWD/target}
VENV=${CARGO_TARGET_DIR:+$CARGO_TARGET_DIR/venv}
VENV=${VENV:-$PWD/.venv}
