//! Promise: the algorithm of a token is one of its key, under each of its registered names, and one
//! that is allowed.

use aws_lc_rs::rsa::KeySize;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use test_support::{ISSUER, claims_with, clock};
use tower_logout::{
    JwtVerifier,
    token::jwt::{Algorithm, ConfigError, InvalidToken, Issuer, Key, KeyError, KeySet},
};

use crate::{
    pairs::{Pair, ec_pair, ed_pair, pem, rsa_pair, token, token_of, token_with, with},
    support::rejection,
};

fn verifier(keys: impl Into<KeySet>) -> JwtVerifier {
    JwtVerifier::with_keys(keys).clock(clock()).build().unwrap()
}

fn key(jwk: &Value) -> Key {
    Key::jwk(&jwk.to_string()).unwrap()
}

/// RFC 7515, appendix A.4, and RFC 8037, appendix A.4.
const VECTORS: [(&str, &str); 2] = [
    (
        r#"{"kty":"EC","crv":"P-521",
            "x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
            "y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#,
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.\
         AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgo\
         XD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    ),
    (
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
         hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
];

#[test]
fn the_examples_of_the_rfcs_are_authentic() {
    for (jwk, token) in VECTORS {
        let verifier = verifier(Key::jwk(jwk).unwrap());
        // The payloads are no claims, which is found only after the signature was verified.
        assert_eq!(rejection(&verifier, token), Some(InvalidToken::Claims));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let last = signature.len() - 1;
        signature[last] ^= 1;
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert_eq!(rejection(&verifier, &forged), Some(InvalidToken::Signature));
        signature[last] ^= 1;
        for signature in [&signature[1..], &signature[..last], &[&[0][..], &signature].concat(), &[]] {
            let resized = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(rejection(&verifier, &resized), Some(InvalidToken::Signature), "{}", signature.len());
        }
    }
}

#[test]
fn ed25519_and_eddsa_are_two_names_of_one_algorithm() {
    let pair = ed_pair();
    let keys = [
        key(&pair.jwk),
        key(&with(&pair.jwk, &json!({ "alg": "EdDSA" }))),
        key(&with(&pair.jwk, &json!({ "alg": "Ed25519" }))),
        Key::pem(Algorithm::EdDSA, pem("PUBLIC KEY", &pair.spki)).unwrap(),
        Key::der("Ed25519".parse().unwrap(), &pair.spki).unwrap(),
    ];
    for key in keys {
        let verifier = verifier(key);
        for alg in ["EdDSA", "Ed25519", "EdDSA"] {
            assert_eq!(rejection(&verifier, &token(alg, None, &pair)), None, "{alg}");
            assert_eq!(rejection(&verifier, &token(alg, None, &ed_pair())), Some(InvalidToken::Signature), "{alg}");
        }
        for alg in ["eddsa", "ed25519", "ED25519", "Ed448", "Ed25519ph"] {
            assert_eq!(rejection(&verifier, &token(alg, None, &pair)), Some(InvalidToken::Algorithm), "{alg}");
        }
    }
}

#[test]
fn the_name_of_an_algorithm_is_compared_as_it_is() {
    for name in ["RS256", "PS512", "HS384", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"] {
        assert!(name.parse::<Algorithm>().is_ok(), "{name}");
        assert!(name.to_lowercase().parse::<Algorithm>().is_err(), "{name}");
        assert!(format!("{name} ").parse::<Algorithm>().is_err(), "{name}");
    }
    for name in ["", "none", "ES256K", "Ed448", "ML-DSA-65", "RSA-OAEP", "ES521"] {
        assert!(name.parse::<Algorithm>().is_err(), "{name}");
    }
}

/// A pair of each family, with the names that its signatures can have.
fn families() -> Vec<(Pair, &'static [&'static str])> {
    vec![
        (rsa_pair(KeySize::Rsa2048), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        (ec_pair(Algorithm::ES256), &["ES256"]),
        (ec_pair(Algorithm::ES384), &["ES384"]),
        (ec_pair(Algorithm::ES512), &["ES512"]),
        (ed_pair(), &["EdDSA", "Ed25519"]),
    ]
}

const NAMES: [&str; 15] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    "EdDSA", "Ed25519", "none",
];

#[test]
fn a_key_verifies_the_algorithms_of_one_family_only() {
    for (pair, own) in families() {
        let all = verifier(key(&pair.jwk));
        for alg in NAMES {
            let accepted = rejection(&all, &token(alg, None, &pair)).is_none();
            assert_eq!(accepted, own.contains(&alg), "{own:?} {alg}");
        }
    }
}

#[test]
fn the_alg_of_a_jwk_pins_one_algorithm() {
    for (pair, own) in families() {
        for pinned in NAMES {
            let jwk = with(&pair.jwk, &json!({ "alg": pinned }));
            let Ok(key) = Key::jwk(&jwk.to_string()) else {
                assert!(!own.contains(&pinned), "{own:?} {pinned}");
                continue;
            };
            assert!(own.contains(&pinned), "{own:?} {pinned}");
            let verifier = verifier(key);
            for alg in NAMES {
                let is_same = alg == pinned || (alg.starts_with("Ed") && pinned.starts_with("Ed"));
                assert_eq!(rejection(&verifier, &token(alg, None, &pair)).is_none(), is_same, "{pinned} {alg}");
            }
        }
    }
}

#[test]
fn a_key_in_the_header_of_a_token_is_ignored() {
    // CVE-2026-27962: a library verified the token with the `jwk` of its header.
    let (own, attacker) = (ec_pair(Algorithm::ES256), ec_pair(Algorithm::ES256));
    let verifier = verifier(key(&own.jwk).with_kid("own"));
    for name in ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"] {
        let value = match name {
            "jwk" => with(&attacker.jwk, &json!({ "kid": "own" })),
            "x5c" => json!(["MIIB"]),
            _ => json!("https://attacker.example/keys"),
        };
        for kid in [json!("own"), json!("other"), json!(null), json!("https://attacker.example/keys")] {
            let header = json!({ "alg": "ES256", "kid": kid, name: value });
            let reason = match kid.as_str() {
                Some("own") | None => InvalidToken::Signature,
                Some(_) => InvalidToken::UnknownKey,
            };
            assert_eq!(rejection(&verifier, &token_with(&header, &attacker)), Some(reason), "{name}");
        }
        let header = json!({ "alg": "ES256", "kid": "own", name: value });
        assert_eq!(rejection(&verifier, &token_with(&header, &own)), None, "{name}");
    }
}

fn issuer(name: &str, jwk: &Value) -> Issuer {
    Issuer::keys(name, key(jwk))
}

#[test]
fn only_the_listed_algorithms_are_accepted_and_others_before_their_signature_is_checked() {
    let (pair, stranger) = (rsa_pair(KeySize::Rsa2048), rsa_pair(KeySize::Rsa2048));
    let allowed = ["RS512", "PS256"];
    let list = || allowed.iter().map(|alg| alg.parse::<Algorithm>().unwrap());
    let any = || JwtVerifier::with_keys(key(&pair.jwk)).clock(clock());
    let of_issuer = || JwtVerifier::issuers([issuer(ISSUER, &pair.jwk).algorithms(list())]).clock(clock());
    for verifier in [
        any().algorithms(list()).build().unwrap(),
        any().algorithms([Algorithm::RS256]).algorithms(list()).build().unwrap(),
        of_issuer().build().unwrap(),
        of_issuer().algorithms([Algorithm::RS256]).build().unwrap(),
    ] {
        // Twice: a header that has been accepted is cached.
        for alg in NAMES.into_iter().chain(NAMES) {
            let expected = |otherwise| match alg {
                "none" => Some(InvalidToken::Algorithm),
                alg if allowed.contains(&alg) => otherwise,
                _ => Some(InvalidToken::AlgorithmNotAllowed),
            };
            assert_eq!(rejection(&verifier, &token(alg, None, &pair)), expected(None), "{alg}");
            let forged = token(alg, None, &stranger);
            assert_eq!(rejection(&verifier, &forged), expected(Some(InvalidToken::Signature)), "{alg}");
        }
    }
    assert!(InvalidToken::AlgorithmNotAllowed.remedy().unwrap().contains("algorithms()"));
}

#[test]
fn each_issuer_has_its_own_algorithms_or_those_of_the_verifier() {
    let pair = rsa_pair(KeySize::Rsa2048);
    let other = "https://other.example";
    let verifier =
        JwtVerifier::issuers([issuer(ISSUER, &pair.jwk).algorithms([Algorithm::PS256]), issuer(other, &pair.jwk)])
            .algorithms([Algorithm::RS256])
            .clock(clock())
            .build()
            .unwrap();
    for (iss, alg, reason) in [
        (ISSUER, "PS256", None),
        (ISSUER, "RS256", Some(InvalidToken::AlgorithmNotAllowed)),
        (other, "PS256", Some(InvalidToken::AlgorithmNotAllowed)),
        (other, "RS256", None),
        (other, "RS384", Some(InvalidToken::AlgorithmNotAllowed)),
    ] {
        let token = token_of(&json!({ "alg": alg }), &claims_with("one", json!({ "iss": iss })), &pair);
        assert_eq!(rejection(&verifier, &token), reason, "{iss} {alg}");
    }
}

#[test]
fn a_list_that_allows_both_names_of_ed25519_names_it_once() {
    let pair = ed_pair();
    let allowing = |alg: &str| {
        JwtVerifier::with_keys(key(&pair.jwk)).algorithms([alg.parse().unwrap()]).clock(clock()).build().unwrap()
    };
    for verifier in [allowing("EdDSA"), allowing("Ed25519")] {
        for alg in ["EdDSA", "Ed25519"] {
            assert_eq!(rejection(&verifier, &token(alg, None, &pair)), None, "{alg}");
        }
    }
}

#[test]
fn a_list_that_no_key_fits_is_an_error_with_a_remedy() {
    let (rsa, ec) = (rsa_pair(KeySize::Rsa2048), ec_pair(Algorithm::ES256));
    let pool = || JwtVerifier::with_keys(KeySet::from_iter([key(&rsa.jwk), key(&ec.jwk)])).clock(clock());
    let errors: Vec<(ConfigError, &str)> = vec![
        (pool().algorithms([]).build().unwrap_err(), "empty list"),
        (pool().algorithms([Algorithm::ES384, Algorithm::HS256]).build().unwrap_err(), "[ES384, HS256]"),
        (JwtVerifier::hs256([7; 32]).algorithms([Algorithm::HS512]).build().unwrap_err(), "[HS512]"),
        (JwtVerifier::issuers([issuer(ISSUER, &ec.jwk).algorithms([])]).build().unwrap_err(), "empty list"),
        (
            JwtVerifier::issuers([issuer(ISSUER, &ec.jwk)]).algorithms([Algorithm::RS256]).build().unwrap_err(),
            "algorithms()",
        ),
    ];
    for (error, text) in errors {
        assert!(error.to_string().contains(text), "{error}");
    }
    // One key suffices: the others may be those of another time.
    let verifier = pool().algorithms([Algorithm::ES256]).build().unwrap();
    assert_eq!(rejection(&verifier, &token("ES256", None, &ec)), None);
    assert!(matches!(verifier.replace_keys(key(&rsa.jwk)), Err(ConfigError::NoKeyForAlgorithms { .. })));
    assert_eq!(rejection(&verifier, &token("ES256", None, &ec)), None, "a replacement that fails changes nothing");
}

#[test]
fn a_set_without_a_key_verifies_nothing() {
    // CVE-2026-45363: a library verified HMAC signatures with the empty key where it found none.
    let ec = ec_pair(Algorithm::ES256);
    let verifier = JwtVerifier::with_keys(key(&ec.jwk).with_kid("ec")).clock(clock()).build().unwrap();
    let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"");
    for header in
        [json!({ "alg": "HS256" }), json!({ "alg": "HS256", "kid": "ec" }), json!({ "alg": "HS256", "kid": "" })]
    {
        let token = token_of(&header, &claims_with("one", json!({})), &ec);
        let input = token.rsplit_once('.').unwrap().0;
        let tag = aws_lc_rs::hmac::sign(&hmac_key, input.as_bytes());
        let forged = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert!(rejection(&verifier, &forged).is_some(), "{header}");
    }
    assert!(matches!(JwtVerifier::with_keys(KeySet::default()).build(), Err(ConfigError::NoKeys)));
    assert!(matches!(Key::insecure_short_secret(Algorithm::HS256, []), Err(KeyError::ShortSecret { .. })));
    assert!(Key::jwk(r#"{"kty":"oct","k":""}"#).is_err());
}
