//! Promise: the cache of verified tokens stays within its capacity, and only valid tokens take room
//! in it.

use std::task::Poll;

use http::Request;
use tower_logout::{Logout, respond::Rejection, token::TokenSource};

use super::counting_verifier::{cached, passes, poll, said};

#[test]
fn forged_tokens_displace_nothing() {
    let (verifier, logout) = cached(8, 1 << 10);
    for n in 0..8 {
        said(&logout, &n.to_string());
    }
    for n in 0..10_000 {
        assert_eq!(passes(&logout, &format!("bad-{n}")), Err(Rejection::Invalid));
    }
    assert!((0..8).all(|n| verifier.knows(&logout, &n.to_string())));
}

#[test]
fn the_cache_never_exceeds_its_capacity() {
    for (tokens, bytes) in [(1, 1 << 20), (7, 1 << 20), (100, 1 << 20), (1 << 20, 4096), (100, 1000), (64, 20_000)] {
        let (verifier, logout) = cached(tokens, bytes);
        let texts: Vec<_> = (0..1000_usize).map(|n| format!("{n:0len$}", len = 4 + n * 37 % 90 * 10)).collect();
        for (n, text) in texts.iter().enumerate() {
            assert_eq!(said(&logout, text), *text);
            if n % 250 == 249 {
                let known: Vec<_> = texts.iter().filter(|text| verifier.knows(&logout, text)).collect();
                let known_bytes: usize = known.iter().map(|text| text.len()).sum();
                assert!((1..=tokens).contains(&known.len()), "{} of {tokens} tokens", known.len());
                assert!(known_bytes <= bytes, "{known_bytes} of {bytes} bytes");
            }
        }
    }
    let (verifier, logout) = cached(100, 1000);
    let long = "x".repeat(1001);
    assert_eq!(said(&logout, &long), long);
    assert!(!verifier.knows(&logout, &long));
}

#[test]
fn a_token_is_cached_if_eight_of_its_length_fit() {
    let by_default = (Logout::<String>::DEFAULT_CACHED_TOKENS, Logout::<String>::DEFAULT_CACHED_BYTES);
    let (longer, room) = (60 * 1024, 128);
    for ((tokens, bytes), longest) in [(by_default, 8 * 1024), ((8 * room, room * longer), longer)] {
        let (verifier, logout) = cached(tokens, bytes);
        let logout = logout.token_source(TokenSource::authorization().max_token_len(longest + 1));
        let [fits, does_not] = [longest, longest + 1].map(|len| "x".repeat(len));
        for text in [&fits, &does_not] {
            assert_eq!(said(&logout, text), *text);
        }
        assert!(verifier.knows(&logout, &fits));
        assert!(!verifier.knows(&logout, &does_not));
        let texts: Vec<_> = (0..room * 3 / 2).map(|n| format!("{n:0longest$}")).chain([fits]).collect();
        for text in &texts {
            assert_eq!(said(&logout, text), *text);
        }
        let known = texts.iter().filter(|text| verifier.knows(&logout, text)).count();
        assert!(known > 0 && known * longest <= bytes, "{known}");
    }
}

#[test]
fn used_tokens_stay_and_unused_ones_make_room_for_repeated_ones() {
    let (verifier, logout) = cached(8, 1 << 20);
    said(&logout, "used");
    for n in 0..1000 {
        assert!(verifier.knows(&logout, "used"), "after {n} others");
        said(&logout, &n.to_string());
    }
    assert!(verifier.knows(&logout, "0"));
    assert!(!verifier.knows(&logout, "999"));
    for _ in 0..10 {
        said(&logout, "again");
        assert!(verifier.knows(&logout, "used"));
    }
    assert!(verifier.knows(&logout, "again"));
}

#[test]
fn a_cache_of_capacity_zero_keeps_no_token() {
    for (tokens, bytes) in [(0, 0), (0, 1 << 20), (100, 0)] {
        let (verifier, logout) = cached(tokens, bytes);
        for verified in 1..=3 {
            said(&logout, "one");
            assert_eq!(verifier.verified(), verified);
        }
        assert!(!verifier.knows(&logout, "one"));
    }
}

#[test]
fn an_oversized_token_is_neither_verified_nor_cached() {
    let (verifier, logout) = cached(8, 1 << 20);
    let anywhere = TokenSource::closure(|head| Ok(head.extensions.get::<String>().cloned()));
    let logout = logout.token_source(anywhere);
    let request = |text: &str| Request::get("/").extension(text.to_owned()).body(()).unwrap();
    for text in ["a b", "", "=", "ä"] {
        for _ in 0..2 {
            let verdict = poll(&mut logout.check((&request(text)).into()));
            assert!(matches!(verdict, Poll::Ready(Err(Rejection::InvalidRequest))), "{text:?}");
        }
    }
    assert_eq!(verifier.verified(), 0);
    assert!(matches!(poll(&mut logout.check((&request("one")).into())), Poll::Ready(Ok(Some(_)))));
    assert_eq!(verifier.verified(), 1);
}
