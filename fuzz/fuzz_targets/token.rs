//! The token's form, header and signature: a text that was not signed never passes, and a signed
//! one has the same identity in every encoding of its signature.
//!
//! The first byte of the input selects the meaning of the rest:
//!
//! * `t`: a token.
//! * `h`: a header, signed with the secret.
//! * `f`: a header, signed with the public keys only.
//! * `e`: edits of a signed token.
//!
//! The signed tokens that need a private key are in `token/`, with the JWK Set that verifies them.
#![no_main]

use std::{
    array,
    fmt::Debug,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use arbitrary::{Arbitrary, Unstructured};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore,
    clock::{ManualClock, Timestamp},
    revocation::{RevocationKey, TokenIdentity},
    token::{
        RequestHead, TokenSource, TokenVerifier, VerifyError,
        jwt::{Algorithm, InvalidToken, Key, KeySet},
    },
};
use tower_logout_fuzz::{SECRET, hs256, members};

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((b't', rest)) => str::from_utf8(rest).map_or((), any_text),
        Some((b'h', rest)) => signed_header(rest),
        Some((b'f', rest)) => forged_header(rest),
        Some((b'e', rest)) => Edited::arbitrary_take_rest(Unstructured::new(rest)).map_or((), |edited| edited.check()),
        _ => {}
    }
});

/// Without the key, the only valid token is an authentic one, possibly with another encoding of its
/// signature, and it has the same identity.
fn any_text(text: &str) {
    let authentic = AUTHENTIC.iter().find(|authentic| authentic.spellings.iter().any(|spelling| spelling == text));
    match (verdict(text), authentic) {
        (Ok(identity), Some(authentic)) => assert_eq!(identity, authentic.identity),
        (Err(_), None) => {}
        (verdict, authentic) => panic!("{verdict:?} of {authentic:?}"),
    }
}

fn signed_header(header: &[u8]) {
    let token = hs256(SECRET, header, CLAIMS);
    match (verdict(&token), may_pass(header)) {
        (Ok(identity), true) => {
            let (signed, _) = token.rsplit_once('.').unwrap();
            assert_eq!(identity.own_key(), RevocationKey::signing_input(signed));
        }
        (Err(_), false) => {}
        (verdict, expected) => panic!("{verdict:?} of a header that may pass: {expected}"),
    }
}

/// With a public key as a secret, anyone could sign.
fn forged_header(header: &[u8]) {
    for secret in &*KNOWN_TO_ALL {
        assert!(verdict(&hs256(secret, header, CLAIMS)).is_err());
    }
}

/// The rules for a header with a signature of [`SECRET`].
fn may_pass(header: &[u8]) -> bool {
    let Some(members) = members(header, &["alg", "typ", "kid", "crit", "b64"]) else { return false };
    let all = |name: &str| members.iter().filter(|(own, _)| own == name).map(|(_, value)| value).collect::<Vec<_>>();
    let is_type = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        ["jwt", "at+jwt"].contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    };
    matches!(all("alg")[..], [Value::String(alg)] if alg == "HS256")
        && match all("typ")[..] {
            [] | [Value::Null] => true,
            [Value::String(typ)] => is_type(typ),
            _ => false,
        }
        && match all("kid")[..] {
            [] | [Value::Null] => true,
            [Value::String(kid)] => kid == KID,
            _ => false,
        }
        && all("crit").is_empty()
        && matches!(all("b64")[..], [] | [Value::Bool(true)])
}

type Verdict = Result<TokenIdentity, Option<InvalidToken>>;

/// The result of a verifier that has verified other tokens before, which must equal that of a new
/// one and of a guard with a cache of verified tokens.
fn verdict(token: &str) -> Verdict {
    let [first, second, new] = [&*SEASONED, &SEASONED, &verifier()].map(|verifier| match verifier.verify_now(token) {
        Some(Ok(token)) => Ok(token.identity().clone()),
        Some(Err(VerifyError::Invalid(reason))) => Err(reason.downcast_ref().copied()),
        other => panic!("{other:?}"),
    });
    assert_eq!(first, second);
    assert_eq!(first, new);
    if let Some(request) = request(token) {
        let logout = logout().token_cache(8, 8 * 1024 * 1024);
        for logout in [&*GUARD, &logout, &logout] {
            assert_eq!(guarded(logout, &request).as_ref(), first.as_ref().ok());
        }
    }
    first
}

/// A request with this token, unless no header can hold it.
fn request(token: &str) -> Option<Request<()>> {
    // Spaces between the scheme and the token are not part of the token.
    if token.starts_with(' ') {
        return None;
    }
    let mut request = Request::new(());
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).ok()?);
    Some(request)
}

/// The identity of the token of a request, if the guard accepts it.
fn guarded(logout: &Logout, request: &Request<()>) -> Option<TokenIdentity> {
    match pin!(logout.check(RequestHead::from(request))).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict.ok().flatten().map(|token| token.identity().clone()),
        Poll::Pending => panic!("a memory store was waited for"),
    }
}

/// An authentic token, with all encodings of its signature that the algorithm allows.
#[derive(Debug)]
struct Authentic {
    spellings: Vec<String>,
    identity: TokenIdentity,
}

impl Authentic {
    fn new(token: &str) -> Self {
        let mut spellings = vec![token.to_owned()];
        if token == ES256 {
            spellings.push(Edit::Negate.of(token));
        }
        let identity = verifier().verify_now(token).unwrap().unwrap().identity().clone();
        assert_eq!(identity.own_key(), RevocationKey::signing_input(token.rsplit_once('.').unwrap().0));
        Self { spellings, identity }
    }
}

#[derive(Arbitrary, Debug)]
struct Edited {
    authentic: u8,
    edits: Vec<Edit>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Edit {
    Overwrite {
        at: u16,
        with: u8,
    },
    Insert {
        at: u16,
        with: u8,
    },
    Remove {
        at: u16,
    },
    CutOff {
        at: u16,
    },
    /// A part of another authentic token.
    Splice {
        part: u8,
        of: u8,
    },
    /// A byte of a decoded part.
    Rewrite {
        part: u8,
        at: u16,
        with: u8,
    },
    /// `(r, n-s)` for `(r, s)`: the other signature that ECDSA has.
    Negate,
    /// `S + L` for `S`, which Ed25519 must reject (RFC 8032, section 5.1.7).
    AddOrder,
}

impl Edited {
    fn check(&self) {
        let authentic = nth(&*AUTHENTIC, self.authentic).spellings[0].clone();
        any_text(&self.edits.iter().take(8).fold(authentic, |token, edit| edit.of(&token)));
    }
}

impl Edit {
    fn of(self, token: &str) -> String {
        let mut bytes = token.as_bytes().to_vec();
        let place = |at: u16| usize::from(at) % token.len().max(1);
        match self {
            Self::Overwrite { at, with } => bytes.iter_mut().skip(place(at)).take(1).for_each(|byte| *byte = with),
            Self::Insert { at, with } => bytes.insert(usize::from(at) % (token.len() + 1), with),
            Self::Remove { at } => drop(bytes.drain(place(at)..(place(at) + 1).min(token.len()))),
            Self::CutOff { at } => bytes.truncate(place(at)),
            Self::Splice { part, of } => {
                let other = &nth(&*AUTHENTIC, of).spellings[0];
                return with_part(token, part, |at, _| Some(other.split('.').nth(at)?.to_owned()));
            }
            Self::Rewrite { part, at, with } => {
                return with_part(token, part, |_, old| {
                    let mut said = URL_SAFE_NO_PAD.decode(old).ok()?;
                    let at = usize::from(at) % said.len().max(1);
                    *said.get_mut(at)? = with;
                    Some(URL_SAFE_NO_PAD.encode(said))
                });
            }
            Self::Negate => return with_scalar(token, |s| sum(&ORDER_OF_P256, &s.map(|byte| !byte), 1)),
            Self::AddOrder => {
                return with_scalar(token, |mut s| {
                    s.reverse();
                    let mut sum = sum(&ORDER_OF_ED25519, &s, 0);
                    sum.reverse();
                    sum
                });
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn with_part(token: &str, part: u8, change: impl FnOnce(usize, &str) -> Option<String>) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let at = usize::from(part) % parts.len();
    if let Some(changed) = change(at, &parts[at]) {
        parts[at] = changed;
    }
    parts.join(".")
}

/// Changes the second half of a signature of 64 bytes.
fn with_scalar(token: &str, change: impl FnOnce([u8; 32]) -> [u8; 32]) -> String {
    with_part(token, 2, |_, signature| {
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let (r, s) = signature.split_at_checked(32)?;
        Some(URL_SAFE_NO_PAD.encode([r, &change(s.try_into().ok()?)].concat()))
    })
}

/// The sum of two big-endian numbers, without the carry.
fn sum(one: &[u8; 32], other: &[u8; 32], mut carry: u16) -> [u8; 32] {
    let mut sum: [u8; 32] = array::from_fn(|from_last| {
        let digits = u16::from(one[31 - from_last]) + u16::from(other[31 - from_last]) + carry;
        carry = digits >> 8;
        digits.to_le_bytes()[0]
    });
    sum.reverse();
    sum
}

fn nth<T: Debug>(items: &[T], index: u8) -> &T {
    &items[usize::from(index) % items.len()]
}

fn verifier() -> JwtVerifier {
    let clock = ManualClock::at(Timestamp::from_unix_seconds(NOW));
    JwtVerifier::with_keys(KEYS.clone()).clock(clock).build().unwrap()
}

fn logout() -> Logout {
    let source = TokenSource::authorization().max_token_len(1024 * 1024);
    Logout::new(SEASONED.clone(), MemoryStore::new()).token_source(source)
}

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let secret = Key::secret(Algorithm::HS256, SECRET).unwrap().with_kid(KID);
    KeySet::jwks(JWKS).unwrap().into_iter().chain([secret]).collect()
});

/// A verifier that has verified a token with each of its keys.
static SEASONED: LazyLock<JwtVerifier> = LazyLock::new(|| {
    let verifier = verifier();
    for authentic in &*AUTHENTIC {
        assert!(verifier.verify_now(&authentic.spellings[0]).unwrap().is_ok());
    }
    verifier
});

/// A guard whose cache holds the authentic tokens.
static GUARD: LazyLock<Logout> = LazyLock::new(|| {
    let logout = logout();
    for authentic in &*AUTHENTIC {
        assert!(guarded(&logout, &request(&authentic.spellings[0]).unwrap()).is_some());
    }
    logout
});

static AUTHENTIC: LazyLock<[Authentic; 4]> = LazyLock::new(|| {
    let hs256 = hs256(SECRET, br#"{"alg":"HS256","kid":"h"}"#, CLAIMS);
    [&hs256, ES256, EDDSA, RS256].map(Authentic::new)
});

/// The public keys in the encodings that could be mistaken for a secret, and an empty secret.
static KNOWN_TO_ALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let keys: Value = serde_json::from_str(JWKS).unwrap();
    let parts = keys["keys"].as_array().unwrap().iter().flat_map(|key| ["x", "y", "n", "kid"].map(|part| &key[part]));
    let texts: Vec<_> = parts.filter_map(Value::as_str).collect();
    let bytes = texts.iter().filter_map(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.chain([JWKS.into(), Vec::new()]).collect()
});

// Signed once with keys that were discarded; their claims are `CLAIMS`.
const JWKS: &str = include_str!("token/public.jwks");
const ES256: &str = include_str!("token/es256.jwt");
const EDDSA: &str = include_str!("token/eddsa.jwt");
const RS256: &str = include_str!("token/rs256.jwt");

const NOW: u64 = 1_458_786_000;
const CLAIMS: &[u8] = br#"{"iss":"https://issuer.example","sub":"usr_123","iat":1458786000,"exp":1458786900}"#;
const KID: &str = "h";

/// SEC 2, section 2.4.2.
const ORDER_OF_P256: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// RFC 8032, section 5.1.
const ORDER_OF_ED25519: [u8; 32] = [
    0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x14, 0xde, 0xf9,
    0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];
