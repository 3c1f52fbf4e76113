//! Logout tokens: whether one is accepted, what it ends, and for how long it is remembered, by a
//! second reading of the documented rules.
//!
//! The first byte of the input says what the rest is. `h`: the header of a token with good claims.
//! `f`: a form, in which `TOKEN` stands for a good token. Otherwise it is the claims of a token, and
//! the byte selects the settings: `d` for the defaults, `a` for every opening, `o` for a subject that
//! `oid` names, and all of its sessions with each.
#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use http::Request;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, RevocationStore,
    clock::{ManualClock, Timestamp},
    endpoint::BackchannelLogout,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::StoreError,
    token::jwt::Issuer,
};
use tower_logout_fuzz::{SECRET, hs256, members};

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind {
        b'h' => {
            let token = hs256(SECRET, rest, GOOD.as_bytes());
            let taken = deliver(&DEFAULTS, form(&token));
            assert_eq!(taken.is_some(), is_header(rest), "a header");
        }
        b'f' => {
            let Ok(text) = str::from_utf8(rest) else { return };
            let good = hs256(SECRET, HEADER, GOOD.as_bytes());
            let body = text.replace("TOKEN", &good);
            let taken = deliver(&DEFAULTS, body.clone().into_bytes());
            assert_eq!(taken.is_some(), only_token(&body).is_some_and(|token| token == good), "a form");
        }
        kind => {
            let Some(settings) = [&*DEFAULTS, &*OPEN, &*BY_OID].into_iter().find(|settings| settings.name == *kind)
            else {
                return;
            };
            let token = hs256(SECRET, HEADER, rest);
            let taken = deliver(settings, form(&token));
            compare(taken, expected(rest, settings), &token);
        }
    }
});

struct Settings {
    name: u8,
    max_age: u64,
    allows_missing_expiry: bool,
    subject_claim: &'static str,
    ends_subject: bool,
    store: Recorder,
    service: BackchannelLogout,
}

/// What a token must do.
struct Expected {
    keys: Vec<RevocationKey>,
    /// In milliseconds.
    issued_through: f64,
    remembered_until: f64,
    /// Whether a date is so close to a bound that rounding decides.
    is_uncertain: bool,
}

/// The revocations of a delivery, the message last, or `None` if it is refused.
fn deliver(settings: &Settings, body: Vec<u8>) -> Option<Vec<Revocation>> {
    let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Full::new(bytes::Bytes::from(body))).expect("a request");
    let answer = RUNTIME.block_on(settings.service.clone().oneshot(request)).expect("it has no error");
    let stored = std::mem::take(&mut *settings.store.0.lock().expect("not poisoned"));
    match answer.status().as_u16() {
        200 => Some(stored),
        400 => {
            assert!(stored.is_empty(), "a message that is refused leaves nothing");
            None
        }
        status => panic!("status {status}"),
    }
}

fn compare(delivered: Option<Vec<Revocation>>, expected: Option<Expected>, token: &str) {
    let Some(expected) = expected else {
        assert!(delivered.is_none(), "it is accepted");
        return;
    };
    let Some(stored) = delivered else {
        assert!(expected.is_uncertain, "it is refused");
        return;
    };
    let (message, revoked) = stored.split_last().expect("the message");
    let is_near = |own: Timestamp, expected: f64| {
        #[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
        let own = own.as_unix_millis() as f64;
        (own - expected).abs() <= 1000.0 || expected.is_infinite()
    };
    let signed = token.rsplit_once('.').expect("three parts").0;
    assert_eq!(message.key(), RevocationKey::signing_input(signed));
    assert!(is_near(message.retain_until(), expected.remembered_until), "{message:?}");
    assert!(revoked.iter().map(Revocation::key).eq(expected.keys), "{revoked:?}");
    assert!(revoked.iter().all(|one| is_near(one.issued_through(), expected.issued_through)), "{revoked:?}");
}

/// The rules of Back-Channel Logout 1.0, section 2.6, and those of the documentation.
fn expected(claims: &[u8], settings: &Settings) -> Option<Expected> {
    let all = members(claims, &NAMES)?;
    let is_twice = |name: &str| all.iter().filter(|(own, _)| own == name).count() > 1;
    if NAMES.iter().any(|name| is_twice(name)) || all.iter().any(|(_, value)| value.is_null()) {
        return None;
    }
    let member = |name: &str| all.iter().find(|(own, _)| own == name).map(|(_, value)| value);
    let text = |name: &str| match member(name) {
        None => Some(None),
        Some(Value::String(text)) if !text.is_empty() => Some(Some(text.as_str())),
        Some(_) => None,
    };
    let date = |name: &str| match member(name) {
        None => Some(None),
        Some(date) => date.as_f64().filter(|date| *date >= 0.0).map(Some),
    };
    let audiences = match member("aud")? {
        Value::Array(all) => all.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?,
        one => vec![one.as_str()?],
    };
    let azp = match member("azp") {
        None => None,
        Some(azp) => Some(azp.as_str()?),
    };
    let (iat, exp, nbf) = (date("iat")??, date("exp")?, date("nbf")?);
    let is_recipient = audiences.contains(&CLIENT) && azp.is_none_or(|azp| audiences.len() < 2 || azp == CLIENT);
    if member("nonce").is_some() || !is_logout(claims)? || text("iss")?? != ISSUER || !is_recipient {
        return None;
    }
    text("jti")??;
    let (sid, sub) = (text("sid")?, text("sub")?);
    if exp.is_none() && !settings.allows_missing_expiry {
        return None;
    }
    let (now, skew) = (SECONDS, 30.0);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let max_age = if exp.is_some() { settings.max_age } else { 300 } as f64;
    let ends = exp.unwrap_or(f64::INFINITY).min(iat + max_age);
    let bounds = [now + skew - iat, now + skew - nbf.unwrap_or(0.0), ends + skew - now];
    let is_uncertain = bounds.iter().any(|distance| distance.abs() < 0.002);
    if !is_uncertain && (bounds[0] < 0.0 || bounds[1] < 0.0 || bounds[2] <= 0.0) {
        return None;
    }
    let subject = || match settings.subject_claim {
        "sub" => sub.map(|sub| RevocationKey::subject(ISSUER, sub)),
        name => own_subject(claims, name).map(|subject| RevocationKey::subject(ISSUER, &subject)),
    };
    sid.or(sub)?;
    let keys = match sid.map(|sid| RevocationKey::session(ISSUER, sid)) {
        None => vec![subject()?],
        Some(session) if settings.ends_subject => vec![session, subject()?],
        Some(session) => vec![session],
    };
    let remembered_until = (ends + skew + 1.0 + skew) * 1000.0;
    Some(Expected { keys, issued_through: iat.max(now) * 1000.0, remembered_until, is_uncertain })
}

/// Whether the claim `events`, which must be an object, has the event once, as an object.
fn is_logout(claims: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Claims<'a> {
        #[serde(borrow)]
        events: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Events<'a> {
        #[serde(borrow, rename = "http://schemas.openid.net/event/backchannel-logout")]
        logout: &'a RawValue,
    }
    let claims: Claims<'_> = serde_json::from_slice(claims).ok()?;
    if !claims.events.get().starts_with('{') {
        return None;
    }
    let events: Events<'_> = serde_json::from_str(claims.events.get()).ok()?;
    Some(events.logout.get().starts_with('{'))
}

fn own_subject(claims: &[u8], name: &str) -> Option<String> {
    match members(claims, &[name])?.as_slice() {
        [(_, Value::String(text))] if !text.is_empty() => Some(text.clone()),
        [(_, Value::Number(number))] if number.is_u64() || number.is_i64() => Some(number.to_string()),
        _ => None,
    }
}

fn is_header(header: &[u8]) -> bool {
    const NAMES: [&str; 5] = ["alg", "typ", "kid", "crit", "b64"];
    let Some(all) = members(header, &NAMES) else { return false };
    let is_twice = |name: &&str| all.iter().filter(|(own, _)| own == name).count() > 1;
    let member = |name: &str| all.iter().find(|(own, _)| own == name).map(|(_, value)| value);
    let is_type = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        ["jwt", "logout+jwt"].contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    };
    !NAMES.iter().any(is_twice)
        && member("alg").is_some_and(|alg| alg == "HS256")
        && member("typ").is_none_or(|typ| typ.is_null() || typ.as_str().is_some_and(is_type))
        && member("kid").is_none_or(|kid| kid.is_null() || kid.is_string())
        && member("crit").is_none()
        && member("b64").is_none_or(|b64| *b64 == true)
}

/// The only value of the parameter, by a second decoder (URL Standard, section 5.1).
fn only_token(body: &str) -> Option<String> {
    let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(name, _)| decoded(name) == "logout_token").map(|(_, value)| decoded(value));
    values.next().filter(|_| values.next().is_none())
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    let hex = |byte: u8| char::from(byte).to_digit(16);
    while let Some((first, tail)) = rest.split_first() {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(u8::try_from(high * 16 + low).expect("two digits"));
            rest = &tail[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn form(token: &str) -> Vec<u8> {
    format!("logout_token={token}").into_bytes()
}

/// A store that notes what it is told, and knows nothing.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Revocation>>>);

#[async_trait]
impl RevocationStore for Recorder {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        self.0.lock().expect("not poisoned").push(*revocation);
        Ok(Outcome::Newly)
    }

    async fn find(&self, _: RevocationKey) -> Result<Option<Revocation>, StoreError> {
        Ok(None)
    }

    async fn is_revoked(&self, _: &TokenIdentity) -> Result<bool, StoreError> {
        Ok(false)
    }
}

fn settings(name: u8) -> Settings {
    let (is_open, by_oid) = (name == b'a', name == b'o');
    let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
    let key = tower_logout::token::jwt::Key::secret(tower_logout::token::jwt::Algorithm::HS256, SECRET);
    let issuer = Issuer::keys(ISSUER, key.expect("a secret"));
    let issuer = if by_oid { issuer.subject_claim("oid") } else { issuer };
    let verifier = JwtVerifier::issuers([issuer]).clock(clock).claims::<()>().build().expect("a verifier");
    let store = Recorder::default();
    let builder = Logout::new(verifier, store.clone()).backchannel(CLIENT);
    let builder = if is_open { builder.allow_missing_expiry() } else { builder };
    let builder = if by_oid { builder.always_end_subject() } else { builder };
    Settings {
        name,
        max_age: 24 * 3600,
        allows_missing_expiry: is_open,
        subject_claim: if by_oid { "oid" } else { "sub" },
        ends_subject: by_oid,
        store,
        service: builder.build().expect("the settings can work"),
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
static DEFAULTS: LazyLock<Settings> = LazyLock::new(|| settings(b'd'));
static OPEN: LazyLock<Settings> = LazyLock::new(|| settings(b'a'));
static BY_OID: LazyLock<Settings> = LazyLock::new(|| settings(b'o'));
const SECONDS: f64 = 1_458_786_000.0;
const ISSUER: &str = "https://i.example";
const CLIENT: &str = "shop";
const HEADER: &[u8] = br#"{"typ":"logout+jwt","alg":"HS256"}"#;
const GOOD: &str = r#"{"iss":"https://i.example","aud":"shop","iat":1458786000,"exp":1458786120,"jti":"1","sid":"s","events":{"http://schemas.openid.net/event/backchannel-logout":{}}}"#;
const NAMES: [&str; 10] = ["iss", "aud", "azp", "iat", "exp", "nbf", "jti", "sub", "sid", "nonce"];
