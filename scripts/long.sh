#!/bin/bash
# The long forms of the tests: about an hour, where scripts/test.sh takes minutes. Each setting can be given in the environment.
# What it needs, servers included, scripts/setup.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."

export PROPTEST_CASES=${PROPTEST_CASES:-100000}            # cases of each property
export TOWER_LOGOUT_KILLS=${TOWER_LOGOUT_KILLS:-2000}      # how often a process is killed in the middle of logouts
export TOWER_LOGOUT_FLOOD=${TOWER_LOGOUT_FLOOD:-10000000}  # logouts of one flood
export TOWER_LOGOUT_ROUNDS=${TOWER_LOGOUT_ROUNDS:-10000}   # rounds of 64 parallel logouts over four nodes
export TOWER_LOGOUT_LIVE=${TOWER_LOGOUT_LIVE:-300000}      # revocations that a server holds and a new node loads

cargo test --locked --all-features --release "$@" -- --include-ignored
