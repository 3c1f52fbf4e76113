//! Promise: a file that is in use, foreign, damaged or of a later version is rejected with an error
//! that says so, and is not changed.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use test_support::redb::{Faults, How, chain, is_revoked, place, revoke};
use tower_logout::{
    RedbStore,
    store::{StoreError, StoreErrorKind},
};

/// Returns the error of opening a file, and asserts that the file has not changed.
fn rejection(path: &Path) -> String {
    let before = fs::read(path).unwrap();
    let error: StoreError = RedbStore::open(path).unwrap_err();
    assert_eq!(error.operation(), "open");
    assert!(before == fs::read(path).unwrap(), "a refused file was changed: {}", chain(&error));
    let text = chain(&error);
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    let is_damaged = text.contains("is damaged");
    let kind = if is_damaged { StoreErrorKind::Damaged } else { StoreErrorKind::Misconfigured };
    assert_eq!(error.kind(), kind, "{text}");
    text
}

#[test]
fn a_second_opener_is_rejected_until_the_first_has_closed() {
    let (_directory, path) = place();
    let first = RedbStore::open(&path).unwrap();
    revoke(&first, 1).unwrap();
    let text = rejection(&path);
    assert!(text.contains("in use by another store"), "{text}");
    revoke(&first, 2).unwrap();
    drop(first);
    let second = RedbStore::open(&path).unwrap();
    assert!(is_revoked(&second, 1) && is_revoked(&second, 2));
}

#[test]
fn foreign_files_are_rejected() {
    let (directory, path) = place();
    let redb = directory.path().join("other.redb");
    drop(redb::Database::create(&redb).unwrap());
    let foreign: [&[u8]; 8] = [
        b"t",
        b"tower-logout",
        b"# a note\n",
        b"SQLite format 3\0",
        &[0],
        &[0; 8192],
        &[0xff; 100],
        &fs::read(&redb).unwrap(),
    ];
    for content in foreign {
        fs::write(&path, content).unwrap();
        let text = rejection(&path);
        assert!(text.contains("is not one of this store"), "{text}");
    }
}

#[test]
fn paths_that_are_no_file_are_rejected() {
    let (directory, path) = place();
    let error = RedbStore::open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Misconfigured);
    let text = chain(&error);
    assert!(text.contains("a directory or a device"), "{text}");
    let text = chain(&RedbStore::open(path.join("below")).unwrap_err());
    assert!(text.contains("directory of the file does not exist"), "{text}");
    assert!(!path.exists());
    fs::write(&path, "").unwrap();
    let text = chain(&RedbStore::open(path.join("below")).unwrap_err());
    assert!(text.contains("cannot be opened"), "{text}");
}

#[test]
fn an_empty_file_is_accepted() {
    let (_directory, path) = place();
    fs::write(&path, "").unwrap();
    revoke(&RedbStore::open(&path).unwrap(), 1).unwrap();
    assert!(is_revoked(&RedbStore::open(&path).unwrap(), 1));
}

#[test]
fn a_later_format_is_rejected() {
    let (_directory, path) = place();
    drop(RedbStore::open(&path).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    assert_eq!(&bytes[25..38], b"format 00001\n");
    bytes[36] = b'2';
    fs::write(&path, &bytes).unwrap();
    let text = rejection(&path);
    assert!(text.contains("is of format 2") && text.contains("or a later one"), "{text}");
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    // The process is killed at every I/O call of it.
    for call in 0.. {
        let (_directory, path) = place();
        let faults = Faults::default();
        faults.fail(test_support::redb::Plan { first: Some(call), count: u64::MAX, how: How::Half });
        let failed = faults.open(&path).is_err();
        revoke(&RedbStore::open(&path).unwrap(), call).unwrap();
        assert!(is_revoked(&RedbStore::open(&path).unwrap(), call));
        if !failed {
            assert!(call > 10, "nothing was tested");
            return;
        }
    }
}

/// A file with one group of these bytes and valid checksums.
fn with_group(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    drop(RedbStore::open(path).unwrap());
    let file = fs::read(path).unwrap();
    let inner = path.with_extension("inner");
    fs::write(&inner, &file[4096..]).unwrap();
    let transaction = redb::Database::open(&inner).unwrap().begin_write().unwrap();
    let groups = redb::TableDefinition::<u64, &[u8]>::new("groups");
    transaction.open_table(groups).unwrap().insert(7, bytes).unwrap();
    transaction.commit().unwrap();
    fs::write(path, [&file[..4096], &fs::read(&inner).unwrap()].concat()).unwrap();
}

#[test]
fn a_damaged_group_is_rejected() {
    let (_directory, path) = place();
    let mut row = [0xff; 32];
    row[..16].copy_from_slice(test_support::redb::revocation(1).key().as_bytes());
    with_group(&path, &row);
    let store = RedbStore::open(&path).unwrap();
    assert!(is_revoked(&store, 1));
    revoke(&store, 2).unwrap();
    drop(store);
    let store = RedbStore::open(&path).unwrap();
    assert!(is_revoked(&store, 1) && is_revoked(&store, 2));
    drop(store);
    for len in [0, 1, 16, 31, 33, 63, 65, 4095] {
        with_group(&path, &row.repeat(128)[..len]);
        let text = rejection(&path);
        assert!(text.contains("is damaged") && text.contains("whole rows"), "{len}: {text}");
    }
    for kind in [0, 9, 255] {
        let mut rows = [row, row];
        rows[1][0] = kind;
        with_group(&path, rows.as_flattened());
        let text = rejection(&path);
        assert!(text.contains("is damaged") && text.contains("an unknown kind"), "{kind}: {text}");
    }
}

const ROWS: u64 = 400;

/// The bytes of a file with [`ROWS`] revocations that was closed, and of one whose process was
/// killed after the last acknowledgement.
fn files() -> [Vec<u8>; 2] {
    let (_directory, path) = place();
    let store = RedbStore::open(&path).unwrap();
    for number in 0..ROWS {
        revoke(&store, number).unwrap();
    }
    let killed = fs::read(&path).unwrap();
    drop(store);
    [fs::read(&path).unwrap(), killed]
}

/// Opens a changed file: it is rejected and not changed, or it has all revocations.
fn rejected_or_complete(path: &Path, bytes: &[u8], what: &str) -> bool {
    fs::write(path, bytes).unwrap();
    match RedbStore::open(path) {
        Ok(store) => {
            let missing = (0..ROWS).find(|number| !is_revoked(&store, *number));
            assert_eq!(missing, None, "silently missing after {what}");
            assert_eq!(store.len() as u64, ROWS, "{what}");
            // It accepts another revocation and keeps it.
            revoke(&store, ROWS).unwrap_or_else(|error| panic!("{what}: {}", chain(&error)));
            drop(store);
            let store = RedbStore::open(path).unwrap_or_else(|error| panic!("{what}: {}", chain(&error)));
            assert!((0..=ROWS).all(|number| is_revoked(&store, number)), "{what}");
            true
        }
        Err(error) => {
            let text = chain(&error);
            let clear = ["is damaged", "is not one of this store", "is of format"];
            assert!(clear.iter().any(|clear| text.contains(clear)), "{what}: {text}");
            assert!(fs::read(path).unwrap() == bytes, "refused and changed after {what}: {text}");
            false
        }
    }
}

/// Tries many changes concurrently and returns how many were rejected.
fn try_all(changes: &[(String, Vec<u8>)]) -> usize {
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        // The threads wait for the disk more than they compute.
        for _ in 0..16 {
            scope.spawn(|| {
                let (_directory, path) = place();
                while let Some((what, bytes)) = changes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !rejected_or_complete(&path, bytes, what) {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    refused.into_inner()
}

#[test]
fn a_changed_first_page_or_geometry_is_rejected() {
    let (_directory, path) = place();
    let [file, _] = files();
    // Without the notes, of which one may be torn, and without the one byte that redb changes.
    let ours = (25..1024).chain(1040..1536).chain(1552..4096).step_by(7);
    for at in ours.chain(4096..4105).chain(4106..4120) {
        let mut bytes = file.clone();
        bytes[at] ^= 0x04;
        fs::write(&path, &bytes).unwrap();
        let text = rejection(&path);
        assert!(text.contains("is damaged") || text.contains("is of format"), "{at}: {text}");
    }
}

#[test]
fn flipped_bytes_are_noticed_or_harmless() {
    for (name, file) in ["closed", "killed"].iter().zip(files()) {
        // All of both headers, where each byte has its own meaning, and samples of the rest.
        let headers = (0..64).chain(510..540).chain(1020..1044).chain(4096..4096 + 320);
        let rest = (4096 + 320..file.len()).step_by(193);
        let mut changes = Vec::new();
        for at in headers.chain(rest) {
            for mask in if at < 4096 + 320 { &[0x01, 0x02, 0x04, 0x80, 0xff][..] } else { &[0xff] } {
                let mut bytes = file.clone();
                bytes[at] ^= mask;
                changes.push((format!("flipping {mask:#x} at {at} of the {name} file"), bytes));
            }
        }
        let refused = try_all(&changes);
        println!("{name}: {} bytes, {} changes, {refused} refused", file.len(), changes.len());
        assert!(refused > changes.len() / 20);
    }
}

#[test]
fn truncated_files_are_rejected_or_complete() {
    for (name, file) in ["closed", "killed"].iter().zip(files()) {
        let lengths = (1..4096).step_by(61).chain((4096..file.len()).step_by(512)).chain([file.len() - 1]);
        let cut = lengths.map(|len| (format!("cutting the {name} file to {len}"), file[..len].to_vec()));
        let longer = [1, 4096, 1 << 20].map(|more| {
            let mut bytes = file.clone();
            bytes.resize(file.len() + more, 0);
            (format!("adding {more} bytes to the {name} file"), bytes)
        });
        let changes: Vec<_> = cut.chain(longer).collect();
        let refused = try_all(&changes);
        println!("{name}: {} bytes, {} changes, {refused} refused", file.len(), changes.len());
        assert!(refused > changes.len() / 4);
    }
}

#[test]
fn pages_of_zeros_are_noticed_or_harmless() {
    for (name, file) in ["closed", "killed"].iter().zip(files()) {
        let changes: Vec<_> = (0..file.len())
            .step_by(4096)
            .map(|at| {
                let mut bytes = file.clone();
                let end = (at + 4096).min(bytes.len());
                bytes[at..end].fill(0);
                (format!("losing the page at {at} of the {name} file"), bytes)
            })
            .collect();
        assert!(try_all(&changes) > 2);
    }
}
