//! Promise: whatever the disk does, an acknowledged revocation is in the file, a failure is an
//! error and neither a panic nor a hang, checks still work, and the store recovers by itself.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use test_support::redb::{Faults, How, Plan, chain, is_revoked, place, revocation, revoke, token_until};
use tower_logout::{
    RedbStore, RevocationStore,
    clock::{Clock, ManualClock, Timestamp},
    revocation::{Outcome, Revocation},
    store::{StoreError, StoreErrorKind},
};

/// The revocations that a run was told are stored.
#[derive(Default)]
struct Told {
    done: Vec<u64>,
    failed: Vec<u64>,
}

const RUN: u64 = 40;

/// Opens, revokes one by one and in groups with entries to purge in between, and closes.
fn run(path: &Path, faults: &Faults, told: &mut Told) -> Result<(), StoreError> {
    let clock = ManualClock::at(Timestamp::from_unix_seconds(1000));
    let store = faults.options().clock(clock.clone()).open(path)?;
    let mut note = |number, answer: Result<Outcome, StoreError>| match answer {
        Ok(_) => {
            assert!(is_revoked(&store, number));
            told.done.push(number);
        }
        Err(error) => {
            assert_eq!(error.operation(), "revoke");
            told.failed.push(number);
        }
    };
    for number in 0..RUN / 4 {
        note(number, revoke(&store, number));
        let brief = Revocation::of_token(&token_until(1_000_000 + number, Timestamp::from_unix_seconds(1001)));
        let _ = test_support::redb::block_on(store.revoke(&brief));
    }
    clock.advance(Duration::from_secs(1000));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for group in (RUN / 4..RUN).collect::<Vec<_>>().chunks(10) {
        let answers = runtime.block_on(futures_util::future::join_all(
            group.iter().map(|number| async { store.revoke(&revocation(*number)).await }),
        ));
        group.iter().zip(answers).for_each(|(number, answer)| note(*number, answer));
    }
    assert!(told.done.iter().all(|number| is_revoked(&store, *number)));
    Ok(())
}

/// Lets each call fail in turn, until a run completes before the fault occurs.
fn every_call(count: u64, how: How) {
    let runs = thread::scope(|scope| {
        // Each thread takes every sixteenth call.
        let threads: Vec<_> = (0..16)
            .map(|first| {
                scope.spawn(move || {
                    for (runs, call) in (first..).step_by(16).enumerate() {
                        let (_directory, path) = place();
                        let (faults, mut told) = (Faults::default(), Told::default());
                        faults.fail(Plan { first: Some(call), count, how });
                        let opened = run(&path, &faults, &mut told).is_ok();
                        let met = faults.failed() > 0;
                        assert!(met || opened && told.failed.is_empty(), "an error without a fault");
                        faults.heal();
                        let store = faults
                            .open(&path)
                            .unwrap_or_else(|error| panic!("{how:?} at {call}: the file is lost: {}", chain(&error)));
                        for number in &told.done {
                            assert!(
                                is_revoked(&store, *number),
                                "{how:?} at {call}: {number} was acknowledged and is lost"
                            );
                        }
                        for number in &told.failed {
                            revoke(&store, *number).unwrap();
                            assert!(is_revoked(&store, *number));
                        }
                        if !met && opened {
                            return runs;
                        }
                    }
                    unreachable!()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    println!("{how:?} {count}: {runs} runs with a fault");
    assert!(runs > 100, "{runs}");
}

#[test]
fn one_failed_call() {
    every_call(1, How::Refuse);
}

#[test]
fn one_call_that_is_half_done() {
    every_call(1, How::Half);
}

#[test]
fn a_disk_that_dies() {
    every_call(u64::MAX, How::Refuse);
}

#[test]
fn a_disk_that_dies_in_the_middle_of_a_write() {
    every_call(u64::MAX, How::Half);
}

#[test]
fn a_disk_that_no_longer_syncs() {
    every_call(u64::MAX, How::Sync);
}

#[test]
fn a_disk_that_is_full_for_a_moment() {
    every_call(3, How::Full);
}

/// Revokes until it works; each attempt may reopen the file.
fn recovers(store: &RedbStore, number: u64) -> Outcome {
    for _ in 0..3 {
        if let Ok(outcome) = revoke(store, number) {
            return outcome;
        }
    }
    panic!("the store did not recover")
}

#[test]
fn the_store_recovers_by_itself() {
    for how in [How::Refuse, How::Half, How::Full, How::Sync] {
        let (_directory, path) = place();
        let faults = Faults::default();
        let store = faults.open(&path).unwrap();
        let mut number = 0;
        for round in 0..20 {
            number = round * 10;
            assert_eq!(revoke(&store, number).unwrap(), Outcome::Newly);
            faults.fail_all(how);
            for failing in number + 1..number + 4 {
                let error = revoke(&store, failing).unwrap_err();
                assert!(chain(&error).contains("check the disk and its free space"), "{}", chain(&error));
                assert!(!is_revoked(&store, failing));
                // Checks still work, and known revocations need no disk.
                assert!(is_revoked(&store, number));
                assert_eq!(revoke(&store, number).unwrap(), Outcome::Already);
            }
            faults.heal();
            recovers(&store, number + 1);
            assert!(is_revoked(&store, number + 1));
        }
        drop(store);
        let store = RedbStore::open(&path).unwrap();
        assert!((0..=number).step_by(10).all(|number| is_revoked(&store, number) && is_revoked(&store, number + 1)));
    }
}

#[test]
fn a_revocation_written_despite_an_error_takes_effect() {
    let (_directory, path) = place();
    let faults = Faults::default();
    let store = faults.open(&path).unwrap();
    // The last sync of a commit succeeds and reports a failure.
    let mut seen = false;
    for call in 0..40 {
        faults.fail(Plan { first: Some(faults.calls() + call), count: 1, how: How::Half });
        let first = revoke(&store, call);
        faults.heal();
        let second = recovers(&store, call);
        assert!(first.is_err() || second == Outcome::Already);
        seen |= first.is_err() && second == Outcome::Already;
    }
    assert!(seen);
}

#[test]
fn a_panic_in_the_database_is_an_error() {
    let (_directory, path) = place();
    let faults = Faults::default();
    let store = faults.open(&path).unwrap();
    let mut panics = 0;
    for call in 0..60 {
        revoke(&store, 1000 + call).unwrap();
        faults.fail(Plan { first: Some(faults.calls() + call), count: 1, how: How::Panic });
        if let Err(error) = revoke(&store, call) {
            assert!(chain(&error).contains("the database panicked"), "{}", chain(&error));
            panics += 1;
        }
        faults.heal();
        recovers(&store, call);
    }
    assert!(panics > 5);
    drop(store);
    for call in 0..60 {
        faults.fail(Plan { first: Some(faults.calls() + call), count: 1, how: How::Panic });
        drop(faults.open(&path));
    }
    faults.heal();
    let store = faults.open(&path).unwrap();
    assert!((0..60).chain(1000..1060).all(|number| is_revoked(&store, number)));
}

#[test]
fn a_panic_of_the_clock_is_an_error_of_one_revocation() {
    #[derive(Debug)]
    struct PanickingClock(Arc<AtomicBool>);

    impl Clock for PanickingClock {
        fn now(&self) -> Timestamp {
            assert!(!self.0.swap(false, Ordering::SeqCst), "injected");
            Timestamp::from_unix_seconds(1000)
        }
    }

    let (_directory, path) = place();
    let panics = Arc::new(AtomicBool::new(false));
    let clock = PanickingClock(Arc::clone(&panics));
    let store = RedbStore::options().clock(clock).open(&path).unwrap();
    revoke(&store, 1).unwrap();
    let mut interrupted = 0;
    for number in 2..20 {
        panics.store(true, Ordering::SeqCst);
        if let Err(error) = revoke(&store, number) {
            assert!(chain(&error).contains("interrupted by a panic"), "{}", chain(&error));
            assert_eq!(error.kind(), StoreErrorKind::Other);
            interrupted += 1;
        }
        revoke(&store, number).unwrap();
    }
    assert!(interrupted > 0);
    drop(store);
    let store = RedbStore::open(&path).unwrap();
    assert!((1..20).all(|number| is_revoked(&store, number)));
}

#[test]
fn an_idle_store_opens_its_file_again() {
    let (_directory, path) = place();
    let faults = Faults::default();
    let store = faults.open(&path).unwrap();
    faults.fail_all(How::Refuse);
    revoke(&store, 1).unwrap_err();
    faults.heal();
    let (calls, began) = (faults.calls(), Instant::now());
    while faults.calls() == calls {
        assert!(began.elapsed() < Duration::from_secs(60), "the file is never opened again");
        thread::yield_now();
    }
    // The file is open again, or is being opened.
    assert_eq!(revoke(&store, 1).unwrap(), Outcome::Newly);
}
