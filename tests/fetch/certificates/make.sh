#!/bin/bash
# Makes the certificates of these tests; their keys protect nothing. Run it in this directory.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/database"
cat >"$work/ca.conf" <<END
[ca]
default_ca = ca
[ca]
database = $work/database
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = policy
[policy]
commonName = supplied
END

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
for authority in authority other-authority; do
    openssl req -x509 "${new_key[@]}" -days 36500 -subj "/CN=$authority" -keyout "$work/$authority.key" \
        -out "$authority.pem" -addext keyUsage=critical,keyCertSign
done

# NAME SUBJECT_ALT_NAME END: a certificate that `authority` has signed.
server() {
    openssl req -new "${new_key[@]}" -subj "/CN=$1" -keyout "$1.key" -out "$work/csr"
    printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\n' "$2" >"$work/extensions"
    openssl ca -batch -notext -config "$work/ca.conf" -cert authority.pem -keyfile "$work/authority.key" \
        -in "$work/csr" -extfile "$work/extensions" -startdate 20200101000000Z -enddate "$3" -out "$1.pem"
}
server server DNS:idp.example,DNS:localhost,IP:127.0.0.1,IP:::1 21200101000000Z
server other-name DNS:other.example 21200101000000Z
server expired DNS:localhost 20200201000000Z
