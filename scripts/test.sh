#!/bin/bash
# Passes all tests, on a fresh Debian machine with nothing but a Rust toolchain: scripts/test.sh
#
#   scripts/test.sh         everything; takes about 22 minutes on two cores
#   scripts/test.sh fast    formatting, lints, and the tests that need no server; takes minutes
#
# It first calls scripts/setup.sh, which installs what is missing, then stops at the first failure, and prints how long each step
# took. The tests start servers of their own on free ports, and touch none that runs already.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=never
export CARGO_INCREMENTAL=0 # nothing here is compiled twice

# A step that hangs fails, so that its last lines can be read.
step() {
    local name=$1 began=$SECONDS
    shift
    echo "==> $name"
    if ! timeout --kill-after=10 45m bash -euo pipefail -c "$(declare -f); \"\$@\"" bash "$@" </dev/null; then
        echo "==> FAILED: $name ($*)" >&2
        exit 1
    fi
    echo "==> $name: passed in $((SECONDS - began)) s"
}

formatting() {
    cargo fmt --all --check
}

lints() {
    cargo clippy --locked --all-targets --all-features "$@" -- -D warnings
}

# `peers` is left out: it is not part of what is released, and brings in all that it compares with.
lints_of_the_workspace() {
    lints --workspace --exclude tower-logout-peers
    cargo clippy --locked --lib -- -D warnings
}

# No `--locked` here: without its dev-dependencies the manifest does not match the lock file, which is restored afterwards.
each_feature_alone() {
    cargo hack clippy --each-feature --no-dev-deps -- -D warnings
}

documentation() {
    export RUSTDOCFLAGS="-D warnings"
    cargo doc --locked --no-deps
    cargo doc --locked --all-features --no-deps
}

tests() {
    # Most of these wait, for servers and timeouts: more of them at once than there are cores.
    cargo test --locked --all-features -- --include-ignored
}

fast_tests() {
    cargo test --locked --all-features
}

other_crypto_library() {
    cargo test --locked --no-default-features --features rust-crypto --test contract --test jwt --test library --test logout
}

another_crate_changes_how_numbers_are_read() {
    cargo test --locked --all-features --features serde_json/arbitrary_precision --lib --test contract --test jwt
}

# Each in a build of its own: what one application has chosen is not to be seen by the next.
applications_with_a_backend_of_their_own() {
    local features
    for features in own-rust-crypto,aws-lc-rs own-aws-lc-rs,rust-crypto own-rust-crypto,aws-lc-rs,rust-crypto; do
        cargo test --locked --package tower-logout-backends --no-default-features --features "$features"
    done
}

frameworks() {
    cargo test --locked --package tower-logout-frameworks
}

# With the lowest versions that the manifest allows, in a copy without the other members, as the lock file is another one. All
# features are checked, and tested by what uses most of each dependency: tables, tokens, bodies and streams.
lowest_versions() {
    local target=${CARGO_TARGET_DIR:-$PWD/target} copy
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -r Cargo.toml README.md benches docs examples src test-support tests "$copy"
    cd "$copy"
    sed -i '/^members = \[/,/^\]/c members = ["benches/bare", "test-support"]' Cargo.toml
    RUSTC_BOOTSTRAP=1 cargo -Z direct-minimal-versions generate-lockfile
    cargo test --locked --target-dir "$target" --lib --test contract --test jwt --test middleware --test streams --test models
}

# Only where these toolchains are installed: they are not, on a fresh machine.
oldest_compilers() {
    if RUSTUP_AUTO_INSTALL=0 cargo +1.88 --version >/dev/null 2>&1; then
        cargo +1.88 check --locked
    fi
    if RUSTUP_AUTO_INSTALL=0 cargo +1.90 --version >/dev/null 2>&1; then
        cargo +1.90 check --locked --features redb
    fi
}

instructions() {
    cargo bench --locked --package tower-logout-instructions
}

scripts/setup.sh "$@"
step "formatting" formatting
if [ "${1:-}" = fast ]; then
    step "lints" lints
    step "tests that need no server" fast_tests
else
    step "lints" lints_of_the_workspace
    step "documentation" documentation
    step "each feature alone" each_feature_alone
    step "the oldest supported compilers" oldest_compilers
    step "tests" tests
    step "tests with the other crypto library" other_crypto_library
    step "tests where another crate changes how numbers are read" another_crate_changes_how_numbers_are_read
    step "applications with a backend of their own" applications_with_a_backend_of_their_own
    step "frameworks" frameworks
    step "the lowest versions of the dependencies" lowest_versions
    step "what was fuzzed before" scripts/fuzz.sh replay
    step "instructions" instructions
fi
echo "==> all passed in $SECONDS s"
