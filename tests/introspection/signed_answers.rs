//! Promise: where signed answers are required (RFC 9701), only one that the authorization server
//! has signed for this client and for this moment counts.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::ACCEPT};
use http_body_util::Full;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET, claims_with, clock, hs256, sign, verifier};
use tower_logout::token::{
    TokenVerifier,
    introspection::{ConfigError, IntrospectionBuilder},
    jwt::{Algorithm, InvalidToken, Issuer, Key, KeySet, TestIssuer},
};

use super::support::{JSON, JWT, Reply, Said, Server, active, inactive, says};

const INACTIVE: Said = Said::Invalid(InvalidToken::Inactive);

fn signer() -> Issuer {
    Issuer::keys(ISSUER, Key::secret(Algorithm::HS256, SECRET).unwrap())
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "token-introspection+jwt" })
}

/// The claims of an answer, with some replaced, or removed where they are `null`.
fn about(answer: &Value, changes: &Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "aud": "orders", "iat": NOW, "token_introspection": answer });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn signed(header: &Value, claims: &Value) -> String {
    sign(header, claims, jsonwebtoken::Algorithm::HS256, &EncodingKey::from_secret(SECRET).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "as a script returns it")]
fn reply(content_type: Option<&'static str>, body: impl Into<Bytes>) -> Reply {
    Some((200, content_type, body.into()))
}

/// What a verifier with these settings says after this response.
async fn after_with(settings: impl FnOnce(IntrospectionBuilder) -> IntrospectionBuilder, reply: Reply) -> Said {
    let server = Server::new(move |_| reply.clone());
    let builder = settings(server.builder(&clock()).signed_answers(signer()));
    let said = says(&builder.build().unwrap(), "opaque").await;
    assert_eq!(server.requests()[0].headers()[ACCEPT], JWT);
    said
}

async fn after(reply: Reply) -> Said {
    after_with(|builder| builder, reply).await
}

async fn after_claims(claims: Value) -> Said {
    after(reply(Some(JWT), signed(&header(), &claims))).await
}

#[tokio::test]
async fn a_signed_answer_means_what_a_plain_one_does() {
    for (answer, expected) in [
        (active(), Said::Accepted),
        (inactive(), INACTIVE),
        (json!({ "active": "true" }), Said::Unavailable("answer")),
        (json!({}), Said::Unavailable("answer")),
        (json!(null), Said::Unavailable("answer")),
        (json!([{ "active": true }]), Said::Unavailable("answer")),
        (super::support::active_with(json!({ "aud": "web" })), Said::Invalid(InvalidToken::Audience)),
        (super::support::active_with(json!({ "iat": NOW - 9, "exp": NOW })), Said::Expired),
    ] {
        let claims = json!({ "iss": ISSUER, "aud": "orders", "iat": NOW, "token_introspection": answer });
        assert_eq!(after_claims(claims).await, expected, "{answer}");
    }
    // Twice in the nested object, which is judged as it was written.
    let payload = format!(
        r#"{{"iss":"{ISSUER}","aud":"orders","iat":{NOW},"token_introspection":{{"active":false,"active":true}}}}"#
    );
    let key = EncodingKey::from_secret(SECRET).unwrap();
    let jwt = test_support::sign_text(&header().to_string(), &payload, jsonwebtoken::Algorithm::HS256, &key);
    assert_eq!(after(reply(Some(JWT), jwt)).await, Said::Unavailable("answer"));
}

#[tokio::test]
async fn its_media_type_may_have_parameters() {
    let jwt = signed(&header(), &about(&active(), &json!({})));
    for content_type in [
        None,
        Some(JWT),
        Some("application/token-introspection+jwt; charset=utf-8"),
        Some("APPLICATION/Token-Introspection+JWT;a=b"),
    ] {
        assert_eq!(after(reply(content_type, jwt.clone())).await, Said::Accepted, "{content_type:?}");
    }
    for content_type in [JSON, "application/jwt", "text/plain"] {
        assert_eq!(
            after(reply(Some(content_type), jwt.clone())).await,
            Said::Unavailable("content type"),
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn a_plain_answer_is_an_outage() {
    for answer in [active(), inactive()] {
        let json = answer.to_string();
        assert_eq!(after(reply(Some(JSON), json.clone())).await, Said::Unavailable("content type"));
        assert_eq!(after(reply(Some(JWT), json.clone())).await, Said::Unavailable("signature"));
        assert_eq!(after(reply(None, json)).await, Said::Unavailable("signature"));
    }
}

#[tokio::test]
async fn only_a_jwt_of_its_type_is_an_answer() {
    let claims = about(&active(), &json!({}));
    for typ in ["token-introspection+jwt", "application/token-introspection+jwt", "TOKEN-INTROSPECTION+JWT"] {
        let header = json!({ "alg": "HS256", "typ": typ });
        assert_eq!(after(reply(Some(JWT), signed(&header, &claims))).await, Said::Accepted, "{typ}");
    }
    for typ in [json!("JWT"), json!("at+jwt"), json!("logout+jwt"), json!("secevent+jwt"), json!(null), json!("")] {
        let header = json!({ "alg": "HS256", "typ": typ });
        assert_eq!(after(reply(Some(JWT), signed(&header, &claims))).await, Said::Unavailable("signature"), "{typ}");
    }
    let critical = json!({ "alg": "HS256", "typ": "token-introspection+jwt", "crit": ["exp"], "exp": 1 });
    assert_eq!(after(reply(Some(JWT), signed(&critical, &claims))).await, Said::Unavailable("signature"));
}

#[tokio::test]
async fn an_answer_that_nobody_or_somebody_else_has_signed_is_an_outage() {
    let claims = about(&active(), &json!({}));
    let jwt = signed(&header(), &claims);
    let (input, signature) = jwt.rsplit_once('.').unwrap();
    let none = signed(&json!({ "alg": "none", "typ": "token-introspection+jwt" }), &claims);
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    let other = EncodingKey::from_secret(&[9; 32]).unwrap();
    let forged = sign(&header(), &claims, jsonwebtoken::Algorithm::HS256, &other);
    for jwt in
        [none, unsigned, forged, format!("{input}."), input.to_owned(), format!("{jwt}.{signature}"), String::new()]
    {
        assert_eq!(after(reply(Some(JWT), jwt.clone())).await, Said::Unavailable("signature"), "{jwt}");
    }
}

#[tokio::test]
async fn the_answer_must_be_of_this_issuer_for_this_client_and_of_this_moment() {
    for (changes, expected) in [
        (json!({}), Said::Accepted),
        (json!({ "aud": ["orders", "web"] }), Said::Accepted),
        (json!({ "exp": 1, "sub": "somebody" }), Said::Accepted),
        (json!({ "iat": NOW + 30 }), Said::Accepted),
        (json!({ "iat": NOW - 31 }), Said::Accepted),
        (json!({ "iat": NOW - 32 }), Said::Unavailable("signed answer")),
        (json!({ "iat": NOW + 31 }), Said::Unavailable("signed answer")),
        (json!({ "iat": 0 }), Said::Unavailable("signed answer")),
        (json!({ "iat": "now" }), Said::Unavailable("signed answer")),
        (json!({ "iat": null }), Said::Unavailable("signed answer")),
        (json!({ "iss": "https://other.example" }), Said::Unavailable("signed answer")),
        (json!({ "iss": "https://issuer.example/" }), Said::Unavailable("signed answer")),
        (json!({ "iss": null }), Said::Unavailable("signed answer")),
        (json!({ "aud": "web" }), Said::Unavailable("signed answer")),
        (json!({ "aud": [] }), Said::Unavailable("signed answer")),
        (json!({ "aud": "Orders" }), Said::Unavailable("signed answer")),
        (json!({ "aud": null }), Said::Unavailable("signed answer")),
        (json!({ "token_introspection": null }), Said::Unavailable("signed answer")),
        (json!({ "token_introspection": null, "active": true }), Said::Unavailable("signed answer")),
    ] {
        for (answer, said) in [(active(), Said::Accepted), (inactive(), INACTIVE)] {
            let expected = if expected == Said::Accepted { &said } else { &expected };
            assert_eq!(after_claims(about(&answer, &changes)).await, *expected, "{changes} {answer}");
        }
    }
}

#[tokio::test]
async fn the_clock_skew_bounds_the_age_of_an_answer() {
    let jwt = |iat| reply(Some(JWT), signed(&header(), &about(&active(), &json!({ "iat": iat }))));
    let exact = |builder: IntrospectionBuilder| builder.clock_skew(Duration::ZERO);
    assert_eq!(after_with(exact, jwt(NOW)).await, Said::Accepted);
    assert_eq!(after_with(exact, jwt(NOW - 1)).await, Said::Accepted, "`iat` has whole seconds");
    assert_eq!(after_with(exact, jwt(NOW - 2)).await, Said::Unavailable("signed answer"));
    assert_eq!(after_with(exact, jwt(NOW + 1)).await, Said::Unavailable("signed answer"));
}

#[tokio::test]
async fn the_audience_of_the_signer_replaces_the_client_identifier() {
    let jwt = |aud: &str| reply(Some(JWT), signed(&header(), &about(&active(), &json!({ "aud": aud }))));
    let named = |builder: IntrospectionBuilder| builder.signed_answers(signer().audience("https://api.example"));
    assert_eq!(after_with(named, jwt("https://api.example")).await, Said::Accepted);
    assert_eq!(after_with(named, jwt("orders")).await, Said::Unavailable("signed answer"));
    let bearer = |builder: IntrospectionBuilder| {
        builder.bearer_token("t").signed_answers(signer().audience("https://api.example"))
    };
    assert_eq!(after_with(bearer, jwt("https://api.example")).await, Said::Accepted);
    let any = |builder: IntrospectionBuilder| builder.signed_answers(signer().allow_any_audience());
    assert_eq!(after_with(any, jwt("whoever")).await, Said::Accepted);
}

/// RFC 9701, section 8.1.
#[tokio::test]
async fn an_answer_is_no_access_token_and_an_access_token_is_no_answer() {
    let clock = clock();
    let answer = signed(&header(), &about(&active(), &json!({ "exp": NOW + 900, "jti": "one", "sub": "usr_123" })));
    let mut claims = about(&active(), &json!({ "aud": null, "exp": NOW + 900 }));
    claims["jti"] = "one".into();
    let as_token = signed(&header(), &claims);
    for jwt in [answer, as_token] {
        let error = verifier(&clock).verify(&jwt).await.unwrap_err();
        let reason = std::error::Error::source(&error).unwrap().downcast_ref();
        assert!(matches!(reason, Some(InvalidToken::Type | InvalidToken::Audience)), "{error:?}");
    }
    let token = hs256(&claims_with("one", json!({ "aud": "orders", "token_introspection": active() })));
    assert_eq!(after(reply(Some(JWT), token)).await, Said::Unavailable("signature"));
}

/// An authorization server whose keys are fetched from `/jwks`, by a client of the test.
struct Fetched {
    idp: Arc<TestIssuer>,
    asked_for_keys: Arc<AtomicUsize>,
    server: Server,
}

impl Fetched {
    async fn new() -> Self {
        let idp = Arc::new(TestIssuer::start().await);
        Self { server: Self::serving(&idp), idp, asked_for_keys: Arc::default() }
    }

    fn serving(idp: &Arc<TestIssuer>) -> Server {
        let idp = Arc::clone(idp);
        Server::new(move |_| {
            let header = json!({ "alg": "ES256", "typ": "token-introspection+jwt", "kid": idp.kid() });
            reply(Some(JWT), idp.sign_exactly(&header, &about(&active(), &json!({}))))
        })
    }

    fn builder(&self) -> IntrospectionBuilder {
        let (idp, server, asked) = (Arc::clone(&self.idp), self.server.clone(), Arc::clone(&self.asked_for_keys));
        let client = move |request: Request<Bytes>| {
            let (idp, server, asked) = (Arc::clone(&idp), server.clone(), Arc::clone(&asked));
            async move {
                if request.uri().path() != "/jwks" {
                    return server.answer(request).await;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                Ok::<_, io::Error>(Response::new(Full::from(idp.jwks())))
            }
        };
        self.server
            .builder(&clock())
            .fetch_with(client)
            .signed_answers(Issuer::jwks(ISSUER, "https://idp.example/jwks"))
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_fetched_follow_a_rotation() {
    let fetched = Fetched::new().await;
    let verifier = fetched.builder().build().unwrap();
    assert_eq!(says(&verifier, "first").await, Said::Accepted);
    assert_eq!(fetched.asked_for_keys.load(Ordering::SeqCst), 1);
    tokio::time::advance(Duration::from_secs(31)).await;
    fetched.idp.rotate();
    assert_eq!(says(&verifier, "second").await, Said::Accepted, "the new key is fetched for it");
    assert_eq!(fetched.asked_for_keys.load(Ordering::SeqCst), 2);
    let other = Issuer::keys(ISSUER, KeySet::from(Key::secret(Algorithm::HS256, [9; 32]).unwrap()));
    let verifier = fetched.builder().signed_answers(other).build().unwrap();
    assert_eq!(says(&verifier, "third").await, Said::Unavailable("signature"));
}

#[test]
fn keys_that_are_fetched_need_a_runtime() {
    let server = Server::always(&active());
    let builder = server.builder(&clock()).signed_answers(Issuer::discover(ISSUER));
    assert!(matches!(builder.build(), Err(ConfigError::NoRuntime)));
}
