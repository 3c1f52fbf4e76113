//! Promise: `PostgresStore` connects with the credentials that users have: parts, certificates, and
//! passwords that change.

use std::{
    future::pending,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use test_support::{
    postgres::{assert_says, chain, of, options, token, until},
    servers::{PostgresOptions, PostgresServer},
};
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    revocation::Outcome,
    store::{PostgresAddress, StoreErrorKind},
};

/// A server on which the role `plain` needs a password, and `app` none.
async fn with_password(password: &str) -> PostgresServer {
    let hba = "host all plain 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
    let files = vec![("pg_hba.conf".to_owned(), hba.to_owned())];
    let server = PostgresServer::start(PostgresOptions { files, ..PostgresOptions::default() }).await;
    options().connect(&server.url()).await.unwrap().migrate().await.unwrap();
    server
        .psql(&format!(
            "create role plain login password '{password}'; grant usage on schema tower_logout to plain; \
             grant select, insert, update, delete on tower_logout.revocation to plain; \
             grant select, update on tower_logout.state to plain"
        ))
        .await;
    server
}

fn parts(server: &PostgresServer) -> PostgresAddress {
    PostgresAddress::new("127.0.0.1").port(server.port()).database("app").user("plain")
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_address_from_parts_needs_no_encoding() {
    let password = "p@ss:/?#%41 & \\ \"";
    let server = with_password(password).await;
    let store = options().connect(parts(&server).password(password)).await.unwrap();
    assert_eq!(store.revoke(&of("parts")).await.unwrap(), Outcome::Newly);
    let error = options().connect(parts(&server).password("hunter2")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
    assert!(!format!("{error:?} {}", chain(&error)).contains("hunter2"));
    // What a text says is kept, and parts are added.
    let url = format!("postgres://plain@127.0.0.1:{}/app?application_name=mixed", server.port());
    let store = options().connect(PostgresAddress::from(&url).password(password)).await.unwrap();
    assert!(store.is_revoked(&token("parts")).await.unwrap());
    let mixed = "select count(*) > 0 from pg_stat_activity where application_name = 'mixed' and usename = 'plain'";
    assert_eq!(server.psql(mixed).await, "t");
    // The first host that accepts writes is used.
    let hosts = PostgresAddress::new("127.0.0.1").port(1).host("127.0.0.1").port(server.port());
    let hosts = hosts.database("app").user("plain").password(password);
    assert!(options().connect(hosts).await.unwrap().is_revoked(&token("parts")).await.unwrap());
    let added = PostgresAddress::from("host=127.0.0.1 port=1 dbname=app user=plain").host("127.0.0.1");
    let store = options().connect(added.port(server.port()).password(password)).await.unwrap();
    assert!(store.is_revoked(&token("parts")).await.unwrap());
}

#[test]
fn neither_user_nor_password_is_shown() {
    let parts = PostgresAddress::new("db").user("hunter1").password("hunter2").database("app");
    let text = PostgresAddress::from("postgres://hunter1:hunter2@db/app");
    let shown = format!("{parts:?} {text:?} {:?}", PostgresAddress::from("postgres://hunter1@db").password("hunter2"));
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("app"));
}

/// The password is changed on the server, and all connections are closed: the store goes on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_password_that_changes_is_asked_for_by_each_connection() {
    let server = with_password("first").await;
    let current = Arc::new(Mutex::new("first".to_owned()));
    let asked = Arc::new(AtomicUsize::new(0));
    let closure = {
        let (current, asked) = (Arc::clone(&current), Arc::clone(&asked));
        move || {
            asked.fetch_add(1, Ordering::Relaxed);
            let password = current.lock().unwrap().clone();
            async move { Ok::<_, io::Error>(password) }
        }
    };
    let url = format!("postgres://plain:ignored@127.0.0.1:{}/app", server.port());
    let store = options().connect(PostgresAddress::from(url).password_from(closure)).await.unwrap();
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    for password in ["second", "third"] {
        replica.revoke(&of(password)).await.unwrap();
        let before = asked.load(Ordering::Relaxed);
        password.clone_into(&mut current.lock().unwrap());
        server.psql(&format!("alter role plain password '{password}'")).await;
        server.psql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'plain'").await;
        let name = format!("after {password}");
        until("a logout works", async || replica.revoke(&of(&name)).await.is_ok()).await;
        until("the listener is back", async || {
            let listening = "select count(*) from pg_stat_activity \
                             where usename = 'plain' and query like '%follower of tower-logout%'";
            server.psql(listening).await == "1"
        })
        .await;
        until("it is fresh", async || replica.health().is_fresh()).await;
        assert!(asked.load(Ordering::Relaxed) > before, "the old password is not used again");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_closure_that_fails_panics_or_hangs_is_an_error_that_says_so() {
    let server = with_password("right").await;
    let mode = Arc::new(AtomicUsize::new(0));
    let closure = {
        let mode = Arc::clone(&mode);
        move || {
            let mode = mode.load(Ordering::Relaxed);
            assert!(mode != 3, "as asked for, before its future");
            async move {
                match mode {
                    0 => Err(io::Error::other("the vault is sealed")),
                    1 => pending().await,
                    2 => panic!("as asked for"),
                    _ => Ok("right".to_owned()),
                }
            }
        }
    };
    // Long enough to print the backtrace of a panic on a busy machine.
    let short = || PostgresStore::options().timeout(Duration::from_secs(8));
    let address = parts(&server).password_from(closure);
    let store = short().connect_lazily(address).unwrap();
    let expected = [
        &["`PostgresAddress::password_from`) failed", "the vault is sealed"][..],
        &["gave no password within 6s"],
        &["it panicked"],
        &["it panicked"],
    ];
    for (number, texts) in expected.into_iter().enumerate() {
        mode.store(number, Ordering::Relaxed);
        let error = store.revoke(&of("a")).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Unavailable, "revoke"), "{error:?}");
        assert_says::<()>(Err(error), texts);
    }
    mode.store(9, Ordering::Relaxed);
    until("it works", async || store.revoke(&of("a")).await.is_ok()).await;
    assert!(store.is_revoked(&token("a")).await.unwrap());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn attributes_of_a_session_mean_the_primary_or_are_refused() {
    let server = PostgresServer::start(PostgresOptions::default()).await;
    for attributes in ["any", "read-write", "primary"] {
        for text in [
            format!("{}?target_session_attrs={attributes}", server.url()),
            format!("host=127.0.0.1 port={} user=app dbname=app target_session_attrs='{attributes}'", server.port()),
        ] {
            options().connect(&text).await.unwrap();
        }
    }
    for attributes in ["standby", "prefer-standby", "read-only"] {
        let url = format!("{}?target_session_attrs={attributes}", server.url());
        assert_says(options().connect_lazily(url), &["cannot store revocations", "`read-write`"]);
    }
    let url = format!("{}?target_session_attrs=hunter2", server.url());
    assert_says(options().connect_lazily(url), &["`target_session_attrs` is `any`"]);
}

#[test]
fn what_is_not_supported_is_refused_with_a_remedy() {
    for (option, remedy) in
        [("passfile", "password_from"), ("service", "into the address"), ("sslcrl", "not looked up")]
    {
        for text in [format!("postgres://app@db/app?{option}=hunter2"), format!("host=db {option}='hunter2'")] {
            let error = options().connect_lazily(&text).unwrap_err();
            let said = chain(&error);
            assert!(said.contains(option) && said.contains(remedy), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
