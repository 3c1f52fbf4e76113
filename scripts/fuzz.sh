#!/bin/bash
# Fuzzes the code that reads the token of a request and documents of providers, with the targets in
# fuzz/.
#
#   scripts/fuzz.sh [seconds]  fuzzes each target for that long, 600 seconds by default
#   scripts/fuzz.sh replay     runs each input of fuzz/corpus once, without cargo-fuzz; CI does this
#   scripts/fuzz.sh minimise   keeps as few inputs as reach all code that is reached now
#
# fuzz/corpus/<target>/ has the inputs that are written by hand, and fuzz/corpus/<target>.found
# those of libFuzzer, one on each line: printable characters as they are, other bytes and `\` as
# \xHH.
#
# Fuzzing starts from both and changes neither. Inputs that reach new code go to fuzz-finds/ in the
# target directory, where a later run continues from them; only `minimise` takes them into
# fuzz/corpus. An input that fails goes to fuzz/artifacts, which git ignores.
#
# Needs a C++ compiler (Debian: g++), which builds libFuzzer. Stable Rust suffices: the library
# forbids `unsafe`, so the sanitizers, which need a nightly compiler, have nothing to find.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(header token claims discovery key_set introspection logout_token security_event subject_identifier form_body)
what=${1:-600}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
found=$CARGO_TARGET_DIR/fuzz-found
finds=$CARGO_TARGET_DIR/fuzz-finds

install_what_is_missing() {
    if ! command -v c++ >/dev/null; then
        echo "there is no C++ compiler: apt-get install g++" >&2
        return 1
    fi
    [ "$what" = replay ] || cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
}

# Writes each line of fuzz/corpus/<target>.found to a file, as libFuzzer reads them.
unpack() {
    local line number=0
    rm -rf "$found/$1"
    mkdir -p "$found/$1" "$finds/$1" "fuzz/artifacts/$1"
    while IFS= read -r line; do
        number=$((number + 1))
        printf %b "$line" >"$found/$1/$number"
    done <"fuzz/corpus/$1.found"
}

# The last byte may be a space, which an editor could remove.
pack() {
    perl -0777 -pe 's/([^ -\[\]-~]| \z)/sprintf "\\x%02x", ord $1/ge; $_ .= "\n"' "$@" | LC_ALL=C sort
}

replay() {
    local target output
    cargo build --locked --package tower-logout-fuzz
    for target in "${targets[@]}"; do
        unpack "$target"
        if ! output=$("$CARGO_TARGET_DIR/debug/$target" -runs=0 "-artifact_prefix=fuzz/artifacts/$target/" "fuzz/corpus/$target" "$found/$target" 2>&1); then
            echo "$output" >&2
            return 1
        fi
        echo "$target: ${output##*$'\n'}"
    done
}

# libFuzzer adds to a copy of the inputs written by hand what they do not reach.
minimise() {
    local target kept input
    for target in "${targets[@]}"; do
        unpack "$target"
        kept=$CARGO_TARGET_DIR/fuzz-kept/$target
        rm -rf "$kept"
        mkdir -p "${kept%/*}"
        cp -r "fuzz/corpus/$target" "$kept"
        cargo fuzz run -s none "$target" "$kept" "$found/$target" "$finds/$target" -- -set_cover_merge=1 -use_counters=0
        for input in "fuzz/corpus/$target"/*; do rm "$kept/${input##*/}"; done
        pack "$kept"/* >"fuzz/corpus/$target.found"
    done
}

# The target `token` makes and drops a large cache for each input, while small entries of another
# one stay. By default, glibc then fragments the heap, up to libFuzzer's memory limit.
fuzz() {
    local target
    export MALLOC_MMAP_THRESHOLD_=131072
    for target in "${targets[@]}"; do
        unpack "$target"
        cargo fuzz run -s none "$target" "$finds/$target" "fuzz/corpus/$target" "$found/$target" -- -max_total_time="$what" -dict=fuzz/jwt.dict -timeout=10 -print_final_stats=1
    done
}

case $what in
    replay | minimise) ;;
    *[!0-9]*) echo "usage: scripts/fuzz.sh [seconds | replay | minimise]" >&2 && exit 2 ;;
esac
install_what_is_missing
case $what in
    replay) replay ;;
    minimise) minimise ;;
    *) fuzz ;;
esac
