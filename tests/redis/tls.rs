//! Promise: `RedisStore` speaks TLS to the server that it is configured for, and to no other.

use test_support::{
    is_alone,
    servers::{RedisOptions, RedisServer, RedisTls},
};
use tower_logout::revocation::{Outcome, Revocation};

use super::support::{failure, is_revoked, options, revoke, token};

/// Certificates for 127.0.0.1, and what signed them; made by `openssl`.
pub(super) fn certificates(directory: &std::path::Path, authority: &str) -> RedisTls {
    let path = |name: &str| directory.join(format!("{authority}-{name}"));
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl").args(arguments).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let (ca, ca_key) = (text("ca.pem"), text("ca.key"));
    let ca_of = ["-subj", "/CN=authority", "-keyout", &ca_key, "-out", &ca, "-addext", "keyUsage=critical,keyCertSign"];
    openssl(&[&["req", "-x509"], &new_key[..], &ca_of[..]].concat());
    let (certificate, key) = (text("server.pem"), text("server.key"));
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let of = ["-subj", "/CN=redis", "-CA", &ca, "-CAkey", &ca_key, "-keyout", &key, "-out", &certificate];
    openssl(&[&["req", "-x509"], &new_key[..], &names[..], &of[..]].concat());
    RedisTls { authority: ca.into(), certificate: certificate.into(), key: key.into() }
}

#[tokio::test]
async fn tls_without_a_crypto_provider_is_an_error_that_says_how_to_install_one() {
    if is_alone("tls::tls_without_a_crypto_provider_is_an_error_that_says_how_to_install_one") {
        let error = failure(options().connect("rediss://127.0.0.1:1")).await;
        assert!(error.contains("install_default()"), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn tls_is_used_and_verified() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let tls = certificates(directory.path(), "right");
    let wrong = certificates(directory.path(), "wrong");
    let pem = |path: &std::path::Path| std::fs::read(path).unwrap();
    let server = RedisServer::start(RedisOptions { tls: Some(tls.clone()), ..RedisOptions::default() }).await;
    let store = options().root_certificates(pem(&tls.authority)).connect(&server.url()).await.unwrap();
    assert_eq!(revoke(&store, &Revocation::of_token(&token("a"))).await, Outcome::Newly);
    assert!(is_revoked(&store, &token("a")).await);
    // Neither the system nor another authority has signed it.
    for options in [options(), options().root_certificates(pem(&wrong.authority))] {
        let error = failure(options.connect(&server.url())).await;
        assert!(error.contains("certificate") || error.contains("UnknownIssuer"), "{error}");
    }
    let error = failure(options().connect(&server.url().replace("rediss", "redis"))).await;
    assert!(error.contains("failed to open"), "{error}");
    let error = failure(options().root_certificates(pem(&tls.authority)).connect("redis://127.0.0.1:1")).await;
    assert!(error.contains("rediss://"), "{error}");
    let error =
        failure(options().root_certificates("nonsense").client_certificate("", "").connect(&server.url())).await;
    assert!(error.contains("PEM"), "{error}");

    server.cli(&["CONFIG", "SET", "tls-auth-clients", "yes"]).await;
    let anonymous = options().root_certificates(pem(&tls.authority));
    failure(anonymous.clone().connect(&server.url())).await;
    let known = anonymous.client_certificate(pem(&tls.certificate), pem(&tls.key));
    assert!(!format!("{known:?}").contains("KEY"));
    known.connect(&server.url()).await.unwrap();
}
