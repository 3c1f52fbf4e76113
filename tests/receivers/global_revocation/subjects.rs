//! Promise: a subject identifier ends the tokens of the user that it names, and of nobody else.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET as TOKEN_SECRET, claims_with, clock, hand::HandStore, hs256, memory};
use tower_logout::{
    JwtVerifier, Logout,
    endpoint::{CannotBeRevoked, SubjectIdentifier},
    revocation::{Revocation, RevocationKey},
    token::jwt::{Algorithm, Issuer, Key},
};

use super::support::{SECRET, access_token, builder, iss_sub, logout, resolves_to, revoke};
use crate::support::check;

const OTHER: &str = "https://other.example";

fn email(address: &str) -> Value {
    json!({ "format": "email", "email": address })
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

fn aliases(identifiers: &[Value]) -> Value {
    json!({ "format": "aliases", "identifiers": identifiers })
}

/// The keys that a request has revoked, and its status.
async fn keys_of(
    build: impl FnOnce(&Logout) -> tower_logout::endpoint::GlobalRevocationBuilder,
    logout: &Logout,
    store: &HandStore,
    sub_id: &Value,
) -> (u16, Vec<RevocationKey>) {
    let service = build(logout).build().unwrap();
    let status = revoke(&service, SECRET, sub_id).await.status;
    let mut keys: Vec<_> = store.revocations().iter().map(Revocation::key).collect();
    keys.sort_unstable();
    (status, keys)
}

fn subject(sub: &str) -> RevocationKey {
    RevocationKey::subject(ISSUER, sub)
}

#[tokio::test]
async fn issuer_and_subject_and_the_opaque_identifier_name_a_subject() {
    for (sub_id, status, key) in [
        (iss_sub("ann"), 204, Some(subject("ann"))),
        (opaque("ann"), 204, Some(subject("ann"))),
        (json!({ "format": "iss_sub", "iss": OTHER, "sub": "ann" }), 403, None),
        (json!({ "format": "iss_sub", "iss": format!("{ISSUER}/"), "sub": "ann" }), 403, None),
        (email("ann@example.com"), 400, None),
        (json!({ "format": "phone_number", "phone_number": "+1" }), 400, None),
        (json!({ "format": "account", "uri": "acct:ann@example.com" }), 400, None),
        (json!({ "format": "did", "url": "did:example:1" }), 400, None),
        (json!({ "format": "uri", "uri": "https://ann.example" }), 400, None),
        (json!({ "format": "jwt_id", "iss": ISSUER, "jti": "1" }), 400, None),
        (json!({ "format": "saml_assertion_id", "issuer": ISSUER, "assertion_id": "1" }), 400, None),
        (json!({ "format": "ip-addresses", "ip-addresses": ["::1"] }), 400, None),
        (aliases(&[email("ann@example.com"), iss_sub("ann")]), 204, Some(subject("ann"))),
        (
            aliases(&[json!({ "format": "iss_sub", "iss": OTHER, "sub": "x" }), opaque("ann")]),
            204,
            Some(subject("ann")),
        ),
        (aliases(&[opaque("ann"), iss_sub("ann")]), 204, Some(subject("ann"))),
        (aliases(&[email("x@example.com"), json!({ "format": "iss_sub", "iss": OTHER, "sub": "x" })]), 403, None),
    ] {
        let store = HandStore::new();
        let (got, keys) = keys_of(builder, &logout(store.clone()), &store, &sub_id).await;
        assert_eq!((got, keys), (status, key.into_iter().collect()), "{sub_id}");
    }
}

/// A verifier of two issuers.
fn of_two_issuers(store: HandStore) -> Logout {
    let key = || Key::secret(Algorithm::HS256, TOKEN_SECRET).unwrap();
    let verifier = JwtVerifier::issuers([Issuer::keys(ISSUER, key()), Issuer::keys(OTHER, key())]);
    Logout::new(verifier.clock(clock()).revocable_claim("email").build().unwrap(), store)
}

#[tokio::test]
async fn the_users_of_an_endpoint_can_be_those_of_one_issuer() {
    let of_other = json!({ "format": "iss_sub", "iss": OTHER, "sub": "ann" });
    for (sub_id, everybody, of_one) in [
        (iss_sub("ann"), (204, 1), (204, 1)),
        (of_other, (204, 1), (403, 0)),
        (opaque("ann"), (400, 0), (204, 1)),
        (email("ann@example.com"), (204, 2), (204, 1)),
    ] {
        let build = |logout: &Logout| builder(logout).email_claim("email");
        let store = HandStore::new();
        let (status, keys) = keys_of(build, &of_two_issuers(store.clone()), &store, &sub_id).await;
        assert_eq!((status, keys.len()), everybody, "{sub_id}");
        let store = HandStore::new();
        let build = |logout: &Logout| builder(logout).email_claim("email").issuers([ISSUER]);
        let (status, keys) = keys_of(build, &of_two_issuers(store.clone()), &store, &sub_id).await;
        assert_eq!((status, keys.len()), of_one, "{sub_id}");
    }
}

#[tokio::test]
async fn tokens_that_have_the_address_end_by_it_whatever_the_case_of_its_domain() {
    let verifier = JwtVerifier::hs256(TOKEN_SECRET).issuer(ISSUER).clock(clock()).revocable_claim("email");
    let logout = Logout::new(verifier.build().unwrap(), memory());
    let service = builder(&logout).email_claim("email").build().unwrap();
    let token = |address: &str| hs256(&claims_with(address, json!({ "email": address })));
    assert_eq!(revoke(&service, SECRET, &email("Ann@EXAMPLE.com")).await.status, 204);
    for (address, ends) in
        [("Ann@EXAMPLE.com", true), ("Ann@example.com", true), ("ann@example.com", false), ("Ann@example.org", false)]
    {
        assert_eq!(check(&logout, &token(address)).await.is_err(), ends, "{address}");
    }
}

#[tokio::test]
async fn the_closure_is_asked_for_what_the_identifier_leaves_open() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let store = HandStore::new();
    let logout = logout(store.clone());
    let record = Arc::clone(&asked);
    let service = builder(&logout).resolve(move |subject| {
        record.lock().unwrap().push(subject.format());
        let keys = match subject {
            SubjectIdentifier::Email { email } if email == "ann@example.com" => {
                vec![subject_of("ann"), subject_of("ann-2")]
            }
            SubjectIdentifier::IssSub { iss, sub } if iss == OTHER && sub == "00u1" => vec![subject_of("ann")],
            _ => Vec::new(),
        };
        std::future::ready(Ok(keys))
    });
    let service = service.build().unwrap();
    for (sub_id, status, revoked) in [
        (iss_sub("bob"), 204, 1),
        (email("ann@example.com"), 204, 2),
        (json!({ "format": "iss_sub", "iss": OTHER, "sub": "00u1" }), 204, 1),
        (email("nobody@example.com"), 404, 0),
        (json!({ "format": "iss_sub", "iss": OTHER, "sub": "00u2" }), 403, 0),
        (aliases(&[email("nobody@example.com"), email("ann@example.com")]), 204, 2),
        (aliases(&[json!({ "format": "iss_sub", "iss": OTHER, "sub": "00u2" }), email("nobody@example.com")]), 404, 0),
    ] {
        let before = store.revocations().len();
        assert_eq!(revoke(&service, SECRET, &sub_id).await.status, status, "{sub_id}");
        assert_eq!(store.revocations().len() - before, revoked, "{sub_id}");
    }
    assert_eq!(asked.lock().unwrap()[..2], ["email", "iss_sub"], "not for what needs no closure");
}

fn subject_of(sub: &str) -> RevocationKey {
    subject(sub)
}

#[tokio::test]
async fn an_unknown_user_is_404_or_204_and_one_who_cannot_be_logged_out_422() {
    let logout = logout(memory());
    let nobody = || resolves_to(|| Ok(Vec::new()));
    let ann = email("ann@example.com");
    let service = builder(&logout).resolve(nobody()).build().unwrap();
    let reply = revoke(&service, SECRET, &ann).await;
    assert_eq!((reply.status, &*reply.error()), (404, "unknown_user"));
    let service = builder(&logout).resolve(nobody()).unknown_as_success().build().unwrap();
    assert_eq!(revoke(&service, SECRET, &ann).await.status, 204);
    let foreign = json!({ "format": "iss_sub", "iss": OTHER, "sub": "x" });
    assert_eq!(revoke(&service, SECRET, &foreign).await.status, 403, "that says nothing of a user");
    let service = builder(&logout).resolve(resolves_to(|| Err(CannotBeRevoked.into()))).build().unwrap();
    assert_eq!(revoke(&service, SECRET, &ann).await.status, 422);
    assert_eq!(revoke(&service, SECRET, &aliases(&[iss_sub("ann"), ann.clone()])).await.status, 422);
    assert!(check(&logout, &access_token("ann", NOW)).await.is_ok());
    let service =
        builder(&logout).resolve(resolves_to(|| Err(io::Error::other("ann is secret").into()))).build().unwrap();
    let reply = revoke(&service, SECRET, &ann).await;
    assert_eq!(reply.status, 503);
    assert!(!reply.body.contains("ann"));
}

#[tokio::test]
async fn if_tokens_name_their_subject_by_another_claim_the_closure_is_asked() {
    let verifier = JwtVerifier::hs256(TOKEN_SECRET).issuer(ISSUER).clock(clock()).subject_claim("oid");
    let logout = Logout::new(verifier.build().unwrap(), memory());
    let token = hs256(&claims_with("1", json!({ "sub": "pairwise", "oid": "o-1" })));
    for sub_id in [iss_sub("pairwise"), opaque("pairwise")] {
        let service = builder(&logout).build().unwrap();
        assert_eq!(revoke(&service, SECRET, &sub_id).await.status, 400, "it would end nothing");
    }
    assert!(check(&logout, &token).await.is_ok());
    let service = builder(&logout).resolve(resolves_to(|| Ok(vec![subject("o-1")]))).build().unwrap();
    assert_eq!(revoke(&service, SECRET, &iss_sub("pairwise")).await.status, 204);
    assert!(check(&logout, &token).await.is_err());
}
