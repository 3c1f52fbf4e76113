//! Promise: an entry of a key set that cannot be used is skipped and counted, and affects no other
//! (RFC 7517, section 5). The names of tests that follow a report say what is right.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::clock;
use tower_logout::{
    JwtVerifier,
    token::{
        TokenVerifier,
        jwt::{Algorithm, InvalidToken, Key, KeyError, KeySet},
    },
};

use crate::{
    pairs::{Pair, ec_pair, ed_pair, token, with},
    support::rejection,
};

fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn verifier(keys: impl Into<KeySet>) -> JwtVerifier {
    JwtVerifier::with_keys(keys).clock(clock()).build().unwrap()
}

fn accepts(keys: impl Into<KeySet>, token: &str) -> bool {
    verifier(keys).verify_now(token).unwrap().is_ok()
}

/// A pair whose key has this `kid`.
fn named(kid: &str) -> Pair {
    let mut pair = ec_pair(Algorithm::ES256);
    pair.jwk = with(&pair.jwk, &json!({ "kid": kid, "use": "sig", "alg": "ES256" }));
    pair
}

/// Entries that are no usable keys, each with what an application is told about it.
fn unusable() -> Vec<(&'static str, String, &'static str)> {
    let good = ec_pair(Algorithm::ES256).jwk;
    let rsa = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xb5; 256]), "e": "AQAB" });
    let x = URL_SAFE_NO_PAD.encode([9; 32]);
    let entries = [
        ("ML-DSA", json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA" }), "its `kty`"),
        ("X25519", json!({ "kty": "OKP", "crv": "X25519", "x": x }), "its `crv`"),
        ("Ed448", json!({ "kty": "OKP", "crv": "Ed448", "x": x }), "its `crv`"),
        ("secp256k1", json!({ "kty": "EC", "crv": "secp256k1", "x": x, "y": x }), "its `crv`"),
        ("RSA-OAEP for encryption", with(&rsa, &json!({ "use": "enc", "alg": "RSA-OAEP" })), "its `use`"),
        ("RSA-OAEP without `use`", with(&rsa, &json!({ "alg": "RSA-OAEP-256" })), "its `alg`"),
        ("ECDH-ES", with(&good, &json!({ "alg": "ECDH-ES+A128KW" })), "its `alg`"),
        ("ES256K", with(&good, &json!({ "alg": "ES256K" })), "its `alg`"),
        ("`alg` in small letters", with(&good, &json!({ "alg": "es256" })), "its `alg`"),
        ("`alg` none", with(&good, &json!({ "alg": "none" })), "its `alg`"),
        ("HMAC in `alg`", with(&rsa, &json!({ "alg": "HS256" })), "its `alg`"),
        ("secret", json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 64]) }), "symmetric key"),
        ("empty secret", json!({ "kty": "oct", "k": "" }), "symmetric key"),
        ("private key", with(&good, &json!({ "d": x })), "private key"),
        ("certificate only", json!({ "kty": "RSA", "x5c": ["MIIB"], "x5t": "AAAA" }), "its `kty` requires"),
        ("`use` that is no string", with(&good, &json!({ "use": 7 })), "wrong type"),
        ("`use` that is a list", with(&good, &json!({ "use": ["sig"] })), "wrong type"),
        ("`key_ops` that is a string", with(&good, &json!({ "key_ops": "verify" })), "wrong type"),
        ("`key_ops` without verify", with(&good, &json!({ "key_ops": ["sign"] })), "`key_ops`"),
        ("`alg` that is no string", with(&good, &json!({ "alg": 256 })), "wrong type"),
        ("`kid` that is a number", with(&good, &json!({ "kid": 7 })), "wrong type"),
        ("`kid` that is an object", with(&good, &json!({ "kid": {} })), "wrong type"),
        ("`kty` that is no string", with(&good, &json!({ "kty": ["EC"] })), "wrong type"),
        ("no `kty`", json!({ "kid": "a" }), "its `kty`"),
        ("empty object", json!({}), "its `kty`"),
        ("null", json!(null), "not a JSON object"),
        ("number", json!(7), "not a JSON object"),
        ("text", json!("EC"), "not a JSON object"),
        ("list", json!([good]), "not a JSON object"),
        ("a set in the set", json!({ "keys": [good] }), "a JSON Web Key Set"),
        ("base64 with padding", with(&good, &json!({ "x": format!("{x}=") })), "base64url"),
        ("point off the curve", with(&good, &json!({ "x": x })), "P-256"),
        ("point of another curve", with(&good, &json!({ "crv": "P-521" })), "P-521"),
        ("RSA of 1,024 bits", with(&rsa, &json!({ "n": URL_SAFE_NO_PAD.encode([0xb5; 128]) })), "2048"),
    ];
    let mut all: Vec<_> = entries.map(|(name, entry, reason)| (name, entry.to_string(), reason)).into();
    // Texts that `serde_json::Value` cannot hold, or would change.
    let (x, y) = (good["x"].as_str().unwrap(), good["y"].as_str().unwrap());
    let ec = format!(r#""kty":"EC","crv":"P-256","x":"{x}","y":"{y}""#);
    all.extend([
        ("`kty` twice", format!(r#"{{"kty":"RSA",{ec}}}"#), "wrong type"),
        ("`kid` twice", format!(r#"{{"kid":"a","kid":"b",{ec}}}"#), "wrong type"),
        ("`x` twice", format!(r#"{{"x":"AAAA",{ec}}}"#), "wrong type"),
        ("number out of range", r#"{"kty":"EC","x":1e999}"#.to_owned(), "JSON Web Key"),
        ("half a surrogate pair", r#"{"kty":"\ud800"}"#.to_owned(), "JSON Web Key"),
        ("deep nesting", format!(r#"{{"kty":{}{}}}"#, "[".repeat(1000), "]".repeat(1000)), "JSON Web Key"),
    ]);
    all
}

#[test]
fn an_unusable_entry_is_skipped_and_counted_and_the_others_are_used() {
    let pair = named("good");
    let token = token("ES256", Some("good"), &pair);
    let unusable = unusable();
    for (name, entry, reason) in &unusable {
        for text in [format!(r#"{{"keys":[{entry},{}]}}"#, pair.jwk), format!(r#"{{"keys":[{},{entry}]}}"#, pair.jwk)] {
            let set = KeySet::jwks(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(set.kids().collect::<Vec<_>>(), ["good"], "{name}");
            let [skipped] = set.skipped() else { panic!("{name}: {:?}", set.skipped()) };
            assert!(
                skipped.reason().to_string().contains(reason) || chain(skipped.reason()).contains(reason),
                "{name}: {:?}",
                skipped.reason()
            );
            assert!(accepts(set, &token), "{name}");
        }
    }
    let entries: Vec<_> = unusable.iter().map(|(_, entry, _)| entry.as_str()).collect();
    let set = KeySet::jwks(&format!(r#"{{"keys":[{},{}]}}"#, entries.join(","), pair.jwk)).unwrap();
    assert_eq!((set.len(), set.skipped().len()), (1, unusable.len()), "all of them at once");
    let none = KeySet::jwks(&format!(r#"{{"keys":[{}]}}"#, entries.join(",")));
    assert!(matches!(none, Err(KeyError::NoUsableKey { keys, source: Some(_) }) if keys == unusable.len()));
}

fn chain(error: &KeyError) -> String {
    format!("{error:?}")
}

#[test]
fn the_kid_of_a_skipped_key_is_reported_if_it_can_be_read() {
    let pair = named("good");
    let entries = [json!({ "kid": "a", "kty": "AKP" }), json!({ "kid": 7, "kty": "AKP" }), json!("b"), pair.jwk];
    let set = KeySet::jwks(&jwks(&entries)).unwrap();
    let kids: Vec<_> = set.skipped().iter().map(|skipped| skipped.kid()).collect();
    assert_eq!(kids, [Some("a"), None, None]);
}

#[test]
fn an_ml_dsa_key_beside_a_classical_one_fails_nothing() {
    // Keats/jsonwebtoken#529, authlib#913, ruby-jwt#743, fusionauth-jwt#80, JOSESwift#494.
    let (rsa_like, pair) = (json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA" }), named("ec"));
    let set = KeySet::jwks(&jwks(&[pair.jwk.clone(), rsa_like])).unwrap();
    assert!(accepts(set, &token("ES256", Some("ec"), &pair)));
}

#[test]
fn a_key_for_encryption_beside_one_for_signatures_fails_nothing() {
    // Keats/jsonwebtoken#252, #285 and #306: Keycloak publishes an RSA-OAEP key.
    let encryption = json!({
        "kid": "enc", "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "e": "AQAB",
        "n": URL_SAFE_NO_PAD.encode([0xb5; 256]), "x5c": ["MIICmzCCAYMCBgGK"], "x5t": "AAAA", "x5t#S256": "AAAA",
    });
    let pair = named("sig");
    let set = KeySet::jwks(&jwks(&[encryption, pair.jwk.clone()])).unwrap();
    assert_eq!(set.skipped()[0].kid(), Some("enc"));
    assert!(accepts(set, &token("ES256", Some("sig"), &pair)));
}

#[test]
fn unknown_members_of_a_key_and_of_the_set_are_ignored() {
    let pair = named("good");
    let jwk =
        with(&pair.jwk, &json!({ "x5c": [7], "ext": {}, "iat": 1, "exp": "soon", "x5u": "https://evil.example" }));
    let set = KeySet::jwks(&json!({ "keys": [jwk], "next": null, "jwks_uri": 7 }).to_string()).unwrap();
    assert_eq!(set.skipped().len(), 0);
    assert!(accepts(set, &token("ES256", Some("good"), &pair)));
}

#[test]
fn kids_are_listed_in_their_order() {
    let keys = [json!("a"), json!("b"), json!("a"), json!(null)]
        .map(|kid| with(&ec_pair(Algorithm::ES256).jwk, &json!({ "kid": kid })));
    let set = KeySet::jwks(&jwks(&keys)).unwrap();
    assert_eq!(set.kids().collect::<Vec<_>>(), ["a", "b", "a"]);
    assert_eq!(KeySet::default().kids().count(), 0);
    let secret = Key::secret(Algorithm::HS256, [7; 32]).unwrap().with_kid("s");
    assert_eq!(KeySet::from(secret).kids().collect::<Vec<_>>(), ["s"]);
}

// The modules of the OpenID Foundation's conformance suite that concern the keys themselves:
// `oidcc-client-test-kid-absent-single-jwks`, `-kid-absent-multiple-jwks`.

#[test]
fn a_token_without_a_kid_is_verified_with_the_only_key() {
    let pair = named("only");
    let set = || KeySet::jwks(&jwks(std::slice::from_ref(&pair.jwk))).unwrap();
    assert!(accepts(set(), &token("ES256", None, &pair)));
    assert!(!accepts(set(), &token("ES256", None, &named("only"))), "another key has signed it");
}

#[test]
fn a_token_without_a_kid_is_verified_with_each_key_of_several() {
    let [a, b, stranger] = ["a", "b", "c"].map(named);
    let set = || KeySet::jwks(&jwks(&[a.jwk.clone(), b.jwk.clone()])).unwrap();
    for pair in [&a, &b] {
        assert!(accepts(set(), &token("ES256", None, pair)));
    }
    assert!(!accepts(set(), &token("ES256", None, &stranger)));
}

#[test]
fn one_kid_may_stand_for_keys_of_different_types() {
    let (ec, p384, ed) = (ec_pair(Algorithm::ES256), ec_pair(Algorithm::ES384), ed_pair());
    let keys = [&ec, &p384, &ed].map(|pair| with(&pair.jwk, &json!({ "kid": "same" })));
    let set = || KeySet::jwks(&jwks(&keys)).unwrap();
    assert_eq!(set().len(), 3);
    for (alg, pair) in [("ES256", &ec), ("ES384", &p384), ("EdDSA", &ed)] {
        assert!(accepts(set(), &token(alg, Some("same"), pair)), "{alg}");
    }
    // The type is that of the key, whatever `alg` says.
    assert_eq!(rejection(&verifier(set()), &token("ES384", Some("same"), &ec)), Some(InvalidToken::Signature));
}

#[test]
fn one_kid_may_stand_for_two_keys_of_the_same_type() {
    let [a, b, stranger] = ["same"; 3].map(named);
    let set = || KeySet::jwks(&jwks(&[a.jwk.clone(), b.jwk.clone()])).unwrap();
    for pair in [&a, &b] {
        assert!(accepts(set(), &token("ES256", Some("same"), pair)));
    }
    assert!(!accepts(set(), &token("ES256", Some("same"), &stranger)));
}

#[test]
fn a_key_for_another_use_verifies_nothing_even_under_its_kid() {
    let (signing, other) = (named("sig"), ec_pair(Algorithm::ES256));
    for change in [json!({ "kid": "enc", "use": "enc" }), json!({ "kid": "enc", "key_ops": ["deriveKey"] })] {
        let set = KeySet::jwks(&jwks(&[signing.jwk.clone(), with(&other.jwk, &change)])).unwrap();
        for kid in [Some("enc"), Some("sig"), None] {
            assert!(!accepts(set.clone(), &token("ES256", kid, &other)), "{change} {kid:?}");
        }
    }
}

/// A value as an entry of `keys`, or as a member of one.
fn junk() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[A-Za-z0-9_-]{0,44}".prop_map(Value::from),
        proptest::sample::select(
            &["RSA", "EC", "OKP", "oct", "AKP", "P-256", "Ed25519", "sig", "enc", "RS256", "AQAB"][..]
        )
        .prop_map(Value::from),
    ];
    let names = &["kty", "crv", "use", "key_ops", "alg", "kid", "n", "e", "x", "y", "k", "d", "keys", "x5c", "?"][..];
    leaf.prop_recursive(3, 16, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(names), inner), 0..6)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// JSON text in which members may be present twice.
fn text() -> impl Strategy<Value = String> {
    let member = (proptest::sample::select(&["kty", "crv", "use", "kid", "x", "y", "alg"][..]), junk());
    let object = proptest::collection::vec(member, 0..6).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        format!("{{{}}}", members.join(","))
    });
    prop_oneof![junk().prop_map(|value| value.to_string()), object]
}

proptest! {
    #[test]
    fn a_good_key_is_found_among_any_others(
        before in proptest::collection::vec(text(), 0..6), after in proptest::collection::vec(text(), 0..6),
    ) {
        let pair = named("good");
        let entries: Vec<_> = before.iter().chain([&pair.jwk.to_string()]).chain(&after).cloned().collect();
        let set = KeySet::jwks(&format!(r#"{{"keys":[{}]}}"#, entries.join(","))).unwrap();
        prop_assert!(set.kids().any(|kid| kid == "good"));
        prop_assert_eq!(set.len() + set.skipped().len(), entries.len());
        prop_assert!(accepts(set, &token("ES256", Some("good"), &pair)));
    }
}
