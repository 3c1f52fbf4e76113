//! Security event tokens: whether one is accepted, what it ends, and for how long it is remembered,
//! by a second reading of the documented rules.
//!
//! The first byte of the input says what the rest is. `h`: the header of a token with good claims.
//! Otherwise it is the claims of a token, and the byte selects the settings: `d` for the defaults,
//! `e` for revocations by the time of the event.
#![no_main]

use std::{
    fmt,
    sync::{Arc, LazyLock, Mutex},
};

use async_trait::async_trait;
use http::Request;
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde::{
    Deserializer as _,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, RevocationStore,
    clock::{ManualClock, Timestamp},
    endpoint::{SubjectIdentifier, SubjectIdentifierError, security_events::SecurityEvents},
    revocation::{KeyKind, Outcome, Revocation, RevocationKey, TokenIdentity},
    store::StoreError,
    token::jwt::{Algorithm, Issuer, Key},
};
use tower_logout_fuzz::{SECRET, hs256, members};

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    if *kind == b'h' {
        let taken = deliver(&DEFAULTS, &hs256(SECRET, rest, GOOD.as_bytes()));
        assert_eq!(taken.is_some(), is_header(rest), "a header");
        return;
    }
    let Some(settings) = [&*DEFAULTS, &*BY_EVENT].into_iter().find(|settings| settings.name == *kind) else {
        return;
    };
    let token = hs256(SECRET, HEADER, rest);
    let taken = deliver(settings, &token);
    compare(taken, str::from_utf8(rest).ok().and_then(|claims| expected(claims, settings)), &token);
});

struct Settings {
    name: u8,
    by_event: bool,
    store: Recorder,
    service: SecurityEvents,
}

/// What a token must do.
struct Expected {
    /// The keys, each with the issue time up to which tokens are revoked, in seconds.
    ends: Vec<(RevocationKey, f64)>,
    remembered_until: f64,
    /// Whether a date is so close to a bound that rounding decides.
    is_uncertain: bool,
}

/// The revocations of a delivery, the message last, or `None` if it is refused.
fn deliver(settings: &Settings, token: &str) -> Option<Vec<Revocation>> {
    let request = Request::post("/").header("content-type", "application/secevent+jwt");
    let request = request.body(Full::new(bytes::Bytes::from(token.to_owned()))).expect("a request");
    let answer = RUNTIME.block_on(settings.service.clone().oneshot(request)).expect("it has no error");
    let stored = std::mem::take(&mut *settings.store.0.lock().expect("not poisoned"));
    match answer.status().as_u16() {
        202 => Some(stored),
        400 => {
            assert!(stored.is_empty(), "a message that is refused leaves nothing");
            None
        }
        status => panic!("status {status}"),
    }
}

fn compare(taken: Option<Vec<Revocation>>, expected: Option<Expected>, event_token: &str) {
    if event_token.len() > 64 * 1024 {
        return assert!(taken.is_none(), "it is too long");
    }
    let Some(Expected { mut ends, remembered_until, is_uncertain }) = expected else {
        return assert!(taken.is_none(), "it is accepted");
    };
    let Some(mut stored) = taken else {
        return assert!(is_uncertain, "it is refused");
    };
    if ends.is_empty() {
        return assert!(stored.is_empty(), "it ends nothing: {stored:?}");
    }
    let is_near = |own: Timestamp, seconds: f64| {
        #[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
        let own = own.as_unix_millis() as f64;
        (own - seconds * 1000.0).abs() <= 1000.0
    };
    let message = stored.pop().expect("the message");
    let signed = event_token.rsplit_once('.').expect("three parts").0;
    assert_eq!(message.key(), RevocationKey::signing_input(signed));
    assert!(is_near(message.retain_until(), remembered_until), "{message:?}");
    // A store joins the revocations of a key.
    stored.sort_by_key(|one| (one.key(), one.issued_through()));
    ends.sort_by(|(one, at), (other, then)| one.cmp(other).then(at.total_cmp(then)));
    assert!(stored.iter().map(Revocation::key).eq(ends.iter().map(|(key, _)| *key)), "{stored:?} for {ends:?}");
    for (revocation, (key, through)) in stored.iter().zip(&ends) {
        // A single token is revoked whenever it was issued.
        let is_dated = if key.kind().is_of_one_token() {
            revocation.issued_through() == Timestamp::MAX
        } else {
            is_near(revocation.issued_through(), *through)
        };
        assert!(is_dated, "{revocation:?} for {through}");
    }
}

/// The rules of RFC 8417, of the Shared Signals Framework 1.0, section 4, and of the documentation.
fn expected(claims: &str, settings: &Settings) -> Option<Expected> {
    let claims = Object::read(claims)?;
    let audiences = match claims.value("aud")? {
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?,
        one => vec![one.as_str()?.to_owned()],
    };
    if claims.text("iss")? != TRANSMITTER || !audiences.iter().any(|audience| audience == AUDIENCE) {
        return None;
    }
    if claims.raw("sub").is_some() || claims.raw("exp").is_some() || claims.text("jti")?.is_empty() {
        return None;
    }
    let iat = date(&claims.value("iat")?)?;
    let toe = match claims.raw("toe") {
        Some(_) => Some(date(&claims.value("toe")?)?),
        None => None,
    };
    let bounds = [NOW + SKEW - iat, iat + WEEK - NOW];
    let is_uncertain = bounds.iter().any(|distance| distance.abs() < 0.002);
    if !is_uncertain && bounds.iter().any(|distance| *distance < 0.0) {
        return None;
    }
    let events = Object::read(claims.raw("events")?)?;
    if events.0.is_empty() || events.0.len() > 16 {
        return None;
    }
    let mut ends = Vec::new();
    for (uri, event) in &events.0 {
        let Some(name) = known(uri) else { continue };
        let event = Object::read(event)?;
        let values: Map<String, Value> = event
            .0
            .iter()
            .map(|(name, json)| Some((name.clone(), serde_json::from_str(json).ok()?)))
            .collect::<Option<_>>()?;
        let subject = match claims.raw("sub_id").or_else(|| event.raw("subject")) {
            Some(json) => Some(Subject::read(json)?),
            None => None,
        };
        // Nobody has asked for a verification here.
        if name == "verification" && values.contains_key("state") {
            return None;
        }
        let (true, Some(subject)) = (is_acted_on(name, &values, subject.as_ref()), subject) else { continue };
        let happened = values.get("event_timestamp").and_then(date).map(|at| if at >= 1e11 { at / 1000.0 } else { at });
        let at = if settings.by_event { happened.or(toe).unwrap_or(iat).min(NOW + SKEW) } else { iat.max(NOW) };
        for key in subject.keys(name) {
            ends.push((key, if key.kind() == KeyKind::TokenId { NOW + SKEW } else { at }));
        }
    }
    Some(Expected { ends, remembered_until: iat + WEEK + SKEW + 1.0, is_uncertain })
}

fn is_acted_on(name: &str, event: &Map<String, Value>, subject: Option<&Subject>) -> bool {
    let member = |name: &str| event.get(name).and_then(Value::as_str);
    match name {
        "token-claims-change" => subject.is_some_and(Subject::names_token),
        "credential-change" => match member("change_type") {
            Some("revoke" | "delete") => true,
            Some("update") => member("credential_type") == Some("password"),
            _ => false,
        },
        name => ACTED_ON.contains(&name),
    }
}

/// The last part of the URI of a known event.
fn known(uri: &str) -> Option<&str> {
    let (family, name) = uri.strip_prefix("https://schemas.openid.net/secevent/")?.split_once("/event-type/")?;
    let names: &[&str] = match family {
        "caep" => &CAEP,
        "risc" => &RISC,
        "ssf" | "sse" => &STREAM,
        _ => return None,
    };
    (names.contains(&name) || family == "risc" && STREAM.contains(&name)).then_some(name)
}

/// A subject: its identifier, or those of its members.
enum Subject {
    Simple(Option<SubjectIdentifier>),
    Complex(Vec<(String, Option<SubjectIdentifier>)>),
}

impl Subject {
    fn read(json: &str) -> Option<Self> {
        let object = Object::read(json)?;
        let format = object.raw("format").or_else(|| object.raw("subject_type"));
        let format = match format {
            Some(format) => Some(serde_json::from_str::<String>(format).ok()?),
            None => None,
        };
        if format.is_some_and(|format| format != "complex") {
            return Some(Self::Simple(identifier(json)?));
        }
        let known = object.0.iter().filter(|(name, _)| MEMBERS.contains(&name.as_str()));
        known.map(|(name, json)| Some((name.clone(), identifier(json)?))).collect::<Option<_>>().map(Self::Complex)
    }

    fn names_token(&self) -> bool {
        let is_token = |one: &Option<SubjectIdentifier>| matches!(one, Some(SubjectIdentifier::JwtId { .. }));
        match self {
            Self::Simple(one) => is_token(one),
            Self::Complex(all) => all.iter().any(|(_, one)| is_token(one)),
        }
    }

    /// The keys of the first member that tokens name, in the order of the decision.
    fn keys(&self, event: &str) -> Vec<RevocationKey> {
        let members = match self {
            Self::Simple(identifier) => return identifier.iter().flat_map(|one| keys(None, one, event)).collect(),
            Self::Complex(members) => members,
        };
        let is_narrow = matches!(event, "session-revoked" | "token-claims-change");
        let order = if is_narrow { ["session", "device", "user"] } else { ["user", "session", "device"] };
        let order = order.into_iter().chain(["application", "group", "org_unit", "tenant"]);
        let named = order.filter_map(|name| members.iter().find(|(own, _)| own == name));
        let mut all =
            named.map(|(name, one)| one.iter().flat_map(|one| keys(Some(name), one, event)).collect::<Vec<_>>());
        all.find(|keys| !keys.is_empty()).unwrap_or_default()
    }
}

fn keys(member: Option<&str>, identifier: &SubjectIdentifier, event: &str) -> Vec<RevocationKey> {
    let is_user = member.is_none_or(|member| member == "user");
    match identifier {
        SubjectIdentifier::Aliases { identifiers } => {
            identifiers.iter().flat_map(|one| keys(member, one, event)).collect()
        }
        SubjectIdentifier::JwtId { iss, jti } if iss == ISSUER => vec![RevocationKey::token_id(ISSUER, jti)],
        SubjectIdentifier::IssSub { iss, sub } if iss == ISSUER && is_user => vec![RevocationKey::subject(ISSUER, sub)],
        SubjectIdentifier::IssSub { iss, sub } if iss == ISSUER && member == Some("session") => {
            vec![RevocationKey::session(ISSUER, sub)]
        }
        SubjectIdentifier::Opaque { id } if member == Some("session") => vec![RevocationKey::session(ISSUER, id)],
        SubjectIdentifier::Opaque { id } if is_user => {
            let session = (member.is_none() && event == "session-revoked").then(|| RevocationKey::session(ISSUER, id));
            [RevocationKey::subject(ISSUER, id)].into_iter().chain(session).collect()
        }
        _ => Vec::new(),
    }
}

/// An identifier, or `Some(None)` if its format is not known. Another target reads identifiers.
#[expect(clippy::option_option, reason = "malformed, of an unknown format, or known")]
fn identifier(json: &str) -> Option<Option<SubjectIdentifier>> {
    let object = Object::read(json)?;
    let is_old = object.raw("format").is_none();
    let result = if is_old {
        let renamed: Vec<_> = object
            .0
            .iter()
            .map(|(name, json)| match (name.as_str(), json.as_str()) {
                ("subject_type", _) => {
                    let format = serde_json::from_str::<String>(json).ok()?;
                    let format = if format == "iss-sub" { "iss_sub" } else { &format };
                    Some(format!(r#""format":{}"#, Value::from(format)))
                }
                (name, json) => Some(format!("{}:{}", Value::from(name), in_aliases(json))),
            })
            .collect::<Option<_>>()?;
        SubjectIdentifier::from_json(&format!("{{{}}}", renamed.join(",")))
    } else {
        let members: Vec<_> = object
            .0
            .iter()
            .map(|(name, json)| format!("{}:{}", Value::from(name.as_str()), in_aliases(json)))
            .collect();
        SubjectIdentifier::from_json(&format!("{{{}}}", members.join(",")))
    };
    match result {
        Ok(identifier) => Some(Some(identifier)),
        Err(SubjectIdentifierError::UnknownFormat) => Some(None),
        Err(_) => None,
    }
}

/// A list of identifiers with the new name of the format.
fn in_aliases(json: &str) -> String {
    let Ok(all) = serde_json::from_str::<Vec<Box<RawValue>>>(json) else { return json.to_owned() };
    let renamed = all.iter().map(|one| {
        let Some(object) = Object::read(one.get()) else { return one.get().to_owned() };
        if object.raw("format").is_some() {
            return one.get().to_owned();
        }
        let members = object.0.iter().map(|(name, json)| match name.as_str() {
            "subject_type" => format!(r#""format":{}"#, if json == r#""iss-sub""# { r#""iss_sub""# } else { json }),
            name => format!("{}:{json}", Value::from(name)),
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    });
    format!("[{}]", renamed.collect::<Vec<_>>().join(","))
}

fn date(value: &Value) -> Option<f64> {
    value.as_f64().filter(|date| *date >= 0.0)
}

/// The members of an object, each with its JSON text. None is there twice.
struct Object(Vec<(String, String)>);

impl Object {
    fn read(json: &str) -> Option<Self> {
        let mut document = serde_json::Deserializer::from_str(json);
        let object = document.deserialize_map(All).ok()?;
        document.end().ok()?;
        Some(object)
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, json)| json.as_str())
    }

    fn value(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?).ok()
    }
}

struct All;

impl<'de> Visitor<'de> for All {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut all: Vec<(String, String)> = Vec::new();
        while let Some((name, json)) = map.next_entry::<String, Box<RawValue>>()? {
            if all.iter().any(|(own, _)| *own == name) {
                return Err(A::Error::custom("twice"));
            }
            all.push((name, json.get().to_owned()));
        }
        Ok(Object(all))
    }
}

fn is_header(header: &[u8]) -> bool {
    const NAMES: [&str; 5] = ["alg", "typ", "kid", "crit", "b64"];
    let Some(all) = members(header, &NAMES) else { return false };
    let is_twice = |name: &&str| all.iter().filter(|(own, _)| own == name).count() > 1;
    let member = |name: &str| all.iter().find(|(own, _)| own == name).map(|(_, value)| value);
    let is_type = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == "secevent+jwt"
    };
    !NAMES.iter().any(is_twice)
        && member("alg").is_some_and(|alg| alg == "HS256")
        && member("typ").and_then(Value::as_str).is_some_and(is_type)
        && member("kid").is_none_or(|kid| kid.is_null() || kid.is_string())
        && member("crit").is_none()
        && member("b64").is_none_or(|b64| *b64 == true)
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
    let by_event = name == b'e';
    let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
    let issuer = |name: &str| Issuer::keys(name, Key::secret(Algorithm::HS256, SECRET).expect("a secret"));
    let verifier = JwtVerifier::issuers([issuer(ISSUER)]).clock(clock).claims::<()>().build().expect("a verifier");
    let store = Recorder::default();
    let builder = Logout::new(verifier, store.clone()).security_events(issuer(TRANSMITTER).audience(AUDIENCE));
    let builder = if by_event { builder.allow_tokens_issued_after_event() } else { builder };
    Settings { name, by_event, store, service: builder.build().expect("the settings can work") }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
static DEFAULTS: LazyLock<Settings> = LazyLock::new(|| settings(b'd'));
static BY_EVENT: LazyLock<Settings> = LazyLock::new(|| settings(b'e'));
const NOW: f64 = 1_458_786_000.0;
const SKEW: f64 = 30.0;
const WEEK: f64 = 604_800.0;
const ISSUER: &str = "https://i.example";
const TRANSMITTER: &str = "https://t.example";
const AUDIENCE: &str = "api";
const HEADER: &[u8] = br#"{"typ":"secevent+jwt","alg":"HS256"}"#;
const GOOD: &str = r#"{"iss":"https://t.example","aud":"api","iat":1458786000,"jti":"1","sub_id":{"format":"iss_sub","iss":"https://i.example","sub":"a"},"events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}}"#;
const MEMBERS: [&str; 7] = ["user", "session", "device", "application", "tenant", "org_unit", "group"];
const STREAM: [&str; 2] = ["verification", "stream-updated"];
const CAEP: [&str; 8] = [
    "session-revoked",
    "token-claims-change",
    "credential-change",
    "assurance-level-change",
    "device-compliance-change",
    "session-established",
    "session-presented",
    "risk-level-change",
];
const RISC: [&str; 14] = [
    "account-credential-change-required",
    "account-purged",
    "account-disabled",
    "account-enabled",
    "identifier-changed",
    "identifier-recycled",
    "credential-compromise",
    "opt-in",
    "opt-out-initiated",
    "opt-out-cancelled",
    "opt-out-effective",
    "recovery-activated",
    "recovery-information-changed",
    "sessions-revoked",
];
const ACTED_ON: [&str; 7] = [
    "session-revoked",
    "account-credential-change-required",
    "account-purged",
    "account-disabled",
    "identifier-recycled",
    "credential-compromise",
    "sessions-revoked",
];
