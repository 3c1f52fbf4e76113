#!/bin/bash
# Fuzzes what reads a request's token: scripts/fuzz.sh [seconds], each of the targets in fuzz/ for that long, ten minutes unless told.
#
#   scripts/fuzz.sh 60        a minute each
#   scripts/fuzz.sh replay    only fuzz/seeds and fuzz/corpus, once, without cargo-fuzz and without measuring coverage: for CI
#   scripts/fuzz.sh minimise  keeps of fuzz/corpus, to which a run adds, what its coverage needs
#
# The seeds are written by hand; what was found in the library once is among them.
#
# Needs a C++ compiler beside a C compiler (Debian: g++), for libFuzzer. Stable Rust will do: the library forbids `unsafe`, so there is
# nothing for a sanitizer to find, and the sanitizers alone would need a nightly one.
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
