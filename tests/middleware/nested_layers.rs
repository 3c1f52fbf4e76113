//! Promise: with nested layers around one route, each keeps its whole promise: either of them ends
//! what it would end alone, and the tokens of both are available.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::ws::{CloseFrame, Message, WebSocketUpgrade},
    response::Response,
    routing::{any, get},
};
use futures_util::{StreamExt, future::pending, stream};
use http::{Request, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use test_support::{
    NOW, at, bearer, claims_with, clock, hs256, sign, token, verifier,
    wire::{Answer, Server},
};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};
use tower::{Layer as _, ServiceBuilder, ServiceExt, service_fn, util::MapRequestLayer};
use tower_logout::{
    Claims, JwtVerifier, Logout, MemoryStore, RevocationWatch, VerifiedToken,
    clock::ManualClock,
    guard::EndReason,
    middleware::RequestBody,
    respond::JsonResponder,
    revocation::TokenIdentity,
    token::{TokenSource, TokenVerifier},
};

/// A layer with its own store and verifier, for tokens of one issuer.
fn logout() -> Logout {
    layer_at(&clock())
}

fn layer_at(clock: &ManualClock) -> Logout {
    Logout::new(verifier(clock), MemoryStore::new().clock(clock.clone()))
}

/// The layer whose store a logout goes to.
const LAYERS: [&str; 2] = ["/logout/inner", "/logout/outer"];

const PATIENCE: Duration = Duration::from_secs(60);

async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it ends")
}

/// A server whose routes are inside both layers, with the logout endpoints of both.
async fn nested<C, D>(inner: &Logout<C>, outer: &Logout<D>) -> Server
where
    C: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    let app = routes().layer(inner.axum_layer()).layer(outer.axum_layer());
    Server::axum(with_logouts(app, inner, outer)).await
}

/// The same in one stack: nothing boxes the bodies in between.
async fn stacked(inner: &Logout, outer: &Logout) -> Server {
    let app = routes().layer(ServiceBuilder::new().layer(outer.axum_layer()).layer(inner.axum_layer()));
    Server::axum(with_logouts(app, inner, outer)).await
}

fn with_logouts<C, D>(app: Router, inner: &Logout<C>, outer: &Logout<D>) -> Router
where
    C: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    app.route_service(LAYERS[0], inner.service()).route_service(LAYERS[1], outer.service())
}

fn routes() -> Router {
    Router::new()
        .route("/events", get(async || open("text/event-stream")))
        .route("/download", get(async || open("application/octet-stream")))
        .route("/upload", any(upload))
        .route("/watch", get(watch))
        .route("/socket", get(socket))
        .route("/who", get(who))
        .route("/optional", get(optional))
        .route("/both", get(both))
}

/// A response that has begun and does not end by itself.
fn open(content_type: &str) -> Response {
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"data: 0\n\n"))]);
    let body = Body::from_stream(first.chain(stream::pending()));
    Response::builder().header("content-type", content_type).body(body).unwrap()
}

async fn upload(body: Body) -> Result<String, (StatusCode, String)> {
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => Ok(bytes.len().to_string()),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

/// Answers with the reason once the watch has resolved.
async fn watch(mut watch: RevocationWatch) -> Response {
    assert_eq!(watch.ended(), None);
    let clone = watch.clone();
    let said = async move {
        let reason = (&mut watch).await;
        assert_eq!((watch.ended(), (&mut watch).await), (Some(reason), reason));
        assert_eq!(clone.ended(), Some(reason));
        assert_eq!(clone.await, reason);
        Ok::<_, Infallible>(Bytes::from(reason.code()))
    };
    let first = stream::iter([Ok(Bytes::from_static(b"watching "))]);
    Response::new(Body::from_stream(first.chain(stream::once(said))))
}

async fn socket(mut watch: RevocationWatch, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let reason = (&mut watch).await;
        let frame = CloseFrame { code: reason.close_code(), reason: reason.description().into() };
        let _ = socket.send(Message::Close(Some(frame))).await;
    })
}

async fn who(token: VerifiedToken<Claims>) -> String {
    token.sub.clone().unwrap()
}

async fn optional(token: Option<VerifiedToken<Claims>>) -> String {
    token.map_or_else(|| "nobody".to_owned(), |token| token.sub.clone().unwrap())
}

#[derive(Debug, serde::Deserialize)]
struct Staff {
    desk: u32,
}

async fn both(token: VerifiedToken<Claims>, staff: VerifiedToken<Staff>) -> String {
    format!("{} at {}", token.sub.as_deref().unwrap(), staff.desk)
}

/// A request that was answered and whose first body chunk has arrived.
async fn begin(server: &Server, path: &str, token: &str) -> reqwest::Response {
    let request = reqwest::Client::new().get(server.url(path)).header("authorization", bearer(token));
    let mut response = request.send().await.unwrap().error_for_status().unwrap();
    response.chunk().await.unwrap().unwrap();
    response
}

async fn log_out(server: &Server, path: &str, token: &str) {
    assert_eq!(server.post(path, token).await.status, 200);
}

fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    body["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_logout_in_either_store_rejects_requests() {
    for (path, refused) in LAYERS.iter().zip(["token_revoked", "token_revoked"]) {
        let (inner, outer) = (logout(), logout());
        let server = nested(&inner, &outer).await;
        assert_eq!(server.get("/who", &token("one")).await.body, "usr_123");
        log_out(&server, path, &token("one")).await;
        assert_eq!(code(&server.get("/who", &token("one")).await), refused, "{path}");
        assert_eq!(server.get("/who", &token("other")).await.body, "usr_123");
    }
}

#[tokio::test]
async fn a_logout_in_either_store_ends_a_download() {
    for path in LAYERS {
        for is_stacked in [false, true] {
            let (inner, outer) = (logout(), logout());
            let server = if is_stacked { stacked(&inner, &outer).await } else { nested(&inner, &outer).await };
            let mut cut = begin(&server, "/download", &token("one")).await;
            let mut goes_on = begin(&server, "/download", &token("other")).await;
            log_out(&server, path, &token("one")).await;
            within(cut.chunk()).await.expect_err("it is cut off");
            assert!(futures_util::FutureExt::now_or_never(goes_on.chunk()).is_none(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_logout_in_either_store_resolves_a_watch() {
    for path in LAYERS {
        // Bodies continue, so that the handler reports the end.
        let (inner, outer) = (logout().allow_streams_after_revocation(), logout().allow_streams_after_revocation());
        let server = nested(&inner, &outer).await;
        let response = begin(&server, "/watch", &token("one")).await;
        log_out(&server, path, &token("other")).await;
        log_out(&server, path, &token("one")).await;
        assert_eq!(within(response.text()).await.unwrap(), "token_revoked", "{path}");
    }
}

#[tokio::test]
async fn a_logout_in_either_store_closes_a_websocket() {
    for path in LAYERS {
        let (inner, outer) = (logout(), logout());
        let server = nested(&inner, &outer).await;
        let mut request = server.url("/socket").replace("http", "ws").into_client_request().unwrap();
        request.headers_mut().insert("authorization", bearer(&token("one")).parse().unwrap());
        let (mut socket, _) = connect_async(request).await.unwrap();
        log_out(&server, path, &token("one")).await;
        let frame = within(socket.next()).await.unwrap().unwrap();
        let tokio_tungstenite::tungstenite::Message::Close(Some(frame)) = frame else { panic!("{frame:?}") };
        assert_eq!((u16::from(frame.code), &*frame.reason), (1008, "The token has been revoked."), "{path}");
    }
}

/// How an event stream ends with a logout in each of these stores, if the layers have these last
/// events.
async fn ends(inner: Option<&str>, outer: Option<&str>, logouts: &[&str]) -> Option<String> {
    let with = |name: Option<&str>| name.into_iter().fold(logout(), Logout::last_event);
    let (inner, outer) = (with(inner), with(outer));
    let mut said = Vec::new();
    for server in [nested(&inner, &outer).await, stacked(&inner, &outer).await] {
        let token = token(&format!("{}", said.len()));
        let response = begin(&server, "/events", &token).await;
        for path in logouts {
            log_out(&server, path, &token).await;
        }
        said.push(within(response.text()).await.ok());
    }
    assert_eq!(said[0], said[1]);
    said.pop().unwrap()
}

#[tokio::test]
async fn a_stream_ends_with_the_last_event_of_the_layer_that_ends_it_or_of_the_other() {
    let event = |name: &str| Some(format!("event: {name}\ndata: token_revoked\n\n"));
    let [inner, outer] = LAYERS;
    assert_eq!(ends(Some("in"), Some("out"), &[inner]).await, event("in"));
    assert_eq!(ends(Some("in"), Some("out"), &[outer]).await, event("out"));
    for path in LAYERS {
        assert_eq!(ends(Some("in"), None, &[path]).await, event("in"), "{path}");
        assert_eq!(ends(None, Some("out"), &[path]).await, event("out"), "{path}");
        assert_eq!(ends(None, None, &[path]).await, None, "{path}");
    }
}

#[tokio::test]
async fn a_logout_that_two_layers_see_at_once_ends_a_stream_once() {
    // With one store, one revocation wakes both, in any order.
    for (inner, outer) in [(Some("bye"), Some("bye")), (Some("bye"), None), (None, Some("bye"))] {
        let shared = logout();
        let with = |name: Option<&str>| name.into_iter().fold(shared.clone(), Logout::last_event);
        let (inner, outer) = (with(inner), with(outer));
        for round in 0..20 {
            let server = nested(&inner, &outer).await;
            let token = token(&format!("{round}"));
            let response = begin(&server, "/events", &token).await;
            log_out(&server, LAYERS[0], &token).await;
            assert_eq!(within(response.text()).await.unwrap(), "event: bye\ndata: token_revoked\n\n");
        }
    }
}

/// Begins an upload and continues it once both layers watch it.
async fn begin_upload(server: &Server, stores: &[Arc<MemoryStore>], token: &str) -> (Upload, Feed) {
    let (feed, parts) = tokio::sync::mpsc::unbounded_channel();
    feed.send(Ok(Bytes::from_static(b"much more is to come"))).unwrap();
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::UnboundedReceiverStream::new(parts));
    let request = reqwest::Client::new().post(server.url("/upload")).header("authorization", bearer(token));
    let upload = tokio::spawn(request.body(body).send());
    for store in stores {
        test_support::eventually("the upload is watched", || !format!("{store:?}").contains("watched: 0")).await;
    }
    (upload, feed)
}

type Upload = tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>;
type Feed = tokio::sync::mpsc::UnboundedSender<Result<Bytes, Infallible>>;

#[tokio::test]
async fn a_logout_in_either_store_cuts_an_upload_off_and_rejects_it() {
    for (path, is_one) in [(LAYERS[0], false), (LAYERS[1], false), (LAYERS[0], true)] {
        let stores = [(); 2].map(|()| Arc::new(MemoryStore::new().clock(clock())));
        let [inner, outer] = [0, 1].map(|n| Logout::new(verifier(&clock()), Arc::clone(&stores[n])));
        let (outer, stores) = if is_one { (inner.clone(), &stores[..1]) } else { (outer, &stores[..]) };
        let server = nested(&inner, &outer).await;
        let (upload, feed) = begin_upload(&server, stores, &token("one")).await;
        log_out(&server, path, &token("one")).await;
        let answer = within(upload).await.unwrap().unwrap();
        assert_eq!(answer.status(), 401, "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], "token_revoked");
        within(feed.closed()).await;
    }
}

#[tokio::test]
async fn a_grpc_stream_ends_with_trailers_whichever_store_ends_it() {
    for ended_by in 0..2 {
        let layers = [logout(), logout()];
        let (feed, frames) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, Infallible>>();
        let frames = Arc::new(std::sync::Mutex::new(Some(frames)));
        let handler = service_fn(move |_: Request<RequestBody<RequestBody<Empty<Bytes>>>>| {
            let frames = frames.lock().unwrap().take().unwrap();
            let body = StreamBody::new(tokio_stream::wrappers::UnboundedReceiverStream::new(frames));
            let response = http::Response::builder().header("content-type", "application/grpc").body(body).unwrap();
            async { Ok::<_, Infallible>(response) }
        });
        let service = layers[1].layer().layer(layers[0].layer().layer(handler));
        let request = Request::post("/").version(Version::HTTP_2).header("content-type", "application/grpc");
        let request = request.header("authorization", bearer(&token("one"))).body(Empty::new()).unwrap();
        let mut body = service.oneshot(request).await.unwrap().into_body();
        feed.send(Ok(Frame::data(Bytes::from_static(b"message")))).unwrap();
        body.frame().await.unwrap().unwrap();
        revoke(&layers[ended_by], &token("one")).await;
        let trailers = within(body.frame()).await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "16");
        assert!(body.frame().await.is_none());
    }
}

async fn revoke<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) {
    let verified = logout.verifier().verify(token).await.unwrap();
    let _ = logout.revoker().token(verified.identity()).await.unwrap();
}

/// Tokens of another issuer, with another key, in a cookie.
fn staff() -> Logout<Staff> {
    let verifier = JwtVerifier::hs256(STAFF_SECRET).issuer("https://staff.example").clock(clock());
    Logout::new(verifier.claims::<Staff>().build().unwrap(), test_support::memory())
        .token_source(TokenSource::cookie("staff"))
}

fn staff_token(jti: &str) -> String {
    let claims = claims_with(jti, json!({ "iss": "https://staff.example", "sub": "colleague", "desk": 7 }));
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    sign(&header, &claims, Algorithm::HS256, &EncodingKey::from_secret(STAFF_SECRET).unwrap())
}

const STAFF_SECRET: &[u8] = b"the secret of the other issuer..";

/// A request with a token for each of the two layers.
async fn begin_with_both(server: &Server, path: &str, token: &str, staff: &str) -> reqwest::Response {
    let request = reqwest::Client::new().get(server.url(path)).header("authorization", bearer(token));
    let request = request.header("cookie", format!("staff={staff}"));
    request.send().await.unwrap().error_for_status().unwrap()
}

#[tokio::test]
async fn two_tokens_of_two_issuers_are_both_available_and_either_ends_what_both_have_opened() {
    for staff_is_inner in [true, false] {
        for staff_logs_out in [true, false] {
            let (users, staff) = (logout().allow_streams_after_revocation(), staff().allow_streams_after_revocation());
            let server = if staff_is_inner { nested(&staff, &users).await } else { nested(&users, &staff).await };
            let both = begin_with_both(&server, "/both", &token("one"), &staff_token("two")).await;
            assert_eq!(both.text().await.unwrap(), "usr_123 at 7");
            let mut watched = begin_with_both(&server, "/watch", &token("one"), &staff_token("two")).await;
            assert_eq!(watched.chunk().await.unwrap().unwrap(), "watching ");
            if staff_logs_out {
                revoke(&staff, &staff_token("two")).await;
            } else {
                revoke(&users, &token("one")).await;
            }
            assert_eq!(within(watched.text()).await.unwrap(), "token_revoked", "{staff_is_inner} {staff_logs_out}");
        }
    }
}

#[tokio::test]
async fn the_first_token_to_expire_ends_what_both_have_opened() {
    for brief_is_inner in [true, false] {
        let clock = clock();
        let header = layer_at(&clock).allow_streams_after_revocation();
        let cookie = layer_at(&clock).allow_streams_after_revocation().token_source(TokenSource::cookie("staff"));
        let server = if brief_is_inner { nested(&header, &cookie).await } else { nested(&cookie, &header).await };
        let brief = hs256(&claims_with("brief", json!({ "exp": NOW + 60 })));
        let mut watched = begin_with_both(&server, "/watch", &brief, &token("long")).await;
        assert_eq!(watched.chunk().await.unwrap().unwrap(), "watching ");
        clock.set(at(NOW + 60));
        assert_eq!(within(watched.text()).await.unwrap(), "token_expired", "{brief_is_inner}");
    }
}

#[tokio::test]
async fn of_two_tokens_with_the_same_claims_type_the_innermost_is_seen() {
    let header = logout();
    let cookie = logout().token_source(TokenSource::cookie("staff"));
    let other = hs256(&claims_with("other", json!({ "sub": "usr_456" })));
    for (server, seen) in [(nested(&cookie, &header).await, "usr_456"), (nested(&header, &cookie).await, "usr_123")] {
        let answer = begin_with_both(&server, "/who", &token("one"), &other).await;
        assert_eq!(answer.text().await.unwrap(), seen);
    }
}

#[tokio::test]
async fn an_inner_layer_without_a_token_keeps_what_the_outer_has_verified() {
    // Of the same claims type, with another source, so that it finds no token.
    let outer = logout().allow_streams_after_revocation();
    let inner = logout().token_source(TokenSource::cookie("none")).allow_anonymous();
    let server = nested(&inner, &outer).await;
    assert_eq!(server.get("/who", &token("one")).await.body, "usr_123");
    assert_eq!(server.get("/optional", &token("one")).await.body, "usr_123");
    let watched = begin(&server, "/watch", &token("one")).await;
    log_out(&server, LAYERS[1], &token("one")).await;
    assert_eq!(within(watched.text()).await.unwrap(), "token_revoked");
    assert_eq!(server.send("GET", "/optional", &[], "").await.status, 401, "the outer layer requires a token");
    outer.drain();
    assert_eq!(server.get("/who", &token("three")).await.body, "usr_123", "also while it shuts down");
    // Of another claims type.
    let inner = staff().allow_anonymous();
    let server = nested(&inner, &outer).await;
    assert_eq!(server.get("/who", &token("two")).await.body, "usr_123");
    assert_eq!(code(&server.get("/both", &token("two")).await), "authorization_required");
}

#[tokio::test]
async fn an_inner_layer_can_require_a_token_inside_one_that_does_not() {
    let outer = logout().allow_anonymous();
    let inner = logout();
    let server = nested(&inner, &outer).await;
    assert_eq!(server.get("/who", &token("one")).await.body, "usr_123");
    assert_eq!(code(&server.send("GET", "/who", &[], "").await), "authorization_required");
    // With its own source, it has the only token.
    let inner = logout().token_source(TokenSource::cookie("staff")).allow_streams_after_revocation();
    let server = nested(&inner, &outer).await;
    let cookie = format!("staff={}", token("two"));
    assert_eq!(server.send("GET", "/who", &[("cookie", &cookie)], "").await.body, "usr_123");
    let request = reqwest::Client::new().get(server.url("/watch")).header("cookie", &cookie);
    let mut watched = request.send().await.unwrap();
    assert_eq!(watched.chunk().await.unwrap().unwrap(), "watching ");
    revoke(&inner, &token("two")).await;
    assert_eq!(within(watched.text()).await.unwrap(), "token_revoked");
}

#[tokio::test]
async fn a_request_without_a_token_is_anonymous_if_both_allow_it() {
    let (inner, outer) = (logout().allow_anonymous(), logout().allow_anonymous());
    let server = nested(&inner, &outer).await;
    assert_eq!(server.send("GET", "/optional", &[], "").await.body, "nobody");
    assert_eq!(code(&server.send("GET", "/who", &[], "").await), "authorization_required");
    assert_eq!(server.get("/optional", &token("one")).await.body, "usr_123");
}

#[tokio::test]
async fn the_same_layer_twice_equals_once() {
    let store = Arc::new(test_support::memory());
    let logout = Logout::new(verifier(&clock()), Arc::clone(&store)).allow_streams_after_revocation();
    let server = nested(&logout, &logout).await;
    assert_eq!(server.get("/who", &token("one")).await.body, "usr_123");
    let watched = begin(&server, "/watch", &token("one")).await;
    test_support::eventually("the token is watched", || store.watched() > 0).await;
    assert_eq!(store.watched(), 1);
    log_out(&server, LAYERS[0], &token("one")).await;
    assert_eq!(within(watched.text()).await.unwrap(), "token_revoked");
    assert_eq!(code(&server.get("/who", &token("one")).await), "token_revoked");
}

#[tokio::test]
async fn three_layers_with_three_stores_each_end_what_is_open() {
    for ended_by in 0..3 {
        let layers = [logout(), logout(), logout()].map(Logout::allow_streams_after_revocation);
        let app = layers.iter().fold(routes(), |app, logout| app.layer(logout.axum_layer()));
        let server = Server::axum(app).await;
        let watched = begin(&server, "/watch", &token("one")).await;
        revoke(&layers[ended_by], &token("one")).await;
        assert_eq!(within(watched.text()).await.unwrap(), "token_revoked", "{ended_by}");
        let last_events = ["a", "b", "c"];
        let layers: Vec<_> = last_events.iter().map(|name| logout().last_event(name)).collect();
        let app = layers.iter().fold(routes(), |app, logout| app.layer(logout.axum_layer()));
        let server = Server::axum(app).await;
        let events = begin(&server, "/events", &token("one")).await;
        revoke(&layers[ended_by], &token("one")).await;
        let expected = format!("event: {}\ndata: token_revoked\n\n", last_events[ended_by]);
        assert_eq!(within(events.text()).await.unwrap(), expected);
    }
}

/// Something in front of the layers that puts these into each request.
async fn behind<T: Clone + Send + Sync + 'static>(extension: T, logout: &Logout) -> Server {
    let foreign = MapRequestLayer::new(move |mut request: Request<Body>| {
        request.extensions_mut().insert(extension.clone());
        request
    });
    Server::axum(routes().layer(ServiceBuilder::new().layer(foreign).layer(logout.axum_layer()))).await
}

#[tokio::test]
async fn a_foreign_watch_does_not_replace_that_of_the_layer() {
    let logout = logout().allow_streams_after_revocation();
    let other = Logout::new(verifier(&clock()), test_support::memory());
    let stale = other.watch(&other.verifier().verify(&token("stale")).await.unwrap());
    let server = behind(stale, &logout).await;
    let watched = begin(&server, "/watch", &token("one")).await;
    revoke(&logout, &token("one")).await;
    assert_eq!(within(watched.text()).await.unwrap(), "token_revoked");
}

#[tokio::test]
async fn a_foreign_token_is_removed_from_an_anonymous_request_with_any_watch() {
    let logout = logout().allow_anonymous();
    let verified = logout.verifier().verify(&token("foreign")).await.unwrap();
    // Passed by the same guard before: its mark is no proof for this request.
    let passed =
        logout.check((&Request::get("/").header("authorization", bearer(&token("foreign"))).body(()).unwrap()).into());
    let passed = passed.await.unwrap().unwrap();
    let identity = TokenIdentity::clone(verified.identity());
    let forged: VerifiedToken<Claims> =
        VerifiedToken::new(identity, serde_json::from_value(claims_with("forged", json!({ "sub": "admin" }))).unwrap());
    for token in [verified, passed, forged] {
        let server = behind(token.clone(), &logout).await;
        assert_eq!(server.send("GET", "/optional", &[], "").await.body, "nobody");
        let watch = logout.watch(&token);
        let both = MapRequestLayer::new(move |mut request: Request<Body>| {
            request.extensions_mut().insert(token.clone());
            request.extensions_mut().insert(watch.clone());
            request
        });
        let app = routes().layer(ServiceBuilder::new().layer(both).layer(logout.axum_layer()));
        assert_eq!(Server::axum(app).await.send("GET", "/optional", &[], "").await.body, "nobody");
    }
}

#[tokio::test]
async fn a_replaced_token_of_the_outer_layer_is_removed_if_the_inner_layer_finds_none() {
    let (inner, outer) = (logout().token_source(TokenSource::cookie("none")).allow_anonymous(), logout());
    // Both are authentic and one has the same text, but the outer layer verified neither of them.
    for other in [token("other"), token("one")] {
        let verified = outer.verifier().verify(&other).await.unwrap();
        let replaced = MapRequestLayer::new(move |mut request: Request<Body>| {
            request.extensions_mut().insert(verified.clone());
            request
        });
        let app = routes().layer(inner.axum_layer()).layer(replaced).layer(outer.axum_layer());
        assert_eq!(Server::axum(app).await.get("/optional", &token("one")).await.body, "nobody");
    }
}

#[tokio::test]
async fn a_token_of_an_earlier_request_that_was_revoked_since_is_not_kept() {
    let (inner, outer) = (logout().token_source(TokenSource::cookie("none")).allow_anonymous(), logout());
    let revoker = outer.revoker();
    // The token is revoked between the two layers.
    let between = axum::middleware::from_fn(move |request: axum::extract::Request, next: axum::middleware::Next| {
        let revoker = revoker.clone();
        async move {
            let token = request.extensions().get::<VerifiedToken<Claims>>().unwrap().clone();
            let _ = revoker.token(token.identity()).await.unwrap();
            next.run(request).await
        }
    });
    let server = Server::axum(routes().layer(inner.axum_layer()).layer(between).layer(outer.axum_layer())).await;
    assert_eq!(server.get("/optional", &token("one")).await.body, "nobody");
}

#[tokio::test]
async fn a_handler_that_needs_a_token_rejects_as_the_layer_that_let_the_request_pass() {
    let inner = logout().allow_anonymous().respond(JsonResponder);
    let outer = logout().allow_anonymous();
    let server =
        Server::axum(routes().route("/post", any(who)).layer(inner.axum_layer()).layer(outer.axum_layer())).await;
    let grpc = [("content-type", "application/grpc")];
    assert_eq!(server.send_http2("POST", "/post", &grpc).await.status, 401);
}

#[tokio::test]
async fn a_watch_reports_at_once_that_either_token_has_ended() {
    let (inner, outer) = (logout(), logout());
    let (taken, mut watches) = tokio::sync::mpsc::unbounded_channel();
    let app = Router::new().route(
        "/",
        get(async move |Extension(watch): Extension<RevocationWatch>| {
            taken.send(watch).unwrap();
            pending::<()>().await;
        }),
    );
    let server = Server::axum(app.layer(inner.axum_layer()).layer(outer.axum_layer())).await;
    for logout in [&inner, &outer] {
        let name = format!("{logout:p}");
        let request = reqwest::Client::new().get(server.url("/")).header("authorization", bearer(&token(&name)));
        let call = tokio::spawn(request.send());
        let watch = watches.recv().await.unwrap();
        assert_eq!(watch.ended(), None);
        revoke(logout, &token(&name)).await;
        assert_eq!(watch.ended(), Some(EndReason::Revoked));
        assert_eq!(watch.clone().ended(), Some(EndReason::Revoked));
        call.abort();
    }
}
