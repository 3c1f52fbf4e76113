//! Promise: each event ends what the documented table says, or what the application decides, and
//! nothing else.

use serde_json::{Value, json};
use test_support::{ISSUER, NOW, hs256};
use tower_logout::{
    endpoint::security_events::{Decision, EventKind, SecurityEvent},
    revocation::RevocationKey,
};

use super::support::{CAEP, Node, RISC, SSF, event, opaque, session_revoked, set, user};

const ALL: [&str; 2] = ["ann/1", "ann/2"];
const NONE: [&str; 0] = [];

/// What an event about the user `ann` ends, in her session `1` if it names one.
async fn ends(uri: &str, members: &Value) -> Vec<String> {
    let node = Node::new();
    node.takes(&event("1", &user("ann"), uri, members)).await;
    node.revoked().await
}

#[tokio::test]
async fn events_end_by_default_what_the_table_says() {
    for (base, name, members, expected) in [
        (CAEP, "session-revoked", json!({}), &ALL[..]),
        (CAEP, "token-claims-change", json!({ "claims": { "role": "none" } }), &NONE),
        (CAEP, "credential-change", json!({ "credential_type": "password", "change_type": "revoke" }), &ALL),
        (CAEP, "credential-change", json!({ "credential_type": "fido2-roaming", "change_type": "revoke" }), &ALL),
        (CAEP, "credential-change", json!({ "credential_type": "password", "change_type": "delete" }), &ALL),
        (CAEP, "credential-change", json!({ "credential_type": "password", "change_type": "update" }), &ALL),
        (CAEP, "credential-change", json!({ "credential_type": "phone-sms", "change_type": "update" }), &NONE),
        (CAEP, "credential-change", json!({ "credential_type": "password", "change_type": "create" }), &NONE),
        (CAEP, "credential-change", json!({}), &NONE),
        (
            CAEP,
            "assurance-level-change",
            json!({ "change_direction": "decrease", "current_level": "nist-aal1" }),
            &NONE,
        ),
        (CAEP, "device-compliance-change", json!({ "current_status": "not-compliant" }), &NONE),
        (CAEP, "session-established", json!({}), &NONE),
        (CAEP, "session-presented", json!({}), &NONE),
        (CAEP, "risk-level-change", json!({ "principal": "USER", "current_level": "HIGH" }), &NONE),
        (RISC, "account-disabled", json!({ "reason": "hijacking" }), &ALL),
        (RISC, "account-purged", json!({}), &ALL),
        (RISC, "credential-compromise", json!({ "credential_type": "password" }), &ALL),
        (RISC, "account-credential-change-required", json!({}), &ALL),
        (RISC, "sessions-revoked", json!({}), &ALL),
        (RISC, "identifier-recycled", json!({}), &ALL),
        (RISC, "identifier-changed", json!({ "new-value": "new@example.com" }), &NONE),
        (RISC, "account-enabled", json!({}), &NONE),
        (RISC, "opt-in", json!({}), &NONE),
        (RISC, "opt-out-initiated", json!({}), &NONE),
        (RISC, "opt-out-cancelled", json!({}), &NONE),
        (RISC, "opt-out-effective", json!({}), &NONE),
        (RISC, "recovery-activated", json!({}), &NONE),
        (RISC, "recovery-information-changed", json!({}), &NONE),
        (SSF, "stream-updated", json!({ "status": "paused" }), &NONE),
        (SSF, "verification", json!({}), &NONE),
        ("https://example.com/", "session-revoked", json!({}), &NONE),
        (CAEP, "session-revoked-2", json!({}), &NONE),
        (RISC, "session-revoked", json!({}), &NONE),
    ] {
        assert_eq!(ends(&format!("{base}{name}"), &members).await, expected, "{base}{name} {members}");
    }
}

#[tokio::test]
async fn a_session_that_is_named_ends_alone() {
    let node = Node::new();
    let subject = json!({ "format": "complex", "session": opaque("1"), "user": user("ann"), "tenant": opaque("t") });
    node.takes(&session_revoked("1", &subject)).await;
    assert_eq!(node.revoked().await, ["ann/1", "bob/1"], "both of the tests' users have a session 1");

    let node = Node::new();
    let account_disabled = event("2", &subject, &format!("{RISC}account-disabled"), &json!({}));
    node.takes(&account_disabled).await;
    assert_eq!(node.revoked().await, ALL, "an account is more than a session");
}

#[tokio::test]
async fn changed_claims_end_the_token_that_is_named() {
    let node = Node::new();
    let token =
        |jti: &str| hs256(&json!({ "iss": ISSUER, "sub": "ann", "jti": jti, "iat": NOW - 60, "exp": NOW + 900 }));
    for subject in [
        json!({ "format": "jwt_id", "iss": ISSUER, "jti": "a" }),
        json!({ "session": { "format": "jwt_id", "iss": ISSUER, "jti": "b" } }),
    ] {
        node.takes(&event(&subject.to_string(), &subject, &format!("{CAEP}token-claims-change"), &json!({}))).await;
    }
    for (jti, is_revoked) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(node.revokes(&token(jti)).await, is_revoked, "{jti}");
    }
}

/// What ended stays ended: an account that is enabled again gets new tokens by signing in.
#[tokio::test]
async fn no_event_allows_a_token_again() {
    let node = Node::new();
    node.takes(&event("1", &user("ann"), &format!("{RISC}account-disabled"), &json!({}))).await;
    node.takes(&event("2", &user("ann"), &format!("{RISC}account-enabled"), &json!({}))).await;
    assert_eq!(node.revoked().await, ALL);
}

#[tokio::test]
async fn the_application_decides_otherwise() {
    let key = RevocationKey::subject(ISSUER, "bob");
    let decide = move |event: &SecurityEvent| match (event.kind(), event.uri()) {
        (EventKind::RiskLevelChange, _) if event.member("current_level") == Some("HIGH") => Decision::User,
        (EventKind::SessionRevoked, _) => Decision::User,
        (EventKind::AccountDisabled, _) => Decision::Ignore,
        (EventKind::AccountPurged, _) => Decision::Keys(vec![key]),
        (EventKind::Other, "https://example.com/fired") => Decision::Narrowest,
        (EventKind::OptIn, _) => Decision::Deny,
        _ => event.default_decision(),
    };
    let in_session = json!({ "user": user("ann"), "session": opaque("1") });
    for (subject, uri, members, expected) in [
        (&user("ann"), format!("{CAEP}risk-level-change"), json!({ "current_level": "HIGH" }), &ALL[..]),
        (&user("ann"), format!("{CAEP}risk-level-change"), json!({ "current_level": "LOW" }), &NONE),
        (&user("ann"), format!("{CAEP}risk-level-change"), json!({ "current_level": 7 }), &NONE),
        (&in_session, format!("{CAEP}session-revoked"), json!({}), &ALL),
        (&user("ann"), format!("{RISC}account-disabled"), json!({}), &NONE),
        (&user("ann"), format!("{RISC}account-purged"), json!({}), &["bob/1", "bob/2"]),
        (&in_session, "https://example.com/fired".to_owned(), json!({}), &["ann/1", "bob/1"]),
        (&user("ann"), format!("{RISC}credential-compromise"), json!({}), &ALL),
    ] {
        let node = Node::with(|builder| builder.decide(decide));
        node.takes(&event("1", subject, &uri, &members)).await;
        assert_eq!(node.revoked().await, expected, "{uri} {members}");
    }
    let node = Node::with(|builder| builder.decide(decide));
    let denied = node.push(&event("1", &user("ann"), &format!("{RISC}opt-in"), &json!({}))).await;
    assert_eq!(denied.outcome(), (400, "access_denied"));
}

/// The Shared Signals Framework allows several names of one event.
#[tokio::test]
async fn each_of_several_events_is_decided_about() {
    let node = Node::new();
    let events = json!({
        "https://example.com/unknown": true,
        format!("{CAEP}risk-level-change"): { "current_level": "HIGH" },
        format!("{RISC}account-disabled"): {},
        format!("{CAEP}session-revoked"): {},
    });
    node.takes(&set("1", &user("ann"), &events)).await;
    assert_eq!(node.revoked().await, ALL);

    let one_is_denied = |event: &SecurityEvent| match event.kind() {
        EventKind::AccountDisabled => Decision::Deny,
        _ => event.default_decision(),
    };
    let node = Node::with(|builder| builder.decide(one_is_denied));
    let events = json!({ format!("{CAEP}session-revoked"): {}, format!("{RISC}account-disabled"): {} });
    assert_eq!(node.push(&set("1", &user("ann"), &events)).await.outcome(), (400, "access_denied"));
    assert_eq!(node.revoked().await, NONE, "a token is taken as a whole, or not at all");
}

#[test]
fn every_kind_of_event_has_the_uri_that_names_it() {
    for (uri, kind, name) in [
        (format!("{CAEP}session-revoked"), EventKind::SessionRevoked, "session-revoked"),
        (format!("{RISC}identifier-recycled"), EventKind::IdentifierRecycled, "identifier-recycled"),
        (format!("{SSF}verification"), EventKind::Verification, "verification"),
    ] {
        assert_eq!((EventKind::of_uri(&uri), kind.uri(), kind.name()), (kind, Some(uri), name));
    }
    // Names of drafts, which Google sends.
    for base in ["risc", "sse"] {
        let uri = format!("https://schemas.openid.net/secevent/{base}/event-type/verification");
        assert_eq!(EventKind::of_uri(&uri), EventKind::Verification);
    }
    assert_eq!(
        (EventKind::of_uri(""), EventKind::Other.uri(), EventKind::Other.name()),
        (EventKind::Other, None, "other")
    );
}
