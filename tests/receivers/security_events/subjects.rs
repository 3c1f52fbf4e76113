//! Promise: subjects are mapped to tokens as documented, by the application where tokens do not
//! name them so; and what cannot be mapped is acknowledged and ends nothing.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use test_support::{ISSUER, NOW, SECRET, clock, hs256, memory};
use tower_logout::{
    JwtVerifier,
    endpoint::{
        SubjectIdentifier,
        security_events::{SubjectMember, UnmappedSubject},
    },
    revocation::RevocationKey,
    token::jwt::{Algorithm, Issuer, Key},
};

use super::support::{CAEP, Node, RISC, TRANSMITTER, email, event, opaque, session_revoked, user, with};

const NONE: [&str; 0] = [];

fn disabled(subject: &Value) -> Value {
    event("1", subject, &format!("{RISC}account-disabled"), &json!({}))
}

#[tokio::test]
async fn subjects_that_tokens_name_are_mapped() {
    let of_idp = |members: Value| with(json!({ "iss": ISSUER }), &members);
    for (subject, expected) in [
        (user("ann"), &["ann/1", "ann/2"][..]),
        (user("Ann"), &NONE),
        (opaque("ann"), &["ann/1", "ann/2"]),
        // Without a role, it may also name a session.
        (opaque("2"), &["ann/2", "bob/2"]),
        (json!({ "user": user("ann") }), &["ann/1", "ann/2"]),
        (json!({ "user": opaque("ann") }), &["ann/1", "ann/2"]),
        (json!({ "user": opaque("2") }), &NONE),
        (json!({ "session": opaque("2") }), &["ann/2", "bob/2"]),
        (json!({ "session": opaque("ann") }), &NONE),
        (json!({ "session": of_idp(json!({ "format": "iss_sub", "sub": "2" })) }), &["ann/2", "bob/2"]),
        (json!({ "format": "complex", "user": user("ann"), "device": opaque("d") }), &["ann/1", "ann/2"]),
        (json!({ "user": user("ann"), "planet": { "format": "opaque", "id": "earth" } }), &["ann/1", "ann/2"]),
        // Members that are not understood are ignored.
        (json!({ "user": user("ann"), "session": { "format": "unknown", "x": 1 } }), &["ann/1", "ann/2"]),
        (json!({ "format": "aliases", "identifiers": [email("a@example.com"), user("ann")] }), &["ann/1", "ann/2"]),
        (
            json!({ "format": "aliases", "identifiers": [user("bob"), user("ann")] }),
            &["ann/1", "ann/2", "bob/1", "bob/2"],
        ),
        (json!({ "user": { "format": "aliases", "identifiers": [opaque("ann")] } }), &["ann/1", "ann/2"]),
    ] {
        let node = Node::new();
        node.takes(&session_revoked("1", &subject)).await;
        assert_eq!(node.revoked().await, expected, "{subject}");
    }
}

#[tokio::test]
async fn subjects_that_cannot_be_mapped_are_acknowledged_and_end_nothing() {
    for subject in [
        json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "ann" }),
        json!({ "format": "iss_sub", "iss": TRANSMITTER, "sub": "ann" }),
        json!({ "format": "jwt_id", "iss": "https://other.example", "jti": "one" }),
        email("ann@example.com"),
        json!({ "format": "phone_number", "phone_number": "+12065550100" }),
        json!({ "format": "account", "uri": "acct:ann@example.com" }),
        json!({ "format": "did", "url": "did:example:ann" }),
        json!({ "format": "uri", "uri": "https://example.com/ann" }),
        json!({ "format": "saml_assertion_id", "issuer": ISSUER, "assertion_id": "1" }),
        json!({ "format": "ip-addresses", "ip-addresses": ["10.0.0.1"] }),
        json!({ "format": "aliases", "identifiers": [email("ann@example.com")] }),
        json!({ "format": "unknown", "ann": "ann" }),
        json!({ "user": email("ann@example.com") }),
        json!({ "device": opaque("ann") }),
        json!({ "tenant": opaque("1") }),
        json!({ "application": user("ann") }),
        json!({ "group": opaque("1"), "org_unit": opaque("2") }),
        json!({ "format": "complex" }),
        json!({}),
    ] {
        let node = Node::new();
        node.takes(&session_revoked("1", &subject)).await;
        assert_eq!(node.revoked().await, NONE, "{subject}");
    }
    let node = Node::new();
    node.takes(&with(session_revoked("1", &json!({})), &json!({ "sub_id": null }))).await;
    assert_eq!(node.revoked().await, NONE);
}

/// Authentik, Google, and transmitters of the drafts.
#[tokio::test]
async fn a_subject_in_the_event_counts_if_there_is_no_other() {
    let in_event = |subject: Value| {
        let claims = event("1", &json!({}), &format!("{CAEP}session-revoked"), &json!({ "subject": subject }));
        with(claims, &json!({ "sub_id": null }))
    };
    let google = json!({ "subject_type": "iss-sub", "iss": ISSUER, "sub": "ann" });
    let authentik = json!({ "session": opaque("1"), "user": email("ann@example.com") });
    for (subject, expected) in [
        (google, &["ann/1", "ann/2"][..]),
        (user("ann"), &["ann/1", "ann/2"]),
        (authentik, &["ann/1", "bob/1"]),
        (json!({ "user": { "subject_type": "iss_sub", "iss": ISSUER, "sub": "ann" } }), &["ann/1", "ann/2"]),
    ] {
        let node = Node::new();
        node.takes(&in_event(subject.clone())).await;
        assert_eq!(node.revoked().await, expected, "{subject}");
    }
    let node = Node::new();
    node.takes(&with(in_event(user("ann")), &json!({ "sub_id": user("bob") }))).await;
    assert_eq!(node.revoked().await, ["bob/1", "bob/2"], "`sub_id` is the one of the final specification");
}

type Asked = Arc<Mutex<Vec<(Option<SubjectMember>, &'static str)>>>;

/// A node whose application knows addresses of `example.com`, and the device `laptop` of ann.
fn resolving(asked: &Asked) -> Node {
    let asked = Arc::clone(asked);
    Node::with(|builder| {
        builder.resolve(move |subject: UnmappedSubject| {
            asked.lock().unwrap().push((subject.member, subject.identifier.format()));
            async move {
                Ok::<_, std::io::Error>(match (subject.member, subject.identifier) {
                    (_, SubjectIdentifier::Email { email }) => {
                        let name = email.strip_suffix("@example.com");
                        name.map(|name| RevocationKey::subject(ISSUER, name)).into_iter().collect()
                    }
                    (Some(SubjectMember::Device), SubjectIdentifier::Opaque { id }) if id == "laptop" => {
                        vec![RevocationKey::session(ISSUER, "1")]
                    }
                    (_, SubjectIdentifier::IssSub { sub, .. }) => vec![RevocationKey::subject(ISSUER, &sub)],
                    _ => Vec::new(),
                })
            }
        })
    })
}

#[tokio::test]
async fn the_application_is_asked_about_what_tokens_do_not_name() {
    let foreign = json!({ "format": "iss_sub", "iss": "https://other.example", "sub": "bob" });
    for (subject, expected) in [
        (email("ann@example.com"), &["ann/1", "ann/2"][..]),
        (json!({ "user": email("bob@example.com") }), &["bob/1", "bob/2"]),
        (email("ann@other.example"), &NONE),
        (foreign, &["bob/1", "bob/2"]),
        (json!({ "user": user("bob"), "device": opaque("laptop") }), &["ann/1", "bob/1"]),
        (json!({ "user": user("bob"), "device": opaque("unknown") }), &["bob/1", "bob/2"]),
        (json!({ "device": opaque("laptop"), "tenant": opaque("t") }), &["ann/1", "bob/1"]),
        (
            json!({ "format": "aliases", "identifiers": [email("ann@example.com"), email("bob@example.com")] }),
            &["ann/1", "ann/2", "bob/1", "bob/2"],
        ),
    ] {
        let node = resolving(&Asked::default());
        node.takes(&session_revoked("1", &subject)).await;
        assert_eq!(node.revoked().await, expected, "{subject}");
    }
}

#[tokio::test]
async fn the_application_is_not_asked_about_what_tokens_name() {
    let asked = Asked::default();
    let node = resolving(&asked);
    for subject in [user("ann"), opaque("ann"), json!({ "session": opaque("1"), "device": opaque("laptop") })] {
        node.takes(&session_revoked(&subject.to_string(), &subject)).await;
    }
    assert_eq!(*asked.lock().unwrap(), []);
    node.takes(&session_revoked("last", &json!({ "device": opaque("laptop"), "tenant": opaque("t") }))).await;
    assert_eq!(*asked.lock().unwrap(), [(Some(SubjectMember::Device), "opaque")], "the narrowest that is known");
}

#[tokio::test]
async fn an_error_of_the_application_is_answered_with_503_and_delivered_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let node = Node::with(|builder| {
        builder.resolve(move |_| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                if call == 0 { Err("the directory is down") } else { Ok(vec![RevocationKey::subject(ISSUER, "ann")]) }
            }
        })
    });
    let claims = disabled(&email("ann@example.com"));
    let answer = node.push(&claims).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(node.revoked().await, NONE);
    node.takes(&claims).await;
    assert_eq!(node.revoked().await, ["ann/1", "ann/2"]);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_does_not_answer_is_not_waited_for() {
    let node =
        Node::with(|builder| builder.resolve(|_| std::future::pending::<Result<Vec<RevocationKey>, std::io::Error>>()));
    assert_eq!(node.push(&disabled(&email("ann@example.com"))).await.status, 503);
}

fn several() -> JwtVerifier {
    let issuer = |name: &str| Issuer::keys(name, Key::secret(Algorithm::HS256, SECRET).unwrap());
    JwtVerifier::issuers([issuer(ISSUER), issuer("https://second.example")]).clock(clock()).build().unwrap()
}

#[tokio::test]
async fn of_several_issuers_one_is_named_for_identifiers_that_name_none() {
    let claims = session_revoked("1", &opaque("ann"));
    let node = Node::of(several(), memory(), clock(), |builder| builder);
    node.takes(&claims).await;
    assert_eq!(node.revoked().await, NONE, "whose `ann` it is, is not known");

    for (issuer, expected) in [(ISSUER, &["ann/1", "ann/2"][..]), ("https://second.example", &NONE)] {
        let node = Node::of(several(), memory(), clock(), |builder| builder.subjects_of(issuer));
        node.takes(&claims).await;
        assert_eq!(node.revoked().await, expected, "{issuer}");
    }
    // A session is one of the issuer of its user.
    let node = Node::of(several(), memory(), clock(), |builder| builder);
    node.takes(&session_revoked("1", &json!({ "user": user("ann"), "session": opaque("1") }))).await;
    assert_eq!(node.revoked().await, ["ann/1", "bob/1"]);
}

#[tokio::test]
async fn a_claim_that_can_be_revoked_needs_no_application() {
    let verifier = JwtVerifier::hs256(SECRET)
        .issuer(ISSUER)
        .revocable_claim("email")
        .revocable_claim("phone_number")
        .clock(clock())
        .build()
        .unwrap();
    let node = Node::of(verifier, memory(), clock(), |builder| builder);
    let token = |name: &str, value: &str| {
        let claims = json!({ "iss": ISSUER, "sub": "x", "jti": value, "iat": NOW - 60, "exp": NOW + 900, name: value });
        hs256(&claims)
    };
    let recycled = |jti: &str, subject: &Value| event(jti, subject, &format!("{RISC}identifier-recycled"), &json!({}));
    node.takes(&recycled("1", &email("Ann@EXAMPLE.com"))).await;
    node.takes(&recycled("2", &json!({ "format": "phone_number", "phone_number": "+12065550100" }))).await;
    for (name, value, is_revoked) in [
        ("email", "Ann@EXAMPLE.com", true),
        ("email", "Ann@example.com", true),
        ("email", "bob@example.com", false),
        ("phone_number", "+12065550100", true),
    ] {
        assert_eq!(node.revokes(&token(name, value)).await, is_revoked, "{value}");
    }
}

/// With `subject_claim`, `sub` is not what tokens are revoked by, and a revocation would end nothing.
#[tokio::test]
async fn a_subject_of_another_claim_is_not_taken_for_sub() {
    let verifier = || JwtVerifier::hs256(SECRET).issuer(ISSUER).subject_claim("oid").clock(clock()).build().unwrap();
    let token = hs256(&json!({ "iss": ISSUER, "oid": "42", "jti": "1", "iat": NOW - 60, "exp": NOW + 900 }));
    let node = Node::of(verifier(), memory(), clock(), |builder| {
        builder.resolve(|_| async { Ok::<_, std::io::Error>(vec![RevocationKey::subject(ISSUER, "42")]) })
    });
    node.takes(&disabled(&user("ann"))).await;
    assert!(node.revokes(&token).await);
    let node = Node::of(verifier(), memory(), clock(), |builder| builder);
    node.takes(&disabled(&user("42"))).await;
    assert!(!node.revokes(&token).await);
}

#[tokio::test]
async fn an_event_with_a_critical_member_that_is_not_understood_ends_nothing() {
    let with_tenant = json!({ "user": user("ann"), "tenant": opaque("t") });
    let with_planet = json!({ "user": user("ann"), "planet": opaque("earth") });
    let with_odd_session = json!({ "user": user("ann"), "session": { "format": "unknown" } });
    let all = &["ann/1", "ann/2"][..];
    for (critical, subject, has_resolver, expected) in [
        (&[][..], &with_tenant, false, all),
        (&["tenant"], &with_tenant, false, &NONE),
        (&["tenant"], &with_tenant, true, all),
        (&["tenant"], &user("ann"), false, all),
        (&["device"], &with_tenant, false, all),
        (&["user"], &with_tenant, false, all),
        (&["planet"], &with_planet, false, &NONE),
        (&["planet"], &with_planet, true, &NONE),
        (&["session"], &with_odd_session, true, &NONE),
    ] {
        let node = Node::with(|builder| {
            let builder = builder.critical_subject_members(critical.iter().copied());
            if has_resolver { builder.resolve(|_| async { Ok::<_, std::io::Error>(Vec::new()) }) } else { builder }
        });
        node.takes(&session_revoked("1", subject)).await;
        assert_eq!(node.revoked().await, expected, "{critical:?} {subject}");
    }
}
