//! Promise: a check allocates what the token and the watch that it hands on need, and nothing else.
#![cfg(all(feature = "test-util", feature = "jwt"))]
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{ISSUER, SECRET, bearer, clock, identity, verifier};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use tower::{Layer, Service, service_fn};
use tower_logout::{
    JwtVerifier, MemoryStore, RequestBody, Revocation, RevocationLayer, RevocationStore, TokenVerifier, VerifiedToken,
    VerifyError,
};

/// Yields a token it has at hand: what is left is the layer's own.
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

/// How many allocations a call makes, and its status.
fn count<V, B>(layer: &RevocationLayer<V, MemoryStore>, request: &Request<B>) -> (u64, u16)
where
    V: TokenVerifier,
    B: Body + Clone,
{
    let inner = service_fn(|request: Request<RequestBody<B>>| {
        drop(request);
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let mut service = layer.layer(inner);
    let request = request.clone();
    let mut status = 0;
    let counted = allocation_counter::measure(|| {
        let response = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(response)) = response else { unreachable!("nothing waits") };
        status = response.status().as_u16();
    });
    (counted.count_total, status)
}

fn request(token: &str) -> Request<Empty<Bytes>> {
    Request::get("/").header("authorization", bearer(token)).body(Empty::new()).unwrap()
}

#[test]
fn only_the_extensions_are_allocated_for_a_token_at_hand() {
    let token = VerifiedToken::new(identity("one", tower_logout::Timestamp::MAX), ());
    let layer = RevocationLayer::new(AtHand(token), MemoryStore::new());
    // `http::Extensions`: the map's box, its table, and the boxes of both values, the token and its watch.
    assert_eq!(count(&layer, &request("a.b.c")), (4, 200));
    // A body that is watched shares with its response whether it was cut off.
    let upload = request("a.b.c").map(|_| Full::new(Bytes::from(vec![0; 64 * 1024])));
    assert_eq!(count(&layer, &upload), (5, 200));
    assert_eq!(count(&layer.end_streams(false), &upload), (4, 200));
}

#[test]
fn a_store_that_knows_revocations_allocates_nothing_more() {
    let store = MemoryStore::new();
    for n in 0..1000 {
        let revocation = Revocation::of_token(&identity(&n.to_string(), tower_logout::Timestamp::MAX));
        let waker = &mut Context::from_waker(Waker::noop());
        assert!(pin!(store.revoke(&revocation)).poll(waker).is_ready());
    }
    let token = identity("one", tower_logout::Timestamp::MAX);
    let counted = allocation_counter::measure(|| assert!(!store.is_revoked_now(&token).unwrap().unwrap()));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_token_that_is_known_allocates_what_one_at_hand_does() {
    let token = common::token("one");
    let layer = RevocationLayer::new(verifier(&clock()), MemoryStore::new());
    assert_eq!(count(&layer, &request(&token)).1, 200);
    for _ in 0..3 {
        assert_eq!(count(&layer, &request(&token)), (4, 200));
    }
}

#[test]
fn verifying_allocates_less_than_the_library_alone() {
    let token = common::token("one");
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock()).uncached().build().unwrap();
    let layer = RevocationLayer::new(verifier, MemoryStore::new());
    let (_, status) = count(&layer, &request(&token));
    assert_eq!(status, 200);
    // The claims decoded, their four texts, the keys, the token, and the extensions' four.
    assert_eq!(count(&layer, &request(&token)), (11, 200));
}

#[test]
fn remembering_a_token_allocates_its_text_and_its_place() {
    let layer = RevocationLayer::new(verifier(&clock()), MemoryStore::new());
    let (first, _) = count(&layer, &request(&common::token("one")));
    let (second, _) = count(&layer, &request(&common::token("two")));
    // The first has its header read and remembered as well.
    assert!(first <= 18 && second <= 15, "{first}, {second}");
}
