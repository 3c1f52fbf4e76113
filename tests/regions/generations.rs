//! Promise: whatever is cached about a token ends with a revocation in any region: results of
//! checks, and what is live.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use test_support::{
    at, clock,
    fleet::{identity_of, new_token},
    replica::Following,
};
use tokio::time::timeout;
use tower_logout::{
    RevocationStore,
    revocation::{Revocation, RevocationKey},
};

use super::support::{Sides, eventually, of, revoke, token, until_fresh, until_stale};

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
    let expiring = test_support::identity("1", at(test_support::NOW + 60));
    assert!(!sides.regions.is_revoked_now(&expiring).unwrap().unwrap());
    sides.us.purge(at(test_support::NOW + 7200), &test_support::identity("2", at(test_support::NOW + 3600)));
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
        log.revoke(&Revocation::new(subject, at(test_support::NOW), clock_end())).await.unwrap();
        timeout(Duration::from_secs(1), signal.raised()).await.unwrap();
    }
}

fn clock_end() -> tower_logout::clock::Timestamp {
    use tower_logout::clock::Clock;
    clock().now().saturating_add(Duration::from_secs(1_000_000_000))
}

/// A thread that finds a token not revoked relies on the generation that it has read before, as the
/// layer does. The revocation must change it, in whichever region, with whatever happens in the
/// other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_revocation_hides_behind_a_generation_of_another_region() {
    let sides = Arc::new(Sides::ready().await);
    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..2)
        .map(|worker| {
            let (sides, stop) = (Arc::clone(&sides), Arc::clone(&stop));
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let log = if worker == 0 { &sides.home } else { &sides.us };
                    revoke(log, &format!("busy {worker} {n}")).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for n in 0..300 {
        let identity = identity_of(&new_token(&format!("watched {n}")));
        let revocation = Revocation::of_token(&identity);
        let checking = {
            let (sides, identity) = (Arc::clone(&sides), identity.clone());
            thread::spawn(move || {
                // What the layer does: the result of a check counts while the generation stays.
                let mut valid_at = None;
                loop {
                    let generation = sides.regions.generation();
                    if generation.is_some() && generation == valid_at {
                        continue;
                    }
                    if sides.regions.is_revoked_now(&identity).unwrap().unwrap() {
                        return;
                    }
                    valid_at = generation;
                }
            })
        };
        let log = if n % 2 == 0 { &sides.home } else { &sides.us };
        log.revoke(&revocation).await.unwrap();
        let ended = async {
            while !checking.is_finished() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), ended).await.expect("the revocation is noticed");
        checking.join().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for worker in busy {
        worker.await.unwrap();
    }
    assert!(sides.home.holds(&of("busy 0 0")));
}
