#!/bin/bash
# Runs the tests in their long form, which takes about an hour. Each setting below can be overridden
# in the environment. scripts/setup.sh installs what it needs, servers included.
set -euo pipefail
cd "$(dirname "$0")/.."

# Cases of each property test.
export PROPTEST_CASES=${PROPTEST_CASES:-100000}
# How often a process is killed during logouts.
export TOWER_LOGOUT_KILLS=${TOWER_LOGOUT_KILLS:-2000}
# Logouts of one flood.
export TOWER_LOGOUT_FLOOD=${TOWER_LOGOUT_FLOOD:-10000000}
# Rounds of 64 parallel logouts on four nodes.
export TOWER_LOGOUT_ROUNDS=${TOWER_LOGOUT_ROUNDS:-10000}
# Revocations that a server holds and a new node loads.
export TOWER_LOGOUT_LIVE=${TOWER_LOGOUT_LIVE:-300000}

cargo test --locked --all-features --release "$@" -- --include-ignored
