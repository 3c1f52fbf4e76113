//! Promise: an error of a `RedisStore` says what happened, where, and what to do, each once and
//! without a secret.

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use test_support::servers::{FaultProxy, RedisOptions, RedisServer, RedisTls};
use tower_logout::{
    RedisStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Retention, Revocation, RevocationKey, TokenIdentity},
    store::{Health, RedisStoreOptions, StoreError, StoreErrorKind},
};

fn options() -> RedisStoreOptions {
    RedisStore::options().timeout(Duration::from_secs(20))
}

fn token(jti: &str) -> TokenIdentity {
    let own = RevocationKey::token_id("https://matar.app", jti);
    TokenIdentity::new(own, Timestamp::MIN, Timestamp::MAX, &Retention::default())
}

/// Returns the text with its causes, and asserts that no text occurs twice.
fn said(error: &StoreError) -> String {
    let text = format!("{error:?}");
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        assert!(texts.iter().all(|earlier| !earlier.contains(&text)), "{text:?} twice in {texts:?}");
        texts.push(text);
        source = cause.source();
    }
    assert_eq!(text, texts.join(": "));
    text
}

async fn rejection(connecting: impl Future<Output = Result<RedisStore, StoreError>>) -> String {
    said(&connecting.await.map(|_| ()).unwrap_err())
}

/// Creates certificates for 127.0.0.1 and their authority with `openssl`.
fn certificates(directory: &Path) -> RedisTls {
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let (ca, ca_key) = (path("ca.pem"), path("ca.key"));
    let ca_of = ["-subj", "/CN=authority", "-keyout", &ca_key, "-out", &ca, "-addext", "keyUsage=critical,keyCertSign"];
    openssl(&[&["req", "-x509"], &new_key[..], &ca_of[..]].concat());
    let (certificate, key) = (path("server.pem"), path("server.key"));
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let of = ["-subj", "/CN=redis", "-CA", &ca, "-CAkey", &ca_key, "-keyout", &key, "-out", &certificate];
    openssl(&[&["req", "-x509"], &new_key[..], &names[..], &of[..]].concat());
    RedisTls { authority: ca.into(), certificate: certificate.into(), key: key.into() }
}

fn install_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn errors_say_where_and_repeat_nothing() {
    let password = Some("hunter2".to_owned());
    let server = RedisServer::start(RedisOptions { password, ..RedisOptions::default() }).await;
    let proxy = FaultProxy::start(server.addr()).await;
    let address = proxy.addr().to_string();
    let url = |password: &str| format!("redis://:{password}@{address}");
    let limit = Duration::from_millis(300);
    let connect = async || options().connect(&url("hunter2")).await.unwrap();
    let names = |text: &str, what: &str| {
        assert!(text.contains(&address) && text.contains(what), "{text}");
        assert!(!text.contains("hunter"), "{text}");
    };
    names(&rejection(options().connect(&url("hunter3"))).await, "password");
    let store = options().timeout(limit).connect(&url("hunter2")).await;
    let revocation = Revocation::of_token(&token("a"));
    // A timeout, a closed connection, garbage, and no listener.
    if let Ok(store) = store {
        proxy.half_open();
        let error = store.is_revoked(&token("a")).await.unwrap_err();
        names(&said(&error), "no answer within");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        proxy.pass();
    }
    let store = connect().await;
    proxy.garbage();
    names(&said(&store.revoke(&revocation).await.unwrap_err()), "");
    proxy.refuse();
    for _ in 0..2 {
        names(&said(&store.is_revoked(&token("a")).await.unwrap_err()), "");
    }
    names(&rejection(options().connect(&url("hunter2"))).await, "did not accept the connection");
    proxy.pass();
    let store = connect().await;
    store.revoke(&revocation).await.unwrap();
    server.cli(&["FLUSHALL"]).await;
    let error = store.is_revoked(&token("a")).await.unwrap_err();
    names(&said(&error), "emptied");
    assert_eq!(error.kind(), StoreErrorKind::Damaged);
    names(&said(&store.revoke(&revocation).await.unwrap_err()), "emptied");
    server.cli(&["FLUSHALL"]).await;
    let store = connect().await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = store.revoke(&revocation).await.unwrap_err();
    names(&said(&error), "memory is full");
    assert_eq!(error.kind(), StoreErrorKind::Full);
    // Several servers are all named.
    let nobody = ["redis://:hunter2@127.0.0.1:1", "redis://:hunter2@127.0.0.1:2"];
    for text in [
        rejection(options().connect_cluster(nobody)).await,
        rejection(options().connect_sentinel(nobody, "redis://:hunter2@mymaster")).await,
    ] {
        assert!(text.contains("127.0.0.1:1") && text.contains("127.0.0.1:2") && !text.contains("hunter"), "{text}");
    }
}

/// The error comes long before the timeout and names the remedy.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn tls_on_one_side_only_is_reported_at_once() {
    install_provider();
    let directory = tempfile::tempdir().unwrap();
    let tls = certificates(directory.path());
    let roots = std::fs::read(&tls.authority).unwrap();
    for password in [None, Some("hunter2".to_owned())] {
        let user = password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        let plain = RedisServer::start(RedisOptions { password: password.clone(), ..RedisOptions::default() }).await;
        let secure =
            RedisServer::start(RedisOptions { password, tls: Some(tls.clone()), ..RedisOptions::default() }).await;
        let began = Instant::now();
        for _ in 0..3 {
            let url = format!("rediss://{user}{}", plain.addr());
            let text = rejection(options().root_certificates(roots.clone()).connect(&url)).await;
            assert!(text.contains("does not speak TLS") && text.contains("redis://"), "{text}");
            let text = rejection(options().connect(&format!("redis://{user}{}", secure.addr()))).await;
            assert!(text.contains("speaks TLS only") && text.contains("rediss://"), "{text}");
            let urls = [format!("rediss://{user}{}", plain.addr())];
            let text = rejection(options().root_certificates(roots.clone()).connect_cluster(&urls)).await;
            assert!(text.contains("does not speak TLS"), "{text}");
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        let right = options().root_certificates(roots.clone()).connect(&secure.url()).await;
        right.unwrap_or_else(|error| panic!("{error:?}"));
        // An untrusted certificate is a different error.
        let text = rejection(options().connect(&secure.url())).await;
        assert!(text.contains("UnknownIssuer") || text.contains("certificate"), "{text}");
    }
}

#[tokio::test]
async fn certificates_are_all_read_or_rejected() {
    install_provider();
    let directory = tempfile::tempdir().unwrap();
    let tls = certificates(directory.path());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (good, certificate, key) = (read(&tls.authority), read(&tls.certificate), read(&tls.key));
    let broken = good.replacen("MII", "MIIx", 1);
    let cut = &good[..good.len() / 2];
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let trusted = good.replace("CERTIFICATE-----", "TRUSTED CERTIFICATE-----");
    for roots in [
        String::new(),
        "\n".to_owned(),
        "garbage".to_owned(),
        key.clone(),
        broken.clone(),
        cut.to_owned(),
        trusted,
        no_certificate.to_owned(),
        format!("{good}{broken}"),
        format!("{broken}{good}"),
        format!("{good}{cut}"),
        format!("{good}{key}"),
        format!("{good}{no_certificate}"),
    ] {
        let error = options().root_certificates(roots.clone()).connect_lazily("rediss://127.0.0.1:1").map(|_| ());
        let error = error.expect_err(&roots);
        assert!(error.to_string().contains("root certificates cannot be used"), "{error}");
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
        assert!(!format!("{error:?}").contains("BEGIN"), "{error:?}");
    }
    for roots in [good.clone(), format!("# comment\n{good}\n\n{certificate}")] {
        options().root_certificates(roots).connect_lazily("rediss://127.0.0.1:1").unwrap();
    }
    for (certificate, key) in [
        ("", key.as_str()),
        (&certificate, ""),
        (&key, &key),
        (&certificate, &certificate),
        (&format!("{certificate}{broken}"), &key),
        (&certificate, &format!("{key}{key}")),
    ] {
        let error = options().client_certificate(certificate, key).connect_lazily("rediss://127.0.0.1:1").map(|_| ());
        assert!(error.unwrap_err().to_string().contains("client certificate or its key cannot be used"));
    }
    options().client_certificate(certificate, key).connect_lazily("rediss://127.0.0.1:1").unwrap();
}

/// `kind()` distinguishes what an operator must change from what resolves by itself.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn every_unusable_server_has_an_error_kind() {
    use StoreErrorKind::{Misconfigured, Unavailable};

    install_provider();
    let kind = async |connecting: Result<RedisStore, StoreError>| {
        let error = connecting.map(|_| ()).unwrap_err();
        (error.kind(), said(&error))
    };
    let directory = tempfile::tempdir().unwrap();
    let tls = Some(certificates(directory.path()));
    let password = Some("hunter2".to_owned());
    let server = RedisServer::start(RedisOptions { password, ..RedisOptions::default() }).await;
    let secure = RedisServer::start(RedisOptions { tls, ..RedisOptions::default() }).await;
    let (address, url) = (server.addr(), format!("redis://:hunter2@{}", server.addr()));
    let wrong = format!("redis://:hunter3@{address}");
    for (found, expected, text) in [
        (kind(options().connect("redis://127.0.0.1:1").await).await, Unavailable, "did not accept"),
        (kind(options().connect(&wrong).await).await, Misconfigured, "password"),
        (kind(options().connect(&format!("{url}/99")).await).await, Misconfigured, "database"),
        (kind(options().connect(&secure.url()).await).await, Misconfigured, "certificate"),
        (kind(options().connect_cluster([&wrong]).await).await, Misconfigured, "password"),
        (kind(options().connect_cluster([&url]).await).await, Misconfigured, "is not a Cluster node"),
        (kind(options().connect_cluster(["redis://127.0.0.1:1"]).await).await, Unavailable, "no Cluster node"),
        (kind(options().connect_cluster([&*wrong, "redis://127.0.0.1:1"]).await).await, Unavailable, "no Cluster node"),
        (kind(options().connect_sentinel([&url], "redis://mymaster").await).await, Misconfigured, "is not a Sentinel"),
        (kind(options().connect_sentinel([&wrong], "redis://mymaster").await).await, Misconfigured, "password"),
    ] {
        assert_eq!(found.0, expected, "{}", found.1);
        assert!(found.1.contains(text) && !found.1.contains("hunter"), "{}", found.1);
    }
    // A server with too many clients may have a free connection a moment later.
    server.cli(&["CONFIG", "SET", "maxclients", "1"]).await;
    let store = options().connect_lazily(&url).unwrap();
    let crowd = options().connect_lazily(&url).unwrap();
    let _ = crowd.is_revoked(&token("a")).await;
    let error = store.revoke(&Revocation::of_token(&token("a"))).await.unwrap_err();
    assert_eq!(error.kind(), Unavailable, "{}", said(&error));
}

// Starting before the server

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_starts_before_its_server_and_is_ready_once_it_runs() {
    let server = RedisServer::start(RedisOptions { persist: true, ..RedisOptions::default() }).await;
    options().connect(&server.url()).await.unwrap().revoke(&Revocation::of_token(&token("dead"))).await.unwrap();
    server.kill();
    let store = options().timeout(Duration::from_secs(2)).connect_lazily(server.url()).unwrap();
    let direct = options().connect_lazily(server.url()).unwrap();
    let replica = Replica::start(store);
    let error = replica.is_revoked(&token("dead")).await.unwrap_err();
    assert!(matches!(replica.health(), Health::Loading { .. }), "{error:?}");
    assert!(said(&direct.is_revoked(&token("dead")).await.unwrap_err()).contains("did not accept the connection"));
    server.restart().await;
    replica.ready().await.unwrap();
    assert!(replica.is_revoked(&token("dead")).await.unwrap());
    assert!(!replica.is_revoked(&token("alive")).await.unwrap());
    until("it is connected", async || direct.is_revoked(&token("dead")).await.ok() == Some(true)).await;
    // The replica holds the server to the state that it has seen first.
    server.cli(&["FLUSHALL"]).await;
    direct.is_revoked(&token("dead")).await.unwrap_err();
    // Invalid options are an error without a server.
    for url in ["http://127.0.0.1", "rediss://127.0.0.1/#insecure"] {
        RedisStore::connect_lazily(url).map(|_| ()).unwrap_err();
    }
    RedisStore::options().prefix("").connect_lazily(server.url()).map(|_| ()).unwrap_err();
    let none: [&str; 0] = [];
    RedisStore::options().connect_cluster_lazily(none).map(|_| ()).unwrap_err();
    RedisStore::options().connect_sentinel_lazily(none, "redis://mymaster").map(|_| ()).unwrap_err();
}
