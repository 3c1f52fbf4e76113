#!/bin/bash
# Runs the tests in their long form, which takes about an hour, and then scripts/mutants.sh, which
# takes hours. Each setting below can be overridden in the environment. Arguments are passed to
# `cargo test` and leave scripts/mutants.sh out. scripts/setup.sh installs what the tests need,
# servers included.
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
# Seeds of the simulation of a fleet.
export SIMULATION_SEEDS=${SIMULATION_SEEDS:-20000}
# Revocations that a server holds and a new node loads.
export TOWER_LOGOUT_LIVE=${TOWER_LOGOUT_LIVE:-300000}

cargo test --locked --all-features --release "$@" -- --include-ignored

[ $# -gt 0 ] || scripts/mutants.sh
