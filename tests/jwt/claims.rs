//! Promise: `Claims` can be made, written and read without loss.

use serde_json::json;
use test_support::{ISSUER, NOW, at, clock, hs256};
use tower_logout::{Claims, JwtVerifier, clock::Timestamp, token::TokenVerifier};

fn claims() -> Claims {
    let mut claims = Claims::new(Timestamp::from_unix_millis(NOW * 1000 + 900_001));
    claims.iss = Some(ISSUER.to_owned());
    claims.sub = Some("usr_123".to_owned());
    claims.aud = vec!["api".to_owned()];
    claims.iat = Some(at(NOW));
    claims.scope = Some("read write".to_owned());
    claims
}

#[test]
fn claims_made_in_code_are_those_that_a_verifier_yields() {
    let verifier = JwtVerifier::hs256(test_support::SECRET).audience("api").clock(clock()).build().unwrap();
    let token = hs256(&serde_json::to_value(claims()).unwrap());
    let verified = verifier.verify_now(&token).unwrap().unwrap();
    assert_eq!(*verified, claims());
    assert_eq!(verified.identity().expires_at(), claims().exp);
}

#[test]
fn claims_are_written_as_rfc_7519_has_them() {
    let expected = json!({
        "iss": ISSUER, "sub": "usr_123", "aud": "api", "exp": NOW as f64 + 900.001, "iat": NOW, "scope": "read write",
    });
    assert_eq!(serde_json::to_value(claims()).unwrap(), expected);
}

#[test]
fn logged_claims_do_not_reveal_their_user() {
    let text = format!("{:?}", claims());
    assert!(text.contains("exp"), "{text}");
    assert!([ISSUER, "usr_123", "api", "read"].iter().all(|claim| !text.contains(claim)), "{text}");
}
