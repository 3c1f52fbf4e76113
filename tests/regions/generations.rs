//! Promise: whatever is cached about a token ends with a revocation in any region: results of
//! checks, and what is live.

use std::{
    sync::Arc,
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use test_support::{NOW, at, identity, replica::Following};
use tokio::time::timeout;
use tower_logout::{
    RevocationStore,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

use super::support::{Sides, eventually, revoke, token, until_fresh, until_stale};

#[tokio::test(start_paused = true)]
async fn the_generation_changes_with_a_revocation_in_any_region() {
    let sides = Sides::ready().await;
    let generation = || sides.regions.generation();
    let mut last = generation().unwrap();
    for (n, log) in [&sides.us, &sides.home, &sides.home, &sides.us].into_iter().enumerate() {
        revoke(log, &n.to_string()).await;
        eventually("it is known", || sides.now(&n.to_string()) == Some(true)).await;
        let next = generation().unwrap();
        assert!(next.number() > last.number(), "after {n}");
        last = next;
    }
    assert_eq!(generation(), Some(last), "it is stable otherwise");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_generation_while_a_region_is_stale_and_no_earlier_one_afterwards() {
    for sides in [Sides::ready().await, Sides::accepting_without_us().await] {
        // The number of the other region is the greatest.
        revoke(&sides.us, "abroad").await;
        eventually("it is known", || sides.now("abroad") == Some(true)).await;
        let before = sides.regions.generation().unwrap();
        for region in [0, 1] {
            let log = [&sides.home, &sides.us][region];
            log.following(Following::Hangs);
            until_stale(&sides.replica(region)).await;
            assert_eq!(sides.regions.generation(), None);
            log.following(Following::Works);
            until_fresh(&sides.replica(region)).await;
            assert_eq!(sides.regions.generation(), Some(before));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_purge_watermark_of_any_region_counts() {
    let sides = Sides::ready().await;
    let expiring = identity("1", at(NOW + 60));
    assert!(!sides.regions.is_revoked_now(&expiring).unwrap().unwrap());
    sides.us.purge(at(NOW + 7200), &identity("2", at(NOW + 3600)));
    eventually("it is heard", || sides.regions.is_revoked_now(&expiring).unwrap().unwrap()).await;
    let generation = sides.regions.generation().unwrap();
    assert!(generation.purged_through() >= expiring.retain_until());
    assert_eq!(sides.now("other"), Some(false));
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_raised_by_a_revocation_in_any_region() {
    let sides = Sides::ready().await;
    let subject = RevocationKey::subject(None, "ann");
    for (log, jti) in [(&sides.home, "1"), (&sides.us, "2")] {
        let token = token(jti).carries(subject);
        let mut signal = sides.regions.watch(&token).unwrap();
        let context = &mut Context::from_waker(Waker::noop());
        assert!(signal.poll_raised(context).is_pending());
        revoke(log, "another").await;
        revoke(log, jti).await;
        timeout(Duration::from_secs(1), signal.raised()).await.unwrap();
        assert!(sides.regions.is_revoked_now(&token).unwrap().unwrap());
        assert!(signal.poll_raised(context).is_pending(), "once");
        log.revoke(&Revocation::new(subject, at(NOW), Timestamp::MAX)).await.unwrap();
        timeout(Duration::from_secs(1), signal.raised()).await.unwrap();
    }
}

/// A thread that finds a token not revoked relies on the generation that it has read before, as the
/// layer does. The revocation must change it, in whichever region, also if another region revokes at
/// the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_revocation_hides_behind_a_generation_of_another_region() {
    let sides = Arc::new(Sides::ready().await);
    for n in 0..300 {
        let (mine, other) = (format!("mine {n}"), format!("other {n}"));
        let checking = {
            let (sides, mine) = (Arc::clone(&sides), token(&mine));
            thread::spawn(move || {
                // What the layer does: the result of a check counts while the generation stays.
                let mut valid_at = None;
                let end = Instant::now() + Duration::from_secs(20);
                while Instant::now() < end {
                    let generation = sides.regions.generation();
                    if generation.is_some() && generation == valid_at {
                        continue;
                    }
                    if sides.regions.is_revoked_now(&mine).unwrap().unwrap() {
                        return true;
                    }
                    valid_at = generation;
                }
                false
            })
        };
        let logs = if n % 2 == 0 { [&sides.home, &sides.us] } else { [&sides.us, &sides.home] };
        tokio::join!(revoke(logs[0], &mine), revoke(logs[1], &other));
        let noticed = tokio::task::spawn_blocking(|| checking.join().unwrap()).await.unwrap();
        assert!(noticed, "the revocation {n} is not noticed");
    }
}
