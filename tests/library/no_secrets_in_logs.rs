//! Promise: no part of a token, no claim's value and no secret occurs in an event, a `Debug`
//! output, an error or a response.

use std::{
    collections::HashSet,
    convert::Infallible,
    error::Error,
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use test_support::{
    ISSUER, NOW, SECRET, bearer, claims_with, clock,
    events::Events,
    hand::{Act, HandStore},
    hs256,
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_logout::{
    Claims, JwtVerifier, Logout, LogoutScope, MemoryStore, RevocationStore, RevocationWatch, VerifiedToken,
    respond::{AutoResponder, Rejection},
    revocation::{KeyKind, Revocation, RevocationKey},
    set::RevocationSet,
    store::StoreError,
    token::{
        InvalidRequest, RequestHead, TokenSource, TokenVerifier, VerifyError,
        jwt::{Algorithm, Key, KeySet},
    },
};

const SUBJECT: &str = "subject-of-the-session";
const SESSION: &str = "session-of-the-subject";
const CLIENT: &str = "client-of-the-subject";
const TENANT: &str = "tenant-of-the-subject";
const OTHER_SECRET: &str = "one more secret, 32 bytes, or so";

#[tokio::test]
async fn a_whole_session_at_trace_shows_nothing() {
    let seen = Seen::default();
    let events = Events::of_this_thread();
    let mut tokens = session(&seen).await;
    tokens.extend(debugs(&seen).await);
    configuration_errors(&seen);

    let seen = seen.text() + &events.text();
    for event in [
        "request rejected",
        "token not verified",
        "revoked",
        "store failed",
        "request allowed although the store failed",
        "authorization_required",
        "invalid_request",
        "invalid_token",
        "token_expired",
        "token_revoked",
        "temporarily_unavailable",
        "the disk is on fire",
        "none of the keys verifies the signature",
        "the token does not have three parts",
    ] {
        assert!(seen.contains(event), "`{event}` was not seen, so nothing is proven:\n{seen}");
    }
    for kind in KeyKind::all() {
        assert!(seen.contains(kind.name()), "no revocation of {kind:?} was seen");
    }
    assert_shows_nothing(&seen, &tokens);
}

/// Proves that the search finds what it should.
#[test]
fn the_search_finds_parts_of_tokens() {
    let token = test_support::token("found");
    let (input, signature) = token.rsplit_once('.').unwrap();
    let payload = input.split_once('.').unwrap().1;
    let parts = [token.as_str(), input, payload, signature, &signature[7..19], &payload[20..40]];
    for part in parts.into_iter().chain([SUBJECT, std::str::from_utf8(SECRET).unwrap(), &STANDARD.encode(SECRET)]) {
        let text = format!("some text with {part} in it");
        let tokens = [token.clone()];
        assert!(std::panic::catch_unwind(|| assert_shows_nothing(&text, &tokens)).is_err(), "{part}");
    }
}

/// Requests and revocations of all kinds.
async fn session(seen: &Seen) -> Vec<String> {
    let store = HandStore::new();
    let logout = Logout::new(verifier(), store.clone()).check_timeout(Duration::from_millis(20));
    let good: Vec<_> = (0..10).map(|n| mint(&format!("token-identifier-{n}"), &json!({}))).collect();
    let expired = mint("token-identifier-expired", &json!({ "iat": NOW - 9, "exp": NOW }));
    let other_issuer = mint("token-identifier-issuer", &json!({ "iss": "https://other.example" }));
    let unfit = mint("token-identifier-unfit", &json!({ "sid": 7 }));
    let forged = forge("token-identifier-forged");
    let cut = good[0][..good[0].len() - 3].to_owned();
    let refused = [&expired, &other_issuer, &unfit, &forged, &cut, "Zm9yZ2VkLXBhcnQ"].map(ToString::to_string);

    for token in refused.iter().chain(&good) {
        both(seen, &logout, &[&bearer(token)], "").await;
        both(seen, &logout, &[&bearer(token)], "").await;
    }
    both(seen, &logout, &[], "").await;
    both(seen, &logout, &[&bearer(&good[0]), &bearer(&good[1])], "").await;
    both(seen, &logout, &[&format!("Basic {}", good[0])], "").await;

    // Every kind of revocation, twice.
    let fresh = mint("token-identifier-fresh", &json!({}));
    let unnamed = mint("token-identifier-unnamed", &json!({ "jti": null }));
    let identity = async |token| verifier().verify(token).await.unwrap().identity().clone();
    let (identity, unnamed_identity) = (identity(&fresh).await, identity(&unnamed).await);
    for _ in 0..2 {
        let revoker = logout.revoker();
        let receipts = [
            revoker.token(&identity).await,
            revoker.token(&unnamed_identity).await,
            revoker.session(ISSUER, SESSION).await,
            revoker.client(ISSUER, CLIENT).await,
            revoker.claim(ISSUER, "tenant", TENANT).await,
            revoker.subject(ISSUER, SUBJECT).await,
            revoker.issuer(ISSUER).await,
            revoker.everything().await,
        ];
        seen.add(&receipts);
    }
    both(seen, &logout, &[&bearer(&fresh)], "").await;

    // A new key, and its tokens.
    let store = HandStore::new();
    let verifier = verifier();
    let logout = Logout::new(verifier.clone(), store.clone()).check_timeout(Duration::from_millis(20));
    let keys = KeySet::from(Key::secret(Algorithm::HS256, OTHER_SECRET).unwrap());
    seen.add(&verifier.replace_keys(KeySet::default()));
    verifier.replace_keys(keys).unwrap();
    both(seen, &logout, &[&bearer(&good[0])], "").await;
    let rotated = forge("token-identifier-rotated");
    both(seen, &logout, &[&bearer(&rotated)], "").await;

    // Failures, with and without `insecure_allow_on_store_failure`, and what a logout may revoke
    // beside its token.
    let mut more = Vec::new();
    for (n, act) in [Act::Fail, Act::Hang, Act::DoneButFail].into_iter().enumerate() {
        let token = forge(&format!("token-identifier-failing-{n}"));
        let store = store.clone().checks(act).revokes(act);
        both(seen, &logout, &[&bearer(&token)], "").await;
        both(seen, &logout.clone().insecure_allow_on_store_failure(), &[&bearer(&token)], "").await;
        let _ = store.checks(Act::Now).revokes(Act::Now);
        let refresh = forge(&format!("token-identifier-refresh-{n}"));
        for document in [json!({ "refresh_token": refresh }), json!({ "refresh_token": cut }), json!([refresh])] {
            both(seen, &logout, &[&bearer(&token)], &document.to_string()).await;
        }
        more.extend([token, refresh]);
    }
    good.into_iter().chain(refused).chain([fresh, unnamed, rotated]).chain(more).collect()
}

/// One request to a guarded route, and one to every kind of logout.
async fn both(seen: &Seen, logout: &Logout, credentials: &[&str], body: &str) {
    let request = |method: &str| {
        let mut request = Request::builder().method(method).uri("/").body(Full::from(body.to_owned())).unwrap();
        for value in credentials {
            request.headers_mut().append(AUTHORIZATION, value.parse().unwrap());
        }
        request
    };
    let guarded =
        logout.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))));
    respond(seen, guarded, request("GET")).await;
    let timeout = Duration::from_millis(20);
    for service in [
        logout.service().timeout(timeout),
        logout.service().timeout(timeout).scope(LogoutScope::Session),
        logout.clone().refresh_tokens(verifier()).service().timeout(timeout),
        logout.service().timeout(timeout).idempotent(),
    ] {
        respond(seen, service, request("POST")).await;
    }
}

async fn respond<S, B>(seen: &Seen, service: S, request: Request<Full<Bytes>>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error: Debug> + Debug,
{
    let response = service.oneshot(request).await.unwrap();
    seen.add(&response);
    seen.add(&response.into_body().collect().await.unwrap().to_bytes());
}

/// The `Debug` output of everything public, while it is in use.
async fn debugs(seen: &Seen) -> Vec<String> {
    let token = mint("token-identifier-debug", &json!({}));
    let request = || Request::get("/a").header(AUTHORIZATION, bearer(&token)).body(Full::<Bytes>::default()).unwrap();
    let head = request();
    let head = RequestHead::from(&head);
    let verifier = verifier();
    let verified: VerifiedToken<Claims> = verifier.verify(&token).await.unwrap();
    let store = Arc::new(test_support::memory());
    let logout = Logout::new(verifier.clone(), Arc::clone(&store)).refresh_tokens(verifier.clone());
    let ok = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    let mut service = logout.layer().layer(ok);

    seen.add(&head);
    seen.add(&(
        &verified,
        verified.identity(),
        verified.identity().own_key(),
        Revocation::of_token(verified.identity()),
    ));
    seen.add(&(&logout, logout.layer(), logout.check(head), &verifier, &store));
    seen.add(&(logout.service(), logout.revoker()));
    seen.add(&logout.service().call(request().map(|_| Full::<Bytes>::default())));
    seen.add(&logout.layer().layer(()));
    seen.add(&(logout.axum_layer(), logout.axum_layer().layer(())));
    seen.add(&service.call(request()));
    seen.add(&service.call(Request::new(Full::default())));
    // What is open when it is revoked: its bodies, its watch before, during and after, and its
    // signal.
    let upload =
        http_body_util::StreamBody::new(tokio_stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>());
    let request_body = Request::get("/a").header(AUTHORIZATION, bearer(&token)).body(upload).unwrap();
    let echo = service_fn(async |request: Request<_>| {
        let watch = request.extensions().get::<RevocationWatch>().cloned();
        Ok::<_, Infallible>(Response::builder().extension(watch.unwrap()).body(request.into_body()).unwrap())
    });
    let mut open = logout.layer().layer(echo).oneshot(request_body).await.unwrap();
    let mut watch = open.extensions_mut().remove::<RevocationWatch>().unwrap();
    let signal = store.watch(verified.identity()).unwrap();
    seen.add(&(open.body(), &watch, &signal));
    assert!((&mut watch).now_or_never().is_none() && open.body_mut().frame().now_or_never().is_none());
    seen.add(&(open.body(), &watch, &store));
    store.revoke(&Revocation::of_token(verified.identity())).await.unwrap();
    seen.add_error(&*open.body_mut().frame().await.unwrap().unwrap_err());
    seen.add_error(&(&mut watch).await);
    seen.add(&(open.body(), &watch, &signal, &store));

    let waiting = Logout::new(verifier.clone(), HandStore::new().checks(Act::Hang));
    seen.add(&waiting.check(head));
    seen.add(&waiting.layer().layer(ok).call(request()));
    let key = || Key::secret(Algorithm::HS256, SECRET).unwrap().with_kid("kid-1");
    seen.add(&(
        key(),
        KeySet::from(key()),
        JwtVerifier::with_keys(key()),
        JwtVerifier::hs256(SECRET),
        verifier.clone(),
    ));
    seen.add(&(
        TokenSource::authorization(),
        TokenSource::closure(|_| Ok(None)),
        TokenSource::cookie("c"),
        InvalidRequest,
    ));
    seen.add(&(Rejection::Revoked, AutoResponder::new(tower_logout::respond::JsonResponder), RevocationSet::new()));
    let key = RevocationKey::subject(ISSUER, SUBJECT);
    seen.add(&format!("{key} {key:?}"));
    for forged in [forge("token-identifier-debug-forged"), "a.b.c".to_owned(), "x".to_owned()] {
        seen.add_error(&verifier.verify(&forged).await.unwrap_err());
    }
    seen.add_error(&StoreError::new("check", VerifyError::unavailable(VerifyError::Expired)));
    seen.add_error(&RevocationSet::with_capacity(0).join(&Revocation::of_token(verified.identity())).unwrap_err());
    let full = MemoryStore::new().capacity(0);
    seen.add_error(&full.revoke(&Revocation::of_token(verified.identity())).await.unwrap_err());
    vec![token]
}

/// Configuration errors that involve secrets.
fn configuration_errors(seen: &Seen) {
    let secret = std::str::from_utf8(SECRET).unwrap();
    let encoded = URL_SAFE_NO_PAD.encode(SECRET);
    seen.add_error(&JwtVerifier::hs256(&SECRET[..16]).build().unwrap_err());
    seen.add_error(&JwtVerifier::hs256(SECRET).issuer("").build().unwrap_err());
    seen.add_error(&JwtVerifier::hs256(SECRET).audience("a").allow_any_audience().build().unwrap_err());
    seen.add_error(&JwtVerifier::hs256(SECRET).revocable_claim("sub").build().unwrap_err());
    seen.add_error(&JwtVerifier::hs256(SECRET).max_lifetime(Duration::ZERO).build().unwrap_err());
    seen.add_error(&JwtVerifier::with_keys(KeySet::default()).build().unwrap_err());
    for text in [secret.to_owned(), format!("-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n")] {
        for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            seen.add_error(&Key::pem(algorithm, &text).unwrap_err());
            seen.add_error(&Key::der(algorithm, &text).unwrap_err());
        }
    }
    let private = format!("-----BEGIN PRIVATE KEY-----\n{encoded}\n-----END PRIVATE KEY-----\n");
    seen.add_error(&Key::pem(Algorithm::ES256, private).unwrap_err());
    let keys = [
        json!(encoded),
        json!([encoded]),
        json!({ "kty": encoded }),
        json!({ "kty": "oct", "k": [encoded] }),
        json!({ "kty": "oct", "k": secret }),
        json!({ "kty": "oct", "k": &encoded[..20] }),
        json!({ "kty": "oct", "k": encoded, "alg": encoded }),
        json!({ "kty": "oct", "k": encoded, "use": encoded }),
        json!({ "kty": "oct", "k": encoded, "key_ops": encoded }),
        json!({ "kty": { "k": encoded }, "k": encoded }),
        json!({ "kty": "EC", "crv": encoded, "d": encoded }),
        json!({ "kty": "EC", "crv": "P-256", "x": encoded, "y": &encoded[..20] }),
        json!({ "kty": "RSA", "n": encoded, "e": encoded }),
    ];
    for key in &keys {
        seen.add_error(&Key::jwk(&key.to_string()).unwrap_err());
        seen.add_error(&KeySet::jwks(&json!({ "keys": [key] }).to_string()).unwrap_err());
        seen.add_error(&KeySet::jwks(&json!({ "keys": key }).to_string()).unwrap_err());
    }
    seen.add_error(&Key::jwk(secret).unwrap_err());
    seen.add_error(&KeySet::jwks(&json!(encoded).to_string()).unwrap_err());
}

fn verifier() -> JwtVerifier {
    JwtVerifier::hs256(SECRET).issuer(ISSUER).revocable_claim("tenant").clock(clock()).build().unwrap()
}

fn claims(jti: &str, changes: &Value) -> Value {
    let mut claims = claims_with(jti, json!({ "sub": SUBJECT, "sid": SESSION, "client_id": CLIENT, "tenant": TENANT }));
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn mint(jti: &str, changes: &Value) -> String {
    hs256(&claims(jti, changes))
}

fn forge(jti: &str) -> String {
    let key = EncodingKey::from_secret(OTHER_SECRET.as_bytes()).unwrap();
    test_support::sign(&json!({ "alg": "HS256" }), &claims(jti, &json!({})), jsonwebtoken::Algorithm::HS256, &key)
}

/// Fails if the text contains a claim's value, or twelve characters of a payload, a signature or a
/// secret in any encoding.
fn assert_shows_nothing(text: &str, tokens: &[String]) {
    for value in [SUBJECT, SESSION, CLIENT, TENANT, "token-identifier"] {
        assert!(!text.contains(value), "`{value}` is shown: {}", around(text, value));
    }
    let mut forbidden = HashSet::new();
    for token in tokens {
        let (_, parts) = token.split_once('.').unwrap_or(("", token));
        forbidden.extend(parts.split('.').flat_map(|part| part.as_bytes().windows(WINDOW)));
    }
    let spelled = [SECRET, OTHER_SECRET.as_bytes()].map(|secret| {
        let hex = secret.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let plain = String::from_utf8(secret.to_vec()).unwrap();
        [plain, STANDARD.encode(secret), hex, format!("{secret:?}")]
    });
    forbidden.extend(spelled.iter().flatten().flat_map(|secret| secret.as_bytes().windows(WINDOW)));
    if let Some(window) = text.as_bytes().windows(WINDOW).find(|window| forbidden.contains(window)) {
        let part = std::str::from_utf8(window).unwrap();
        panic!("`{part}` is shown: {}", around(text, part));
    }
}

const WINDOW: usize = 12;

fn around<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines().find(|line| line.contains(part)).unwrap_or_default()
}

/// All texts that were collected.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    fn add(&self, shown: &impl Debug) {
        let text = format!("{shown:?}\n{shown:#?}\n");
        self.0.lock().unwrap().extend(text.into_bytes());
    }

    fn add_error(&self, error: &(dyn Error + 'static)) {
        self.add(&error);
        let mut text = String::new();
        for error in std::iter::successors(Some(error), |&error| error.source()) {
            writeln!(text, "{error}").unwrap();
        }
        self.0.lock().unwrap().extend(text.into_bytes());
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
