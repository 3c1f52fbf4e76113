//! [`LogEntry`]: an entry of the log, parsed from a reply of Redis.

use redis::Value;

use super::{
    error::{RedisStoreError, Result},
    parse::{array, bytes, exactly, instant, integer, key, pairs, text},
};
use crate::revocation::Revocation;

pub(super) struct LogEntry {
    pub(super) id: String,
    /// `None` if another program wrote the entry.
    pub(super) number: Option<u64>,
    /// `None` in the first entry of a log that was repaired, and for a kind of key that this
    /// version does not know.
    pub(super) revocation: Option<Revocation>,
}

/// Reads the reply to `XREAD` of one stream, which is nil if there was no entry in time.
pub(super) fn entries_of_xread(reply: Value) -> Result<Vec<LogEntry>> {
    let mut streams = match reply {
        Value::Nil => return Ok(Vec::new()),
        Value::Array(streams) => {
            let pair = |stream| exactly(array(stream)?).map(|[name, entries]| (name, entries));
            streams.into_iter().map(pair).collect::<Result<Vec<_>>>()?
        }
        reply => pairs(reply)?,
    };
    match (streams.pop(), streams.pop()) {
        (Some((_, entries)), None) => entries_of(entries),
        _ => Err(RedisStoreError::UnexpectedReply("expected the entries of one stream")),
    }
}

pub(super) fn entries_of(entries: Value) -> Result<Vec<LogEntry>> {
    array(entries)?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Result<LogEntry> {
    let [id, fields] = exactly(array(value)?)?;
    let (mut number, mut revoked, mut through, mut until) = (None, None, None, None);
    for (name, value) in pairs(fields)? {
        match &*bytes(name)? {
            b"n" => number = integer(value).ok(),
            b"k" => revoked = Some(key(value)?),
            b"t" => through = Some(instant(value)?),
            b"r" => until = Some(instant(value)?),
            _ => {}
        }
    }
    let revocation = match (revoked, through, until) {
        (Some(key), Some(through), Some(until)) => key.map(|key| Revocation::new(key, through, until)),
        (None, None, None) => None,
        _ => return Err(RedisStoreError::UnexpectedReply("a log entry is incomplete")),
    };
    Ok(LogEntry { id: text(id)?, number, revocation })
}
