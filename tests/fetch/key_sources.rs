//! Promise: keys are fetched with the default client unless the application sets another, and what
//! is wrong with the client's set-up is said when the verifier starts.

use test_support::{is_alone, is_alone_with};
use tower_logout::JwtVerifier;

use super::support::{Accepted, Server, client, install_provider, path};

const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

async fn keys(mut connection: Accepted) {
    let len = KEYS.len();
    connection.answer_all(&format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n{KEYS}")).await;
}

#[tokio::test]
async fn keys_are_fetched_with_the_client_that_is_set() {
    let server = Server::https("server", keys).await;
    let url = server.url("https", "localhost");
    let verifier = JwtVerifier::jwks("https://idp.example", &url).allow_any_audience().fetch_with(client());
    verifier.start().await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_with_the_default_client_if_none_is_set() {
    const NAME: &str = "key_sources::keys_are_fetched_with_the_default_client_if_none_is_set";
    let authority = path("authority.pem");
    if is_alone_with(NAME, &[("SSL_CERT_FILE", authority.to_str().unwrap())]) {
        install_provider();
        let server = Server::https("server", keys).await;
        let url = server.url("https", "localhost");
        JwtVerifier::jwks("https://idp.example", &url).allow_any_audience().start().await.unwrap();
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn without_a_crypto_provider_the_start_fails_with_the_remedy() {
    if is_alone("key_sources::without_a_crypto_provider_the_start_fails_with_the_remedy") {
        let verifier = JwtVerifier::jwks("https://idp.example", "https://idp.example/keys").allow_any_audience();
        let error = format!("{:?}", verifier.start().await.unwrap_err());
        assert!(error.contains("`rustls::crypto::aws_lc_rs::default_provider().install_default()`"), "{error}");
        assert!(!error.contains("did not answer"), "{error}");
        // By `http`, none is needed.
        let server = Server::http(keys).await;
        let verifier = JwtVerifier::jwks("https://idp.example", server.url("http", "127.0.0.1"));
        verifier.allow_any_audience().allow_http_on_loopback().start().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_at_the_start() {
    for (certificate, cause) in [("expired", "certificate expired"), ("other-name", "not valid for name")] {
        let server = Server::https(certificate, keys).await;
        let url = server.url("https", "localhost");
        let verifier = JwtVerifier::jwks("https://idp.example", &url).allow_any_audience().fetch_with(client());
        let error = format!("{:?}", verifier.start().await.unwrap_err());
        assert!(error.contains(cause), "{error}");
    }
}
