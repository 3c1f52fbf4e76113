//! Promise: a revocation is acknowledged only if it is in the file at the path, and that file
//! belongs to the store. Otherwise checks are answered from memory, an event names the remedy, and
//! logouts work again once the file is back.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use test_support::{
    bearer, clock,
    events::Events,
    redb::{Faults, is_revoked, place, revoke},
    token, verifier,
};
use tower_logout::{Logout, RedbStore, revocation::Outcome, store::StoreErrorKind};

/// Puts something else at the first path; the second path is free.
type Displace = fn(&Path, &Path);

/// Changes the bytes of a file, perhaps to those of another.
type Overwrite = fn(&mut Vec<u8>, &[u8]);

/// A store with one revocation, number 1.
fn store(path: &Path) -> RedbStore {
    let store = RedbStore::open(path).unwrap();
    assert_eq!(revoke(&store, 1).unwrap(), Outcome::Newly);
    store
}

/// Asserts that neither new nor known revocations are acknowledged and that checks still work.
/// Returns the error's text.
fn assert_logouts_fail(store: &RedbStore, kind: StoreErrorKind) -> String {
    let errors = [revoke(store, 2).unwrap_err(), revoke(store, 1).unwrap_err()];
    for error in &errors {
        assert_eq!((error.operation(), error.kind()), ("revoke", kind), "{error:?}");
    }
    assert!(is_revoked(store, 1), "checks are answered from memory");
    assert!(!is_revoked(store, 3));
    format!("{:?}", errors[0])
}

/// Asserts that logouts work again and that a restart has all of them.
fn works(store: RedbStore, path: &Path) {
    assert_eq!(revoke(&store, 1).unwrap(), Outcome::Already);
    revoke(&store, 2).unwrap();
    drop(store);
    let store = RedbStore::open(path).unwrap();
    assert!(is_revoked(&store, 1) && is_revoked(&store, 2));
}

fn sh(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
}

/// The command in the error's remedy.
#[cfg(target_os = "linux")]
fn remedy(error: &str) -> &str {
    error.split('`').nth(1).unwrap_or_else(|| panic!("no command in: {error}"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_removed_file_makes_logouts_fail_and_the_remedy_saves_all_of_them() {
    let (_directory, path) = place();
    let store = store(&path);
    fs::remove_file(&path).unwrap();
    let error = assert_logouts_fail(&store, StoreErrorKind::Misconfigured);
    for part in ["no longer at its path", "removed or renamed", "change the signing keys first", path.to_str().unwrap()]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!path.exists(), "nobody made a new one");
    sh(remedy(&error));
    // The copy is saved, but it is not the file that is open.
    assert_logouts_fail(&store, StoreErrorKind::Misconfigured);
    drop(store);
    let store = RedbStore::open(&path).unwrap();
    assert!(is_revoked(&store, 1));
    works(store, &path);
}

#[test]
fn a_removed_file_loses_what_a_restart_cannot_find() {
    let (_directory, path) = place();
    let store = store(&path);
    fs::remove_file(&path).unwrap();
    assert_logouts_fail(&store, StoreErrorKind::Misconfigured);
    drop(store);
    assert!(!is_revoked(&RedbStore::open(&path).unwrap(), 1), "as the error and the documentation say");
}

#[test]
fn a_renamed_file_works_again_when_it_is_back() {
    let (directory, path) = place();
    let store = store(&path);
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    assert!(assert_logouts_fail(&store, StoreErrorKind::Misconfigured).contains("rename it back"));
    fs::rename(&elsewhere, &path).unwrap();
    works(store, &path);
}

#[test]
fn a_renamed_or_removed_directory_makes_logouts_fail() {
    let (directory, _) = place();
    let (inner, elsewhere) = (directory.path().join("inner"), directory.path().join("elsewhere"));
    fs::create_dir(&inner).unwrap();
    let path = inner.join("revocations.redb");
    let first = store(&path);
    fs::rename(&inner, &elsewhere).unwrap();
    assert_logouts_fail(&first, StoreErrorKind::Misconfigured);
    // A file in place of the directory.
    fs::write(&inner, "").unwrap();
    assert_logouts_fail(&first, StoreErrorKind::Misconfigured);
    fs::remove_file(&inner).unwrap();
    fs::rename(&elsewhere, &inner).unwrap();
    works(first, &path);
    let second = RedbStore::open(&path).unwrap();
    fs::remove_dir_all(&inner).unwrap();
    assert_logouts_fail(&second, StoreErrorKind::Misconfigured);
}

#[test]
fn a_file_replaced_by_another_makes_logouts_fail() {
    let ways: [(&str, Displace); 5] = [
        ("a copy of itself", |path, spare| {
            fs::copy(path, spare).unwrap();
            fs::rename(spare, path).unwrap();
        }),
        ("another store's", |path, spare| {
            drop(store(spare));
            fs::rename(spare, path).unwrap();
        }),
        ("an empty one", |path, _| {
            fs::remove_file(path).unwrap();
            fs::write(path, "").unwrap();
        }),
        ("a symbolic link to another", |path, spare| {
            drop(store(spare));
            fs::remove_file(path).unwrap();
            symlink(spare, path).unwrap();
        }),
        ("a directory", |path, _| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (name, replace) in ways {
        let (directory, path) = place();
        let store = store(&path);
        let kept = directory.path().join("kept");
        fs::hard_link(&path, &kept).unwrap();
        replace(&path, &directory.path().join("spare"));
        let error = assert_logouts_fail(&store, StoreErrorKind::Misconfigured);
        assert!(error.contains("the file at the path is not the open one"), "{name}: {error}");
        // The other file is removed, and the open one is moved back.
        fs::remove_dir(&path).or_else(|_| fs::remove_file(&path)).unwrap();
        fs::rename(&kept, &path).unwrap();
        works(store, &path);
    }
}

#[test]
fn a_link_counts_as_its_target() {
    let (directory, path) = place();
    let store = store(&path);
    let (moved, link) = (directory.path().join("moved"), directory.path().join("link"));
    fs::hard_link(&path, &link).unwrap();
    revoke(&store, 10).unwrap();
    fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    revoke(&store, 11).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(directory.path().join("nowhere"), &path).unwrap();
    assert!(assert_logouts_fail(&store, StoreErrorKind::Misconfigured).contains("no longer at its path"));
    // Other names of the file do not help: a restart opens the path.
    fs::remove_file(&path).unwrap();
    symlink(&link, &path).unwrap();
    works(store, &path);
    let store = RedbStore::open(&path).unwrap();
    assert!(is_revoked(&store, 10) && is_revoked(&store, 11));
}

#[test]
fn a_store_behind_a_symbolic_link_makes_its_file_durable_where_it_is() {
    let (directory, path) = place();
    fs::create_dir(directory.path().join("disk")).unwrap();
    let file = directory.path().join("disk/file");
    symlink(&file, &path).unwrap();
    let store = store(&path);
    assert!(file.metadata().unwrap().is_file());
    works(store, &path);
}

#[test]
fn a_relative_path_stays_valid_when_the_process_changes_its_directory() {
    let (directory, _) = place();
    std::env::set_current_dir(directory.path()).unwrap();
    let store = store(Path::new("revocations.redb"));
    std::env::set_current_dir("/").unwrap();
    revoke(&store, 2).unwrap();
    fs::rename(directory.path().join("revocations.redb"), directory.path().join("elsewhere")).unwrap();
    let error = assert_logouts_fail(&store, StoreErrorKind::Misconfigured);
    assert!(error.contains(directory.path().to_str().unwrap()), "it says where it looked: {error}");
}

#[test]
fn foreign_contents_make_logouts_fail_and_are_left_alone() {
    let (directory, _) = place();
    let (backup, other) = (directory.path().join("backup"), directory.path().join("other"));
    drop(store(&backup));
    drop(store(&other));
    let ways: [(&str, Overwrite); 6] = [
        ("emptied", |bytes, _| bytes.clear()),
        ("cut to its first page", |bytes, _| bytes.truncate(4096)),
        ("cut short", |bytes, _| bytes.truncate(bytes.len() - 4096)),
        ("another store's", |bytes, other| *bytes = other.to_vec()),
        ("something else", |bytes, _| *bytes = b"# notes\n".repeat(bytes.len() / 8)),
        ("a byte of the first page", |bytes, _| bytes[600] ^= 1),
    ];
    let others = fs::read(&other).unwrap();
    for (name, overwrite) in ways {
        let (_directory, path) = place();
        let store = store(&path);
        let mut bytes = fs::read(&path).unwrap();
        overwrite(&mut bytes, &others);
        fs::write(&path, &bytes).unwrap();
        let error = assert_logouts_fail(&store, StoreErrorKind::Damaged);
        assert!(error.contains("overwritten or truncated the file") || error.contains("damaged"), "{name}: {error}");
        assert!(error.contains("signing keys"), "{name}: {error}");
        drop(store);
        assert!(fs::read(&path).unwrap() == bytes, "{name}: changed by the store that had it open");
    }
}

/// `cp backup revocations.redb` keeps the inode. The revocations since the backup are only in
/// memory.
#[test]
fn an_older_copy_of_the_file_makes_logouts_fail() {
    for close_before in [true, false] {
        let (_directory, path) = place();
        let mut store = store(&path);
        if close_before {
            drop(store);
            store = RedbStore::open(&path).unwrap();
        }
        let backup = fs::read(&path).unwrap();
        revoke(&store, 5).unwrap();
        fs::write(&path, &backup).unwrap();
        assert_logouts_fail(&store, StoreErrorKind::Damaged);
        assert_logouts_fail(&store, StoreErrorKind::Damaged);
        assert!(is_revoked(&store, 5), "memory has it");
        drop(store);
        assert!(fs::read(&path).unwrap() == backup, "the copy is whole");
        let store = RedbStore::open(&path).unwrap();
        assert!(is_revoked(&store, 1) && !is_revoked(&store, 5));
    }
}

#[test]
fn closing_leaves_a_copy_alone_that_was_written_into_the_file() {
    let (_directory, path) = place();
    let store = store(&path);
    let backup = fs::read(&path).unwrap();
    revoke(&store, 5).unwrap();
    fs::write(&path, &backup).unwrap();
    // The store closes before the change is detected.
    drop(store);
    assert!(fs::read(&path).unwrap() == backup);
    assert!(is_revoked(&RedbStore::open(&path).unwrap(), 1));
}

/// The whole file is read again.
#[test]
fn contents_that_prove_complete_work_again() {
    let (_directory, path) = place();
    let store = store(&path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, [bytes, vec![0; 4096]].concat()).unwrap();
    assert_eq!(revoke(&store, 1).unwrap_err().kind(), StoreErrorKind::Damaged);
    works(store, &path);
}

#[test]
fn contents_that_are_put_back_work_again() {
    let (_directory, path) = place();
    let store = store(&path);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert_logouts_fail(&store, StoreErrorKind::Damaged);
    fs::write(&path, &bytes).unwrap();
    works(store, &path);
}

/// The path is checked again after the sync, before any caller gets a result.
#[test]
fn a_file_removed_during_a_write_acknowledges_nothing() {
    let ways: [(&str, Displace); 2] = [
        ("renamed", |path, spare| fs::rename(path, spare).unwrap()),
        ("replaced", |path, spare| {
            fs::rename(path, spare).unwrap();
            fs::write(path, "").unwrap();
        }),
    ];
    for (name, lose) in ways {
        let (directory, path) = place();
        let faults = Faults::default();
        let store = faults.open(&path).unwrap();
        revoke(&store, 1).unwrap();
        let spare = directory.path().join("spare");
        faults.hold_syncs();
        let answer = thread::scope(|scope| {
            let logout = scope.spawn(|| revoke(&store, 2));
            faults.until_sync_waits();
            lose(&path, &spare);
            faults.release_syncs();
            logout.join().unwrap()
        });
        assert_eq!(answer.unwrap_err().kind(), StoreErrorKind::Misconfigured, "{name}");
        fs::rename(&spare, &path).unwrap();
        // The revocation was written nevertheless.
        assert_eq!(revoke(&store, 2).unwrap(), Outcome::Already, "{name}");
        works(store, &path);
    }
}

/// As with a stale network file system, or a directory without search permission.
#[test]
fn a_path_that_cannot_be_read_makes_logouts_fail() {
    let (directory, path) = place();
    let store = store(&path);
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&path, &path).unwrap();
    let error = assert_logouts_fail(&store, StoreErrorKind::Unavailable);
    assert!(error.contains("cannot determine whether the file is still at its path"), "{error}");
    fs::rename(&elsewhere, &path).unwrap();
    works(store, &path);
}

#[test]
fn a_file_removed_while_it_is_opened_is_not_opened() {
    let (_directory, path) = place();
    drop(store(&path));
    let at = path.clone();
    let opened = RedbStore::options()
        .storage(move |file| {
            fs::remove_file(at).unwrap();
            file
        })
        .open(&path);
    assert!(opened.unwrap_err().to_string().contains("no longer at its path"));
    assert!(!path.exists());
}

/// The change is detected without a logout.
#[test]
fn events_report_that_the_file_is_missing_with_the_remedy_and_that_it_is_back() {
    // The store's own thread reports it.
    let events = Events::of_all_threads();
    let wait_for = |level: &str, message: &str, about: &Path| {
        let about = about.to_str().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let named = events.named(message).into_iter().filter(|event| event.level == level);
            if let Some(event) = named.map(|event| event.to_string()).find(|event| event.contains(about)) {
                return event;
            }
            assert!(Instant::now() < deadline, "never came: {message} in {}", events.text());
            thread::yield_now();
        }
    };

    let (directory, path) = place();
    let elsewhere = directory.path().join("elsewhere");
    let _store = store(&path);
    fs::rename(&path, &elsewhere).unwrap();
    let lost = wait_for("ERROR", "revocation file lost", &path);
    assert!(lost.contains("rename it back, and no restart is needed"), "{lost}");
    fs::rename(&elsewhere, &path).unwrap();
    wait_for("INFO", "revocation file back", &path);
}

/// The steps of an operator, through the service.
#[tokio::test]
async fn logouts_are_503_and_checks_work_until_the_file_is_back() {
    use http::{Request, StatusCode, header::AUTHORIZATION};
    use http_body_util::Full;
    use tower::{Layer, ServiceExt, service_fn};

    let (directory, path) = place();
    let clock = clock();
    let logout = Logout::new(verifier(&clock), RedbStore::options().clock(clock.clone()).open(&path).unwrap());
    let route = logout.layer().layer(service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::default()))
    }));
    let request = |token: &str| Request::post("/").header(AUTHORIZATION, token).body(String::new()).unwrap();
    let status = async |token: &str| route.clone().oneshot(request(token)).await.unwrap().status();
    let log_out = async |token: &str| logout.service().oneshot(request(token)).await.unwrap().status();
    let (one, two) = (bearer(&token("one")), bearer(&token("two")));

    assert_eq!(log_out(&one).await, StatusCode::OK);
    let elsewhere: PathBuf = directory.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    assert_eq!(log_out(&two).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((status(&one).await, status(&two).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(log_out(&two).await, StatusCode::OK);
    assert_eq!((status(&one).await, status(&two).await), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
}
