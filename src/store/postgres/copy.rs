//! [`Decoder`]: decodes the rows of `copy … to stdout (format binary)`.

use super::{error::PostgresError, layout::to_timestamp};
use crate::revocation::{Revocation, RevocationKey};

/// Decodes rows of three columns: a key of 16 bytes and two `bigint`. A message of the server may
/// end anywhere.
pub(super) struct Decoder {
    part: Part,
    /// The beginning of a row, of which the rest has not come yet.
    incomplete: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Header,
    Rows,
    End,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { part: Part::Header, incomplete: Vec::new() }
    }

    /// Decodes a part of the answer and adds its revocations, without those whose kind of key this
    /// version does not know.
    pub(super) fn decode(&mut self, bytes: &[u8], into: &mut Vec<Revocation>) -> Result<(), PostgresError> {
        if self.incomplete.is_empty() {
            let rest = self.decode_complete(bytes, into)?;
            self.incomplete.extend_from_slice(rest);
        } else {
            let mut joined = std::mem::take(&mut self.incomplete);
            joined.extend_from_slice(bytes);
            let rest = self.decode_complete(&joined, into)?;
            self.incomplete.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Called when nothing more comes.
    pub(super) fn finish(&self) -> Result<(), PostgresError> {
        if self.part == Part::End { Ok(()) } else { Err(PostgresError::Damaged("the rows end too early")) }
    }

    /// Returns what was not decoded because it is incomplete.
    fn decode_complete<'a>(
        &mut self,
        mut bytes: &'a [u8],
        into: &mut Vec<Revocation>,
    ) -> Result<&'a [u8], PostgresError> {
        loop {
            match self.part {
                Part::Header => {
                    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else { return Ok(bytes) };
                    if header != HEADER {
                        return Err(UNEXPECTED);
                    }
                    bytes = rest;
                    self.part = Part::Rows;
                }
                Part::Rows => {
                    if bytes.first_chunk() == Some(&TRAILER) {
                        bytes = &bytes[TRAILER.len()..];
                        self.part = Part::End;
                        continue;
                    }
                    let Some((row, rest)) = bytes.split_first_chunk::<ROW_LEN>() else {
                        return if is_prefix_of_row(bytes) { Ok(bytes) } else { Err(UNEXPECTED) };
                    };
                    into.extend(revocation(row)?);
                    bytes = rest;
                }
                Part::End => return if bytes.is_empty() { Ok(bytes) } else { Err(UNEXPECTED) },
            }
        }
    }
}

fn revocation(row: &[u8; ROW_LEN]) -> Result<Option<Revocation>, PostgresError> {
    let (columns, row) = row.split_at(COLUMNS.len());
    let (key_len, row) = row.split_at(LEN);
    let (key, row) = row.split_at(RevocationKey::LEN);
    let (through_len, row) = row.split_at(LEN);
    let (through, row) = row.split_at(BIGINT);
    let (until_len, until) = row.split_at(LEN);
    if columns != COLUMNS || key_len != KEY_LEN || through_len != BIGINT_LEN || until_len != BIGINT_LEN {
        return Err(UNEXPECTED);
    }
    let (Ok(key), Ok(through), Ok(until)) = (key.try_into(), through.try_into(), until.try_into()) else {
        return Err(UNEXPECTED);
    };
    let (through, until) = (to_timestamp(i64::from_be_bytes(through))?, to_timestamp(i64::from_be_bytes(until))?);
    Ok(RevocationKey::from_bytes(key).map(|key| Revocation::new(key, through, until)))
}

/// Whether this may be continued to a row, whose first length is that of a key.
fn is_prefix_of_row(bytes: &[u8]) -> bool {
    let start = [COLUMNS.as_slice(), KEY_LEN.as_slice()].concat();
    bytes.iter().zip(start).all(|(&byte, expected)| byte == expected) || TRAILER.starts_with(bytes)
}

const UNEXPECTED: PostgresError = PostgresError::Damaged("a row does not have a key of 16 bytes and two instants");
/// The signature, no flags, no extension.
const HEADER: &[u8; HEADER_LEN] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const HEADER_LEN: usize = 19;
/// Instead of the number of columns.
const TRAILER: [u8; 2] = [0xff, 0xff];
const COLUMNS: [u8; 2] = [0, 3];
const LEN: usize = 4;
const KEY_LEN: [u8; LEN] = [0, 0, 0, 16];
const BIGINT: usize = 8;
const BIGINT_LEN: [u8; LEN] = [0, 0, 0, 8];
const ROW_LEN: usize = COLUMNS.len() + LEN + RevocationKey::LEN + 2 * (LEN + BIGINT);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn row(key: &[u8], through: i64, until: i64) -> Vec<u8> {
        let mut row = vec![0, 3, 0, 0, 0, u8::try_from(key.len()).unwrap_or(u8::MAX)];
        row.extend(key);
        for instant in [through, until] {
            row.extend([0, 0, 0, 8]);
            row.extend(instant.to_be_bytes());
        }
        row
    }

    fn decode<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Revocation>, PostgresError> {
        let (mut decoder, mut revocations) = (Decoder::new(), Vec::new());
        for message in messages {
            decoder.decode(message, &mut revocations)?;
        }
        decoder.finish().map(|()| revocations)
    }

    #[test]
    fn rows_are_read_however_the_messages_are_cut() {
        let keys = ["a", "b"].map(|name| RevocationKey::subject("i", name));
        let mut text = HEADER.to_vec();
        text.extend(row(keys[0].as_bytes(), 7, i64::MAX));
        text.extend(row(&[0xff; 16], 1, 2)); // of an unknown kind
        text.extend(row(keys[1].as_bytes(), 0, 8));
        text.extend(TRAILER);
        let at = Timestamp::from_unix_millis;
        let expected = [Revocation::new(keys[0], at(7), Timestamp::MAX), Revocation::new(keys[1], at(0), at(8))];
        for cut in 1..=text.len() {
            assert_eq!(decode(text.chunks(cut)).ok().as_deref(), Some(&expected[..]), "{cut}");
        }
        for end in 0..text.len() {
            assert!(decode([&text[..end]]).is_err(), "{end}: it is incomplete");
        }
        text.push(0);
        assert!(decode([&text[..]]).is_err(), "something follows");
    }

    #[test]
    fn rows_of_another_layout_are_errors() {
        let key = RevocationKey::subject("i", "s");
        for broken in [
            row(&key.as_bytes()[..15], 1, 2),
            row(&[1; 17], 1, 2),
            row(key.as_bytes(), -1, 2),
            row(key.as_bytes(), 1, -2),
            vec![0, 2, 0, 0, 0, 16],
            vec![0, 3, 0xff, 0xff, 0xff, 0xff], // null
        ] {
            let text = [&HEADER[..], &broken, &TRAILER].concat();
            assert!(decode([&text[..]]).is_err(), "{broken:?}");
        }
        assert!(decode([&b"PGCOPY\n\xff\r\n\0\0\0\0\x01\0\0\0\0\xff\xff"[..]]).is_err(), "flags");
    }
}
