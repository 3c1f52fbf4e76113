//! Promise: with `sslmode=require`, `PostgresStore` uses TLS or does not connect, and accepts no
//! server but the one it was configured for.

use std::{error::Error, fs, path::Path, process::Command};

use test_support::{
    is_alone,
    servers::{PostgresOptions, PostgresServer},
};
use tower_logout::{
    PostgresStore, Replica, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
};

#[tokio::test]
async fn tls_without_a_crypto_provider_is_an_error_that_says_how_to_install_one() {
    if is_alone("tls::tls_without_a_crypto_provider_is_an_error_that_says_how_to_install_one") {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new(directory.path(), "any");
        let trusting = PostgresStore::options().root_certificates(authority.pem());
        let url = "postgres://app@127.0.0.1:1/app";
        for (options, url) in [(trusting, url.to_owned()), (PostgresStore::options(), format!("{url}?sslmode=require"))]
        {
            let said = chain(&options.connect(&url).await.unwrap_err());
            assert!(said.contains("install_default()"), "{said}");
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn connections_are_encrypted_and_verified_or_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let ours = Authority::new(directory.path(), "ours");
    let theirs = Authority::new(directory.path(), "theirs");
    let (certificate, key) = ours.certify("localhost", "DNS:localhost");
    let server = PostgresServer::start(PostgresOptions {
        extra: ["ssl=on", "ssl_cert_file=tls.crt", "ssl_key_file=tls.key"].map(String::from).into(),
        files: vec![("tls.crt".into(), certificate), ("tls.key".into(), key)],
        ..PostgresOptions::default()
    })
    .await;
    let url = |host: &str, rest: &str| format!("postgres://app@{host}:{}/app{rest}", server.port());
    let encrypted = "select ssl::text from pg_stat_ssl join pg_stat_activity using (pid) \
                     where application_name = 'tower-logout' order by 1 limit 1";
    let refused = async |options: tower_logout::store::PostgresStoreOptions, url: &str, text: &str| {
        let said = chain(&options.connect(url).await.unwrap_err());
        assert!(said.contains(text), "{said}");
    };
    let trusting = |authority: &Authority| PostgresStore::options().root_certificates(authority.pem());

    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    // Without `sslmode=require`, TLS is not used: what is negotiated could be changed by anyone on
    // the way.
    let plain = PostgresStore::connect(&url("localhost", "")).await.unwrap();
    assert_eq!(server.psql(encrypted).await, "false");
    drop(plain);
    servers_forget(&server).await;

    for query in ["", "?sslmode=prefer", "?sslmode=require"] {
        let store = trusting(&ours).connect(&url("localhost", query)).await.unwrap();
        store.migrate().await.unwrap();
        let revocation = Revocation::new(RevocationKey::issuer(query), Timestamp::MAX, Timestamp::MAX);
        assert_eq!(store.revoke(&revocation).await.unwrap(), Outcome::Newly);
        // The listener's connection uses TLS as well.
        let replica = Replica::start(store);
        replica.ready().await.unwrap();
        servers_listen(&server).await;
        assert_eq!(server.psql(encrypted).await, "true", "{query}");
        drop(replica);
        servers_forget(&server).await;
    }

    refused(trusting(&theirs), &url("localhost", ""), "UnknownIssuer").await;
    refused(PostgresStore::options(), &url("localhost", "?sslmode=require"), "UnknownIssuer").await;
    refused(trusting(&ours), &url("127.0.0.1", ""), "not valid for name").await;
    refused(trusting(&ours), &url("localhost", "?sslmode=disable"), "says `sslmode=disable`").await;
    let junk = |pem: &str| PostgresStore::options().root_certificates(pem);
    refused(junk(""), &url("localhost", ""), "no certificate").await;
    refused(
        junk("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        &url("localhost", ""),
        "cannot be read",
    )
    .await;

    // A server without TLS is rejected.
    let bare = PostgresServer::start(PostgresOptions::default()).await;
    let url = format!("postgres://app@localhost:{}/app", bare.port());
    refused(trusting(&ours), &url, "server does not support TLS").await;
    refused(PostgresStore::options(), &format!("{url}?sslmode=require"), "server does not support TLS").await;
}

/// What other clients of PostgreSQL understand in a connection string.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn certificates_are_read_from_the_files_that_the_address_names() {
    let directory = tempfile::tempdir().unwrap();
    let ours = Authority::new(directory.path(), "ours of it's");
    let theirs = Authority::new(directory.path(), "theirs");
    let (certificate, key) = ours.certify("localhost", "DNS:localhost");
    let hba = "host all app 127.0.0.1/32 trust\nhostssl all client 127.0.0.1/32 cert\n";
    let files = [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &ours.pem()), ("pg_hba.conf", &hba.into())];
    let settings = ["ssl=on", "ssl_cert_file=tls.crt", "ssl_key_file=tls.key", "ssl_ca_file=ca.crt"];
    let server = PostgresServer::start(PostgresOptions {
        extra: settings.map(String::from).into(),
        files: files.map(|(name, text)| (name.to_owned(), text.clone())).into(),
        ..PostgresOptions::default()
    })
    .await;
    server.psql("create role client superuser login").await;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let (port, root) = (server.port(), ours.path("ca.crt"));
    let url = |user: &str, rest: &str| format!("postgres://{user}@localhost:{port}/app?{rest}");
    let in_url = |path: &str| path.replace(' ', "%20").replace('\'', "%27");
    let in_pairs = |path: &str| path.replace('\'', "\\'");
    for text in [
        url("app", &format!("sslmode=verify-full&sslrootcert={}", in_url(&root))),
        url("app", &format!("sslrootcert={}&sslmode=verify-ca", in_url(&root))),
        url("app", &format!("sslrootcert={}", in_url(&root))),
        format!("host=localhost port={port} user=app dbname=app sslrootcert = '{}' sslmode=require", in_pairs(&root)),
    ] {
        PostgresStore::connect(&text).await.unwrap();
    }
    let says = async |text: &str, parts: &[&str]| {
        let said = chain(&PostgresStore::connect(text).await.unwrap_err());
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        assert!(!said.contains("hunter2") && !said.contains(&root), "{said}");
    };
    // Only the named file is trusted, and it must be right.
    says(&url("app", &format!("sslrootcert={}", in_url(&theirs.path("ca.crt")))), &["UnknownIssuer"]).await;
    says(&url("app", "sslmode=verify-full&sslrootcert=system"), &["UnknownIssuer"]).await;
    says(&url("app", "sslrootcert=/hunter2"), &["`sslrootcert`", "No such file"]).await;
    says(
        &url("app", &format!("sslrootcert={}", in_url(&ours.path("tls.key")))),
        &["`sslrootcert`", "other than certificates"],
    )
    .await;
    says(&url("app", &format!("sslmode=disable&sslrootcert={}", in_url(&root))), &["says `sslmode=disable`"]).await;
    // `verify-ca` verifies the name as well.
    let by_address = url("app", &format!("sslmode=verify-ca&sslrootcert={}", in_url(&root)));
    says(&by_address.replace("localhost", "127.0.0.1"), &["not valid for name"]).await;

    // The client's certificate is its login.
    let (certificate, key) = ours.certify("client", "DNS:client");
    fs::write(directory.path().join("client.crt"), &certificate).unwrap();
    fs::write(directory.path().join("client.key"), &key).unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let trusting = url("client", &format!("sslrootcert={}", in_url(&root)));
    let logged_in = format!("{trusting}&sslcert={}&sslkey={}", file("client.crt"), file("client.key"));
    let store = PostgresStore::connect(&logged_in).await.unwrap();
    store.migrate().await.unwrap();
    let replica = Replica::start(store);
    replica.ready().await.unwrap();
    servers_listen(&server).await;
    drop(replica);
    let options = || PostgresStore::options().root_certificates(ours.pem());
    let bare = url("client", "");
    options().client_certificate(certificate.clone(), key.clone()).connect(&bare).await.unwrap();
    let said = chain(&options().connect(&bare).await.unwrap_err());
    assert!(said.contains("certificate"), "{said}");
    says(&format!("{trusting}&sslcert={}", file("client.crt")), &["`sslkey` is missing"]).await;
    says(&format!("{trusting}&sslkey={}", file("client.key")), &["`sslcert` is missing"]).await;
    says(&format!("{trusting}&sslcert=/hunter2&sslkey={}", file("client.key")), &["`sslcert`", "No such file"]).await;
    let swapped = format!("{trusting}&sslcert={}&sslkey={}", file("client.key"), file("client.crt"));
    says(&swapped, &["there is no certificate"]).await;
    let (_, foreign) = ours.certify("client", "DNS:client");
    let error = options().client_certificate(certificate.clone(), foreign).connect_lazily(&bare).unwrap_err();
    assert!(chain(&error).contains("do not belong together"), "{error:?}");
    let error = options().client_certificate(certificate, "").connect_lazily(&bare).unwrap_err();
    assert!(chain(&error).contains("there is no key"), "{error:?}");
}

async fn servers_forget(server: &PostgresServer) {
    count(server, "select count(*) from pg_stat_activity where application_name = 'tower-logout'", "0").await;
}

async fn servers_listen(server: &PostgresServer) {
    let listening = "select count(*) from pg_stat_activity \
                     where application_name = 'tower-logout' and query like '%follower of tower-logout%'";
    count(server, listening, "1").await;
}

async fn count(server: &PostgresServer, sql: &str, expected: &str) {
    for _ in 0..1000 {
        if server.psql(sql).await == expected {
            return;
        }
    }
    panic!("never {expected}: {sql}");
}

/// An authority that certifies servers.
struct Authority {
    directory: std::path::PathBuf,
}

impl Authority {
    fn new(directory: &Path, name: &str) -> Self {
        let directory = directory.join(name);
        fs::create_dir(&directory).unwrap();
        let subject: String = name.chars().filter(char::is_ascii_alphabetic).collect();
        let authority = Self { directory };
        authority.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={subject} \
             -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.crt"
        ));
        authority
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    fn pem(&self) -> String {
        fs::read_to_string(self.directory.join("ca.crt")).unwrap()
    }

    /// A certificate for a host, and its key.
    fn certify(&self, host: &str, names: &str) -> (String, String) {
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={host} -keyout tls.key -out tls.csr"
        ));
        fs::write(self.directory.join("names"), format!("subjectAltName={names}\n")).unwrap();
        self.openssl(
            "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out tls.crt",
        );
        let read = |name| fs::read_to_string(self.directory.join(name)).unwrap();
        (read("tls.crt"), read("tls.key"))
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split_whitespace()).current_dir(&self.directory).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The texts of an error and its causes.
fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}
