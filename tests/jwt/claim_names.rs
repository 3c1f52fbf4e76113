//! Promise: the claims that name the session and the subject of a token are as configured, for the
//! verifier and for each issuer.

use std::convert::Infallible;

use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use jsonwebtoken::Algorithm as Alg;
use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::{ISSUER, SECRET, bearer, claims_with, clock, hs256, sign_text};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    JwtVerifier, Logout, LogoutScope,
    revocation::{KeyKind, RevocationKey},
    revoker::RevokeError,
    token::{
        TokenVerifier, VerifyError,
        jwt::{Algorithm, ConfigError, InvalidToken, Issuer, JwtVerifierBuilder, Key},
    },
};

use crate::support::{builder, rejection, secret};

/// Auth0 reserves `sid`, so an Action can only add a claim with a namespace.
const SID: &str = "https://api.example/sid";
/// Entra ID: `sub` differs for each application, `oid` does not.
const OID: &str = "oid";

fn names(verifier: &JwtVerifier, claims: &Value) -> [Option<RevocationKey>; 2] {
    let token = verifier.verify_now(&hs256(claims)).unwrap().unwrap();
    [KeyKind::Session, KeyKind::Subject].map(|kind| token.identity().key(kind))
}

/// The keys of this session and this subject. Empty names are none.
fn keys(sid: &str, sub: &str) -> [Option<RevocationKey>; 2] {
    let [session, subject] = [sid, sub].map(|name| Some(name).filter(|name| !name.is_empty()));
    [
        session.map(|session| RevocationKey::session(ISSUER, session)),
        subject.map(|subject| RevocationKey::subject(ISSUER, subject)),
    ]
}

#[test]
fn the_named_claims_are_used_instead_of_the_registered_ones() {
    let claims = claims_with("one", json!({ "sid": "s", "sub": "u", SID: "own s", OID: "own u" }));
    let any = || builder(&clock());
    for (builder, expected) in [
        (any(), keys("s", "u")),
        (any().session_claim(SID), keys("own s", "u")),
        (any().subject_claim(OID), keys("s", "own u")),
        (any().session_claim(SID).subject_claim(OID), keys("own s", "own u")),
        (any().session_claim("sid").subject_claim("sub"), keys("s", "u")),
        (any().session_claim("jti").subject_claim("sid"), keys("one", "s")),
        (any().session_claim("other").session_claim(SID), keys("own s", "u")),
        (any().session_claim("none").subject_claim("none"), keys("", "")),
        // Dots and slashes have no meaning.
        (any().session_claim("https://api").subject_claim("OID"), keys("", "")),
    ] {
        assert_eq!(names(&builder.build().unwrap(), &claims), expected);
    }
    // The claims stay as they are.
    let token = any().subject_claim(OID).build().unwrap().verify_now(&hs256(&claims)).unwrap().unwrap();
    assert_eq!((token.sub.as_deref(), token.sid.as_deref()), (Some("u"), Some("s")));
}

#[test]
fn a_named_claim_is_a_string_or_absent_and_an_integer_if_these_are_allowed() {
    let any = || builder(&clock()).session_claim(SID).subject_claim(OID);
    let (strict, integers) = (any().build().unwrap(), any().allow_integer_subject().build().unwrap());
    for (value, text) in [(json!("x"), "x"), (json!("\u{e9}\"\\"), "\u{e9}\"\\"), (json!(null), ""), (json!(""), "")] {
        for verifier in [&strict, &integers] {
            let claims = claims_with("one", json!({ SID: value, OID: value }));
            assert_eq!(names(verifier, &claims), keys(text, text), "{value}");
        }
    }
    for (value, text) in [(json!(7), "7"), (json!(-7), "-7"), (json!(u64::MAX), "18446744073709551615")] {
        let claims = claims_with("one", json!({ SID: value, OID: value }));
        assert_eq!(names(&integers, &claims), keys(text, text), "{value}");
    }
    for value in [json!(7), json!(7.5), json!(1e30), json!(true), json!(["x"]), json!([]), json!({}), json!({ "x": 1 })]
    {
        let rejects = |verifier: &JwtVerifier, changes| rejection(verifier, &hs256(&claims_with("one", changes)));
        for verifier in [&strict, &integers] {
            if value == 7 && std::ptr::eq(verifier, &raw const integers) {
                continue;
            }
            assert_eq!(rejects(verifier, json!({ SID: value })), Some(InvalidToken::SessionClaim), "{value}");
            assert_eq!(rejects(verifier, json!({ OID: value })), Some(InvalidToken::SubjectClaim), "{value}");
        }
    }
}

#[test]
fn a_named_claim_is_present_once() {
    let verifier = builder(&clock()).session_claim(SID).subject_claim(OID).build().unwrap();
    let good = claims_with("one", json!({})).to_string();
    let signed = |members: &str| {
        let claims = good.replacen('{', &format!("{{{members},"), 1);
        sign_text(r#"{"alg":"HS256"}"#, &claims, Alg::HS256, &secret())
    };
    for (members, reason) in [
        (r#""oid":"a""#, None),
        (r#""o\u0069d":"a""#, None),
        (r#""oid":"a","oid":"b""#, Some(InvalidToken::SubjectClaim)),
        (r#""oid":"a","o\u0069d":"a""#, Some(InvalidToken::SubjectClaim)),
        (r#""oid":null,"oid":"b""#, Some(InvalidToken::SubjectClaim)),
        (r#""https://api.example/sid":"a","https:\/\/api.example/sid":"a""#, Some(InvalidToken::SessionClaim)),
        (r#""nested":{"oid":"b"},"oid":"a","list":["oid","oid"]"#, None),
    ] {
        assert_eq!(rejection(&verifier, &signed(members)), reason, "{members}");
    }
    let escaped = verifier.verify_now(&signed(r#""o\u0069d":"a""#)).unwrap().unwrap();
    assert_eq!(escaped.identity().key(KeyKind::Subject), keys("", "a")[1]);
}

#[test]
fn a_claim_that_names_nothing_is_an_error_with_a_remedy() {
    let any = || builder(&clock());
    let issuer = || Issuer::keys(ISSUER, Key::secret(Algorithm::HS256, SECRET).unwrap());
    let one = |issuer| JwtVerifier::issuers([issuer]).build().unwrap_err();
    for name in ["iss", "aud", "exp", "nbf", "iat", "cnf"] {
        for error in [any().session_claim(name).build().unwrap_err(), any().subject_claim(name).build().unwrap_err()] {
            assert!(matches!(&error, ConfigError::NoIdentifier(named) if named == name), "{error}");
            assert!(error.to_string().contains("identifier of the session"), "{error}");
        }
    }
    for error in [
        any().session_claim("").build().unwrap_err(),
        any().subject_claim("").build().unwrap_err(),
        one(issuer().session_claim("")),
        one(issuer().subject_claim("")),
    ] {
        assert!(error.to_string().contains("environment variable"), "{error}");
    }
}

proptest! {
    /// Each issuer has its own names, or else those of the verifier, or else `sid` and `sub`.
    #[test]
    fn issuers_complete_their_names_with_those_of_the_verifier(
        general in proptest::array::uniform2(proptest::option::of("[abc]")),
        own in proptest::collection::vec(proptest::array::uniform2(proptest::option::of("[abc]")), 2..4),
        values in proptest::collection::btree_map("sid|sub|[abc]", proptest::option::of("[xyz]"), 0..5),
    ) {
        let name = |index: usize| format!("https://{index}.example");
        let issuers = own.iter().enumerate().map(|(index, [session, subject])| {
            let issuer = Issuer::keys(name(index), Key::secret(Algorithm::HS256, SECRET).unwrap());
            let issuer = session.iter().fold(issuer, Issuer::session_claim);
            subject.iter().fold(issuer, Issuer::subject_claim)
        });
        let builder = JwtVerifier::issuers(issuers).clock(clock());
        let builder = general[0].iter().fold(builder, JwtVerifierBuilder::session_claim);
        let verifier = general[1].iter().fold(builder, JwtVerifierBuilder::subject_claim).build().unwrap();
        for (index, own) in own.iter().enumerate() {
            let mut claims = claims_with("one", json!({ "iss": name(index), "sid": null, "sub": null }));
            claims.as_object_mut().unwrap().extend(values.iter().map(|(name, value)| (name.clone(), json!(value))));
            let expected = |at: usize, registered: &str| {
                let claim = own[at].as_deref().or(general[at].as_deref()).unwrap_or(registered);
                values.get(claim).cloned().flatten()
            };
            let iss = name(index);
            let expected = [
                expected(0, "sid").map(|value| RevocationKey::session(&*iss, &value)),
                expected(1, "sub").map(|value| RevocationKey::subject(&*iss, &value)),
            ];
            prop_assert_eq!(names(&verifier, &claims), expected);
        }
    }
}

#[tokio::test]
async fn a_logout_and_a_revoker_end_what_the_named_claims_name() -> Result<(), RevokeError> {
    type Body = Empty<&'static [u8]>;
    for scope in [LogoutScope::Session, LogoutScope::Subject] {
        let verifier = builder(&clock()).issuer(ISSUER).session_claim(SID).subject_claim(OID).build().unwrap();
        let logout = Logout::new(verifier, test_support::memory());
        let service = logout.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::new()))));
        let token = |jti, session, subject| {
            // `sid` and `sub` are the same in all, and end nothing.
            bearer(&hs256(&claims_with(jti, json!({ SID: session, OID: subject }))))
        };
        let request = |token: &str| Request::post("/").header(AUTHORIZATION, token).body(Body::new()).unwrap();
        let status = async |token: &str| service.clone().oneshot(request(token)).await.unwrap().status();
        let (used, same, other) = (token("one", "s", "u"), token("two", "s", "u"), token("three", "t", "v"));
        let endpoint = logout.service().scope(scope);
        assert_eq!(endpoint.oneshot(request(&used)).await.unwrap().status(), StatusCode::OK);
        for (token, expected) in
            [(&used, StatusCode::UNAUTHORIZED), (&same, StatusCode::UNAUTHORIZED), (&other, StatusCode::OK)]
        {
            assert_eq!(status(token).await, expected, "{scope:?}");
        }
        match scope {
            LogoutScope::Session => logout.revoker().session(ISSUER, "t").await?,
            _ => logout.revoker().user("v").await?,
        };
        assert_eq!(status(&other).await, StatusCode::UNAUTHORIZED, "{scope:?}");
    }
    Ok(())
}

#[test]
fn integers_are_rejected_with_the_setting_that_accepts_them() {
    let verifier = builder(&clock()).subject_claim(OID).build().unwrap();
    let Err(VerifyError::Invalid(reason)) =
        verifier.verify_now(&hs256(&claims_with("one", json!({ OID: 7 })))).unwrap()
    else {
        panic!("an integer was accepted")
    };
    let reason: &InvalidToken = reason.downcast_ref().unwrap();
    assert!(reason.remedy().unwrap().contains("allow_integer_subject()"));
}
