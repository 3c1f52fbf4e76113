//! Promise: no part of a key file or a key set is skipped silently, and an error about a text that
//! is no key says what it is and what to do.

use std::{error::Error, fs};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_logout::{
    JwtVerifier,
    token::{
        VerifyError,
        jwt::{Algorithm, ConfigError, InvalidToken, Key, KeyError, KeySet},
    },
};

const FIRST: &str = include_str!("key_files/first.pem");
const SECOND: &str = include_str!("key_files/second.pem");
const CERTIFICATE: &str = include_str!("key_files/certificate.pem");
const RSA: &str = include_str!("key_files/rsa.pem");
const RSA_PKCS1: &str = include_str!("key_files/rsa-pkcs1.pem");
const OPENSSH: &str = include_str!("key_files/openssh.pub");
const PARAMETERS: &str = include_str!("key_files/parameters.pem");
/// Created for this test: SEC 1, PKCS#1, and encrypted PKCS#8.
const PRIVATE: [&str; 3] = [
    include_str!("key_files/sec1.pem"),
    include_str!("key_files/rsa-private.pem"),
    include_str!("key_files/encrypted.pem"),
];

fn der_of(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

/// The output of `main` for the error.
fn printed(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// `first.pem`, as a JSON Web Key.
fn jwk() -> Value {
    let der = der_of(FIRST);
    let (x, y) = der[der.len() - 64..].split_at(32);
    json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
}

#[test]
fn a_key_file_may_have_any_line_endings() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("plain", FIRST.to_owned()),
        ("crlf", FIRST.replace('\n', "\r\n")),
        ("cr", FIRST.replace('\n', "\r")),
        ("bom", format!("\u{feff}{FIRST}")),
        ("bom and crlf", format!("\u{feff}{}", FIRST.replace('\n', "\r\n"))),
        ("space around", format!("\n \t{FIRST}\n\n ")),
        ("no line break at the end", FIRST.trim().to_owned()),
        ("one line", FIRST.trim().replace('\n', " ")),
        ("a text before, as RFC 7468 allows", format!("Subject: the key of 2026\n{FIRST}")),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let read = fs::read(&path).unwrap();
        assert!(Key::pem(Algorithm::ES256, &read).is_ok(), "{name}: {:?}", Key::pem(Algorithm::ES256, &read));
        assert_eq!(KeySet::pem(Algorithm::ES256, &read).unwrap().len(), 1, "{name}");
    }
    for pem in [RSA, RSA_PKCS1] {
        assert!(Key::pem(Algorithm::RS256, pem).is_ok());
        assert!(Key::der(Algorithm::RS256, der_of(pem)).is_ok());
    }
    for json in [jwk().to_string(), format!("\u{feff}{}", jwk())] {
        assert!(Key::jwk(&json).is_ok());
        let set = json.replace('{', r#"{"keys":[{"#) + "]}";
        assert_eq!(KeySet::jwks(&set).unwrap().len(), 1);
    }
}

#[test]
fn two_keys_in_one_text_are_two_keys_or_an_error() {
    let both = format!("the new one\n{FIRST}the old one\n{SECOND}");
    let error = Key::pem(Algorithm::ES256, &both).unwrap_err();
    assert!(error.to_string().contains("KeySet::pem"), "{error}");
    assert_eq!(KeySet::pem(Algorithm::ES256, &both).unwrap().len(), 2);
    assert!(KeySet::pem(Algorithm::ES256, format!("{FIRST}{RSA}")).is_err(), "one of them is of another kind");
}

#[test]
fn a_pem_text_that_is_no_public_key_is_an_error_with_the_remedy() {
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(FIRST.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "the text is empty: is the file complete"),
        (b" \r\n\t".to_vec(), "the text is empty"),
        ("\u{feff}".into(), "the text is empty"),
        (CERTIFICATE.into(), "openssl x509 -in FILE -noout -pubkey"),
        (format!("{FIRST}{CERTIFICATE}").into(), "openssl x509 -in FILE -noout -pubkey"),
        (CERTIFICATE.replace("CERTIFICATE", "PUBLIC KEY").into(), "openssl x509 -in FILE -noout -pubkey"),
        (PARAMETERS.into(), "keep only the blocks"),
        (format!("{PARAMETERS}{FIRST}").into(), "keep only the blocks"),
        (OPENSSH.into(), "ssh-keygen -e -m PKCS8"),
        (jwk().to_string().into(), "Key::jwk"),
        (json!({ "keys": [jwk()] }).to_string().into(), "KeySet::jwks"),
        (der_of(FIRST), "Key::der"),
        (utf16, "UTF-8"),
        (FIRST.replace('\n', "\\n").into(), "by a line break"),
        (format!("{FIRST}garbage").into(), "text after the last"),
        (format!("{FIRST}-----BEGIN PUBLIC KEY-----\n").into(), "does not match its begin line"),
        (format!("{FIRST}{}", &SECOND[..100]).into(), "does not match its begin line"),
        (format!("{FIRST}{}", &SECOND[SECOND.len() - 60..]).into(), "text after the last"),
        (format!("{}{SECOND}", &FIRST[60..]).into(), "missing or damaged"),
        (format!("{}{SECOND}", &FIRST[..100]).into(), "missing or damaged"),
        (FIRST.replacen("PUBLIC KEY", "RSA PUBLIC KEY", 1).into(), "does not match its begin line"),
        (FIRST.replacen("MFkw", "MF*w", 1).into(), "is not base64"),
        (FIRST.replacen("MFkw", "MFkwMFkw", 1).into(), "DER"),
        (b"nonsense".to_vec(), "there is no `-----BEGIN PUBLIC KEY-----`"),
    ];
    for (text, remedy) in cases {
        let shown = String::from_utf8_lossy(&text).into_owned();
        for error in [Key::pem(Algorithm::ES256, &text).unwrap_err(), KeySet::pem(Algorithm::ES256, &text).unwrap_err()]
        {
            assert!(printed(&error).contains(remedy), "{error:?}\n{shown}");
        }
    }
}

#[test]
fn der_data_that_is_no_public_key_is_an_error_with_the_remedy() {
    let trailing = [der_of(FIRST), b"more".to_vec()].concat();
    for (bytes, remedy) in [
        (b"".to_vec(), "the text is empty"),
        (FIRST.into(), "Key::pem"),
        (jwk().to_string().into(), "Key::jwk"),
        (der_of(CERTIFICATE), "openssl x509 -in FILE -noout -pubkey"),
        (trailing, "not the DER of a key"),
        (der_of(FIRST)[..60].to_vec(), "not the DER of a key"),
    ] {
        let error = Key::der(Algorithm::ES256, bytes).unwrap_err();
        assert!(printed(&error).contains(remedy), "{error:?}");
    }
}

#[test]
fn a_private_key_is_rejected_in_every_format() {
    for pem in PRIVATE {
        for text in [pem.to_owned(), format!("{FIRST}{pem}"), format!("{PARAMETERS}{pem}"), pem.replace('\n', "\r\n")] {
            assert!(matches!(Key::pem(Algorithm::ES256, &text), Err(KeyError::PrivateKey)), "{text}");
            assert!(matches!(KeySet::pem(Algorithm::ES256, &text), Err(KeyError::PrivateKey)), "{text}");
        }
        let der = der_of(pem);
        assert!(matches!(Key::der(Algorithm::ES256, &der), Err(KeyError::PrivateKey)), "{pem}");
        let relabelled = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(der));
        assert!(matches!(Key::pem(Algorithm::ES256, relabelled), Err(KeyError::PrivateKey)), "{pem}");
    }
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let mut jwk = jwk();
        jwk[member] = json!("AAAA");
        assert!(matches!(Key::jwk(&jwk.to_string()), Err(KeyError::PrivateKey)), "{member}");
        let set = KeySet::jwks(&json!({ "keys": [jwk] }).to_string()).unwrap_err();
        assert!(printed(set).contains("private key"), "{member}");
    }
}

#[test]
fn a_key_and_a_key_set_are_distinguished() {
    let set = json!({ "keys": [jwk()] }).to_string();
    for (error, remedy) in [
        (Key::jwk(&set).unwrap_err(), "KeySet::jwks"),
        (KeySet::jwks(&jwk().to_string()).unwrap_err(), "Key::jwk"),
        (Key::jwk(FIRST).unwrap_err(), "Key::pem"),
        (KeySet::jwks(FIRST).unwrap_err(), "KeySet::pem"),
        (Key::jwk("").unwrap_err(), "the text is empty"),
        (KeySet::jwks(" ").unwrap_err(), "the text is empty"),
        (KeySet::jwks("{}").unwrap_err(), "no member `keys`"),
        (KeySet::jwks(&set[..set.len() - 2]).unwrap_err(), "ends too early"),
        (KeySet::jwks(&format!("{set}{set}")).unwrap_err(), "not JSON"),
        (KeySet::jwks(&json!([[jwk()]]).to_string()).unwrap_err(), "not a JSON Web Key Set"),
        (Key::jwk(&json!(["EC"]).to_string()).unwrap_err(), "not a JSON Web Key"),
    ] {
        assert!(printed(&error).contains(remedy), "{error:?}");
    }
}

#[test]
fn a_key_set_reports_what_it_has_skipped_and_why() {
    let with = |changes: Value| {
        let mut jwk = jwk();
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jwk
    };
    let skipped = [
        (with(json!({ "kid": "encryption", "use": "enc" })), Some("encryption"), "`use`"),
        (json!({ "kid": "ml-dsa", "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }), Some("ml-dsa"), "`kty`"),
        (with(json!({ "kid": "private", "d": "AAAA" })), Some("private"), "private key"),
        (json!({ "kid": "shared", "kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 64]) }), Some("shared"), "symmetric"),
        (with(json!({ "crv": "secp256k1" })), None, "`crv`"),
        (with(json!({ "kid": 7 })), None, "not a JSON Web Key"),
        (json!(7), None, "not a JSON object"),
        (json!([["EC"]]), None, "not a JSON object"),
    ];
    let mut keys: Vec<_> = skipped.iter().map(|(key, ..)| key.clone()).collect();
    keys.insert(3, with(json!({ "kid": "good" })));
    let set = KeySet::jwks(&json!({ "keys": keys }).to_string()).unwrap();
    assert_eq!((set.len(), set.skipped().len()), (1, skipped.len()));
    for (told, (_, kid, reason)) in set.skipped().iter().zip(&skipped) {
        assert_eq!(told.kid(), *kid);
        assert!(printed(told.reason()).contains(reason), "{told:?}");
    }
    assert!(JwtVerifier::with_keys(set).build().is_ok());
    assert!(KeySet::jwks(&json!({ "keys": [jwk()] }).to_string()).unwrap().skipped().is_empty());
    let secret = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 64]) }] });
    assert!(printed(KeySet::jwks(&secret.to_string()).unwrap_err()).contains("Key::secret"));
}

#[test]
fn what_main_prints_of_an_error_has_its_causes_and_the_remedy() {
    let key = KeySet::jwks(r#"{"keys":[{"kty":"RSA","n":"!","e":"AQAB"}]}"#).unwrap_err();
    assert_eq!(
        printed(&key),
        "none of the 1 keys of the JSON Web Key Set can verify signatures: is this the set of the right issuer?: \
         this is not an `n`: is the text complete, and of this format?: it is not base64url"
    );
    let config = JwtVerifier::hs256("short").build().unwrap_err();
    assert!(printed(&config).contains("openssl rand"), "{config:?}");
    assert_eq!(printed(&config), config.to_string(), "each text once");
    let wrapped = ConfigError::from(key);
    assert!(printed(&wrapped).ends_with("it is not base64url") && wrapped.source().is_some(), "{wrapped:?}");
    assert_eq!(printed(InvalidToken::Signature), InvalidToken::Signature.to_string());
    let refused = VerifyError::invalid(InvalidToken::Signature);
    assert_eq!(printed(&refused), format!("the token is invalid: {}", InvalidToken::Signature));
}
