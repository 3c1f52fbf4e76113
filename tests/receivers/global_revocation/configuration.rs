//! Promise: an endpoint that could not end anything, or that anybody could use, is not built.

use std::time::Duration;

use test_support::{ISSUER, SECRET as TOKEN_SECRET, clock, memory};
use tower_logout::{
    JwtVerifier, Logout,
    endpoint::{GlobalRevocationAuth, GlobalRevocationBuilder, GlobalRevocationError},
    token::jwt::Issuer,
};

use super::support::{APP, SECRET, URL, builder, logout, okta};

fn error_of(builder: GlobalRevocationBuilder) -> String {
    let error = builder.build().expect_err("it cannot work");
    format!("{error:?}")
}

#[test]
fn what_could_not_work_is_an_error_that_names_the_remedy() {
    let logout = logout(memory());
    let by = |authentication| logout.global_revocation(authentication);
    let signed = |subject: &str, url: &str| GlobalRevocationAuth::signed_jwt(okta(), subject, url);
    for (builder, remedy) in [
        (by(GlobalRevocationAuth::bearer("")), "at least 16 characters"),
        (by(GlobalRevocationAuth::bearer("fifteen-letters")), "openssl rand"),
        (by(GlobalRevocationAuth::bearer("a secret with spaces in it")), "A-Z a-z 0-9"),
        (by(GlobalRevocationAuth::bearer("equals=in-the-middle")), "A-Z a-z 0-9"),
        (by(signed("", URL)), "is a variable unset?"),
        (by(signed(APP, "")), "does not start with `https://`"),
        (by(signed(APP, "http://api.example/g")), "`http`"),
        (by(signed(APP, "https://api.example/g#x")), "fragment"),
        (
            by(GlobalRevocationAuth::signed_jwt(Issuer::discover("https://idp.example"), APP, URL)),
            "keys must be fetched",
        ),
        (by(GlobalRevocationAuth::bearer(SECRET).or(signed("", URL))), "is a variable unset?"),
        (builder(&logout).issuers([] as [&str; 0]), "without an issuer"),
        (builder(&logout).issuers([ISSUER, "https://issuer.example/"]), "including a trailing slash"),
        (builder(&logout).email_claim("email"), "revocable_claim(\"email\")"),
        (builder(&logout).phone_number_claim("phone_number"), "revocable_claim(\"phone_number\")"),
        (builder(&logout).timeout(Duration::ZERO), "leave the default"),
    ] {
        let error = error_of(builder);
        assert!(error.contains(remedy), "{error}");
        assert!(!error.contains("fifteen") && !error.contains("with spaces"), "{error}");
    }
}

#[test]
fn what_can_work_is_built() {
    let verifier = JwtVerifier::hs256(TOKEN_SECRET).issuer(ISSUER).clock(clock()).revocable_claim("email");
    let logout = Logout::new(verifier.build().unwrap(), memory());
    assert!(builder(&logout).issuers([ISSUER]).email_claim("email").unknown_as_success().build().is_ok());
    let other: Result<_, GlobalRevocationError> = builder(&logout).phone_number_claim("phone_number").build();
    assert!(matches!(other, Err(GlobalRevocationError::UnknownClaim { claim }) if claim == "phone_number"));
    let local = GlobalRevocationAuth::signed_jwt(okta(), APP, "http://127.0.0.1:3000/g");
    assert!(logout.global_revocation(local).build().is_ok(), "for tests");
}

#[test]
fn debug_shows_settings_and_no_secret() {
    let logout = logout(memory());
    let shown = format!("{:?} {:?}", builder(&logout), builder(&logout).issuers([ISSUER]).build().unwrap());
    assert!(shown.contains(ISSUER) && shown.contains("bearer"), "{shown}");
    assert!(!shown.contains(SECRET) && !shown.contains(APP), "{shown}");
}
