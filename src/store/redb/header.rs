//! The first page of the file, which is ours; redb's pages follow it.
//!
//! | bytes | what |
//! |---|---|
//! | 0–24 | `tower-logout revocations` and a newline |
//! | 25–37 | `format 00001` and a newline |
//! | 38–46 | `creating` or `complete` and a newline |
//! | 512–535 | a copy of redb's magic number and geometry, for which redb has no checksum; its byte 9, which changes, is zero |
//! | 544–559 | a random number that tells the file from all others, and its complement; eight bytes each, least significant first |
//! | 1024–1039 | how many commits the file holds at least, and the complement of that number; eight bytes each, least significant first |
//! | 1536–1551 | the same |
//!
//! All else is zero. The number of commits is written after each commit, in turn to the first and the second place, and not
//! synced: the database can be ahead of it, and is never behind, unless it has lost its latest commit. redb itself would not
//! notice that one of its bytes is flipped, which says where the latest commit is.

use std::{
    hash::{BuildHasher, RandomState},
    io,
};

use super::{error::FileError, storage::Storage};

/// The format of files that are written, and the highest that can be read.
pub(super) const FORMAT: u32 = 1;

/// Where redb's pages begin.
pub(super) const HEADER_LEN: u64 = PAGE_LEN as u64;

/// What the first page says of the file.
pub(super) enum Header {
    /// Nothing was ever stored in it: it is empty, or was not completed.
    Unfinished,
    /// The file holds at least so many commits.
    Complete { id: u64, commits: u64 },
}

impl Header {
    /// Reads the first page, and changes nothing.
    pub(super) fn read(storage: &dyn Storage) -> Result<Self, FileError> {
        let size = storage.size().map_err(FileError::Io)?;
        let mut page = [0; PAGE_LEN];
        let held = usize::try_from(size).unwrap_or(PAGE_LEN).min(PAGE_LEN);
        storage.read(0, &mut page[..held]).map_err(FileError::Io)?;
        // A crash can leave part of the page; a few letters that happen to be the same are somebody else's.
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
        // A note may have been cut short while it was written; then the other is whole.
        let notes: Vec<u64> = NOTES_AT.into_iter().filter_map(|at| noted(&page[at..])).collect();
        for at in NOTES_AT {
            page[at..at + NOTE_LEN].fill(0);
        }
        // Put together again and compared whole: no byte of the page may be other than it was written.
        match (notes.into_iter().max(), noted(&page[ID_AT..])) {
            (Some(commits), Some(id)) if page == without_notes(&geometry, id) => Ok(Self::Complete { id, commits }),
            _ => Err(FileError::damaged("its first page is not as it was written")),
        }
    }

    /// Makes the file one whose creation has begun, and nothing else.
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

    /// Makes the file whose creation has begun a complete one. The database in it has been synced.
    pub(super) fn complete(storage: &dyn Storage, commits: u64) -> Result<(), FileError> {
        let complete = || {
            let mut geometry = [0; GEOMETRY_LEN];
            storage.read(HEADER_LEN, &mut geometry)?;
            let mut page = without_notes(&geometry, RandomState::new().hash_one(commits));
            for at in NOTES_AT {
                page[at..at + NOTE_LEN].copy_from_slice(&note(commits));
            }
            // The first sector says that the others are there, so it comes last.
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

    /// Notes how many commits the file holds. All of them have been synced; the note itself is not.
    pub(super) fn note_commits(&mut self, storage: &dyn Storage, commits: u64) -> io::Result<()> {
        let at = if commits.is_multiple_of(2) { NOTES_AT[0] } else { NOTES_AT[1] };
        self.0[at..at + NOTE_LEN].copy_from_slice(&note(commits));
        storage.write(at as u64, &self.0[at..at + NOTE_LEN])
    }
}

fn first_sector(state: &[u8; 9]) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let text = [TITLE, format!("format {FORMAT:05}\n").as_bytes(), state].concat();
    sector[..text.len()].copy_from_slice(&text);
    sector
}

fn without_notes(geometry: &[u8; GEOMETRY_LEN], id: u64) -> [u8; PAGE_LEN] {
    let mut page = [0; PAGE_LEN];
    page[..SECTOR].copy_from_slice(&first_sector(COMPLETE));
    let copy = &mut page[GEOMETRY_AT..GEOMETRY_AT + GEOMETRY_LEN];
    copy.copy_from_slice(geometry);
    copy[GOD_BYTE] = 0;
    page[ID_AT..ID_AT + NOTE_LEN].copy_from_slice(&note(id));
    page
}

fn note(number: u64) -> [u8; NOTE_LEN] {
    let mut note = [0; NOTE_LEN];
    note[..8].copy_from_slice(&number.to_le_bytes());
    note[8..].copy_from_slice(&(!number).to_le_bytes());
    note
}

fn noted(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    bytes.starts_with(&note(number)).then_some(number)
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

const PAGE_LEN: usize = 4096;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

const GEOMETRY_AT: usize = SECTOR;
const GEOMETRY_LEN: usize = 24;
const GOD_BYTE: usize = 9;
const ID_AT: usize = SECTOR + 32;
const NOTES_AT: [usize; 2] = [2 * SECTOR, 3 * SECTOR];
const NOTE_LEN: usize = 16;
