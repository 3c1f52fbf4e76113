#!/bin/bash
# Runs all checks and tests, on any Debian machine with a Rust toolchain.
#
#   scripts/test.sh         everything; takes 40 minutes to an hour on two cores
#   scripts/test.sh fast    formatting, lints, and the tests that need no server; takes minutes
#
# The script first calls scripts/setup.sh, which installs what is missing. It stops at the first
# failure and prints how long each step takes. The tests start their own servers on free ports and
# do not touch running ones.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=never
export CARGO_INCREMENTAL=0 # no crate is compiled twice here

# A step that hangs fails at a timeout, so that its output can be read.
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

# `peers` is excluded: it is not published and depends on every crate that it compares.
lints_of_the_workspace() {
    lints --workspace --exclude tower-logout-peers
    cargo clippy --locked --lib -- -D warnings
}

# Without `--locked`: a manifest without dev-dependencies does not match the lock file. cargo-hack
# restores both afterwards.
each_feature_alone() {
    cargo hack clippy --each-feature --no-dev-deps -- -D warnings
}

# Advisories need a database that not every machine can fetch: the workflow on GitHub checks them.
licences_bans_and_sources() {
    cargo deny --workspace --all-features check bans licenses sources
}

documentation() {
    export RUSTDOCFLAGS="-D warnings"
    cargo doc --locked --no-deps
    cargo doc --locked --all-features --no-deps
}

tests() {
    # Includes the tests that need servers. Most of these wait: more of them run at once than there
    # are cores.
    RUST_TEST_THREADS=6 cargo test --locked --all-features -- --include-ignored
}

fast_tests() {
    cargo test --locked --all-features
}

other_crypto_library() {
    cargo test --locked --no-default-features --features rust-crypto --test contract --test jwt --test library --test logout
}

arbitrary_precision_numbers() {
    cargo test --locked --all-features --features serde_json/arbitrary_precision --lib --test contract --test jwt
}

# A separate build each, so that the features of one application do not leak into the next.
applications_with_own_backend() {
    local features
    for features in own-rust-crypto,aws-lc-rs own-aws-lc-rs,rust-crypto own-rust-crypto,aws-lc-rs,rust-crypto \
        own-aws-lc-rs,aws-lc-rs,own-tls; do
        cargo test --locked --package tower-logout-backends --no-default-features --features "$features"
    done
}

frameworks() {
    cargo test --locked --package tower-logout-frameworks
}

# Tests with the lowest versions that the manifest allows, in a copy without the other members
# because it needs another lock file. All features are checked. The chosen tests are those that use
# most of each dependency: tables, tokens, bodies and streams.
lowest_versions() {
    local target=${CARGO_TARGET_DIR:-$PWD/target}
    copy=$(mktemp -d) # not local: the trap runs after the function has returned
    trap 'rm -rf "$copy"' EXIT
    cp -r Cargo.toml README.md benches docs examples src test-support tests "$copy"
    cd "$copy"
    sed -i '/^members = \[/,/^\]/c members = ["benches/bare", "test-support"]' Cargo.toml
    RUSTC_BOOTSTRAP=1 cargo -Z direct-minimal-versions generate-lockfile
    cargo check --locked --target-dir "$target" --all-features
    cargo test --locked --target-dir "$target" --lib --test contract --test jwt --test middleware --test streams --test models
}

# Runs only if these toolchains are installed.
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
    step "licences, bans and sources of the dependencies" licences_bans_and_sources
    step "documentation" documentation
    step "each feature alone" each_feature_alone
    step "the oldest supported compilers" oldest_compilers
    step "tests" tests
    step "tests with the other crypto library" other_crypto_library
    step "tests with another number representation in serde_json" arbitrary_precision_numbers
    step "applications with their own crypto backend" applications_with_own_backend
    step "frameworks" frameworks
    step "the lowest versions of dependencies" lowest_versions
    step "the fuzz corpus" scripts/fuzz.sh replay
    step "instructions" instructions
fi
echo "==> all passed in $SECONDS s"
