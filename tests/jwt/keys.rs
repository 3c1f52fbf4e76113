//! Promise: a key verifies only tokens of its algorithm, and keys can be replaced while the
//! verifier runs.

use aws_lc_rs::rsa::KeySize;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Alg, EncodingKey};
use serde_json::{Value, json};
use test_support::{SECRET, claims, clock, sign};
use tower_logout::{
    JwtVerifier,
    token::{
        TokenVerifier,
        jwt::{Algorithm, ConfigError, Key, KeyError, KeySet},
    },
};

use crate::pairs::{self, Pair, ec_pair, ed_pair, pem, rsa_pair, with};

fn token(algorithm: Algorithm, kid: Option<&str>, pair: &Pair) -> String {
    pairs::token(&algorithm.to_string(), kid, pair)
}

fn hmac_token(algorithm: Algorithm, secret: &[u8]) -> String {
    let library: Alg = algorithm.to_string().parse().unwrap();
    let key = EncodingKey::from_secret(secret).unwrap();
    sign(&json!({ "alg": algorithm.to_string() }), &claims("one"), library, &key)
}

fn accepts(keys: impl Into<KeySet>, token: &str) -> bool {
    let verifier = JwtVerifier::with_keys(keys).clock(clock()).build().unwrap();
    verifier.verify_now(token).unwrap().is_ok()
}

fn jwks(keys: &[&Value]) -> String {
    json!({ "keys": keys }).to_string()
}

const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

#[test]
fn every_algorithm_works_from_every_form_of_key() {
    let (rsa, ed) = (rsa_pair(KeySize::Rsa2048), ed_pair());
    let [p256, p384, p521] = [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512].map(ec_pair);
    let mut pairs: Vec<_> = RSA.iter().map(|algorithm| (*algorithm, &rsa)).collect();
    pairs.extend([(Algorithm::ES256, &p256), (Algorithm::ES384, &p384), (Algorithm::ES512, &p521)]);
    pairs.push((Algorithm::EdDSA, &ed));
    for (algorithm, pair) in pairs {
        let token = token(algorithm, None, pair);
        assert!(accepts(Key::pem(algorithm, pem("PUBLIC KEY", &pair.spki)).unwrap(), &token), "{algorithm} from PEM");
        assert!(accepts(Key::der(algorithm, &pair.spki).unwrap(), &token), "{algorithm} from DER");
        assert!(accepts(Key::jwk(&pair.jwk.to_string()).unwrap(), &token), "{algorithm} from JWK");
        assert!(accepts(KeySet::jwks(&jwks(&[&pair.jwk])).unwrap(), &token), "{algorithm} from JWK set");
    }
    let secret = [7; 64];
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let token = hmac_token(algorithm, &secret);
        assert!(accepts(Key::secret(algorithm, secret).unwrap(), &token), "{algorithm}");
        let jwk = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret) });
        assert!(accepts(Key::jwk(&jwk.to_string()).unwrap(), &token), "{algorithm} from JWK");
    }
}

#[test]
fn a_public_key_is_never_a_secret() {
    let rsa = rsa_pair(KeySize::Rsa2048);
    let public_pem = pem("PUBLIC KEY", &rsa.spki);
    let forged = [hmac_token(Algorithm::HS256, public_pem.as_bytes()), hmac_token(Algorithm::HS256, &rsa.spki)];
    for forged in forged {
        assert!(!accepts(Key::pem(Algorithm::RS256, &public_pem).unwrap(), &forged));
        assert!(!accepts(KeySet::jwks(&jwks(&[&rsa.jwk])).unwrap(), &forged));
    }
}

#[test]
fn a_key_for_one_algorithm_verifies_no_other() {
    let rsa = rsa_pair(KeySize::Rsa2048);
    let key = Key::der(Algorithm::RS256, &rsa.spki).unwrap();
    for algorithm in RSA {
        let accepted = accepts(key.clone(), &token(algorithm, None, &rsa));
        assert_eq!(accepted, algorithm == Algorithm::RS256, "{algorithm}");
    }
    let named = Key::jwk(&with(&rsa.jwk, &json!({ "alg": "PS384" })).to_string()).unwrap();
    for algorithm in RSA {
        let accepted = accepts(named.clone(), &token(algorithm, None, &rsa));
        assert_eq!(accepted, algorithm == Algorithm::PS384, "{algorithm}");
    }
}

#[test]
fn a_jwk_that_is_not_for_verifying_is_rejected() {
    let (rsa, p256) = (rsa_pair(KeySize::Rsa2048), ec_pair(Algorithm::ES256));
    for (jwk, change) in [
        (&rsa.jwk, json!({ "use": "enc" })),
        (&rsa.jwk, json!({ "use": "other" })),
        (&rsa.jwk, json!({ "key_ops": ["encrypt"] })),
        (&rsa.jwk, json!({ "key_ops": [] })),
        (&rsa.jwk, json!({ "key_ops": ["sign"] })),
        (&rsa.jwk, json!({ "alg": "RSA-OAEP" })),
        (&rsa.jwk, json!({ "alg": "HS256" })),
        (&rsa.jwk, json!({ "alg": "ES256" })),
        (&rsa.jwk, json!({ "kty": "EC" })),
        (&rsa.jwk, json!({ "kty": "unheard of" })),
        (&rsa.jwk, json!({ "d": "AAAA" })),
        (&rsa.jwk, json!({ "n": "AQAB" })),
        (&rsa.jwk, json!({ "n": "not base64url!" })),
        (&rsa.jwk, json!({ "n": null })),
        (&p256.jwk, json!({ "crv": "P-384" })),
        (&p256.jwk, json!({ "crv": "secp256k1" })),
        (&p256.jwk, json!({ "x": "AAAA" })),
        (&p256.jwk, json!({ "x": URL_SAFE_NO_PAD.encode([1; 32]) })), // not on the curve
        (&p256.jwk, json!({ "y": null })),
    ] {
        let jwk = with(jwk, &change);
        assert!(Key::jwk(&jwk.to_string()).is_err(), "{change}");
        let alone = KeySet::jwks(&jwks(&[&jwk]));
        assert!(matches!(alone, Err(KeyError::NoUsableKey { keys: 1, source: Some(_) })), "{change}");
    }
    for change in [json!({ "use": "sig" }), json!({ "key_ops": ["verify"] }), json!({ "key_ops": ["sign", "verify"] })]
    {
        assert!(Key::jwk(&with(&rsa.jwk, &change).to_string()).is_ok(), "{change}");
    }
}

#[test]
fn a_key_set_skips_what_it_cannot_use() {
    let p256 = ec_pair(Algorithm::ES256);
    let (encryption, unknown) = (with(&p256.jwk, &json!({ "use": "enc" })), json!({ "kty": "AKP", "pub": "AAAA" }));
    let set = KeySet::jwks(&jwks(&[&encryption, &unknown, &json!(7), &p256.jwk])).unwrap();
    assert_eq!(set.len(), 1);
    assert!(accepts(set, &token(Algorithm::ES256, None, &p256)));
}

#[test]
fn a_text_that_is_no_key_set_is_an_error() {
    for text in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":"#] {
        assert!(matches!(KeySet::jwks(text), Err(KeyError::Malformed { .. })), "{text}");
    }
    assert!(matches!(KeySet::jwks(r#"{"keys":[]}"#), Err(KeyError::NoUsableKey { keys: 0, source: None })));
}

#[test]
fn a_token_is_tried_with_the_keys_of_its_kid() {
    let [a, b] = [ec_pair(Algorithm::ES256), ec_pair(Algorithm::ES256)];
    let [jwk_a, jwk_b] = [with(&a.jwk, &json!({ "kid": "a" })), with(&b.jwk, &json!({ "kid": "b" }))];
    let set = KeySet::jwks(&jwks(&[&jwk_a, &jwk_b])).unwrap();
    let signed = |kid, pair: &Pair| token(Algorithm::ES256, kid, pair);
    assert!(accepts(set.clone(), &signed(Some("a"), &a)));
    assert!(accepts(set.clone(), &signed(Some("b"), &b)));
    assert!(accepts(set.clone(), &signed(None, &b)), "without a kid all are tried");
    assert!(!accepts(set.clone(), &signed(Some("a"), &b)));
    assert!(!accepts(set, &signed(Some("c"), &a)));
    let nameless = Key::der(Algorithm::ES256, &a.spki).unwrap();
    assert!(accepts(nameless.clone(), &signed(Some("c"), &a)), "a key without a kid is tried with every token");
    assert!(!accepts(nameless.with_kid("a"), &signed(Some("c"), &a)));
}

#[test]
fn keys_are_replaced_while_the_verifier_runs() {
    let [old, new] = [ec_pair(Algorithm::ES256), ec_pair(Algorithm::ES256)];
    let [old_key, new_key] = [&old, &new].map(|pair| Key::der(Algorithm::ES256, &pair.spki).unwrap());
    let verifier = JwtVerifier::with_keys(old_key.clone()).clock(clock()).build().unwrap();
    let verifies = |pair: &Pair| verifier.verify_now(&token(Algorithm::ES256, None, pair)).unwrap().is_ok();
    assert!(verifies(&old) && !verifies(&new));
    verifier.replace_keys(KeySet::from_iter([old_key, new_key.clone()])).unwrap();
    assert!(verifies(&old) && verifies(&new));
    verifier.replace_keys(new_key).unwrap();
    assert!(!verifies(&old) && verifies(&new));
    assert!(matches!(verifier.replace_keys(KeySet::default()), Err(ConfigError::NoKeys)));
    assert!(verifies(&new), "a replacement that fails changes nothing");
}

#[test]
fn a_key_that_does_not_fit_its_algorithm_is_an_error() {
    let (rsa, ed) = (rsa_pair(KeySize::Rsa2048), ed_pair());
    let [p256, p384, p521] = [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512].map(ec_pair);
    for (algorithm, pair) in [
        (Algorithm::ES256, &p521),
        (Algorithm::ES384, &p521),
        (Algorithm::ES512, &p256),
        (Algorithm::ES512, &p384),
        (Algorithm::ES512, &rsa),
        (Algorithm::ES512, &ed),
        (Algorithm::EdDSA, &p521),
        (Algorithm::ES256, &p384),
        (Algorithm::ES384, &p256),
        (Algorithm::ES256, &rsa),
        (Algorithm::ES256, &ed),
        (Algorithm::EdDSA, &p256),
        (Algorithm::EdDSA, &rsa),
        (Algorithm::RS256, &p256),
        (Algorithm::PS256, &ed),
        (Algorithm::HS256, &rsa),
    ] {
        assert!(Key::der(algorithm, &pair.spki).is_err(), "{algorithm}");
        assert!(Key::pem(algorithm, pem("PUBLIC KEY", &pair.spki)).is_err(), "{algorithm}");
    }
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert!(Key::secret(algorithm, [7; 64]).is_err());
        for text in
            [&b""[..], b"nonsense", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"\xff\xfe"]
        {
            assert!(Key::pem(algorithm, text).is_err());
            assert!(Key::der(algorithm, text).is_err());
        }
    }
}

#[test]
fn a_private_key_is_rejected() {
    for (algorithm, pair) in [
        (Algorithm::RS256, rsa_pair(KeySize::Rsa2048)),
        (Algorithm::ES256, ec_pair(Algorithm::ES256)),
        (Algorithm::EdDSA, ed_pair()),
    ] {
        assert!(matches!(Key::pem(algorithm, pair.private_pem), Err(KeyError::PrivateKey)), "{algorithm}");
    }
}

#[test]
fn a_short_secret_needs_an_insecure_call() {
    for (algorithm, len) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        assert!(Key::secret(algorithm, vec![7; len]).is_ok());
        assert!(matches!(Key::secret(algorithm, vec![7; len - 1]), Err(KeyError::ShortSecret { .. })));
        assert!(Key::insecure_short_secret(algorithm, [7]).is_ok());
        assert!(matches!(Key::insecure_short_secret(algorithm, []), Err(KeyError::ShortSecret { .. })));
    }
    let short = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode([7; 31]) });
    assert!(matches!(Key::jwk(&short.to_string()), Err(KeyError::ShortSecret { .. })));
    let fits_one = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    assert_eq!(format!("{:?}", Key::jwk(&fits_one.to_string()).unwrap()), "Key { kid: None, algorithms: [HS256], .. }");
}
