//! The first page of the file, before the pages of redb.
//!
//! `docs/redb-layout.md` describes it byte by byte.
//!
//! The number of commits is written after each commit and is not synced, so the database can be
//! ahead of it. The database is behind it only if it has lost its latest commit. That detects a
//! change of the bit that selects the latest commit, which redb does not detect.

use std::io;

use super::{
    error::FileError,
    layout::{FORMAT, HEADER_LEN, PAGE_LEN},
    storage::Storage,
};

/// The state of a file according to its first page.
pub(super) enum Header {
    /// Nothing was stored in the file yet: it is empty, or its creation was interrupted.
    Unfinished,
    /// The file holds at least this many commits.
    Complete { id: u64, commits: u64 },
}

impl Header {
    /// Reads the first page. Changes nothing.
    pub(super) fn read(storage: &dyn Storage) -> Result<Self, FileError> {
        let size = storage.size().map_err(FileError::Io)?;
        let mut page = [0; PAGE_LEN];
        let held = usize::try_from(size).unwrap_or(PAGE_LEN).min(PAGE_LEN);
        storage.read(0, &mut page[..held]).map_err(FileError::Io)?;
        // A crash can leave a part of the page. A prefix shorter than the title does not identify
        // it.
        let sector = held.min(SECTOR);
        if held == 0 || held >= TITLE.len() && page[..sector] == first_sector(CREATING)[..sector] {
            return Ok(Self::Unfinished);
        }
        if !page.starts_with(TITLE) {
            return Err(FileError::Foreign);
        }
        if held < PAGE_LEN {
            return Err(FileError::damaged("it ends within its first page"));
        }
        let format = format(&page[TITLE.len()..]).ok_or_else(|| FileError::damaged("its format cannot be read"))?;
        if format > FORMAT {
            return Err(FileError::Newer { found: format });
        }
        let mut geometry = [0; GEOMETRY_LEN];
        if size < HEADER_LEN + GEOMETRY_LEN as u64 {
            return Err(FileError::damaged("it ends after its first page"));
        }
        storage.read(HEADER_LEN, &mut geometry).map_err(FileError::Io)?;
        // A crash may have left one number incomplete; the other is then complete.
        let commits = COMMITS_AT.into_iter().filter_map(|at| checked_number(&page[at..])).max();
        for at in COMMITS_AT {
            page[at..at + NUMBER_LEN].fill(0);
        }
        // The page is rebuilt and compared as a whole, so that every changed byte is detected.
        match (commits, checked_number(&page[ID_AT..])) {
            (Some(commits), Some(id)) if page == without_commits(&geometry, id) => Ok(Self::Complete { id, commits }),
            _ => Err(FileError::damaged("its first page was changed")),
        }
    }

    /// Empties the file and marks its creation as begun.
    pub(super) fn begin(storage: &dyn Storage) -> Result<(), FileError> {
        let begin = || {
            let mut page = [0; PAGE_LEN];
            page[..SECTOR].copy_from_slice(&first_sector(CREATING));
            storage.set_size(0)?;
            storage.write(0, &page)?;
            storage.sync()
        };
        begin().map_err(FileError::Io)
    }

    /// Marks the creation of the file as complete. Called after the database was synced.
    pub(super) fn complete(storage: &dyn Storage, commits: u64) -> Result<(), FileError> {
        let id = getrandom::u64().map_err(FileError::Random)?;
        let complete = || {
            let mut geometry = [0; GEOMETRY_LEN];
            storage.read(HEADER_LEN, &mut geometry)?;
            let mut page = without_commits(&geometry, id);
            for at in COMMITS_AT {
                page[at..at + NUMBER_LEN].copy_from_slice(&with_complement(commits));
            }
            // The first sector marks the others as valid, so it is written last.
            storage.write(SECTOR as u64, &page[SECTOR..])?;
            storage.sync()?;
            storage.write(0, &page[..SECTOR])?;
            storage.sync()
        };
        complete().map_err(FileError::Io)
    }
}

/// The first page of an open file, as this store has left it.
#[derive(Debug)]
pub(super) struct FirstPage([u8; PAGE_LEN]);

impl FirstPage {
    /// Reads the page of a complete file.
    pub(super) fn read(file: &dyn Storage) -> io::Result<Self> {
        let mut page = [0; PAGE_LEN];
        file.read(0, &mut page)?;
        Ok(Self(page))
    }

    /// Whether the page is still as this store has left it.
    pub(super) fn is_in(&self, file: &dyn Storage) -> io::Result<bool> {
        Ok(file.size()? >= HEADER_LEN && Self::read(file)?.0 == self.0)
    }

    /// Records the number of commits in the file. The commits were synced; the record itself is
    /// not.
    pub(super) fn record_commits(&mut self, storage: &dyn Storage, commits: u64) -> io::Result<()> {
        let at = if commits.is_multiple_of(2) { COMMITS_AT[0] } else { COMMITS_AT[1] };
        self.0[at..at + NUMBER_LEN].copy_from_slice(&with_complement(commits));
        storage.write(at as u64, &self.0[at..at + NUMBER_LEN])
    }
}

fn first_sector(state: &[u8; 9]) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let text = [TITLE, format!("format {FORMAT:05}\n").as_bytes(), state].concat();
    sector[..text.len()].copy_from_slice(&text);
    sector
}

fn without_commits(geometry: &[u8; GEOMETRY_LEN], id: u64) -> [u8; PAGE_LEN] {
    let mut page = [0; PAGE_LEN];
    page[..SECTOR].copy_from_slice(&first_sector(COMPLETE));
    let copy = &mut page[GEOMETRY_AT..GEOMETRY_AT + GEOMETRY_LEN];
    copy.copy_from_slice(geometry);
    copy[GOD_BYTE] = 0;
    page[ID_AT..ID_AT + NUMBER_LEN].copy_from_slice(&with_complement(id));
    page
}

fn with_complement(number: u64) -> [u8; NUMBER_LEN] {
    let mut bytes = [0; NUMBER_LEN];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..].copy_from_slice(&(!number).to_le_bytes());
    bytes
}

/// Reads a number that is followed by its complement; `None` if they do not match.
fn checked_number(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    bytes.starts_with(&with_complement(number)).then_some(number)
}

/// The number in `format 00001` and a newline.
fn format(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"format ")?.get(..5)?;
    (text.get(12) == Some(&b'\n') && digits.iter().all(u8::is_ascii_digit))
        .then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

const TITLE: &[u8] = b"tower-logout revocations\n";
const CREATING: &[u8; 9] = b"creating\n";
const COMPLETE: &[u8; 9] = b"complete\n";

/// The unit that a disk writes atomically.
const SECTOR: usize = 512;

const GEOMETRY_AT: usize = SECTOR;
const GEOMETRY_LEN: usize = 24;
/// redb's name for the byte that selects the latest commit.
const GOD_BYTE: usize = 9;
const ID_AT: usize = SECTOR + 32;
const COMMITS_AT: [usize; 2] = [2 * SECTOR, 3 * SECTOR];
const NUMBER_LEN: usize = 16;
