#!/bin/bash
# The long forms of the tests: about an hour, where scripts/test.sh takes minutes. Each setting can be given in the environment.
set -euo pipefail
cd "$(dirname "$0")/.."

export PROPTEST_CASES=${PROPTEST_CASES:-100000}            # cases of each property
export TOWER_LOGOUT_KILLS=${TOWER_LOGOUT_KILLS:-2000}      # how often a process is killed in the middle of logouts
export TOWER_LOGOUT_FLOOD=${TOWER_LOGOUT_FLOOD:-10000000}  # logouts of one flood

cargo test --locked --all-features --release "$@"
