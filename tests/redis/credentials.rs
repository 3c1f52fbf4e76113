//! Promise: an address can be made of parts, and a password that changes is asked for before each
//! new connection: the store goes on when it was changed, and no error shows it.

use std::{
    error::Error,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::servers::{RedisCluster, RedisOptions, RedisSentinels, RedisServer};
use tower_logout::{
    RedisStore, RevocationStore,
    revocation::{Outcome, Revocation},
    store::{RedisAddress, ReplicaOptions, StoreErrorKind},
};

use super::{
    support::{chain, failure, is_revoked, patient, revoke, server, token, until},
    tls::certificates,
};

/// What a vault would return, and how often it was asked.
#[derive(Clone, Default)]
struct Vault {
    password: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Vault {
    fn new(password: &str) -> Self {
        let vault = Self::default();
        vault.set(password);
        vault
    }

    fn set(&self, password: &str) {
        password.clone_into(&mut self.password.lock().unwrap());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn opens(&self, address: impl Into<RedisAddress>) -> RedisAddress {
        let vault = self.clone();
        address.into().password_from(move || {
            let vault = vault.clone();
            async move {
                tokio::task::yield_now().await;
                vault.asked.fetch_add(1, Ordering::SeqCst);
                Ok::<_, io::Error>(vault.password.lock().unwrap().clone())
            }
        })
    }
}

/// Creates the documented user with this password.
async fn create_user(server: &RedisServer, password: &str) {
    let layout = include_str!("../../docs/redis-layout.md");
    let line = layout.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    server.cli(&line.split(' ').collect::<Vec<_>>()).await;
    change_password(server, password).await;
}

async fn change_password(server: &RedisServer, password: &str) {
    server.cli(&["ACL", "SETUSER", "logout", "resetpass", &format!(">{password}")]).await;
}

fn parts(server: &RedisServer) -> RedisAddress {
    RedisAddress::new("127.0.0.1", server.port())
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_address_of_parts_needs_no_encoding() {
    let server = server().await;
    create_user(&server, "p@ss/w:rd%").await;
    let address = parts(&server).user("logout").password("p@ss/w:rd%").database(2);
    let store = patient().connect(&address).await.unwrap();
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    assert_eq!(server.cli(&["-n", "2", "ZCARD", "{tower-logout}:v1:live"]).await, "1");
    assert_eq!(server.cli(&["ZCARD", "{tower-logout}:v1:live"]).await, "0");
    let error = failure(patient().connect(parts(&server).user("logout").password("hunter2"))).await;
    assert!(error.contains("did not accept the connection") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn what_an_address_lacks_is_named_before_a_server_is_asked() {
    for (address, expected) in [
        (RedisAddress::new("", 6379), "the host of the address is empty"),
        (RedisAddress::new("redis://:hunter2@host", 6379), "RedisAddress::from"),
        (RedisAddress::new("host", 0), "the port of the address is 0"),
        (RedisAddress::new("host", 6379).user("logout"), "a user is given without a password"),
        (RedisAddress::from("redis://logout@host"), "a user is given without a password"),
        (RedisAddress::new("host", 6379).user("").password("hunter2"), "the user is empty"),
        (RedisAddress::from("unix:///run/redis.sock").tls(), "a Unix socket cannot be used with TLS"),
    ] {
        let error = RedisStore::connect_lazily(address).map(|_| ()).unwrap_err();
        assert!(chain(&error).contains(expected) && !chain(&error).contains("hunter2"), "{error}");
        assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
    }
}

/// The password is changed at the server, at first without the vault knowing it, and connections
/// are closed, as at the expiry of a token.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_replica_stays_fresh_while_passwords_change_and_connections_end() {
    let server = server().await;
    create_user(&server, "first").await;
    let vault = Vault::new("first");
    let address = vault.opens(format!("redis://logout@127.0.0.1:{}", server.port()));
    let store = patient().connect(&address).await.unwrap();
    let follower = patient().connect(&address).await.unwrap();
    let replica = ReplicaOptions::new().max_staleness(Duration::from_secs(20)).start(follower);
    replica.ready().await.unwrap();
    for round in 0..3 {
        let (jti, password) = (round.to_string(), format!("next-{round}"));
        let asked = vault.asked();
        change_password(&server, &password).await;
        server.cli(&["CLIENT", "KILL", "USER", "logout"]).await;
        let mut rejected = None;
        until("the old password is rejected", async || {
            assert!(!replica.is_revoked(&token(&jti)).await.unwrap(), "from memory");
            rejected = store.is_revoked(&token(&jti)).await.err();
            rejected.as_ref().is_some_and(|error| error.to_string().contains("WRONGPASS"))
        })
        .await;
        assert!(vault.asked() > asked);
        vault.set(&password);
        let changed = Instant::now();
        until("it goes on", async || store.revoke(&Revocation::of_token(&token(&jti))).await.is_ok()).await;
        until("it is followed", async || {
            assert!(replica.health().is_fresh(), "{:?}", replica.health());
            replica.is_revoked(&token(&jti)).await.unwrap()
        })
        .await;
        until("it is confirmed", async || {
            assert!(!replica.is_revoked(&token("alive")).await.unwrap());
            replica.health().staleness().is_some_and(|staleness| staleness < changed.elapsed())
        })
        .await;
    }
    // As many logins as connections, and no more.
    let used_without_login = async || {
        let logins = vault.asked();
        assert!(is_revoked(&store, &token("0")).await);
        revoke(&store, &Revocation::of_token(&token("0"))).await;
        vault.asked() == logins
    };
    until("connections are used again", used_without_login).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_closure_that_fails_is_the_cause_of_the_error_and_the_next_attempt_asks_again() {
    let server = server().await;
    create_user(&server, "hunter2").await;
    let is_open = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&is_open);
    let address = parts(&server).user("logout").password_from(move || {
        let number = opened.load(Ordering::SeqCst);
        async move {
            match number {
                0 => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the vault is sealed")),
                1 => unreachable!("hunter2"),
                2 => std::future::pending().await,
                _ => Ok("hunter2".to_owned()),
            }
        }
    });
    let short = || RedisStore::options().timeout(Duration::from_millis(500));
    let store = short().connect_lazily(&address).unwrap();
    for (number, expected) in [(0, "the vault is sealed"), (1, "it panicked"), (2, "no answer within 500ms")] {
        is_open.store(number, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        for error in [
            store.is_revoked(&token("a")).await.map(|_| ()).unwrap_err(),
            store.revoke(&Revocation::of_token(&token("a"))).await.map(|_| ()).unwrap_err(),
            short().connect(&address).await.map(|_| ()).unwrap_err(),
        ] {
            let text = chain(&error);
            assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{text}");
            if number < 2 {
                assert!(text.contains("belongs to the application") && text.contains("127.0.0.1"), "{text}");
            }
            if number == 0 {
                let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
                assert_eq!(cause.unwrap().kind(), io::ErrorKind::PermissionDenied);
            }
        }
    }
    is_open.store(3, Ordering::SeqCst);
    until("it is asked again", async || store.is_revoked(&token("a")).await.is_ok()).await;
}

/// All of it together: a private authority, a client's certificate, a user with few rights, and a
/// password that changes, in a Cluster whose other nodes are found later.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_with_tls_and_passwords_that_change_is_followed() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let tls = certificates(directory.path(), "right");
    let pem = |path: &std::path::Path| std::fs::read(path).unwrap();
    let options =
        patient().root_certificates(pem(&tls.authority)).client_certificate(pem(&tls.certificate), pem(&tls.key));
    let extra = ["--tls-cluster", "yes"].map(str::to_owned).into();
    let server_options = RedisOptions { password: Some("admin".into()), tls: Some(tls), extra, ..Default::default() };
    let cluster = RedisCluster::start(3, 0, server_options).await;
    let owner = cluster.node_for_key("{tower-logout}").await;
    for node in 0..3 {
        cluster.node(node).cli(&["CONFIG", "SET", "tls-auth-clients", "yes"]).await;
        create_user(cluster.node(node), "first").await;
        cluster.node(node).cli(&["ACL", "SETUSER", "logout", "+cluster|slots", "+cluster|keyslot"]).await;
    }
    let vault = Vault::new("first");
    // Not the owner, which is found later.
    let seed = vault.opens(parts(cluster.node((owner + 1) % 3)).tls().user("logout"));
    let store = options.connect_cluster([seed]).await.unwrap();
    assert_eq!(revoke(&store, &Revocation::of_token(&token("a"))).await, Outcome::Newly);
    vault.set("second");
    for node in 0..3 {
        change_password(cluster.node(node), "second").await;
        cluster.node(node).cli(&["CLIENT", "KILL", "USER", "logout"]).await;
    }
    until("it goes on", async || store.is_revoked(&token("a")).await.ok() == Some(true)).await;
    until("it goes on", async || store.revoke(&Revocation::of_token(&token("b"))).await.is_ok()).await;
}

/// The Sentinels have no password; the primaries that they name have one that changes.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_primary_that_sentinels_name_is_given_the_present_password() {
    let with_password = || RedisServer::start(RedisOptions { password: Some("first".into()), ..Default::default() });
    let (master, successor) = (with_password().await, with_password().await);
    successor.replica_of(&master).await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 3, 2).await;
    let vault = Vault::new("first");
    let address = vault.opens(RedisAddress::new("mymaster", 6379));
    let store = patient().connect_sentinel(sentinels.urls(), address).await.unwrap();
    assert_eq!(revoke(&store, &Revocation::of_token(&token("a"))).await, Outcome::Newly);
    successor.until_caught_up_with(&master).await;
    let asked = vault.asked();
    master.kill();
    sentinels.until_master_is_not(master.port()).await;
    until("it goes on", async || store.revoke(&Revocation::of_token(&token("b"))).await.is_ok()).await;
    assert!(is_revoked(&store, &token("a")).await);
    assert!(vault.asked() > asked);
}
