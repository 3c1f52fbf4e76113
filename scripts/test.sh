#!/bin/bash
# Passes all tests, on a fresh Debian machine with nothing but a Rust toolchain: scripts/test.sh
#
# It installs what is missing, stops at the first failure, and prints how long each step took. The tests start servers of their own
# on free ports, and touch none that runs already.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=never
export CARGO_INCREMENTAL=0 # nothing here is compiled twice
export TOWER_LOGOUT_REQUIRE_SERVERS=1 # no test is skipped for want of Redis, PostgreSQL, nginx or Chromium

step() {
    local name=$1 began=$SECONDS
    shift
    echo "==> $name"
    if ! "$@" </dev/null; then
        echo "==> FAILED: $name ($*)" >&2
        exit 1
    fi
    echo "==> $name: passed in $((SECONDS - began)) s"
}

install_what_is_missing() {
    local packages=()
    # A C compiler: it links, and builds the crypto library aws-lc. Certificates: cargo downloads over TLS.
    have cc && [ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates gcc libc6-dev)
    have redis-server && have redis-cli || packages+=(redis-server)
    have postgres && have pg_basebackup || compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null || packages+=(postgresql)
    have nginx || [ -x /usr/sbin/nginx ] || packages+=(nginx) # asks a service whether a request may pass
    have pgbouncer || [ -x /usr/sbin/pgbouncer ] || packages+=(pgbouncer)
    have openssl || packages+=(openssl) # makes the certificates of servers with TLS
    have chromium && have chromedriver || packages+=(chromium chromium-driver) # looks at the example's page
    have c++ || packages+=(g++) # builds libFuzzer
    have valgrind || packages+=(valgrind) # counts instructions
    [ ${#packages[@]} -eq 0 ] || as_root install_packages "${packages[@]}" || return
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt || return
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy || return
    cargo hack --version >/dev/null 2>&1 || cargo install --locked cargo-hack || return
    # It works with the library of its own version only.
    local version
    version=$(sed -n '/^name = "gungraun-runner"$/{n;s/^version = "\(.*\)"$/\1/p}' benches/instructions/Cargo.lock)
    [ "$(gungraun-runner --version 2>/dev/null)" = "gungraun-runner $version" ] ||
        cargo install --locked gungraun-runner --version "$version"
}

have() {
    command -v "$1" >/dev/null
}

# Debian starts the servers that it installs, which fails in some containers and which nobody here needs: meanwhile, policy forbids it.
install_packages() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo bash -c "$(declare -f install_packages); \"\$@\"" as_root "$@"
    fi
}

# No `--locked` here: without its dev-dependencies the manifest does not match the lock file, which is restored afterwards.
# `check` prints warnings and passes; the lints then deny them, without the rebuild of everything that RUSTFLAGS would cost.
each_feature_alone() {
    cargo hack check --each-feature --no-dev-deps &&
        cargo hack clippy --each-feature --no-dev-deps -- -D warnings
}

documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps &&
        RUSTDOCFLAGS="-D warnings" cargo doc --locked --all-features --no-deps
}

other_crypto_library() {
    cargo test --locked --no-default-features --features rust-crypto,test-util \
        --test issuers --test key_files --test keys --test jwt_rules --test matar_sample --test respelled_signature \
        --test logout_service --test public_api
}

# Each in a build of its own: what one application has chosen is not to be seen by the next.
applications_with_a_backend_of_their_own() {
    local target=${CARGO_TARGET_DIR:-$PWD/target} features
    for features in own-rust-crypto,aws-lc-rs own-aws-lc-rs,rust-crypto own-rust-crypto,aws-lc-rs,rust-crypto; do
        cargo test --locked --target-dir "$target" --manifest-path tests/backends/Cargo.toml \
            --no-default-features --features "$features" || return
    done
    cargo clippy --locked --all-targets --target-dir "$target" --manifest-path tests/backends/Cargo.toml \
        --no-default-features --features own-rust-crypto,aws-lc-rs -- -D warnings
}

# Frameworks that would weigh on every other build.
frameworks() {
    local target=${CARGO_TARGET_DIR:-$PWD/target}
    cargo clippy --locked --all-targets --target-dir "$target" --manifest-path tests/frameworks/Cargo.toml -- -D warnings &&
        cargo test --locked --target-dir "$target" --manifest-path tests/frameworks/Cargo.toml
}

# With the lowest versions that the manifest allows, in a copy, as the lock file is another one. All features are checked, and the
# default ones tested by what uses most of each dependency: tables, tokens, bodies and streams. The other tests would show nothing
# more of the dependencies, and take minutes to build.
lowest_versions() (
    local target=${CARGO_TARGET_DIR:-$PWD/target} copy
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -r Cargo.toml README.md benches docs examples src tests "$copy" && cd "$copy" || return
    RUSTC_BOOTSTRAP=1 cargo -Z direct-minimal-versions generate-lockfile &&
        cargo check --locked --target-dir "$target" --all-features &&
        cargo test --locked --target-dir "$target" --features test-util --lib --test set_model --test jwt_rules \
            --test matar_sample --test cached_tokens --test tower_contract --test open_streams --test logout_service
)

# Only where these toolchains are installed: they are not, on a fresh machine.
oldest_compilers() {
    local target=${CARGO_TARGET_DIR:-$PWD/target}
    if RUSTUP_AUTO_INSTALL=0 cargo +1.88 --version >/dev/null 2>&1; then
        cargo +1.88 check --locked --target-dir "$target" || return
    fi
    if RUSTUP_AUTO_INSTALL=0 cargo +1.90 --version >/dev/null 2>&1; then
        cargo +1.90 check --locked --target-dir "$target" --features redb || return
    fi
}

instructions() {
    local target=${CARGO_TARGET_DIR:-$PWD/target}
    cargo clippy --locked --all-targets --target-dir "$target" --manifest-path benches/instructions/Cargo.toml -- -D warnings &&
        cargo bench --locked --target-dir "$target" --manifest-path benches/instructions/Cargo.toml
}

step "tools" install_what_is_missing
step "formatting" cargo fmt --check
step "lints of everything" cargo clippy --locked --all-targets --all-features -- -D warnings
step "lints of the library alone" cargo clippy --locked --lib -- -D warnings
step "documentation" documentation
step "examples and benchmarks" cargo build --locked --all-features --examples --benches
step "each feature alone" each_feature_alone
step "the oldest supported compilers" oldest_compilers
step "tests with the other crypto library" other_crypto_library
step "applications with a backend of their own" applications_with_a_backend_of_their_own
step "frameworks" frameworks
step "tests where another crate has changed how serde_json reads numbers" \
    cargo test --locked --all-features --features serde_json/arbitrary_precision --lib --test jwt_rules --test matar_sample
step "tests" cargo test --locked --all-features
step "the lowest versions of the dependencies" lowest_versions
step "what was fuzzed before" scripts/fuzz.sh replay
step "instructions" instructions
echo "==> all passed in $SECONDS s"
