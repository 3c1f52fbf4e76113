//! Promise: a configuration that cannot work is an error that names the remedy.

use std::{error::Error, fmt::Debug, time::Duration};

use test_support::{ISSUER, SECRET, clock};
use tower_logout::token::{
    introspection::{ConfigError, Introspection, IntrospectionBuilder, IntrospectionError, JwtOrOpaque},
    jwt::{Algorithm, Issuer, Key},
};

use super::support::{ENDPOINT, Server, active};

fn builder() -> IntrospectionBuilder {
    Server::always(&active()).builder(&clock())
}

fn at(endpoint: &str, issuer: &str) -> IntrospectionBuilder {
    let server = Server::always(&active());
    Introspection::at(endpoint, issuer).client_secret_basic("orders", "geheim").fetch_with(server.client())
}

fn error(builder: IntrospectionBuilder) -> ConfigError {
    builder.build().expect_err("it cannot work")
}

fn signer(issuer: &str) -> Issuer {
    Issuer::keys(issuer, Key::secret(Algorithm::HS256, SECRET).unwrap())
}

#[test]
fn each_is_found_at_start_and_named_with_its_remedy() {
    for (builder, part) in vec![
        (at("http://idp.example/introspect", ISSUER), "scheme is not `https`"),
        (at("http://127.0.0.1:9/introspect", ISSUER), "allow_http_on_loopback()"),
        (at("idp.example", ISSUER), "absolute URL"),
        (at("https://user:geheim@idp.example/", ISSUER), "pass credentials as settings"),
        (at(ENDPOINT, ""), "an issuer is empty"),
        (Introspection::at(ENDPOINT, ISSUER), "client_secret_basic()"),
        (builder().client_secret_basic("", "geheim"), "the client identifier is empty"),
        (builder().client_secret_post("orders", ""), "is an environment variable unset"),
        (builder().bearer_token(""), "the bearer token is empty"),
        (builder().bearer_token("geheim\n"), "a line break at its end"),
        (builder().audience(""), "an audience is empty"),
        (builder().audience("a").allow_any_audience(), "keep the one that applies"),
        (builder().token_type(""), "(`token_type`) is empty"),
        (builder().revocable_claim(""), "the name of a revocable claim is empty"),
        (builder().revocable_claim("sub"), "name an application-defined claim"),
        (builder().max_lifetime(Duration::ZERO), "max_lifetime is zero"),
        (builder().timeout(Duration::ZERO), "timeout is zero"),
        (builder().max_concurrent(0), "max_concurrent is zero"),
        (builder().signed_answers(signer("https://other.example")), "pass an Issuer of the same name"),
        (builder().bearer_token("t").signed_answers(signer(ISSUER)), "add the client identifier with Issuer::audience"),
        (builder().signed_answers(signer(ISSUER).max_keys(0)), "max_keys is 0"),
    ] {
        let error = format!("{:?}", error(builder));
        assert!(error.contains(part), "`{part}` is not in: {error}");
        assert!(!error.contains("geheim"), "{error}");
    }
    assert!(at("http://127.0.0.1:9/introspect", ISSUER).allow_http_on_loopback().build().is_ok());
    assert!(builder().bearer_token("t").signed_answers(signer(ISSUER).audience("orders")).build().is_ok());
}

#[test]
fn the_largest_limits_can_be_set() {
    let builder = builder().timeout(Duration::MAX).max_concurrent(usize::MAX).cache_for(Duration::MAX);
    assert!(builder.cache_rejections_for(Duration::MAX).cache_size(0).build().is_ok());
}

#[tokio::test]
async fn debug_output_shows_no_credentials_and_no_tokens() {
    use super::support::{Said, says};
    let server = Server::always(&active());
    for builder in [
        server.builder(&clock()),
        server.builder(&clock()).client_secret_post("orders", "geheim"),
        server.builder(&clock()).bearer_token("geheim"),
        server.builder(&clock()).bearer_token_by(|| "geheim".to_owned()),
    ] {
        let shown = format!("{builder:?}");
        let verifier = builder.signed_answers(signer(ISSUER).audience("orders")).build().unwrap();
        assert_eq!(says(&verifier, "a-secret-token").await, Said::Unavailable("content type"));
        let shown = format!("{shown}{verifier:?}");
        assert!(shown.contains(ISSUER) && !shown.contains("geheim") && !shown.contains("a-secret-token"), "{shown}");
    }
    let verifier = server.verifier(&clock());
    assert_eq!(says(&verifier, "a-secret-token").await, Said::Accepted);
    let shown = format!("{verifier:?}");
    assert!(!shown.contains("a-secret-token") && !shown.contains("usr_123") && !shown.contains("geheim"), "{shown}");
}

#[test]
fn verifiers_and_errors_can_be_shared_between_threads() {
    fn handle<T: Clone + Debug + Send + Sync + Unpin + 'static>() {}
    fn error<T: Error + Send + Sync + Unpin + 'static>() {}
    /// Claims need be neither `Clone` nor `Debug`.
    #[derive(serde::Deserialize)]
    struct Own {}
    handle::<(Introspection, JwtOrOpaque)>();
    handle::<(Introspection<Own>, JwtOrOpaque<Own>)>();
    error::<ConfigError>();
    error::<IntrospectionError>();
}
