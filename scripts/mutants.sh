#!/bin/bash
# Mutation tests: changes the code that decides, one small change at a time, and fails if no test
# notices a change. scripts/mutants.sh [AREA]...; the areas are below. All of them take hours.
#
# .cargo/mutants.toml says which changes are left out, and why. The results of an area, with the
# output of the tests for each change, are in target/mutants/AREA/mutants.out.
set -euo pipefail
cd "$(dirname "$0")/.."

# Apart from other builds, for which cargo could take a changed library as up to date.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/mutants
# The incremental compiler can crash on what an earlier change has left, which would count as a
# change that does not compile.
export CARGO_INCREMENTAL=0
export PROPTEST_CASES=64
areas=" ${*:-revocation policy source guard cache revoker endpoint} "
failed=()

# examine AREA FILES TEST_BINARY...: most of the time goes into building tests, so a test binary
# runs only for the changes that those before it have missed.
examine() {
    local area=$1 files=$2 tests code output=$CARGO_TARGET_DIR/$1
    shift 2
    [[ $areas == *" $area "* ]] || return 0
    rm -rf "$output" && mkdir -p "$output"
    for tests in "$@"; do
        echo "==> $area: $tests"
        code=0
        cargo mutants --iterate --output "$output" --file "$files" -C --locked -C "$tests" || code=$?
        case $code in
            0 | 2 | 3) ;; # 2: some changes are missed, 3: some make a test hang
            *) exit "$code" ;;
        esac
        # A test that hangs has noticed the change.
        cat "$output/mutants.out/timeout.txt" >>"$output/mutants.out/caught.txt"
        [ "$code" != 0 ] || break
    done
    if [ ! -s "$output/mutants.out/caught.txt" ] && [ ! -s "$output/mutants.out/previously_caught.txt" ]; then
        echo "==> FAILED: no change of $area compiles and is noticed" >&2
        exit 1
    fi
    [ ! -s "$output/mutants.out/missed.txt" ] || failed+=("$output/mutants.out/missed.txt")
}

cargo mutants --version >/dev/null 2>&1 || cargo install --locked cargo-mutants
examine revocation 'src/revocation/{identity,key,retention,revocable}.rs' --test=logout --test=library --test=jwt
examine policy 'src/token/jwt/{policy,registered_claims,verification}.rs' --test=jwt --test=logout --test=library
examine source 'src/token/{source,source/*}.rs' --test=contract --test=logout
examine guard 'src/guard/*.rs' --test=contract --test=middleware --test=streams --test=jwt --test=library --test=logout
examine cache 'src/guard/cache/*.rs' --lib --test=jwt
examine revoker 'src/revoker/*.rs' --test=logout --test=library
examine endpoint 'src/{endpoint/*,logout}.rs' --test=logout --test=contract --test=streams --test=middleware --test=library

if [ ${#failed[@]} -gt 0 ]; then
    echo "==> FAILED: no test notices these changes" >&2
    cat "${failed[@]}" >&2
    exit 1
fi
