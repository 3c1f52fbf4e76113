//! Claims: signed claims are read, checked and mapped to revocation keys as documented. The rules
//! are implemented a second time with `serde_json::Value`. The application's type gets the same
//! claims as without the verifier.
//!
//! The first byte of the input selects the verifier's settings, the second the time; the rest is
//! the signed text. Times are small, so that dates near them have few digits.
#![no_main]

use std::{collections::BTreeMap, ffi::CString, fmt::Debug, iter, slice, sync::LazyLock, time::Duration};

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tower_logout::{
    Claims, JwtVerifier,
    clock::{ManualClock, Timestamp},
    revocation::{RevocationKey, TokenIdentity},
    token::{
        TokenVerifier, VerifyError,
        jwt::{InvalidToken, JwtVerifierBuilder},
    },
};
use tower_logout_fuzz::{SECRET, hs256, members};

fuzz_target!(|input: &[u8]| {
    let [settings, time, payload @ ..] = input else { return };
    let setup = &SETUPS[usize::from(*settings) % SETUPS.len()];
    let now = TIMES[usize::from(*time) % TIMES.len()];
    setup.clock.set(Timestamp::from_unix_millis(now));
    let token = hs256(SECRET, HEADER, payload);
    let expected = Expected::new(&setup.rules, now, payload, token.rsplit_once('.').unwrap().0);

    expected.check(&setup.claims, &token, payload);
    expected.check(&setup.value, &token, payload);
    expected.check(&setup.own, &token, payload);
    expected.check(&setup.strict, &token, payload);
    expected.check(&setup.flat, &token, payload);
    expected.check(&setup.tagged, &token, payload);
});

/// What the settings require of a token.
struct Rules {
    issuer: Option<&'static str>,
    audiences: &'static [&'static str],
    allow_any_audience: bool,
    require: bool,
    revocable: &'static [&'static str],
    /// Integer subjects, and tokens that are bound to a key.
    allow: bool,
    leeway: Duration,
    clock_skew: Duration,
    max_lifetime: Duration,
}

/// The expected result for a token: the possible rejections, its expiry, and its keys.
struct Expected {
    faults: Vec<InvalidToken>,
    is_alive: bool,
    identity: Option<Identity>,
}

struct Identity {
    keys: Vec<RevocationKey>,
    issued_at: u64,
    expires_at: u64,
    retain_until: u64,
}

impl Expected {
    fn new(rules: &Rules, now: u64, payload: &[u8], signed: &str) -> Self {
        let no_claims = Self { faults: vec![InvalidToken::Claims], is_alive: false, identity: None };
        let Some(registered) = Registered::new(payload) else { return no_claims };
        let mut faults = Vec::new();
        let mut fault = |is_one, what| {
            if is_one {
                faults.push(what);
            }
        };
        let Registered { iss, aud, exp, nbf, iat, is_bound, has_integer_subject, ref texts } = registered;
        let text = |name| texts.get(name).filter(|text: &&String| !text.is_empty());

        fault(rules.issuer.is_some_and(|issuer| iss.as_deref() != Some(issuer)), InvalidToken::Issuer);
        let is_for_us = match &aud {
            None => rules.audiences.is_empty(),
            Some(aud) => rules.allow_any_audience || aud.iter().any(|aud| rules.audiences.contains(&&**aud)),
        };
        fault(!is_for_us, InvalidToken::Audience);
        fault(is_bound && !rules.allow, InvalidToken::UnverifiedBinding);
        fault(has_integer_subject && !rules.allow, InvalidToken::IntegerSubject);
        fault(rules.require && text("jti").is_none(), InvalidToken::NoTokenId);
        fault(rules.require && iat.is_none(), InvalidToken::NoIssuedAt);
        fault(nbf.is_some_and(|nbf| nbf > after(now, &[rules.leeway, rules.clock_skew])), InvalidToken::NotYetValid);
        fault(iat.is_some_and(|iat| iat > after(now, &[rules.leeway, rules.clock_skew])), InvalidToken::IssuedInFuture);
        let lifetime = exp.saturating_sub(iat.unwrap_or(now));
        fault(u128::from(lifetime) > rules.max_lifetime.as_millis(), InvalidToken::TooLongLived);

        let iss = iss.as_deref();
        let mut keys = vec![
            text("jti").map_or_else(|| RevocationKey::signing_input(signed), |jti| RevocationKey::token_id(iss, jti)),
            RevocationKey::everything(),
        ];
        keys.extend(iss.map(RevocationKey::issuer));
        keys.extend(text("sid").map(|sid| RevocationKey::session(iss, sid)));
        keys.extend(text("sub").map(|sub| RevocationKey::subject(iss, sub)));
        keys.extend(["client_id", "azp"].into_iter().filter_map(text).map(|id| RevocationKey::client(iss, id)));
        match rules.revocable_values(payload) {
            Ok(values) => {
                keys.extend(values.iter().map(|(name, value)| RevocationKey::claim(iss, name, value)));
            }
            Err(what) => fault(true, what),
        }

        let retain_until =
            after(exp.checked_next_multiple_of(1000).unwrap_or(u64::MAX), &[rules.leeway, SECOND, rules.clock_skew]);
        let identity = Identity { keys: once_each(keys), issued_at: iat.unwrap_or(0), expires_at: exp, retain_until };
        Self { faults, is_alive: now < after(exp, &[rules.leeway]), identity: Some(identity) }
    }

    fn check<C>(&self, verifier: &JwtVerifier<C>, token: &str, payload: &[u8])
    where
        C: DeserializeOwned + Debug + PartialEq + Send + Sync + 'static,
    {
        let own = serde_json::from_slice::<C>(payload);
        let is_flawless = self.faults.is_empty();
        // Twice: a cached header must not change the result.
        for verdict in iter::repeat_with(|| verifier.verify_now(token).unwrap()).take(2) {
            match verdict {
                Ok(token) => {
                    assert!(is_flawless && self.is_alive, "accepted in spite of {:?}", self.faults);
                    assert_eq!(own.as_ref().unwrap(), token.claims());
                    self.identity.as_ref().unwrap().check(token.identity());
                }
                Err(VerifyError::Expired) => assert!(is_flawless && !self.is_alive, "not expired"),
                Err(VerifyError::Invalid(reason)) => match reason.downcast_ref().unwrap() {
                    InvalidToken::OwnClaims => {
                        assert!(is_flawless && self.is_alive && own.is_err(), "the type would take the claims");
                    }
                    reason => assert!(self.faults.contains(reason), "{reason:?} is not among {:?}", self.faults),
                },
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

impl Identity {
    fn check(&self, identity: &TokenIdentity) {
        assert_eq!(identity.keys(), self.keys);
        assert_eq!(identity.issued_at().as_unix_millis(), self.issued_at);
        assert_eq!(identity.expires_at().as_unix_millis(), self.expires_at);
        assert_eq!(identity.retain_until().as_unix_millis(), self.retain_until);
    }
}

/// The claims that the verifier checks.
struct Registered {
    iss: Option<String>,
    aud: Option<Vec<String>>,
    exp: u64,
    nbf: Option<u64>,
    iat: Option<u64>,
    is_bound: bool,
    has_integer_subject: bool,
    texts: BTreeMap<String, String>,
}

impl Registered {
    /// `None` if a claim is malformed or duplicate, or if there is no `exp`. A claim that is `null`
    /// counts as absent.
    fn new(payload: &[u8]) -> Option<Self> {
        let mut registered = BTreeMap::new();
        for (name, value) in members(payload, &REGISTERED)? {
            if registered.insert(name, value).is_some() {
                return None;
            }
        }
        registered.retain(|_, value| !value.is_null());
        let mut date = |name| registered.remove(name).map(|value| numeric_date(&value).ok_or(())).transpose();
        let (exp, nbf, iat) = (date("exp").ok()??, date("nbf").ok()?, date("iat").ok()?);
        let aud = registered.remove("aud").map(|aud| audiences(&aud).ok_or(())).transpose().ok()?;
        let is_bound = registered.remove("cnf").is_some();
        let integer = registered.get("sub").and_then(whole);
        let has_integer_subject = integer.is_some();
        registered.extend(integer.map(|integer| ("sub".to_owned(), Value::String(integer))));
        let texts = registered.into_iter().map(|(name, value)| Some((name, value.as_str()?.to_owned())));
        let mut texts: BTreeMap<_, _> = texts.collect::<Option<_>>()?;
        Some(Self { iss: texts.remove("iss"), aud, exp, nbf, iat, is_bound, has_integer_subject, texts })
    }
}

/// Milliseconds since the Unix epoch, rounded down from the number as written.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "saturates")]
fn numeric_date(value: &Value) -> Option<u64> {
    if let Some(seconds) = value.as_u64() {
        return Some(seconds.saturating_mul(1000));
    }
    let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0)?;
    let nearest = (seconds * 1000.0).round() as u64;
    Some(if nearest as f64 / 1000.0 > seconds { nearest - 1 } else { nearest })
}

fn audiences(value: &Value) -> Option<Vec<String>> {
    let values = value.as_array().map_or(slice::from_ref(value), Vec::as_slice);
    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

impl Rules {
    /// The names and values of the application's own revocable claims.
    fn revocable_values(&self, payload: &[u8]) -> Result<Vec<(&str, String)>, InvalidToken> {
        if self.revocable.is_empty() {
            return Ok(Vec::new());
        }
        let all: Map<String, Value> = serde_json::from_slice(payload).map_err(|_| InvalidToken::Claims)?;
        let mut found = Vec::new();
        for name in self.revocable {
            let Some(value) = all.get(*name).filter(|value| !value.is_null()) else { continue };
            for value in value.as_array().map_or(slice::from_ref(value), Vec::as_slice) {
                found.push((
                    *name,
                    match value {
                        Value::String(text) => text.clone(),
                        Value::Bool(true) => "true".to_owned(),
                        Value::Bool(false) => "false".to_owned(),
                        _ => whole(value).ok_or(InvalidToken::RevocableClaim)?,
                    },
                ));
            }
        }
        Ok(found)
    }

    fn apply(&self, clock: &ManualClock) -> JwtVerifierBuilder {
        let mut builder = JwtVerifier::hs256(SECRET)
            .clock(clock.clone())
            .leeway(self.leeway)
            .clock_skew(self.clock_skew)
            .max_lifetime(self.max_lifetime);
        builder = self.issuer.into_iter().fold(builder, JwtVerifierBuilder::issuer);
        builder = self.audiences.iter().copied().fold(builder, JwtVerifierBuilder::audience);
        builder = self.revocable.iter().copied().fold(builder, JwtVerifierBuilder::revocable_claim);
        if self.allow_any_audience {
            builder = builder.allow_any_audience();
        }
        if self.require {
            builder = builder.require_jti().require_iat();
        }
        if self.allow {
            builder = builder.allow_integer_subject().allow_unverified_binding();
        }
        builder
    }
}

fn whole(value: &Value) -> Option<String> {
    value.as_u64().map(i128::from).or(value.as_i64().map(i128::from)).map(|number| number.to_string())
}

/// Later by this much, saturating at the maximum.
fn after(instant: u64, durations: &[Duration]) -> u64 {
    let millis: u128 = durations.iter().map(Duration::as_millis).sum();
    u64::try_from(u128::from(instant) + millis).unwrap_or(u64::MAX)
}

fn once_each(keys: Vec<RevocationKey>) -> Vec<RevocationKey> {
    let mut once = Vec::new();
    for key in keys {
        if !once.contains(&key) {
            once.push(key);
        }
    }
    once
}

/// The registered claims in types that applications may use for them.
#[derive(Debug, Deserialize, PartialEq)]
struct Own {
    exp: f64,
    iat: Option<u32>,
    nbf: Option<Seconds>,
    #[serde(default)]
    aud: OneOrPair,
    sub: Option<Role>,
    jti: Option<char>,
    sid: Option<CString>,
    #[serde(alias = "client_id")]
    azp: Option<Box<str>>,
    t: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Seconds(i8);

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(untagged)]
enum OneOrPair {
    #[default]
    None,
    One(String),
    Pair(String, String),
}

#[derive(Debug, Deserialize, PartialEq)]
enum Role {
    A,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Strict {
    exp: u16,
    aud: Option<(String, String)>,
    jti: Option<()>,
    sub: Option<Role>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Flat {
    sub: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "sub")]
enum Tagged {
    A { exp: u64, aud: Option<Vec<String>> },
    B(BTreeMap<String, Value>),
}

/// Verifiers with one setting for each type of claims.
struct Setup {
    rules: Rules,
    clock: ManualClock,
    claims: JwtVerifier<Claims>,
    value: JwtVerifier<Value>,
    own: JwtVerifier<Own>,
    strict: JwtVerifier<Strict>,
    flat: JwtVerifier<Flat>,
    tagged: JwtVerifier<Tagged>,
}

impl Setup {
    fn new(rules: Rules) -> Self {
        let clock = ManualClock::at(Timestamp::MIN);
        let builder = || rules.apply(&clock);
        Self {
            claims: builder().build().unwrap(),
            value: builder().claims().build().unwrap(),
            own: builder().claims().build().unwrap(),
            strict: builder().claims().build().unwrap(),
            flat: builder().claims().build().unwrap(),
            tagged: builder().claims().build().unwrap(),
            clock,
            rules,
        }
    }
}

static SETUPS: LazyLock<[Setup; 4]> = LazyLock::new(|| {
    let plain = Rules {
        issuer: None,
        audiences: &[],
        allow_any_audience: false,
        require: false,
        revocable: &[],
        allow: false,
        leeway: Duration::ZERO,
        clock_skew: Duration::from_secs(30),
        max_lifetime: Duration::from_hours(366 * 24),
    };
    let strict = Rules {
        issuer: Some("i"),
        audiences: &["u", "w"],
        require: true,
        leeway: Duration::from_millis(2500),
        clock_skew: Duration::from_secs(3),
        max_lifetime: Duration::from_secs(10),
        ..plain
    };
    let revocable =
        Rules { allow_any_audience: true, revocable: &["t", "r"], allow: true, clock_skew: Duration::ZERO, ..plain };
    let endless = Rules { leeway: Duration::MAX, clock_skew: Duration::MAX, max_lifetime: Duration::MAX, ..revocable };
    [plain, strict, revocable, endless].map(Setup::new)
});

/// Milliseconds since the Unix epoch.
const TIMES: [u64; 8] = [5000, 0, 1, 999, 5001, 1_458_786_000_000, u64::MAX - 1, u64::MAX];
const SECOND: Duration = Duration::from_secs(1);
const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;
const REGISTERED: [&str; 11] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "client_id", "azp", "cnf"];
