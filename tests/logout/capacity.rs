//! Promise: at capacity a logout is an error, and no live revocation is evicted.

use std::time::Duration;

use test_support::{NOW, at, clock, identity};
use tower_logout::{
    MemoryStore, RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    set::{AtCapacity, RevocationSet},
};

fn revocation(n: usize) -> Revocation {
    Revocation::of_token(&identity(&n.to_string(), at(NOW + 60)))
}

#[tokio::test]
async fn a_full_store_rejects_new_revocations_and_keeps_the_others() {
    let clock = clock();
    let store = MemoryStore::new().capacity(1000).clock(clock.clone());
    for n in 0..1000 {
        assert_eq!(store.revoke(&revocation(n)).await.unwrap(), Outcome::Newly);
    }
    let error = store.revoke(&revocation(1000)).await.unwrap_err();
    assert!(error.cause().is::<AtCapacity>());
    assert!(error.to_string().contains("1000"), "{error:?}");
    for n in 0..1000 {
        assert!(store.is_revoked(&identity(&n.to_string(), at(NOW + 60))).await.unwrap());
        assert_eq!(store.revoke(&revocation(n)).await.unwrap(), Outcome::Already, "what is known takes no room");
    }
    assert!(!store.is_revoked(&identity("1000", at(NOW + 60))).await.unwrap());
}

#[tokio::test]
async fn expired_entries_make_room_at_once() {
    let clock = clock();
    let store = MemoryStore::new().capacity(1000).clock(clock.clone());
    for n in 0..1000 {
        let _ = store.revoke(&revocation(n)).await.unwrap();
    }
    clock.advance(Duration::from_secs(60 + 31));
    let young = Revocation::of_token(&identity("young", at(NOW + 600)));
    assert_eq!(store.revoke(&young).await.unwrap(), Outcome::Newly);
    assert_eq!(store.len(), 1);
}

/// `TOWER_LOGOUT_FLOOD` sets the number of logouts; the long form has ten million.
#[test]
fn a_flood_of_logouts_from_many_threads_fills_it_to_the_last_place() {
    let flood: usize = std::env::var("TOWER_LOGOUT_FLOOD").map_or(300_000, |count| count.parse().unwrap());
    let capacity = flood / 2;
    let set = RevocationSet::with_capacity(capacity);
    let until = Timestamp::MAX;
    let taken: usize = std::thread::scope(|scope| {
        let flood_by = |thread| {
            let set = &set;
            move || {
                let keys = (thread..flood).step_by(4).map(|n| RevocationKey::token_id("issuer", &n.to_string()));
                keys.filter(|key| set.join(&Revocation::new(*key, Timestamp::MAX, until)).is_ok()).count()
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(flood_by(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((taken, set.len()), (capacity, capacity));
    let dead =
        (0..flood).filter(|n| set.revocation(RevocationKey::token_id("issuer", &n.to_string())).is_some()).count();
    assert_eq!(dead, capacity);
}
