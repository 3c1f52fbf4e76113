//! What the feed says: entries that are numbered without a gap.

use redis::Value;

use super::error::RedisStoreError;
use super::reply::{Reply, array, bytes, exactly, instant, integer, key, pairs, text};
use crate::revocation::Revocation;

/// An entry of the feed.
pub(super) struct Entry {
    pub(super) id: String,
    /// `None` if it has no number: something else wrote it.
    pub(super) n: Option<u64>,
    /// `None` if it is there only to be recognised by.
    pub(super) revocation: Option<Revocation>,
}

/// The entries that `XREAD` has found, of one stream. Nil if there were none in time.
pub(super) fn entries_read(reply: Value) -> Reply<Vec<Entry>> {
    let mut streams = match reply {
        Value::Nil => return Ok(Vec::new()),
        Value::Array(streams) => {
            let pair = |stream| exactly(array(stream)?).map(|[name, entries]| (name, entries));
            streams.into_iter().map(pair).collect::<Reply<Vec<_>>>()?
        }
        reply => pairs(reply)?,
    };
    match (streams.pop(), streams.pop()) {
        (Some((_, entries)), None) => entries_of(entries),
        _ => Err(RedisStoreError::Garbage("another number of streams than one")),
    }
}

pub(super) fn entries_of(entries: Value) -> Reply<Vec<Entry>> {
    array(entries)?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Reply<Entry> {
    let [id, fields] = exactly(array(value)?)?;
    let (mut n, mut k, mut through, mut until) = (None, None, None, None);
    for (name, value) in pairs(fields)? {
        match &*bytes(name)? {
            b"n" => n = integer(value).ok(),
            b"k" => k = Some(key(value)?),
            b"t" => through = Some(instant(value)?),
            b"r" => until = Some(instant(value)?),
            _ => {}
        }
    }
    let revocation = match (k, through, until) {
        (Some(key), Some(through), Some(until)) => key.map(|key| Revocation::new(key, through, until)),
        (None, None, None) => None,
        _ => return Err(RedisStoreError::Garbage("half an entry in the feed")),
    };
    Ok(Entry { id: text(id)?, n, revocation })
}
