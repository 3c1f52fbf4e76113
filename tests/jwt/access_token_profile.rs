//! Promise: `rfc9068` accepts exactly the access tokens that follow RFC 9068, sections 2.2 and 4.

use jsonwebtoken::Algorithm as Alg;
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET, claims_with, clock, sign};
use tower_logout::{
    JwtVerifier,
    revocation::KeyKind,
    token::{
        TokenVerifier, VerifyError,
        jwt::{Algorithm, ConfigError, InvalidToken, Issuer, JwtVerifierBuilder, Key},
    },
};

use crate::support::{builder, rejection, secret};

const AUDIENCE: &str = "https://api.example";

fn profile() -> JwtVerifierBuilder {
    builder(&clock()).issuer(ISSUER).audience(AUDIENCE).rfc9068()
}

/// A token of the profile with these changes to its claims.
fn token_with(typ: &Value, changes: &Value) -> String {
    let mut claims = claims_with("one", json!({ "aud": AUDIENCE, "client_id": "app", "scope": "read" }));
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    sign(&json!({ "alg": "HS256", "typ": typ }), &claims, Alg::HS256, &secret())
}

fn token(changes: &Value) -> String {
    token_with(&json!("at+jwt"), changes)
}

#[test]
fn only_the_media_type_of_access_tokens_is_accepted() {
    let verifier = profile().build().unwrap();
    for typ in ["at+jwt", "at+JWT", "AT+JWT", "application/at+jwt", "Application/AT+jwt", "APPLICATION/at+JWT"] {
        assert_eq!(rejection(&verifier, &token_with(&json!(typ), &json!({}))), None, "{typ}");
    }
    for typ in [
        json!(null),
        json!(""),
        json!("JWT"),
        json!("jwt"),
        json!("at"),
        json!("at jwt"),
        json!("at+jwt "),
        json!(" at+jwt"),
        json!("at+jwt;v=1"),
        json!("text/at+jwt"),
        json!("application/application/at+jwt"),
        json!("application/"),
        json!("application/okta-internal-at+jwt"),
        json!("id_token"),
        json!("logout+jwt"),
        json!("secevent+jwt"),
        json!("dpop+jwt"),
        json!("token-introspection+jwt"),
    ] {
        assert_eq!(rejection(&verifier, &token_with(&typ, &json!({}))), Some(InvalidToken::Type), "{typ}");
    }
    let untyped = sign(&json!({ "alg": "HS256" }), &claims_with("one", json!({})), Alg::HS256, &secret());
    assert_eq!(rejection(&verifier, &untyped), Some(InvalidToken::Type));
}

#[test]
fn the_required_claims_are_present_and_not_empty() {
    let verifier = profile().build().unwrap();
    for (change, reason) in [
        (json!({}), None),
        (json!({ "iss": null }), Some(InvalidToken::Issuer)),
        (json!({ "iss": format!("{ISSUER}/") }), Some(InvalidToken::Issuer)),
        (json!({ "exp": null }), Some(InvalidToken::Claims)),
        (json!({ "aud": null }), Some(InvalidToken::Audience)),
        (json!({ "aud": [] }), Some(InvalidToken::Audience)),
        (json!({ "aud": "https://other.example" }), Some(InvalidToken::Audience)),
        (json!({ "aud": ["https://other.example", AUDIENCE] }), None),
        (json!({ "sub": null }), Some(InvalidToken::NoSubject)),
        (json!({ "sub": "" }), Some(InvalidToken::NoSubject)),
        (json!({ "client_id": null }), Some(InvalidToken::NoClientId)),
        (json!({ "client_id": "" }), Some(InvalidToken::NoClientId)),
        (json!({ "client_id": null, "azp": "app" }), Some(InvalidToken::NoClientId)),
        (json!({ "client_id": 7 }), Some(InvalidToken::Claims)),
        (json!({ "iat": null }), Some(InvalidToken::NoIssuedAt)),
        (json!({ "iat": NOW + 3600 }), Some(InvalidToken::IssuedInFuture)),
        (json!({ "jti": null }), Some(InvalidToken::NoTokenId)),
        (json!({ "jti": "" }), Some(InvalidToken::NoTokenId)),
        // Optional claims (section 2.2.1 and 2.2.3), and those of other specifications.
        (json!({ "auth_time": null, "acr": 7, "amr": "pwd", "scope": null, "groups": {}, "roles": [] }), None),
        (json!({ "sid": null }), None),
        (json!({ "nonce": "n", "resource": null }), None),
        // Client credentials: the subject is the client.
        (json!({ "sub": "app" }), None),
        (json!({ "cnf": { "jkt": "thumbprint" } }), Some(InvalidToken::UnverifiedBinding)),
    ] {
        assert_eq!(rejection(&verifier, &token(&change)), reason, "{change}");
    }
    let expired = verifier.verify_now(&token(&json!({ "iat": NOW - 9, "exp": NOW }))).unwrap();
    assert!(matches!(expired, Err(VerifyError::Expired)));
}

#[test]
fn a_token_of_the_profile_has_every_revocation_key_but_a_session() {
    let token = profile().build().unwrap().verify_now(&token(&json!({ "sid": null }))).unwrap().unwrap();
    for kind in [KeyKind::TokenId, KeyKind::Subject, KeyKind::Client, KeyKind::Issuer] {
        assert!(token.identity().key(kind).is_some(), "{kind:?}");
    }
    assert!(token.identity().key(KeyKind::Session).is_none());
}

#[test]
fn the_required_subject_is_sub_also_if_another_claim_names_it() {
    let verifier = profile().subject_claim("oid").build().unwrap();
    assert_eq!(rejection(&verifier, &token(&json!({ "sub": null, "oid": "o" }))), Some(InvalidToken::NoSubject));
    assert_eq!(rejection(&verifier, &token(&json!({}))), None);
}

fn issuer() -> Issuer {
    Issuer::keys(ISSUER, Key::secret(Algorithm::HS256, SECRET).unwrap())
}

#[test]
fn each_issuer_may_follow_the_profile_or_not() {
    let other = Issuer::keys("https://other.example", Key::secret(Algorithm::HS256, SECRET).unwrap());
    let verifiers = |profiled: Issuer, builder: fn(JwtVerifierBuilder) -> JwtVerifierBuilder| {
        builder(JwtVerifier::issuers([profiled, other.clone()]).clock(clock())).build().unwrap()
    };
    // The issuer's profile replaces the types of the verifier, and that any audience is allowed.
    for verifier in [
        verifiers(issuer().rfc9068(), |builder| builder.audience(AUDIENCE)),
        verifiers(issuer().rfc9068(), |builder| builder.audience(AUDIENCE).typ("JWT")),
        verifiers(issuer().rfc9068().audience(AUDIENCE), JwtVerifierBuilder::allow_any_audience),
    ] {
        assert_eq!(rejection(&verifier, &token(&json!({}))), None);
        assert_eq!(rejection(&verifier, &token(&json!({ "client_id": null }))), Some(InvalidToken::NoClientId));
        assert_eq!(rejection(&verifier, &token_with(&json!("JWT"), &json!({}))), Some(InvalidToken::Type));
        let others = json!({ "iss": "https://other.example", "client_id": null, "jti": null });
        assert_eq!(rejection(&verifier, &token_with(&json!("JWT"), &others)), None);
    }
    let both = verifiers(issuer(), |builder| builder.audience(AUDIENCE).rfc9068());
    for iss in [ISSUER, "https://other.example"] {
        assert_eq!(rejection(&both, &token(&json!({ "iss": iss }))), None);
        assert_eq!(rejection(&both, &token(&json!({ "iss": iss, "jti": null }))), Some(InvalidToken::NoTokenId));
    }
}

#[test]
fn a_setting_that_contradicts_the_profile_is_an_error_with_a_remedy() {
    let any = || builder(&clock()).rfc9068();
    let with = |issuer: Issuer| JwtVerifier::issuers([issuer]);
    let errors: Vec<(ConfigError, &str)> = vec![
        (any().build().unwrap_err(), "audience()"),
        (any().allow_any_audience().build().unwrap_err(), "allow_any_audience()"),
        (any().audience("a").typ("JWT").build().unwrap_err(), "typ()"),
        (any().audience("a").typ("at+jwt").build().unwrap_err(), "typ()"),
        (with(issuer().rfc9068()).build().unwrap_err(), "audience()"),
        (with(issuer().rfc9068()).allow_any_audience().build().unwrap_err(), "audience()"),
        (with(issuer().rfc9068().allow_any_audience()).audience("a").build().unwrap_err(), "allow_any_audience()"),
        (with(issuer().allow_any_audience()).rfc9068().build().unwrap_err(), "allow_any_audience()"),
        (with(issuer().rfc9068().typ("JWT")).audience("a").build().unwrap_err(), "typ()"),
        (with(issuer().typ("JWT")).audience("a").rfc9068().build().unwrap_err(), "typ()"),
    ];
    for (error, remedy) in errors {
        assert!(error.to_string().contains("rfc9068()") && error.to_string().contains(remedy), "{error}");
    }
    assert!(any().audience("a").require_jti().require_iat().build().is_ok(), "these say the same");
}
