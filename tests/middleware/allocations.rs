//! Promise: a check allocates only what the token and the watch in the extensions need.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use test_support::{ISSUER, SECRET, bearer, clock, identity, verifier};
use tower::{Layer, Service, service_fn};
use tower_logout::{
    JwtVerifier, Logout, RevocationStore, VerifiedToken,
    middleware::RequestBody,
    revocation::Revocation,
    scope,
    token::{TokenVerifier, VerifyError},
};

/// Yields a stored token, so that only the layer's own allocations remain.
struct AtHand(VerifiedToken<()>);

#[async_trait]
impl TokenVerifier for AtHand {
    type Claims = ();

    async fn verify(&self, _token: &str) -> Result<VerifiedToken<()>, VerifyError> {
        Ok(self.0.clone())
    }

    fn verify_now(&self, _token: &str) -> Option<Result<VerifiedToken<()>, VerifyError>> {
        Some(Ok(self.0.clone()))
    }
}

/// How many allocations a call through `layer()` makes, and its status.
fn count<C, B>(logout: &Logout<C>, request: &Request<B>) -> (u64, u16)
where
    C: Send + Sync + 'static,
    B: Body + Clone,
{
    let inner = service_fn(|request: Request<RequestBody<B>>| {
        drop(request);
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    count_of(logout.layer().layer(inner), request.clone())
}

fn count_of<S, B, R>(mut service: S, request: Request<B>) -> (u64, u16)
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    let mut answer = None;
    let counted = allocation_counter::measure(|| {
        let polled = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(response)) = polled else { unreachable!("nothing waits") };
        answer = Some(response);
    });
    (counted.count_total, answer.unwrap().status().as_u16())
}

fn request(token: &str) -> Request<Empty<Bytes>> {
    Request::get("/").header("authorization", bearer(token)).body(Empty::new()).unwrap()
}

#[test]
fn a_stored_token_allocates_only_the_extensions_and_its_shared_state() {
    let token = VerifiedToken::new(identity("one", tower_logout::clock::Timestamp::MAX), ());
    let logout = Logout::new(AtHand(token), test_support::memory());
    // The admitted token, which its watch and those of its bodies share, and `http::Extensions`:
    // the map's box, its table, and the boxes of both values, the token and its watch.
    assert_eq!(count(&logout, &request("a.b.c")), (5, 200));
    // A watched body shares with its response whether it was cut off.
    let upload = request("a.b.c").map(|_| Full::new(Bytes::from(vec![0; 64 * 1024])));
    assert_eq!(count(&logout, &upload), (6, 200));
    assert_eq!(count(&logout.allow_streams_after_revocation(), &upload), (5, 200));
}

#[test]
fn a_store_that_knows_revocations_allocates_nothing_more() {
    let store = test_support::memory();
    for n in 0..1000 {
        let revocation = Revocation::of_token(&identity(&n.to_string(), tower_logout::clock::Timestamp::MAX));
        let waker = &mut Context::from_waker(Waker::noop());
        assert!(pin!(store.revoke(&revocation)).poll(waker).is_ready());
    }
    let token = identity("one", tower_logout::clock::Timestamp::MAX);
    let counted = allocation_counter::measure(|| assert!(!store.is_revoked_now(&token).unwrap().unwrap()));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_token_that_is_known_allocates_the_extensions_alone() {
    let token = test_support::token("one");
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    assert_eq!(count(&logout, &request(&token)).1, 200);
    for _ in 0..3 {
        assert_eq!(count(&logout, &request(&token)), (4, 200));
    }
}

#[test]
fn a_requirement_allocates_nothing() {
    let token = test_support::hs256(&test_support::claims_with("one", serde_json::json!({ "scope": "a b" })));
    let logout = Logout::new(verifier(&clock()), test_support::memory()).require(scope("b")).require(scope("a b"));
    assert_eq!(count(&logout, &request(&token)).1, 200);
    assert_eq!(count(&logout, &request(&token)), (4, 200));
}

/// How many allocations a call through `axum_layer()` makes if its handler answers with this many
/// bytes.
fn count_on_axum(logout: &Logout, request: &Request<Empty<Bytes>>, len: usize) -> (u64, u16) {
    use axum::body::Body;

    let answer = std::cell::Cell::new(Some(Response::new(Body::from(vec![b'x'; len]))));
    let inner = service_fn(|request: Request<Body>| {
        drop(request);
        ready(Ok::<_, Infallible>(answer.take().unwrap()))
    });
    count_of(logout.axum_layer().layer(inner), request.clone().map(Body::new))
}

#[test]
fn on_axum_neither_the_request_nor_a_short_response_is_boxed_again() {
    let request = request(&test_support::token("one"));
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    assert_eq!(count(&logout, &request).1, 200);
    for len in [0, 1, 1000, 64 * 1024 - 1] {
        assert_eq!(count_on_axum(&logout, &request, len), (4, 200), "{len}");
    }
    // A watched response is boxed, in its own `Body`.
    assert_eq!(count_on_axum(&logout, &request, 64 * 1024), (5, 200));
    assert_eq!(count_on_axum(&logout.allow_streams_after_revocation(), &request, 64 * 1024), (4, 200));
}

#[test]
fn verifying_allocates_less_than_the_library_alone() {
    let token = test_support::token("one");
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock()).build().unwrap();
    let logout = Logout::new(verifier, test_support::memory()).token_cache(0, 0);
    let (_, status) = count(&logout, &request(&token));
    assert_eq!(status, 200);
    // Four strings of the claims, the keys, the token, the admitted token, and four of the
    // extensions.
    assert_eq!(count(&logout, &request(&token)), (11, 200));
}

#[test]
fn caching_a_token_allocates_its_text_and_its_slot() {
    let logout = Logout::new(verifier(&clock()), test_support::memory());
    let (first, _) = count(&logout, &request(&test_support::token("one")));
    let (second, _) = count(&logout, &request(&test_support::token("two")));
    // The first call also reads and caches the token's header.
    assert!(first <= 18 && second <= 15, "{first}, {second}");
}
