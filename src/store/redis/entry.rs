//! [`LogEntry`]: an entry of the log, parsed from a reply of Redis.

use redis::Value;

use super::{
    error::{RedisStoreError, Result},
    layout::{decode_instant, encode_instant},
    parse::{array, bytes, exactly, instant, integer, key, pairs, text},
};
use crate::{
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
};

pub(super) struct LogEntry {
    pub(super) id: String,
    /// `None` if another program wrote the entry.
    pub(super) number: Option<u64>,
    content: Content,
}

enum Content {
    /// The first entry of a log that was repaired, or a kind of key that this version does not
    /// know.
    Nothing,
    One(Revocation),
    /// Several revocations, as the server returns them. Only followers parse them.
    Batch(Vec<u8>),
}

impl LogEntry {
    /// Appends the revocations of the entry.
    pub(super) fn append_to(self, revocations: &mut Vec<Revocation>) -> Result<()> {
        match self.content {
            Content::Nothing => Ok(()),
            Content::One(revocation) => {
                revocations.push(revocation);
                Ok(())
            }
            Content::Batch(records) => append_batch(&records, revocations),
        }
    }
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
    let (mut number, mut revoked, mut through, mut until, mut batch) = (None, None, None, None, None);
    for (name, value) in pairs(fields)? {
        match &*bytes(name)? {
            b"n" => number = integer(value).ok(),
            b"k" => revoked = Some(key(value)?),
            b"t" => through = Some(instant(value)?),
            b"r" => until = Some(instant(value)?),
            b"b" => batch = Some(bytes(value)?),
            _ => {}
        }
    }
    let content = match (revoked, through, until, batch) {
        (Some(key), Some(through), Some(until), None) => {
            key.map_or(Content::Nothing, |key| Content::One(Revocation::new(key, through, until)))
        }
        (None, None, None, Some(batch)) => Content::Batch(batch),
        (None, None, None, None) => Content::Nothing,
        _ => return Err(INCOMPLETE),
    };
    Ok(LogEntry { id: text(id)?, number, content })
}

/// Writes records without a separator: a key of 16 bytes, `issued_through`, a space, `retain_until`
/// and a space. The script that revokes takes them and copies them to the log. It needs the instants
/// with 16 digits, by which it recognizes a key that has another length.
pub(super) fn encode_batch(revocations: &[Revocation]) -> Vec<u8> {
    let mut records = Vec::with_capacity(revocations.len() * RECORD_LEN);
    for revocation in revocations {
        let [through, until] = [revocation.issued_through(), revocation.retain_until()].map(encode_instant);
        records.extend_from_slice(revocation.key().as_bytes());
        records.extend_from_slice(format!("{through:016} {until:016} ").as_bytes());
    }
    records
}

/// Reads the records of [`encode_batch`], with any number of digits.
fn append_batch(mut records: &[u8], revocations: &mut Vec<Revocation>) -> Result<()> {
    while !records.is_empty() {
        let (key, instants) = records.split_first_chunk::<{ RevocationKey::LEN }>().ok_or(INCOMPLETE)?;
        let (through, rest) = split_instant(instants)?;
        let (until, rest) = split_instant(rest)?;
        // A kind that this version does not know is the kind of no token.
        revocations.extend(RevocationKey::from_bytes(*key).map(|key| Revocation::new(key, through, until)));
        records = rest;
    }
    Ok(())
}

fn split_instant(text: &[u8]) -> Result<(Timestamp, &[u8])> {
    let mut parts = text.splitn(2, |&byte| byte == b' ');
    let (Some(digits), Some(rest)) = (parts.next(), parts.next()) else { return Err(INCOMPLETE) };
    let millis = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(INCOMPLETE)?;
    Ok((decode_instant(millis), rest))
}

const RECORD_LEN: usize = RevocationKey::LEN + 2 * (16 + 1);

const INCOMPLETE: RedisStoreError = RedisStoreError::UnexpectedReply("a log entry is incomplete");

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; 16] = b"\x01 23 5678 abcdef";

    fn read(fields: &[&[u8]]) -> Result<Vec<Revocation>> {
        let text = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let fields = fields.iter().map(|field| text(field)).collect();
        let entry = entry(Value::Array(vec![text(b"1-1"), Value::Array(fields)]))?;
        let mut revocations = Vec::new();
        entry.append_to(&mut revocations)?;
        Ok(revocations)
    }

    fn batch(records: &[&[u8]]) -> Result<Vec<Revocation>> {
        read(&[b"n", b"1", b"b", &records.concat()])
    }

    #[test]
    fn an_entry_has_no_revocation_or_one_or_several() {
        let at = Timestamp::from_unix_millis;
        let key = RevocationKey::from_bytes(*KEY).expect("a kind of today");
        let one = Revocation::new(key, at(100), at(200));
        let other = Revocation::new(key, Timestamp::MAX, at(1_732_386_645_123));
        assert_eq!(read(&[b"n", b"1"]).expect("it is complete"), []);
        assert_eq!(read(&[b"n", b"1", b"k", KEY, b"t", b"100", b"r", b"200"]).expect("it is complete"), [one]);
        let second: &[u8] = b"9007199254740991 1732386645123 ";
        assert_eq!(batch(&[KEY, b"100 200 ", KEY, second]).expect("it is complete"), [one, other]);
        assert_eq!(batch(&[]).expect("it is complete"), []);
        let unknown = [200; 16];
        assert_eq!(batch(&[&unknown, b"1 2 ", KEY, second]).expect("it is complete"), [other]);
    }

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        let key =
            |last| RevocationKey::from_bytes([[4; 15].as_slice(), &[last]].concat().try_into().expect("16 bytes"));
        let instants = [Timestamp::MIN, Timestamp::from_unix_millis(1_732_386_645_123), Timestamp::MAX];
        let one = |(last, at)| Revocation::new(key(last).expect("a kind of today"), at, at);
        let revocations: Vec<_> = (0..).zip(instants).map(one).collect();
        let records = encode_batch(&revocations);
        assert_eq!(records.len(), revocations.len() * RECORD_LEN);
        assert_eq!(batch(&[&records]).expect("it is complete"), revocations);
    }

    #[test]
    fn a_part_of_an_entry_is_an_error() {
        let whole = [KEY.as_slice(), b"100 200 "].concat();
        for end in 1..whole.len() {
            assert!(batch(&[&whole, &whole[..end]]).is_err(), "{end}");
        }
        for wrong in [&b"x 200 "[..], b"100 x ", b"100  200 ", b"-1 200 ", b" 100 200 "] {
            assert!(batch(&[KEY, wrong]).is_err(), "{wrong:?}");
        }
        for fields in [&[b"k", &KEY[..]][..], &[b"k", KEY, b"t", b"1"], &[b"k", KEY, b"t", b"1", b"r", b"2", b"b", b""]]
        {
            assert!(read(fields).is_err(), "{fields:?}");
        }
    }
}
