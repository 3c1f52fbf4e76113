//! Key sets: an entry is used or skipped by itself, whatever the others are, and no set makes a
//! token pass that was signed with a secret.
//!
//! The input is the text of a JSON Web Key Set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use tower_logout::{
    JwtVerifier,
    clock::{ManualClock, Timestamp},
    token::{
        TokenVerifier,
        jwt::{Key, KeyError, KeySet},
    },
};
use tower_logout_fuzz::{SECRET, hs256};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
    #[serde(rename = "kty")]
    _kty: Option<IgnoredAny>,
}

fuzz_target!(|text: &str| {
    let read = KeySet::jwks(text);
    let Some(keys) = entries(text) else {
        assert!(read.is_err());
        return;
    };
    let usable: Vec<_> = keys.iter().map(|entry| alone(entry.get())).collect();
    let expected = usable.iter().flatten().count();
    match read {
        Ok(set) => check(&set, &usable),
        Err(KeyError::NoUsableKey { keys: found, .. }) => assert_eq!((expected, found), (0, keys.len())),
        Err(error) => panic!("{error:?}"),
    }

    let entries: Vec<_> = keys.iter().map(|entry| entry.get()).chain([GOOD]).collect();
    let set = KeySet::jwks(&format!(r#"{{"keys":[{}]}}"#, entries.join(","))).expect("a good key is in it");
    assert_eq!(set.len(), expected + 1);
    assert_eq!(set.kids().last(), Some("good"));
});

/// The entries of the set, or `None` if the text is no set. A list is none, although serde's derived
/// code would take it.
fn entries(text: &str) -> Option<Vec<&RawValue>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document: Document<'_> = serde_json::from_str(text).ok()?;
    text.trim_ascii_start().starts_with('{').then_some(document.keys)
}

/// The entry as a key of its own, if it is no secret.
fn alone(entry: &str) -> Option<Key> {
    Key::jwk(entry).ok().filter(|key| !key.algorithms().iter().any(|own| own.to_string().starts_with("HS")))
}

fn check(set: &KeySet, usable: &[Option<Key>]) {
    let keys: Vec<_> = usable.iter().flatten().collect();
    assert_eq!((set.len(), set.skipped().len()), (keys.len(), usable.len() - keys.len()));
    for (own, alone) in set.iter().zip(&keys) {
        assert_eq!((own.kid(), own.algorithms()), (alone.kid(), alone.algorithms()));
    }
    assert!(set.kids().eq(keys.iter().filter_map(|key| key.kid())));

    let clock = ManualClock::at(Timestamp::from_unix_seconds(1));
    let verifier = JwtVerifier::with_keys(set.clone()).max_keys(usize::MAX).clock(clock).build().expect("it has keys");
    for secret in [SECRET, b""] {
        let token = hs256(secret, br#"{"alg":"HS256"}"#, br#"{"exp":9}"#);
        assert!(verifier.verify_now(&token).is_some_and(|verdict| verdict.is_err()));
    }
}

/// RFC 8037, appendix A.2.
const GOOD: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
