//! Promise: an active token must meet the same requirements as a JWT, and can be revoked by the
//! same keys.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::{ISSUER, NOW, at, clock};
use tower_logout::{
    Claims,
    clock::Timestamp,
    revocation::{KeyKind, Retention, RevocationKey},
    token::{
        TokenVerifier,
        introspection::{Introspection, IntrospectionBuilder},
        jwt::InvalidToken,
    },
};

use super::support::{LATE, Said, Server, active, active_with, says};

/// What a verifier with these settings says about a token with these members.
async fn with(settings: impl FnOnce(IntrospectionBuilder) -> IntrospectionBuilder, members: Value) -> Said {
    let server = Server::always(&active_with(members));
    says(&settings(server.builder(&clock())).build().unwrap(), "opaque").await
}

async fn plain(members: Value) -> Said {
    with(|builder| builder, members).await
}

const fn invalid(reason: InvalidToken) -> Said {
    Said::Invalid(reason)
}

#[tokio::test]
async fn an_expired_token_is_rejected_although_the_server_says_that_it_is_active() {
    assert_eq!(plain(json!({ "exp": NOW + 1 })).await, Said::Accepted);
    assert_eq!(plain(json!({ "iat": NOW - 9, "exp": NOW })).await, Said::Expired);
    let leeway = |builder: IntrospectionBuilder| builder.leeway(Duration::from_secs(5));
    assert_eq!(with(leeway, json!({ "iat": NOW - 9, "exp": NOW - 4 })).await, Said::Accepted);
    assert_eq!(with(leeway, json!({ "iat": NOW - 9, "exp": NOW - 5 })).await, Said::Expired);
}

#[tokio::test]
async fn dates_in_the_future_are_accepted_within_the_clock_skew() {
    for claim in ["nbf", "iat"] {
        let reason = if claim == "nbf" { InvalidToken::NotYetValid } else { InvalidToken::IssuedInFuture };
        assert_eq!(plain(json!({ claim: NOW + 30 })).await, Said::Accepted, "{claim}");
        assert_eq!(plain(json!({ claim: NOW + 31 })).await, invalid(reason), "{claim}");
        let exact = |builder: IntrospectionBuilder| builder.clock_skew(Duration::ZERO);
        assert_eq!(with(exact, json!({ claim: NOW + 1 })).await, invalid(reason), "{claim}");
    }
}

#[tokio::test]
async fn an_issuer_in_the_answer_must_be_the_configured_one() {
    assert_eq!(plain(json!({ "iss": null })).await, Said::Accepted);
    for other in ["https://other.example", "https://issuer.example/", ""] {
        assert_eq!(plain(json!({ "iss": other })).await, invalid(InvalidToken::Issuer), "{other}");
    }
}

#[tokio::test]
async fn audiences_are_judged_as_those_of_a_jwt() {
    let two = |builder: IntrospectionBuilder| builder.audience("api").audience("admin");
    let any = IntrospectionBuilder::allow_any_audience;
    for (aud, default, of_two, of_any) in [
        (json!(null), true, false, true),
        // Some servers write an empty list where there is none.
        (json!([]), true, false, true),
        (json!("api"), false, true, true),
        (json!(["web", "admin"]), false, true, true),
        (json!("web"), false, false, true),
        (json!(["web"]), false, false, true),
        (json!(""), false, false, true),
        (json!("API"), false, false, true),
    ] {
        let expected = |fits| if fits { Said::Accepted } else { invalid(InvalidToken::Audience) };
        let members = json!({ "aud": aud });
        assert_eq!(plain(members.clone()).await, expected(default), "{members}");
        assert_eq!(with(two, members.clone()).await, expected(of_two), "{members}");
        assert_eq!(with(any, members.clone()).await, expected(of_any), "{members}");
    }
}

#[tokio::test]
async fn a_token_bound_to_a_key_of_its_client_is_rejected_unless_that_is_allowed() {
    for members in [
        json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }),
        json!({ "cnf": { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" } }),
        json!({ "cnf": {} }),
        json!({ "token_type": "DPoP" }),
        json!({ "token_type": "dpop" }),
    ] {
        assert_eq!(plain(members.clone()).await, invalid(InvalidToken::UnverifiedBinding), "{members}");
        let allowed = with(IntrospectionBuilder::allow_unverified_binding, members.clone()).await;
        assert_eq!(allowed, Said::Accepted, "{members}");
    }
}

#[tokio::test]
async fn only_access_tokens_are_accepted() {
    for members in [
        json!({ "token_type": "Bearer" }),
        json!({ "token_type": "bearer" }),
        json!({ "token_type": "access_token" }),
        json!({ "token_type": "Bearer", "token_use": "access_token", "typ": "Bearer" }),
        json!({ "typ": "JWT" }),
    ] {
        assert_eq!(plain(members.clone()).await, Said::Accepted, "{members}");
    }
    let widened = |builder: IntrospectionBuilder| builder.token_type("BearerToken").token_type("N_A");
    for members in [
        json!({ "token_type": "N_A" }),
        json!({ "token_type": "mac" }),
        json!({ "token_type": "" }),
        json!({ "token_type": "refresh_token" }),
        json!({ "token_type": "Bearer", "token_use": "refresh_token" }),
        json!({ "typ": "Refresh" }),
        json!({ "typ": "Offline" }),
        json!({ "typ": "ID", "token_type": "Bearer" }),
        json!({ "token_use": "id_token" }),
    ] {
        assert_eq!(plain(members.clone()).await, invalid(InvalidToken::Type), "{members}");
        let expected = if members["token_type"] == "N_A" { Said::Accepted } else { invalid(InvalidToken::Type) };
        assert_eq!(with(widened, members.clone()).await, expected, "{members}");
    }
}

#[tokio::test]
async fn what_is_required_must_be_in_the_answer() {
    assert_eq!(plain(json!({ "jti": null, "iat": null, "sub": null, "sid": null })).await, Said::Accepted);
    let jti = IntrospectionBuilder::require_jti;
    assert_eq!(with(jti, json!({ "jti": null })).await, invalid(InvalidToken::NoTokenId));
    assert_eq!(with(jti, json!({ "jti": "" })).await, invalid(InvalidToken::NoTokenId));
    let iat = IntrospectionBuilder::require_iat;
    assert_eq!(with(iat, json!({ "iat": null })).await, invalid(InvalidToken::NoIssuedAt));
    assert_eq!(plain(json!({ "sub": 7 })).await, invalid(InvalidToken::IntegerSubject));
    assert_eq!(with(IntrospectionBuilder::allow_integer_subject, json!({ "sub": 7 })).await, Said::Accepted);
    let minute = |builder: IntrospectionBuilder| builder.max_lifetime(Duration::from_secs(60));
    assert_eq!(with(minute, json!({ "exp": NOW + 60 })).await, Said::Accepted);
    assert_eq!(with(minute, json!({ "exp": NOW + 61 })).await, invalid(InvalidToken::TooLongLived));
    assert_eq!(with(minute, json!({ "iat": null, "exp": NOW + 61 })).await, invalid(InvalidToken::TooLongLived));
}

/// The keys of a token with these members, except the one of all tokens.
async fn keys(members: Value) -> Vec<RevocationKey> {
    let server = Server::always(&active_with(members));
    let verifier = server.builder(&clock()).revocable_claim("tenant").allow_integer_subject().build().unwrap();
    let token = verifier.verify("opaque").await.unwrap();
    token.identity().keys().iter().copied().filter(|key| key.kind() != KeyKind::Everything).collect()
}

#[tokio::test]
async fn a_token_has_the_same_revocation_keys_as_a_jwt_with_such_claims() {
    let issuer = RevocationKey::issuer(ISSUER);
    let all = json!({ "client_id": "app", "azp": "party", "tenant": ["a", 7, true] });
    assert_eq!(
        keys(all).await,
        [
            RevocationKey::token_id(ISSUER, "one"),
            issuer,
            RevocationKey::session(ISSUER, "ses_1"),
            RevocationKey::subject(ISSUER, "usr_123"),
            RevocationKey::client(ISSUER, "app"),
            RevocationKey::client(ISSUER, "party"),
            RevocationKey::claim(ISSUER, "tenant", "a"),
            RevocationKey::claim(ISSUER, "tenant", "7"),
            RevocationKey::claim(ISSUER, "tenant", "true"),
        ]
    );
    let none = json!({ "sub": null, "sid": null });
    assert_eq!(keys(none.clone()).await, [RevocationKey::token_id(ISSUER, "one"), issuer]);
    // The issuer is known from the configuration.
    let mut no_iss = none.clone();
    no_iss["iss"] = Value::Null;
    assert_eq!(keys(no_iss).await, keys(none).await);
    let nameless = json!({ "jti": null, "sub": "", "sid": "", "client_id": "", "tenant": null });
    assert_eq!(keys(nameless).await, [RevocationKey::signing_input("opaque"), issuer]);
    let integer = json!({ "jti": "", "sub": 7, "sid": null });
    let subject = RevocationKey::subject(ISSUER, "7");
    assert_eq!(keys(integer).await, [RevocationKey::signing_input("opaque"), issuer, subject]);
}

#[tokio::test]
async fn session_and_subject_are_read_from_the_claims_that_are_configured() {
    let server = Server::always(&active_with(json!({ "https://api.example/sid": "7", "oid": "ann" })));
    let builder = server.builder(&clock()).session_claim("https://api.example/sid").subject_claim("oid");
    let token = builder.build().unwrap().verify("opaque").await.unwrap();
    assert_eq!(token.identity().key(KeyKind::Session), Some(RevocationKey::session(ISSUER, "7")));
    assert_eq!(token.identity().key(KeyKind::Subject), Some(RevocationKey::subject(ISSUER, "ann")));
}

/// The last character of a signature has bits that some servers ignore.
#[tokio::test]
async fn a_jwt_without_jti_has_the_same_key_however_its_signature_is_spelled() {
    let server = Server::always(&active_with(json!({ "jti": null })));
    let verifier = server.verifier(&clock());
    let token = test_support::token("one");
    let (input, signature) = token.rsplit_once('.').unwrap();
    for token in [token.clone(), format!("{input}.{}A", &signature[1..]), format!("{input}.")] {
        let verified = verifier.verify(&token).await.unwrap();
        assert_eq!(verified.identity().own_key(), RevocationKey::signing_input(input));
    }
    for opaque in ["a.b.c", "a.b", "opaque"] {
        let verified = verifier.verify(opaque).await.unwrap();
        assert_eq!(verified.identity().own_key(), RevocationKey::signing_input(opaque));
    }
}

#[tokio::test]
async fn a_revocable_claim_of_another_form_is_rejected() {
    let tenant = |builder: IntrospectionBuilder| builder.revocable_claim("tenant");
    for value in [json!({}), json!(1.5), json!([[]]), json!([null])] {
        let members = json!({ "tenant": value });
        assert_eq!(with(tenant, members.clone()).await, invalid(InvalidToken::RevocableClaim), "{members}");
    }
}

#[tokio::test]
async fn a_token_without_iat_is_older_than_every_revocation() {
    let server = Server::always(&active_with(json!({ "iat": null })));
    let token = server.verifier(&clock()).verify("opaque").await.unwrap();
    assert_eq!(token.identity().issued_at(), Timestamp::MIN);
    assert_eq!(token.identity().expires_at(), at(LATE));
}

#[tokio::test]
async fn a_token_without_expiry_expires_after_the_maximum_lifetime() {
    for exp in [json!(null), json!("absent")] {
        for (iat, expires_at) in [(json!(NOW - 100), NOW + 200), (json!(NOW + 20), NOW + 320), (json!(null), NOW + 300)]
        {
            let mut answer = active_with(json!({ "exp": null, "iat": iat }));
            if exp.is_null() {
                answer["exp"] = Value::Null;
            }
            let (server, clock) = (Server::always(&answer), clock());
            let verifier = server.builder(&clock).max_lifetime(Duration::from_secs(300)).build().unwrap();
            let token = verifier.verify("opaque").await.unwrap();
            assert_eq!(token.identity().expires_at(), at(expires_at), "{answer}");
            assert_eq!((token.exp, token.sub.as_deref()), (at(expires_at), Some("usr_123")));
            // Its retention is no longer than that of a revocation of its subject.
            let retention = verifier.retention();
            assert!(token.identity().retain_until() <= retention.of_issued_through(at(NOW + 20)));
            if !iat.is_null() {
                clock.set(at(expires_at));
                assert_eq!(says(&verifier, "opaque").await, Said::Expired, "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn claims_are_deserialized_as_the_applications_type() {
    #[derive(Debug, serde::Deserialize)]
    struct Own {
        username: String,
        #[serde(flatten)]
        claims: Claims,
    }
    let server = Server::always(&active_with(json!({ "username": "ann", "scope": "read write", "client_id": "app" })));
    let clock = clock();
    let verifier: Introspection<Own> = server.builder(&clock).claims::<Own>().build().unwrap();
    let token = verifier.verify("opaque").await.unwrap();
    assert_eq!((&*token.username, token.claims.scope.as_deref()), ("ann", Some("read write")));
    assert_eq!((token.claims.client_id.as_deref(), token.claims.exp), (Some("app"), at(LATE)));

    server.always_says(&active());
    let said = says(&verifier, "other").await;
    assert_eq!(said, invalid(InvalidToken::OwnClaims));
    let explained = verifier.explain("other").unwrap();
    assert!(explained.contains("missing field `username`"), "{explained}");
    assert_eq!((verifier.explain("opaque"), verifier.explain("unknown")), (None, None));

    let nothing = server.builder(&clock).claims::<()>().build().unwrap();
    assert_eq!(says(&nothing, "any").await, Said::Accepted);
}

#[tokio::test]
async fn a_rejection_by_the_configuration_is_explained() {
    let server = Server::always(&active_with(json!({ "aud": "web" })));
    let verifier = server.verifier(&clock());
    assert_eq!(verifier.explain("opaque"), None, "it was not asked about");
    assert_eq!(says(&verifier, "opaque").await, invalid(InvalidToken::Audience));
    assert_eq!(verifier.explain("opaque"), Some(InvalidToken::Audience.to_string()));
    assert!(InvalidToken::Audience.remedy().is_some() && InvalidToken::Inactive.remedy().is_none());
    server.always_says(&super::support::inactive());
    assert_eq!(says(&verifier, "unknown").await, invalid(InvalidToken::Inactive));
    assert_eq!(verifier.explain("unknown"), None);
}

#[test]
fn retention_and_revocable_are_as_configured() {
    let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
    let server = Server::always(&active());
    let builder = server.builder(&clock()).max_lifetime(hour).leeway(minute).clock_skew(2 * minute);
    let verifier = builder.revocable_claim("tenant").build().unwrap();
    let expected = Retention::new().with_max_lifetime(hour).with_leeway(minute).with_clock_skew(2 * minute);
    assert_eq!(verifier.retention(), expected);
    let revocable = verifier.revocable();
    let [issuers, claims] = [revocable.issuers(), revocable.claims()].map(|names| names.unwrap().join(" "));
    assert_eq!((&*issuers, &*claims), (ISSUER, "tenant"));
    assert_eq!(verifier.clock().now(), at(NOW));
}
