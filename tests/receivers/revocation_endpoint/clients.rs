//! Promise: a client must be authenticated, and revokes its own tokens only.

use http::HeaderValue;
use serde_json::json;
use test_support::{ISSUER, SECRET, clock, events::Events, hand::HandStore, hs256};
use tower_logout::{JwtVerifier, Logout, revoker::Source};

use super::support::{APP, access_token, basic, endpoint, logout, refresh_token, request, request_of_app, revoke};
use crate::support::{check, send};

#[tokio::test]
async fn a_client_is_authenticated_by_each_method_or_not() {
    let store = HandStore::new();
    let service = endpoint(&logout(store.clone()));
    let form = |client: &str, more: &str| {
        let token = access_token("1", &json!({ "client_id": client }));
        request(&format!("token={token}{more}"))
    };
    let with = |mut request: http::Request<String>, name: &'static str, value: HeaderValue| {
        request.headers_mut().insert(name, value);
        request
    };
    let challenge = r#"Basic realm="token revocation""#;
    for (request, status, expected_challenge) in [
        (form(APP, ""), 401, ""),
        (form(APP, "&client_id=app"), 401, ""),
        (form(APP, "&client_id=unknown"), 401, ""),
        (form(APP, "&client_id=app&client_secret=wrong"), 401, ""),
        (with(form(APP, ""), "authorization", basic("app", "wrong")), 401, challenge),
        (with(form(APP, ""), "authorization", basic("app", "")), 401, challenge),
        (with(form(APP, ""), "authorization", HeaderValue::from_static("Basic !")), 401, challenge),
        (with(form(APP, ""), "authorization", HeaderValue::from_static("Bearer x")), 401, ""),
        (form(APP, "&client_id=down"), 503, ""),
    ] {
        let reply = send(&service, request).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (status, expected_challenge));
        assert_eq!(reply.error(), if status == 401 { "invalid_client" } else { "temporarily_unavailable" });
        assert!(!reply.body.contains("directory"));
    }
    assert!(store.revocations().is_empty());
    for (number, request) in [
        with(form(APP, ""), "authorization", basic("app", "s%26cret+of+the+app")),
        form(APP, "&client_id=app&client_secret=s%26cret+of+the+app"),
        form("spa", "&client_id=spa"),
        with(form("by-certificate", ""), "x-certificate", HeaderValue::from_static("CN=x")),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(send(&service, request).await.status, 200);
        assert_eq!(store.revocations().len(), number + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_never_answers_is_answered_with_503() {
    let service = logout(HandStore::new()).revocation_endpoint(|_| std::future::pending());
    assert_eq!(revoke(&service, "x").await.status, 503);
}

#[tokio::test]
async fn a_token_of_another_client_is_refused() {
    for (claims, status) in [
        (json!({ "client_id": "app" }), 200),
        (json!({ "client_id": "App" }), 400),
        (json!({ "client_id": "spa" }), 400),
        (json!({ "client_id": null, "azp": "app" }), 200),
        (json!({ "client_id": null, "azp": "spa" }), 400),
        (json!({ "client_id": null }), 400),
    ] {
        for token in [access_token("1", &claims), refresh_token("1", &claims)] {
            let store = HandStore::new();
            let reply = revoke(&endpoint(&logout(store.clone())), &token).await;
            assert_eq!(reply.status, status, "{claims}");
            assert_eq!(store.revocations().is_empty(), status == 400);
            if status == 400 {
                assert_eq!(reply.error(), "invalid_grant");
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_names_no_client_is_only_revoked_if_that_is_allowed() {
    let token = access_token("1", &json!({ "client_id": null }));
    let (logout, events) = (logout(HandStore::new()), Events::of_this_thread());
    assert_eq!(revoke(&endpoint(&logout), &token).await.status, 400);
    let refused = events.named("message refused by the configuration");
    assert!(refused[0].fields["remedy"].contains("allow_tokens_without_client()"), "{refused:?}");
    let service = endpoint(&logout).allow_tokens_without_client();
    assert_eq!(revoke(&service, &token).await.status, 200);
    assert!(check(&logout, &token).await.is_err());
    let other = access_token("2", &json!({ "client_id": "spa" }));
    assert_eq!(revoke(&service, &other).await.status, 400, "that of another one is not");
}

#[tokio::test]
async fn a_client_is_known_also_if_the_verifier_does_not_know_the_issuers() {
    for iss in [json!(ISSUER), json!(null)] {
        let verifier = JwtVerifier::hs256(SECRET).clock(clock()).build().unwrap();
        let logout = Logout::new(verifier, HandStore::new());
        let claims = |client: &str| json!({ "iss": iss, "client_id": client });
        let service = endpoint(&logout);
        assert_eq!(revoke(&service, &access_token("1", &claims("app"))).await.status, 200, "{iss}");
        assert_eq!(revoke(&service, &access_token("2", &claims("spa"))).await.status, 400, "{iss}");
    }
    // A token of somebody else is unknown, whatever it says.
    let forged = hs256(&json!({ "iss": ISSUER, "client_id": "app", "exp": 1 }));
    assert_eq!(revoke(&endpoint(&logout(HandStore::new())), &forged[1..]).await.status, 200);
}

#[tokio::test]
async fn the_audit_log_has_the_client_and_no_secret() {
    let events = Events::of_this_thread();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let logout = logout(HandStore::new()).on_revoked(move |revoked| {
        let sender = sender.clone();
        async move { drop(sender.send(revoked)) }
    });
    let token = access_token("1", &json!({}));
    assert_eq!(send(&endpoint(&logout), request_of_app(&token, "")).await.status, 200);
    let revoked = seen.recv().await.unwrap();
    assert_eq!((revoked.source(), revoked.actor()), (Source::RevocationEndpoint, Some(APP)));
    assert!(!events.text().contains(&token) && !events.text().contains("cret of the app"));
}
