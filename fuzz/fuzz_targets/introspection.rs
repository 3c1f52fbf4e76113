//! Answers of an introspection endpoint: whether a token is accepted, rejected or not judged, by a
//! second reading of the documented table.
//!
//! The first byte of the input selects the settings of the verifier: `p` for the defaults, `a` for an
//! audience, `o` for every opening. The rest is the body of a response with status 200.
#![no_main]

use std::sync::{LazyLock, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower_logout::{
    clock::{ManualClock, Timestamp},
    revocation::{RevocationKey, TokenIdentity},
    token::{
        TokenVerifier, VerifyError,
        introspection::{Introspection, IntrospectionBuilder},
        jwt::InvalidToken,
    },
};
use tower_logout_fuzz::members;

fuzz_target!(|input: &[u8]| {
    let Some((settings, body)) = input.split_first() else { return };
    let Some(settings) = SETTINGS.iter().find(|(name, _)| name == settings).map(|(_, settings)| settings) else {
        return;
    };
    let verifier = verifier(settings, Bytes::copy_from_slice(body));
    let first = RUNTIME.block_on(verdict(&verifier));
    // From the cache, unless nothing was judged.
    let second = verifier.verify_now(TOKEN).map(of);
    match (&first, second) {
        (Verdict::NotJudged, None) => {}
        (first, Some(second)) => assert_eq!(*first, second),
        (first, None) => panic!("{first:?} was not cached"),
    }
    match (judgement(body), first) {
        // The registered claims of an active token may be malformed.
        (None | Some(true), Verdict::NotJudged)
        | (Some(true), Verdict::Expired)
        | (Some(false), Verdict::Invalid(Some(InvalidToken::Inactive))) => {}
        (Some(true), Verdict::Invalid(reason)) => assert_ne!(reason, Some(InvalidToken::Inactive)),
        (Some(true), Verdict::Accepted(identity)) => may_pass(body, settings, &identity),
        (expected, verdict) => panic!("{verdict:?}, although `active` is {expected:?}"),
    }
});

#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted(TokenIdentity),
    Expired,
    Invalid(Option<InvalidToken>),
    NotJudged,
}

struct Settings {
    audience: Option<&'static str>,
    is_open: bool,
}

const SETTINGS: [(u8, Settings); 3] = [
    (b'p', Settings { audience: None, is_open: false }),
    (b'a', Settings { audience: Some("api"), is_open: false }),
    (b'o', Settings { audience: None, is_open: true }),
];

/// What the answer says: one boolean member `active`, and nothing otherwise.
fn judgement(body: &[u8]) -> Option<bool> {
    match members(body, &["active"])?.as_slice() {
        [(_, Value::Bool(active))] => Some(*active),
        _ => None,
    }
}

/// What holds for every token that is accepted.
fn may_pass(body: &[u8], settings: &Settings, identity: &TokenIdentity) {
    let members = members(body, &NAMES).expect("an object");
    for name in NAMES {
        assert!(members.iter().filter(|(own, _)| own == name).count() <= 1, "`{name}` is there twice");
    }
    let member =
        |name: &str| members.iter().find(|(own, value)| own == name && !value.is_null()).map(|(_, value)| value);
    let text = |name: &str| member(name).and_then(Value::as_str);
    assert!(member("iss").is_none_or(|iss| iss == ISSUER));
    let audiences = match member("aud") {
        Some(Value::Array(all)) => all.clone(),
        aud => aud.into_iter().cloned().collect(),
    };
    match settings {
        Settings { is_open: true, .. } => {}
        Settings { audience: Some(own), .. } => assert!(audiences.contains(&json!(own))),
        Settings { audience: None, .. } => assert!(audiences.is_empty()),
    }
    let types = ["Bearer", "access_token", "DPoP"];
    let is_one_of =
        |types: &[&str]| text("token_type").is_some_and(|own| types.iter().any(|typ| typ.eq_ignore_ascii_case(own)));
    assert!(member("token_type").is_none() || is_one_of(&types));
    assert!(settings.is_open || member("cnf").is_none() && !is_one_of(&["DPoP"]));
    assert!(text("token_use") != Some("refresh_token"));
    assert!(member("exp").is_none_or(|exp| exp.as_f64().is_some_and(|exp| exp > SECONDS)));
    for name in ["iat", "nbf"] {
        assert!(member(name).is_none_or(|date| date.as_f64().is_some_and(|date| date < SECONDS + 31.0)));
    }
    assert!(identity.keys().contains(&RevocationKey::issuer(ISSUER)));
    let own = match text("jti").filter(|jti| !jti.is_empty()) {
        Some(jti) => RevocationKey::token_id(ISSUER, jti),
        None => RevocationKey::signing_input(TOKEN),
    };
    assert_eq!(identity.own_key(), own);
    if let Some(sub) = text("sub").filter(|sub| !sub.is_empty()) {
        assert!(identity.keys().contains(&RevocationKey::subject(ISSUER, sub)));
    }
    if member("iat").is_none() {
        assert_eq!(identity.issued_at(), Timestamp::MIN);
    }
}

fn verifier(settings: &Settings, body: Bytes) -> Introspection<()> {
    let body = Mutex::new(body);
    let client = move |_: Request<Bytes>| {
        let body = body.lock().unwrap().clone();
        async move { Ok::<_, std::io::Error>(Response::new(Full::new(body))) }
    };
    let builder = Introspection::at("https://idp.example/introspect", ISSUER)
        .bearer_token("t")
        .clock(CLOCK.clone())
        .fetch_with(client)
        .claims::<()>()
        .cache_size(4);
    let builder = settings.audience.into_iter().fold(builder, IntrospectionBuilder::audience);
    let builder = if settings.is_open {
        builder.allow_any_audience().allow_integer_subject().allow_unverified_binding()
    } else {
        builder
    };
    builder.build().expect("the settings can work")
}

async fn verdict(verifier: &Introspection<()>) -> Verdict {
    of(verifier.verify(TOKEN).await)
}

fn of(result: Result<tower_logout::VerifiedToken<()>, VerifyError>) -> Verdict {
    match result {
        Ok(token) => Verdict::Accepted(token.identity().clone()),
        Err(VerifyError::Expired) => Verdict::Expired,
        Err(VerifyError::Invalid(reason)) => Verdict::Invalid(reason.downcast_ref().copied()),
        Err(VerifyError::Unavailable(_)) => Verdict::NotJudged,
        Err(error) => panic!("{error:?}"),
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
static CLOCK: LazyLock<ManualClock> = LazyLock::new(|| ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000)));
const SECONDS: f64 = 1_458_786_000.0;
const ISSUER: &str = "https://i.example";
const TOKEN: &str = "opaque";
const NAMES: [&str; 14] = [
    "active",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "client_id",
    "azp",
    "cnf",
    "token_type",
    "token_use",
];
