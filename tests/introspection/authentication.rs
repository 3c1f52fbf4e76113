//! Promise: this service authenticates to the server as RFC 6749 and RFC 6750 define it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use test_support::clock;
use tower_logout::token::introspection::IntrospectionBuilder;

use super::support::{Said, Server, active, form, says};

/// Characters that mean something in a form or in `Basic`.
const ODD: [&str; 8] = ["plain", "a:b", "100%", "a+b", "a b", "a&b=c", "grüße-日本", "~*-._!'()/?#\"\\"];

async fn request(settings: impl FnOnce(IntrospectionBuilder) -> IntrospectionBuilder) -> Request<Bytes> {
    let server = Server::always(&active());
    let verifier = settings(server.builder(&clock())).build().unwrap();
    assert_eq!(says(&verifier, "opaque").await, Said::Accepted);
    server.requests().remove(0)
}

#[tokio::test]
async fn identifier_and_secret_are_encoded_before_they_are_joined() {
    for id in ODD {
        for secret in ODD {
            let request = request(|builder| builder.client_secret_basic(id, secret)).await;
            let value = &request.headers()[AUTHORIZATION];
            assert!(value.is_sensitive());
            let credentials = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
            let credentials = String::from_utf8(STANDARD.decode(credentials).unwrap()).unwrap();
            // As a server reads it: the first colon is the separator.
            let decoded = credentials.split_once(':').map(|(id, secret)| [id, secret].map(decoded)).unwrap();
            assert_eq!(decoded, [id, secret]);
            assert!(credentials.is_ascii());
            let form = form(&request);
            assert!(!form.contains_key("client_id") && !form.contains_key("client_secret"));
        }
    }
}

/// A value of a form.
fn decoded(text: &str) -> String {
    let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    assert!(pairs.len() == 1 && pairs[0].1.is_empty(), "{text}");
    pairs[0].0.clone()
}

#[tokio::test]
async fn the_sample_of_a_specification_is_encoded_as_printed() {
    // RFC 6749, section 2.3.1, and the encoding of appendix B.
    let value = |id, secret| async move {
        let request = request(|builder| builder.client_secret_basic(id, secret)).await;
        request.headers()[AUTHORIZATION].to_str().unwrap().to_owned()
    };
    assert_eq!(
        value("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw").await,
        "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"
    );
    assert_eq!(value(" %&+£€", ":").await, format!("Basic {}", STANDARD.encode("+%25%26%2B%C2%A3%E2%82%AC:%3A")));
}

#[tokio::test]
async fn posted_credentials_are_in_the_form_and_nowhere_else() {
    for id in ODD {
        for secret in ODD {
            let request = request(|builder| builder.client_secret_post(id, secret)).await;
            let form = form(&request);
            assert_eq!((&*form["client_id"], &*form["client_secret"]), (id, secret));
            assert!(!request.headers().contains_key(AUTHORIZATION));
        }
    }
}

#[tokio::test]
async fn a_bearer_token_is_sent_as_it_is_and_asked_for_each_time() {
    let fixed = request(|builder| builder.bearer_token("ey.J.a-b_c~+/=")).await;
    let value = &fixed.headers()[AUTHORIZATION];
    assert_eq!(value, "Bearer ey.J.a-b_c~+/=");
    assert!(value.is_sensitive());

    let server = Server::always(&active());
    let count = Arc::new(AtomicUsize::new(0));
    let current = move || format!("token-{}", count.fetch_add(1, Ordering::SeqCst));
    let verifier = server.builder(&clock()).bearer_token_by(current).build().unwrap();
    for n in 0..3 {
        assert_eq!(says(&verifier, &format!("opaque-{n}")).await, Said::Accepted);
        assert_eq!(server.requests()[n].headers()[AUTHORIZATION], format!("Bearer token-{n}"));
    }
}

#[tokio::test]
async fn a_bearer_token_that_cannot_be_sent_is_an_outage_without_a_request() {
    for token in ["", "a b", "a\n", "\u{1f511}"] {
        let server = Server::always(&active());
        let verifier = server.builder(&clock()).bearer_token_by(|| token.to_owned()).build().unwrap();
        assert_eq!(says(&verifier, "opaque").await, Said::Unavailable("bearer token"), "{token:?}");
        assert_eq!(server.asked(), 0);
    }
}
