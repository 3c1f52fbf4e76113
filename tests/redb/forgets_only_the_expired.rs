//! Promise: expired revocations are removed from memory and from the file, nothing else is, and
//! their tokens stay rejected when the clock steps back, also across restarts.

use std::{
    fs,
    future::Future,
    ops::Range,
    path::Path,
    task::{Context, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use test_support::redb::{Faults, block_on, chain, is_revoked, place, revocation, revoke, token, token_until};
use tower_logout::{
    RedbStore, RevocationStore,
    clock::{ManualClock, Timestamp},
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    set::AtCapacity,
    store::StoreErrorKind,
};

const HOUR: Duration = Duration::from_secs(3600);

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000))
}

fn open(path: &Path, clock: &ManualClock) -> RedbStore {
    RedbStore::options().clock(clock.clone()).open(path).unwrap()
}

/// A token that expires in an hour.
fn brief(number: u64, clock: &ManualClock) -> TokenIdentity {
    use tower_logout::clock::Clock;
    token_until(number, clock.now().saturating_add(HOUR))
}

fn revoke_token(store: &RedbStore, token: &TokenIdentity) -> Outcome {
    block_on(store.revoke(&Revocation::of_token(token))).unwrap()
}

fn is_rejected(store: &RedbStore, token: &TokenIdentity) -> bool {
    store.is_revoked_now(token).unwrap().unwrap()
}

/// Waits until the writer has purged expired entries.
fn wait_for_len(store: &RedbStore, len: usize) {
    let start = std::time::Instant::now();
    while store.len() != len {
        assert!(start.elapsed() < Duration::from_secs(60), "{} entries, not {len}", store.len());
        std::thread::yield_now();
    }
}

/// The keys of all rows in a file, in groups or not, as redb reads them.
fn rows(path: &Path) -> Vec<[u8; 16]> {
    use redb::{ReadableDatabase, ReadableTable, TableDefinition};
    let copy = path.with_extension("copy");
    fs::write(&copy, &fs::read(path).unwrap()[4096..]).unwrap();
    let database = redb::Database::open(&copy).unwrap();
    let transaction = database.begin_read().unwrap();
    let table = transaction.open_table(TableDefinition::<&[u8; 16], (u64, u64)>::new("revocations")).unwrap();
    let groups = transaction.open_table(TableDefinition::<u64, &[u8]>::new("groups")).unwrap();
    let keys = table.iter().unwrap().map(|row| *row.unwrap().0.value());
    let mut rows: Vec<[u8; 16]> = keys.filter(|key| *key != [0; 16]).collect();
    for group in groups.iter().unwrap() {
        rows.extend(group.unwrap().1.value().as_chunks::<32>().0.iter().map(|row| *row.first_chunk().unwrap()));
    }
    rows.sort_unstable();
    rows
}

/// Revokes so that all but the first are written in one group.
fn revoke_together(store: &RedbStore, faults: &Faults, revocations: &[Revocation]) {
    faults.hold_syncs();
    let mut context = Context::from_waker(Waker::noop());
    let mut first = Box::pin(store.revoke(&revocations[0]));
    assert!(first.as_mut().poll(&mut context).is_pending());
    faults.until_sync_waits();
    let mut others = Box::pin(join_all(revocations[1..].iter().map(|one| store.revoke(one))));
    assert!(others.as_mut().poll(&mut context).is_pending());
    faults.release_syncs();
    let outcomes = block_on(async { (first.await.unwrap(), others.await) });
    assert_eq!(outcomes.0, Outcome::Newly);
    assert!(outcomes.1.into_iter().all(|outcome| outcome.unwrap() == Outcome::Newly));
}

/// Revokes in groups until the writer has deleted all it can.
fn revoke_some(store: &RedbStore, numbers: Range<u64>) {
    for number in numbers {
        revoke(store, number).unwrap();
    }
}

#[test]
fn an_idle_store_purges_expired_revocations() {
    let (_directory, path) = place();
    let clock = clock();
    let store = open(&path, &clock);
    let dead: Vec<_> = (0..50).map(|number| brief(number, &clock)).collect();
    for token in &dead {
        revoke_token(&store, token);
    }
    revoke(&store, 1000).unwrap();
    clock.advance(2 * HOUR);
    wait_for_len(&store, 1);
    // The next groups include the deletions if the idle writer has not made them.
    for number in 1001..1011 {
        revoke(&store, number).unwrap();
    }
    drop(store);
    let mut kept: Vec<_> = (1000..1011).map(|number| *revocation(number).key().as_bytes()).collect();
    kept.sort_unstable();
    assert_eq!(rows(&path), kept);
}

#[test]
fn purged_tokens_stay_rejected_when_the_clock_steps_back() {
    let (_directory, path) = place();
    let clock = clock();
    let token = brief(1, &clock);
    let later = token_until(2, Timestamp::from_unix_seconds(1_458_786_000 + 3 * 3600));
    {
        let store = open(&path, &clock);
        revoke_token(&store, &token);
        clock.advance(2 * HOUR);
        wait_for_len(&store, 0);
        revoke(&store, 1000).unwrap();
        assert!(is_rejected(&store, &token));
    }
    assert_eq!(rows(&path).len(), 1);
    clock.set(Timestamp::from_unix_seconds(1_458_786_000));
    for _ in 0..2 {
        let store = open(&path, &clock);
        assert!(is_rejected(&store, &token), "a clock that stepped back brought a dead token to life");
        assert!(!is_rejected(&store, &later), "a token that was never revoked is refused");
    }
}

#[test]
fn what_expired_while_the_store_was_closed_is_deleted() {
    let (_directory, path) = place();
    let clock = clock();
    let tokens: Vec<_> = (0..500).map(|number| brief(number, &clock)).collect();
    {
        let store = open(&path, &clock);
        for token in &tokens {
            revoke_token(&store, token);
        }
        revoke(&store, 1000).unwrap();
    }
    assert_eq!(rows(&path).len(), 501);
    clock.advance(2 * HOUR);
    {
        let store = open(&path, &clock);
        assert_eq!(store.len(), 1);
        assert!(tokens.iter().all(|token| is_rejected(&store, token)));
        // Each group includes some deletions.
        for number in 0..40 {
            revoke(&store, 2000 + number).unwrap();
        }
    }
    assert_eq!(rows(&path).len(), 41);
    clock.set(Timestamp::from_unix_seconds(1_458_786_000));
    let store = open(&path, &clock);
    assert!(tokens.iter().all(|token| is_rejected(&store, token)));
    assert!(is_revoked(&store, 1000));
}

#[test]
fn a_key_that_is_revoked_anew_survives_the_deletion_of_its_old_row() {
    let (_directory, path) = place();
    let clock = clock();
    let at = Timestamp::from_unix_seconds;
    let key = |number: u64| RevocationKey::subject("https://issuer.example", &number.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let faults = Faults::default();
    let store = faults.options().capacity(3000).clock(clock.clone()).open(&path).unwrap();
    let all = |keys: Range<u64>, issued_through, retain_until| -> Vec<_> {
        keys.map(|number| Revocation::new(key(number), at(issued_through), at(retain_until))).collect()
    };
    let old = all(0..2999, 1_458_786_000, 1_458_786_060);
    runtime.block_on(join_all(old.iter().map(|one| store.revoke(one))));
    // The writer is blocked. Meanwhile all of them expire and are revoked again, behind one that
    // makes the writer purge for lack of room.
    faults.hold_syncs();
    let first = revocation(1);
    let mut first = Box::pin(store.revoke(&first));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    faults.until_sync_waits();
    clock.advance(HOUR);
    let mut new = vec![revocation(2)];
    new.extend(all(0..2998, 1_458_789_600, 1_558_789_600));
    let mut again = Box::pin(join_all(new.iter().map(|one| store.revoke(one))));
    assert!(again.as_mut().poll(&mut context).is_pending());
    faults.release_syncs();
    assert_eq!(runtime.block_on(first).unwrap(), Outcome::Newly);
    assert!(runtime.block_on(again).into_iter().all(|answer| answer.unwrap() == Outcome::Newly));
    drop(store);
    let store = open(&path, &clock);
    let known = |key| TokenIdentity::new(key, at(1_458_789_600), at(1_558_789_000), &Retention::default());
    assert!((0..2998).all(|number| is_rejected(&store, &known(key(number)))));
    assert_eq!(store.len(), 3000);
}

#[test]
fn at_capacity_what_is_acknowledged_is_enforced() {
    let (_directory, path) = place();
    let clock = clock();
    let at = Timestamp::from_unix_seconds;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let faults = Faults::default();
    let store = faults.options().capacity(21).clock(clock.clone()).open(&path).unwrap();
    let key = |number: u64| RevocationKey::subject("https://issuer.example", &number.to_string());
    let old: Vec<_> =
        (0..10).map(|number| Revocation::new(key(number), at(1_458_786_000), at(1_458_786_060))).collect();
    runtime.block_on(join_all(old.iter().map(|one| store.revoke(one))));
    for number in 0..10 {
        revoke(&store, number).unwrap();
    }
    // The first of these fills the store. While the writer is blocked, half of it expires; then
    // those keys are revoked again, and new ones after them, in one group.
    faults.hold_syncs();
    let mut context = Context::from_waker(Waker::noop());
    let first = revocation(10);
    let mut first = Box::pin(store.revoke(&first));
    assert!(first.as_mut().poll(&mut context).is_pending());
    faults.until_sync_waits();
    clock.advance(HOUR);
    let again = (0..10).map(|number| Revocation::new(key(number), at(1_458_789_600), at(1_558_789_600)));
    let group: Vec<_> = again.chain((11..21).map(revocation)).collect();
    let mut answers = Box::pin(join_all(group.iter().map(|one| store.revoke(one))));
    assert!(answers.as_mut().poll(&mut context).is_pending());
    faults.release_syncs();
    runtime.block_on(first).unwrap();
    let answers = runtime.block_on(answers);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    for (revocation, _) in group.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()) {
        let token = TokenIdentity::new(revocation.key(), at(1_458_789_600), at(1_558_789_000), &Retention::default());
        assert!(is_rejected(&store, &token), "acknowledged, and not refused: {revocation:?}");
    }
}

/// Writes several generations of entries, each of which expires before the next, and compares the
/// sizes of the file.
fn does_not_grow(one: impl Fn(u64, &ManualClock) -> Revocation) {
    let (_directory, path) = place();
    let clock = clock();
    let store = open(&path, &clock);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut sizes = Vec::new();
    for generation in 0..24_u64 {
        let revocations: Vec<_> = (0..500).map(|number| one(generation * 10_000 + number, &clock)).collect();
        for group in revocations.chunks(100) {
            runtime.block_on(join_all(group.iter().map(|one| store.revoke(one))));
        }
        clock.advance(2 * HOUR);
        wait_for_len(&store, 0);
        sizes.push(fs::metadata(&path).unwrap().len());
    }
    revoke_some(&store, 0..40);
    drop(store);
    assert_eq!(rows(&path).len(), 40);
    // redb doubles a file to grow it, and when it does so depends on the order of the writes.
    // Without deletions the file would become four times as large.
    assert!(sizes[20..].iter().all(|late| *late <= sizes[0] * 3), "{sizes:?}");
}

#[test]
fn the_file_does_not_grow_over_many_generations_of_tokens() {
    does_not_grow(|number, clock| Revocation::of_token(&brief(number, clock)));
}

#[test]
fn the_file_does_not_grow_over_many_generations_of_tokens_of_many_lives() {
    use tower_logout::clock::Clock;
    does_not_grow(|number, clock| {
        let life = Duration::from_secs(number * number % 6000);
        Revocation::of_token(&token_until(number, clock.now().saturating_add(life)))
    });
}

#[test]
fn the_file_does_not_grow_over_many_generations_of_subjects() {
    use tower_logout::clock::Clock;
    does_not_grow(|number, clock| {
        let key = RevocationKey::subject("https://issuer.example", &number.to_string());
        Revocation::new(key, clock.now(), clock.now().saturating_add(HOUR))
    });
}

#[test]
fn tokens_that_live_longer_keep_none_of_the_others_in_the_file() {
    let (_directory, path) = place();
    let clock = clock();
    let faults = Faults::default();
    let store = faults.options().clock(clock.clone()).open(&path).unwrap();
    let until = |seconds: u64| Timestamp::from_unix_seconds(1_458_786_000 + seconds);
    let lives = [10, 300, 3600, 7 * 24 * 3600, 366 * 24 * 3600];
    let tokens: Vec<_> = (0..200).map(|number| token_until(number, until(lives[number as usize % 5]))).collect();
    revoke_together(&store, &faults, &tokens.iter().map(Revocation::of_token).collect::<Vec<_>>());
    clock.advance(2 * HOUR);
    wait_for_len(&store, 80);
    revoke_some(&store, 1000..1010);
    drop(store);
    assert_eq!(rows(&path).len(), 90);
    clock.set(until(0));
    let store = open(&path, &clock);
    assert_eq!(store.len(), 90);
    assert!(tokens.iter().all(|token| is_rejected(&store, token)));
    assert!(!is_rejected(&store, &token_until(500, until(3 * 3600))));
}

#[test]
fn a_group_is_kept_whole_until_its_last_row_has_expired() {
    let (_directory, path) = place();
    let clock = clock();
    let faults = Faults::default();
    let store = faults.options().clock(clock.clone()).open(&path).unwrap();
    let minutes = |minutes: u64| Timestamp::from_unix_seconds(1_458_786_000 + 60 * minutes);
    // All but the first are in one class of lifetimes.
    let brief: Vec<_> = (0..20).map(|number| token_until(number, minutes(70))).collect();
    let long = token_until(20, minutes(120));
    let all: Vec<_> = brief.iter().chain([&long]).map(Revocation::of_token).collect();
    revoke_together(&store, &faults, &all);
    clock.set(minutes(80));
    wait_for_len(&store, 1);
    revoke_some(&store, 1000..1002);
    drop(store);
    assert_eq!(rows(&path).len(), 20 + 2, "the first has gone, and its group has not");
    // Expired entries do not return, and their tokens stay rejected when the clock steps back.
    for (now, number) in [(80, 1002), (0, 1003), (80, 1004)] {
        clock.set(minutes(now));
        let store = open(&path, &clock);
        revoke(&store, number).unwrap();
        assert_eq!(store.len(), 1 + 3 + number as usize - 1002);
        assert!(brief.iter().chain([&long]).all(|token| is_rejected(&store, token)), "at {now}");
        assert!(!is_rejected(&store, &token_until(500, minutes(80))), "a token that was never revoked is refused");
    }
    clock.set(minutes(130));
    let store = open(&path, &clock);
    assert_eq!(store.len(), 5);
    revoke_some(&store, 1005..1007);
    drop(store);
    assert_eq!(rows(&path).len(), 7);
    clock.set(minutes(0));
    let store = open(&path, &clock);
    assert_eq!(store.len(), 7);
    assert!(brief.iter().chain([&long]).all(|token| is_rejected(&store, token)));
    assert!(!is_rejected(&store, &token_until(500, minutes(130))));
}

#[test]
fn a_token_whose_retention_is_extended_stays_revoked_for_longer() {
    let (_directory, path) = place();
    let clock = clock();
    let key = RevocationKey::token_id("https://issuer.example", "twice");
    let at = |minutes: u64| Timestamp::from_unix_seconds(1_458_786_000 + 60 * minutes);
    let token = TokenIdentity::new(key, at(0), at(600), &Retention::default());
    {
        let store = open(&path, &clock);
        for (issued_through, until, outcome) in
            [(at(0), 60, Outcome::Newly), (at(0), 600, Outcome::Already), (Timestamp::MAX, 90, Outcome::Newly)]
        {
            let revocation = Revocation::new(key, issued_through, at(until));
            assert_eq!(block_on(store.revoke(&revocation)).unwrap(), outcome);
        }
        assert_eq!(store.len(), 1);
    }
    clock.set(at(120));
    for others in 0..2 {
        let store = open(&path, &clock);
        assert_eq!(store.len(), 1 + others);
        assert!(is_rejected(&store, &token));
        assert_eq!(block_on(store.revoke(&Revocation::new(key, Timestamp::MAX, at(600)))).unwrap(), Outcome::Already);
        // This revocation includes the deletion of the first group.
        let other = RevocationKey::session("https://issuer.example", "other");
        block_on(store.revoke(&Revocation::new(other, at(0), at(700)))).unwrap();
    }
    assert_eq!(rows(&path).len(), 2 + 1);
}

#[test]
fn a_token_rejected_for_a_purge_is_reported_once_the_file_has_the_watermark() {
    let (_directory, path) = place();
    let clock = clock();
    let faults = Faults::default();
    let store = faults.options().clock(clock.clone()).open(&path).unwrap();
    revoke_token(&store, &brief(1, &clock));
    let late = Revocation::of_token(&brief(2, &clock));
    faults.hold_syncs();
    clock.advance(2 * HOUR);
    wait_for_len(&store, 0);
    faults.until_sync_waits();
    clock.set(Timestamp::from_unix_seconds(1_458_786_000));
    let mut answer = Box::pin(store.revoke(&late));
    let waits = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    faults.release_syncs();
    assert!(waits, "answered before the purge watermark was in the file");
    assert_eq!(block_on(answer).unwrap(), Outcome::Already);
    // As after SIGKILL.
    let killed = path.with_extension("killed");
    fs::copy(&path, &killed).unwrap();
    assert!(is_rejected(&open(&killed, &clock), &brief(2, &clock)));
}

#[test]
fn capacity_rejects_and_never_evicts() {
    let (_directory, path) = place();
    let clock = clock();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = RedbStore::options().capacity(100).clock(clock.clone()).open(&path).unwrap();
    for number in 0..40 {
        revoke_token(&store, &brief(number, &clock));
    }
    // The group does not fit as a whole, so part of it is stored.
    let revocations: Vec<_> = (1000..1100).map(revocation).collect();
    let answers = runtime.block_on(join_all(revocations.iter().map(|one| store.revoke(one))));
    let (done, full): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), full.len()), (60, 40));
    for error in full {
        let error = error.unwrap_err();
        assert!(error.cause().is::<AtCapacity>(), "{}", chain(&error));
    }
    assert_eq!(store.len(), 100);
    // A key that is stored already needs no room.
    assert_eq!(revoke(&store, 1000).unwrap(), Outcome::Already);
    let again = Revocation::new(revocation(1000).key(), Timestamp::MAX, Timestamp::MAX);
    assert_eq!(block_on(store.revoke(&again)).unwrap(), Outcome::Already);
    // Nothing is evicted for a new entry until another has expired.
    assert!(revoke(&store, 1099).is_err());
    assert!((1000..1060).all(|number| is_revoked(&store, number)));
    clock.advance(2 * HOUR);
    assert_eq!(revoke(&store, 1099).unwrap(), Outcome::Newly);
    drop(store);
    let store = open(&path, &clock);
    assert!((1000..1060).chain([1099]).all(|number| is_revoked(&store, number)));
    assert!(!is_rejected(&store, &token(1098)));
    drop(store);
    // A file with more entries than the capacity is rejected at opening, not truncated.
    let error = RedbStore::options().capacity(60).clock(clock.clone()).open(&path).unwrap_err();
    assert!(chain(&error).contains("raise its capacity"), "{}", chain(&error));
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert_eq!(open(&path, &clock).len(), 61);
}
