//! Promise: a route's requirements are asked of every valid token, all of them must be fulfilled,
//! and nothing else changes: what is no valid token is still 401, and a logout needs no scope.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get,
};
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
use serde_json::{Value, json};
use test_support::{
    NOW, SECRET, bearer, claims_with, clock,
    events::Events,
    hand::{Act, HandStore},
    hs256, token, verifier,
    wire::Server,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    Claims, JwtVerifier, Logout, RevocationLayer, VerifiedToken,
    guard::Requirement,
    respond::{Protocol, Rejection, RejectionContext},
    scope,
    token::{Scoped, TokenSource},
};

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory())
}

fn with_scope(scope: impl Into<Value>) -> String {
    hs256(&claims_with("scoped", json!({ "scope": scope.into() })))
}

fn request(headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
    request.body(Empty::new()).unwrap()
}

/// The status, and the reason if the request was rejected.
async fn ask<C: Send + Sync + 'static>(
    layer: &RevocationLayer<C>,
    headers: &[(&str, &str)],
) -> (u16, Option<Rejection>) {
    let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let response = layer.layer(inner).oneshot(request(headers)).await.unwrap();
    (response.status().as_u16(), response.extensions().get().copied())
}

async fn ask_with<C: Send + Sync + 'static>(layer: &RevocationLayer<C>, token: &str) -> (u16, Option<Rejection>) {
    ask(layer, &[("authorization", &bearer(token))]).await
}

const PASSES: (u16, Option<Rejection>) = (200, None);
const LACKS: (u16, Option<Rejection>) = (403, Some(Rejection::InsufficientScope));

#[tokio::test]
async fn a_scope_value_is_compared_exactly() {
    let layer = logout().layer().require(scope("orders:write"));
    for has in
        ["orders:write", "orders:read orders:write", "orders:write orders:write", " orders:write", "a  orders:write"]
    {
        assert_eq!(ask_with(&layer, &with_scope(has)).await, PASSES, "{has:?}");
    }
    let others = [
        "",
        " ",
        "orders:read",
        "orders:writes",
        "orders:writ",
        "Orders:Write",
        "orders",
        "orders:write,a",
        "orders:write\ta",
    ];
    for has in others {
        assert_eq!(ask_with(&layer, &with_scope(has)).await, LACKS, "{has:?}");
    }
    assert_eq!(ask_with(&layer, &token("without a scope")).await, LACKS);
    for (has, expected) in [
        (json!(["orders:read", "orders:write"]), PASSES),
        (json!(["orders:read"]), LACKS),
        (json!([]), LACKS),
        (json!([7, "orders:write"]), LACKS),
        (json!({ "orders:write": true }), LACKS),
        (json!(7), LACKS),
    ] {
        assert_eq!(ask_with(&layer, &with_scope(has.clone())).await, expected, "{has}");
    }
}

#[tokio::test]
async fn all_requirements_must_be_fulfilled() {
    let is_ann = |token: &VerifiedToken| token.sub.as_deref() == Some("ann");
    let one_call = logout().layer().require(scope("read write")).require(is_ann);
    let chained = logout().layer().require(is_ann).require(scope("write")).require(scope("read"));
    let token = |sub: &str, scope: &str| hs256(&claims_with("several", json!({ "sub": sub, "scope": scope })));
    for layer in [one_call, chained] {
        for (sub, has, expected) in [
            ("ann", "read write", PASSES),
            ("ann", "write more read", PASSES),
            ("ann", "read", LACKS),
            ("ann", "write", LACKS),
            ("ann", "readwrite", LACKS),
            ("bob", "read write", LACKS),
        ] {
            assert_eq!(ask_with(&layer, &token(sub, has)).await, expected, "{sub} with {has}");
        }
    }
}

#[tokio::test]
async fn a_requirement_applies_to_the_layer_that_was_made_with_it() {
    let logout = logout();
    let all = logout.layer();
    let writers = all.clone().require(scope("write"));
    assert_eq!(ask_with(&all, &token("any")).await, PASSES);
    assert_eq!(ask_with(&writers, &token("any")).await, LACKS);
    assert_eq!(ask_with(&logout.layer(), &token("any")).await, PASSES);
    let strict = logout.clone().require(scope("write"));
    assert_eq!(ask_with(&strict.layer(), &token("any")).await, LACKS);
    assert_eq!(ask_with(&logout.layer(), &token("any")).await, PASSES);
}

#[derive(Deserialize)]
struct Employee {
    #[serde(default)]
    scp: Vec<String>,
    team: String,
}

impl Scoped for Employee {
    fn has_scope(&self, value: &str) -> bool {
        self.scp.has_scope(value)
    }
}

/// A requirement with a name, that also says which scope a client is to ask for.
struct Team(&'static str);

impl Requirement<Employee> for Team {
    fn is_met(&self, token: &VerifiedToken<Employee>) -> bool {
        token.team == self.0
    }

    fn scope(&self) -> Option<&str> {
        Some("team")
    }
}

#[tokio::test]
async fn claims_of_the_application_have_a_scope_in_their_own_form() {
    let verifier = JwtVerifier::hs256(SECRET).issuer(test_support::ISSUER).clock(clock()).claims::<Employee>();
    let logout = Logout::new(verifier.build().unwrap(), test_support::memory());
    let layer = logout.layer().require(scope("orders:write")).require(Team("sales"));
    for (scp, team, expected) in [
        (json!(["orders:read", "orders:write"]), "sales", PASSES),
        (json!(["orders:read", "orders:write"]), "legal", LACKS),
        (json!(["orders:read"]), "sales", LACKS),
        // An entry with a space is one value, which no scope is.
        (json!(["orders:read orders:write"]), "sales", LACKS),
        (json!([]), "sales", LACKS),
    ] {
        let token = hs256(&claims_with("own", json!({ "scp": scp, "team": team })));
        assert_eq!(ask_with(&layer, &token).await, expected, "{scp} {team}");
    }
}

#[tokio::test]
async fn what_is_no_scope_is_fulfilled_by_no_token_and_reported() {
    for text in ["", " ", "a ", " a", "a  b", "a\tb", "a\nb", "a\"b", "a\\b", "ü"] {
        let events = Events::of_this_thread();
        let layer = logout().layer().require(scope(text));
        let event = &events.named("no token can have the required scope")[0];
        assert_eq!((&*event.level, &*event.fields["scope"]), ("ERROR", &*format!("{text:?}")));
        assert!(event.fields["remedy"].contains("RFC 6749"), "{event:?}");
        for has in [text, "", "a", "a b", "a  b"] {
            assert_eq!(ask_with(&layer, &with_scope(has)).await, LACKS, "{has:?} for {text:?}");
        }
    }
    let events = Events::of_this_thread();
    let _ = scope("a b:c/d!~");
    assert!(events.all().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_401_before_its_scope_is_asked_for() {
    for act in [Act::Now, Act::Polls(3)] {
        let store = HandStore::new();
        let logout = Logout::new(verifier(&clock()), store.clone());
        let asked = |_: &VerifiedToken| panic!("only a valid token is asked");
        let layer = logout.layer().require(asked);
        let revoked = token("revoked");
        let response = logout.service().oneshot(post(&revoked)).await.unwrap();
        assert_eq!(response.status(), 200);
        let _ = store.clone().checks(act);
        assert_eq!(ask_with(&layer, &revoked).await, (401, Some(Rejection::Revoked)), "{act:?}");
        let expired = hs256(&claims_with("expired", json!({ "exp": NOW })));
        assert_eq!(ask_with(&layer, &expired).await, (401, Some(Rejection::Expired)), "{act:?}");
        assert_eq!(ask_with(&layer, "forged").await, (401, Some(Rejection::Invalid)), "{act:?}");
        let _ = store.checks(Act::Fail);
        assert_eq!(ask_with(&layer, &token("unknown")).await, (503, Some(Rejection::Unavailable)));
    }
}

#[tokio::test]
async fn a_check_that_waits_asks_for_the_scope_as_well() {
    let logout = Logout::new(verifier(&clock()), HandStore::new().checks(Act::Polls(3)));
    let layer = logout.layer().require(scope("write"));
    // The second time, the token is cached.
    for _ in 0..2 {
        assert_eq!(ask_with(&layer, &with_scope("write")).await, PASSES);
        assert_eq!(ask_with(&layer, &with_scope("read")).await, LACKS);
    }
}

#[tokio::test]
async fn while_the_store_fails_the_scope_is_still_required() {
    let store = HandStore::new().checks(Act::Fail);
    let logout = Logout::new(verifier(&clock()), store).insecure_allow_on_store_failure();
    let layer = logout.layer().require(scope("write"));
    assert_eq!(ask_with(&layer, &with_scope("write")).await, PASSES);
    assert_eq!(ask_with(&layer, &with_scope("read")).await, LACKS);
}

#[tokio::test]
async fn a_request_without_a_token_fulfils_nothing() {
    let missing = (401, Some(Rejection::Missing));
    let everybody = |_: &VerifiedToken| true;
    for layer in [
        logout().allow_anonymous().layer().require(everybody),
        logout().allow_anonymous().layer().require(scope("write")),
        logout().allow_expired_as_anonymous().layer().require(scope("write")),
        logout().require(scope("write")).allow_anonymous().layer(),
        logout().require(scope("write")).allow_expired_as_anonymous().layer(),
        logout().layer().require(scope("write")),
    ] {
        assert_eq!(ask(&layer, &[]).await, missing);
        assert_eq!(ask(&layer, &[("authorization", "Basic YTpi")]).await, missing);
        let expired = hs256(&claims_with("expired", json!({ "exp": NOW, "scope": "write" })));
        assert_eq!(ask_with(&layer, &expired).await, (401, Some(Rejection::Expired)));
        assert_eq!(ask_with(&layer, &with_scope("write")).await, PASSES);
    }
    assert_eq!(ask(&logout().allow_anonymous().layer(), &[]).await, PASSES, "the other routes are as before");
}

#[tokio::test]
async fn the_first_accepted_cookie_is_the_one_that_is_asked() {
    let logout = logout().token_source(TokenSource::cookie("token")).allow_anonymous();
    let layer = logout.layer().require(scope("write"));
    let (writer, reader) = (with_scope("write"), with_scope("read"));
    for (cookies, expected) in [
        (format!("token={writer}"), PASSES),
        (format!("token={reader}"), LACKS),
        (format!("token=stale; token={writer}"), PASSES),
        (format!("token={writer}; token={reader}"), PASSES),
        (format!("token={reader}; token={writer}"), LACKS),
        ("token=stale".to_owned(), (401, Some(Rejection::Invalid))),
        ("other=a".to_owned(), (401, Some(Rejection::Missing))),
    ] {
        assert_eq!(ask(&layer, &[("cookie", &cookies)]).await, expected, "{cookies}");
    }
}

fn post(token: &str) -> Request<Empty<Bytes>> {
    Request::post("/api/v1/logout").header("authorization", bearer(token)).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_logout_needs_no_scope() {
    let logout = logout().require(scope("write")).require(|_: &VerifiedToken| false);
    let response = logout.service().oneshot(post(&token("leaves"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let response = logout.service().oneshot(post(&token("leaves"))).await.unwrap();
    assert_eq!(response.headers()["www-authenticate"].to_str().unwrap().matches("scope").count(), 0);
    assert_eq!(response.extensions().get(), Some(&Rejection::Revoked));
}

#[tokio::test]
async fn without_a_layer_a_clone_of_the_logout_stands_for_the_routes() {
    let logout = logout();
    let writers = logout.clone().require(scope("write"));
    let has = |token: &str| request(&[("authorization", &bearer(token))]);
    let reader = has(&with_scope("read"));
    assert!(logout.check((&reader).into()).await.unwrap().is_some());
    assert_eq!(writers.check((&reader).into()).await.unwrap_err(), Rejection::InsufficientScope);
    let writer = has(&with_scope("write"));
    assert!(writers.check((&writer).into()).await.unwrap().is_some());
    let response = writers.reject(Rejection::InsufficientScope, Protocol::Http);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(response.status() == 403 && challenge.ends_with(r#", scope="write""#), "{response:?}");
}

#[tokio::test]
async fn a_responder_learns_the_reason_and_the_required_scope() {
    let respond = |context: &RejectionContext| {
        let header = context.www_authenticate().unwrap();
        let body = format!("{:?} {:?}", context.reason.code(), context.challenge.scope());
        Response::builder().status(418).header("www-authenticate", header).body(body).unwrap()
    };
    let layer = logout().respond(respond).layer().require(scope("read write")).require(scope("more read"));
    let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let response = layer.layer(inner).oneshot(request(&[("authorization", &bearer(&token("any")))])).await.unwrap();
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.ends_with(r#", scope="read write more""#), "{challenge}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#""insufficient_scope" Some("read write more")"#);
}

/// Streams behind a requirement, inside a layer for all routes.
async fn nested() -> Server {
    let logout = logout();
    let events = get(async || {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"data: 0\n\n"))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
    });
    let app = Router::new()
        .route("/events", events.layer(logout.axum_layer().require(scope("events"))))
        .route("/who", get(async |token: VerifiedToken<Claims>| token.sub.clone().unwrap()))
        .layer(logout.clone().last_event("logout").axum_layer())
        .route_service("/logout", logout.service());
    Server::axum(app).await
}

#[tokio::test]
async fn a_layer_with_a_requirement_nests_inside_one_without() {
    let server = nested().await;
    let reader = with_scope("other");
    assert_eq!(server.get("/who", &reader).await.status, 200);
    // A stream that is wrongly opened would not end.
    let rejected = tokio::time::timeout(Duration::from_secs(60), server.get("/events", &reader)).await;
    assert_eq!(rejected.expect("a rejection").status, 403);
    assert_eq!(
        server.send("GET", "/events", &[], "").await.header("www-authenticate"),
        Some("Bearer"),
        "the outer one"
    );
    let writer = hs256(&claims_with("stream", json!({ "scope": "events" })));
    let open = reqwest::Client::new().get(server.url("/events")).header("authorization", bearer(&writer));
    let open = open.send().await.unwrap();
    assert_eq!(open.status(), 200);
    assert_eq!(server.post("/logout", &writer).await.status, 200);
    let text = tokio::time::timeout(Duration::from_secs(60), open.text()).await.expect("the stream ends").unwrap();
    assert_eq!(text, "data: 0\n\nevent: logout\ndata: token_revoked\n\n");
    assert_eq!(server.get("/events", &writer).await.status, 401);
}

#[tokio::test]
async fn a_layer_with_a_requirement_nests_around_one_that_allows_anonymous_requests() {
    let logout = logout().allow_anonymous();
    let inner = logout.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))));
    let outer = logout.layer().require(scope("write")).layer(inner);
    let status = async |headers: &[(&str, &str)]| outer.clone().oneshot(request(headers)).await.unwrap().status();
    assert_eq!(status(&[]).await, 401);
    assert_eq!(status(&[("authorization", &bearer(&token("any")))]).await, 403);
    assert_eq!(status(&[("authorization", &bearer(&with_scope("write")))]).await, 200);
}

/// A requirement can be chosen at run time.
#[tokio::test]
async fn requirements_can_be_shared() {
    let required: Arc<str> = "write".into();
    let writes = scope(Arc::clone(&required));
    let layers = [logout().layer().require(writes.clone()), logout().layer().require(writes)];
    for layer in &layers {
        assert_eq!(ask_with(layer, &with_scope(&*required)).await, PASSES);
    }
}
