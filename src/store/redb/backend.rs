//! [`Backend`]: the storage backend of redb. It begins after the first page, and can hold back
//! writes.

use std::{
    collections::HashMap,
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use redb::StorageBackend;

use super::{
    layout::{HEADER_LEN, PAGE_LEN},
    storage::Storage,
};

/// A [`Storage`] from the end of the first page on. Clones share it.
///
/// redb writes while it opens a file, before it knows whether the file is intact. A backend
/// therefore begins by holding back all changes in memory. [`publish`](Self::publish) makes them,
/// in their order and with the same syncs, so that a crash in between leaves what a crash of redb
/// would have left.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    storage: Arc<dyn Storage>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    staging: Mutex<Option<Staging>>,
    /// The length that redb has given the storage. Nothing is written beyond it.
    size: AtomicU64,
    sealed: AtomicBool,
}

#[derive(Debug)]
struct Staging {
    len: u64,
    /// The length of the storage that is still visible. Bytes beyond it read as zero.
    backed: u64,
    pages: HashMap<u64, Box<[u8; PAGE_LEN]>>,
    changes: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

impl Backend {
    pub(super) fn new(storage: Arc<dyn Storage>) -> io::Result<Self> {
        let size = storage.size()?;
        let len = size.saturating_sub(HEADER_LEN);
        let staging = Mutex::new(Some(Staging { len, backed: len, pages: HashMap::new(), changes: Vec::new() }));
        let shared = Shared { staging, size: AtomicU64::new(size), sealed: AtomicBool::new(false) };
        Ok(Self { storage, shared: Arc::new(shared) })
    }

    /// Makes the changes that were held back. Later changes are made at once.
    pub(super) fn publish(&self) -> io::Result<()> {
        let mut staging = self.staging();
        let Some(staged) = staging.as_mut() else { return Ok(()) };
        for change in mem::take(&mut staged.changes) {
            match change {
                Change::Write(offset, data) => self.write_through(offset, &data)?,
                Change::SetLen(len) => self.set_len_through(len)?,
                Change::Sync => self.storage.sync()?,
            }
        }
        *staging = None;
        Ok(())
    }

    /// Whether the file has the length that redb has given it.
    pub(super) fn has_own_length(&self, file: &dyn Storage) -> io::Result<bool> {
        Ok(file.size()? == self.shared.size.load(Ordering::Relaxed))
    }

    /// Makes every later change an error, because another program has written to the storage.
    pub(super) fn seal(&self) {
        self.shared.sealed.store(true, Ordering::Relaxed);
    }

    fn unless_sealed(&self) -> io::Result<()> {
        if self.shared.sealed.load(Ordering::Relaxed) {
            return Err(io::Error::other("the file was overwritten by another program and is left unchanged"));
        }
        Ok(())
    }

    fn write_through(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.unless_sealed()?;
        self.storage.write(HEADER_LEN + offset, data)?;
        self.shared.size.fetch_max(HEADER_LEN + offset + data.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn set_len_through(&self, len: u64) -> io::Result<()> {
        self.unless_sealed()?;
        self.storage.set_size(HEADER_LEN + len)?;
        self.shared.size.store(HEADER_LEN + len, Ordering::Relaxed);
        Ok(())
    }

    fn staging(&self) -> MutexGuard<'_, Option<Staging>> {
        self.shared.staging.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        match self.staging().as_ref() {
            Some(staging) => Ok(staging.len),
            None => Ok(self.storage.size()?.saturating_sub(HEADER_LEN)),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.staging().as_ref() {
            Some(staging) => staging.read(&*self.storage, offset, out),
            None => self.storage.read(HEADER_LEN + offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.staging().as_mut() {
            Some(staging) => staging.set_len(len),
            None => return self.set_len_through(len),
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.staging().as_mut() {
            Some(staging) => staging.changes.push(Change::Sync),
            None => return self.unless_sealed().and_then(|()| self.storage.sync()),
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.staging().as_mut() {
            Some(staging) => staging.write(&*self.storage, offset, data),
            None => self.write_through(offset, data),
        }
    }
}

impl Staging {
    fn read(&self, storage: &dyn Storage, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64).filter(|end| *end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let backed = usize::try_from(self.backed.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (stored, beyond) = out.split_at_mut(backed);
        if !stored.is_empty() {
            storage.read(HEADER_LEN + offset, stored)?;
        }
        beyond.fill(0);
        if self.pages.is_empty() {
            return Ok(());
        }
        for (page, at, part) in pages(offset, end) {
            if let Some(staged) = self.pages.get(&page) {
                out[part.clone()].copy_from_slice(&staged[at..at + part.len()]);
            }
        }
        Ok(())
    }

    fn write(&mut self, storage: &dyn Storage, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(data.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.len = self.len.max(end);
        for (page, at, part) in pages(offset, end) {
            if !self.pages.contains_key(&page) {
                let mut bytes = Box::new([0; PAGE_LEN]);
                let start = page * PAGE_LEN as u64;
                let held = usize::try_from(self.backed.saturating_sub(start)).unwrap_or(PAGE_LEN).min(PAGE_LEN);
                if held > 0 {
                    storage.read(HEADER_LEN + start, &mut bytes[..held])?;
                }
                self.pages.insert(page, bytes);
            }
            if let Some(staged) = self.pages.get_mut(&page) {
                staged[at..at + part.len()].copy_from_slice(&data[part]);
            }
        }
        self.changes.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.backed = self.backed.min(len);
            let (last, kept) = (len / PAGE_LEN as u64, usize::try_from(len % PAGE_LEN as u64).unwrap_or(0));
            self.pages.retain(|page, _| *page <= last);
            if let Some(page) = self.pages.get_mut(&last) {
                page[kept..].fill(0);
            }
        }
        self.len = len;
        self.changes.push(Change::SetLen(len));
    }
}

/// The pages that a range touches: the number of each page, where in the page its part of the range
/// begins, and which part of the range that is.
fn pages(offset: u64, end: u64) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let page_len = PAGE_LEN as u64;
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    (offset / page_len..end.div_ceil(page_len)).map(move |page| {
        let start = (page * page_len).max(offset);
        let stop = ((page + 1) * page_len).min(end);
        (page, index(start - page * page_len), index(start - offset)..index(stop - offset))
    })
}
