#!/bin/bash
# Fuzzes the code that reads request tokens, each target in fuzz/ for ten minutes by default.
#
#   scripts/fuzz.sh [seconds]  fuzzes each target for that long
#   scripts/fuzz.sh replay     runs fuzz/seeds and fuzz/corpus once, for CI: needs no cargo-fuzz and
#                              measures no coverage
#   scripts/fuzz.sh minimise   reduces fuzz/corpus, to which runs add, to the inputs that its
#                              coverage needs
#
# The seeds are written by hand and include the inputs of past findings.
#
# libFuzzer needs a C++ compiler (Debian: g++). Stable Rust is sufficient: the library forbids
# `unsafe`, so sanitizers, which need nightly Rust, would find nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(header token claims)
what=${1:-600}

install_what_is_missing() {
    if ! command -v c++ >/dev/null; then
        echo "there is no C++ compiler: apt-get install g++" >&2
        return 1
    fi
    [ "$what" = replay ] || cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
}

replay() {
    local target output
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
    cargo build --locked --package tower-logout-fuzz
    for target in "${targets[@]}"; do
        mkdir -p "fuzz/artifacts/$target"
        if ! output=$("$CARGO_TARGET_DIR/debug/$target" -runs=0 "-artifact_prefix=fuzz/artifacts/$target/" fuzz/{seeds,corpus}/"$target" 2>&1); then
            echo "$output" >&2
            return 1
        fi
        echo "$target: ${output##*$'\n'}"
    done
}

minimise() {
    local target
    for target in "${targets[@]}"; do
        cargo fuzz cmin -s none "$target" -- -use_counters=0
    done
}

fuzz() {
    local target
    for target in "${targets[@]}"; do
        cargo fuzz run -s none "$target" fuzz/{corpus,seeds}/"$target" -- -max_total_time="$what" -dict=fuzz/jwt.dict -timeout=10 -print_final_stats=1
    done
}

install_what_is_missing
case $what in
    replay) replay ;;
    minimise) minimise ;;
    *) fuzz ;;
esac
