//! Promise: a server is who its URL says, by a certificate that the system or the application
//! trusts, over TLS 1.2 or later.

use test_support::{is_alone, is_alone_with};
use tower_logout::fetch::{HttpClient, HttpClientError};

use super::support::{Accepted, OK, Server, client, get, install_provider, pem};

async fn ok(mut connection: Accepted) {
    connection.answer_all(OK).await;
}

/// The error of a request to a server with this certificate, for the name `localhost`.
async fn refusal(client: &HttpClient, certificate: &str) -> String {
    let server = Server::https(certificate, ok).await;
    let error = get(client, &server.url("https", "localhost")).await.unwrap_err();
    assert!(server.requests().is_empty(), "the server got a request");
    error
}

#[tokio::test]
async fn a_certificate_of_an_added_authority_is_accepted() {
    let server = Server::https("server", ok).await;
    for host in ["localhost", "127.0.0.1"] {
        let response = get(&client(), &server.url("https", host)).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "ok"), "{host}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    install_provider();
    let system = HttpClient::new().no_proxy();
    let other = system.clone().root_certificates(pem("other-authority.pem")).unwrap();
    for client in [system, other] {
        let error = refusal(&client, "server").await;
        // A system without any certificates says that instead.
        assert!(error.contains("UnknownIssuer") || error.contains("no CA certificates"), "{error}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let error = refusal(&client(), "expired").await;
    assert!(error.contains("certificate expired"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let error = refusal(&client(), "other-name").await;
    assert!(error.contains("not valid for name \"localhost\"") && error.contains("other.example"), "{error}");
}

#[tokio::test]
async fn tls_before_1_2_is_refused() {
    // A `ServerHello` of TLS 1.1 with TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA.
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let server = Server::http(move |mut connection| {
        let hello = hello.clone();
        async move {
            connection.send(hello).await;
            connection.request().await;
        }
    })
    .await;
    let error = get(&client(), &server.url("https", "localhost")).await.unwrap_err();
    assert!(error.contains("Tls12"), "{error}");
}

#[tokio::test]
async fn every_certificate_of_a_file_is_trusted() {
    install_provider();
    let server = Server::https("server", ok).await;
    let url = server.url("https", "localhost");
    for names in [["authority.pem", "other-authority.pem"], ["other-authority.pem", "authority.pem"]] {
        let both = names.map(pem).concat();
        let client = HttpClient::new().no_proxy().root_certificates(both).unwrap();
        assert_eq!(get(&client, &url).await.unwrap().status(), 200);
        // Also if they are in two files.
        let [first, second] = names.map(pem);
        let client = HttpClient::new().root_certificates(first).unwrap().root_certificates(second).unwrap().no_proxy();
        assert_eq!(get(&client, &url).await.unwrap().status(), 200);
    }
}

#[test]
fn a_file_that_is_not_a_list_of_certificates_is_an_error() {
    let authority = pem("authority.pem");
    let broken = String::from_utf8(authority.clone()).unwrap().replacen("MII", "AAA", 1);
    for (text, cause) in [
        (b"".to_vec(), "no certificate found"),
        (b"nonsense".to_vec(), "no certificate found"),
        (pem("server.key"), "other than certificates"),
        ([authority.clone(), pem("server.key")].concat(), "other than certificates"),
        (broken.clone().into_bytes(), "cannot be read"),
        ([authority, broken.into_bytes()].concat(), "cannot be read"),
    ] {
        let error = HttpClient::new().root_certificates(text).unwrap_err();
        assert!(matches!(error, HttpClientError::RootCertificates(_)));
        assert!(format!("{error:?}").contains(cause), "{error:?}");
    }
}

#[tokio::test]
async fn without_a_crypto_provider_https_is_an_error_that_says_how_to_install_one_and_http_works() {
    const NAME: &str =
        "certificates::without_a_crypto_provider_https_is_an_error_that_says_how_to_install_one_and_http_works";
    if is_alone(NAME) {
        let client = HttpClient::new().no_proxy().root_certificates(pem("authority.pem")).unwrap();
        let plain = Server::http(ok).await;
        assert_eq!(get(&client, &plain.url("http", "127.0.0.1")).await.unwrap().status(), 200);
        let encrypted = Server::https("server", ok).await;
        let url = encrypted.url("https", "localhost");
        let error = get(&client, &url).await.unwrap_err();
        assert!(error.contains("`rustls::crypto::aws_lc_rs::default_provider().install_default()`"), "{error}");
        assert_eq!(encrypted.connections(), 0);
        // The same client works once there is one.
        install_provider();
        assert_eq!(get(&client, &url).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_system_without_certificates_is_an_error_that_says_so() {
    const NAME: &str = "certificates::a_system_without_certificates_is_an_error_that_says_so";
    let (file, directory) = (tempfile::NamedTempFile::new().unwrap(), tempfile::tempdir().unwrap());
    let environment =
        [("SSL_CERT_FILE", file.path().to_str().unwrap()), ("SSL_CERT_DIR", directory.path().to_str().unwrap())];
    if is_alone_with(NAME, &environment) {
        install_provider();
        let client = HttpClient::new().no_proxy();
        let error = get(&client, "https://localhost:1").await.unwrap_err();
        assert!(error.contains("SSL_CERT_FILE") && error.contains("`HttpClient::root_certificates`"), "{error}");
        let server = Server::https("server", ok).await;
        let client = client.root_certificates(pem("authority.pem")).unwrap();
        assert_eq!(get(&client, &server.url("https", "localhost")).await.unwrap().status(), 200);
    }
}
