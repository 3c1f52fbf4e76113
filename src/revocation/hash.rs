//! The hash in a [`RevocationKey`](crate::revocation::RevocationKey): SHA-256 of an unambiguous
//! encoding of a name.

use bytes::BufMut;

/// Hashes the byte of the kind, then each part of the name after its length.
pub(super) fn sha256_of_name(kind: u8, parts: &[Option<&str>]) -> impl AsRef<[u8]> + use<> {
    let len = 1 + parts.iter().map(|part| part.map_or(1, |part| 9 + part.len())).sum::<usize>();
    // An issuer and an identifier of common length need no allocation.
    let (mut short, mut long) = ([0; 128], Vec::new());
    let text = if let Some(text) = short.get_mut(..len) {
        text
    } else {
        long.resize(len, 0);
        &mut long
    };
    let mut rest = &mut *text;
    rest.put_u8(kind);
    for part in parts {
        match part {
            None => rest.put_u8(0),
            Some(part) => {
                rest.put_u8(1);
                rest.put_u64(part.len() as u64);
                rest.put_slice(part.as_bytes());
            }
        }
    }
    sha256(text)
}

/// Uses `aws-lc-rs` if it is enabled, because it is faster on processors without SHA instructions.
#[cfg(feature = "aws-lc-rs")]
fn sha256(text: &[u8]) -> impl AsRef<[u8]> + use<> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text)
}

#[cfg(not(feature = "aws-lc-rs"))]
fn sha256(text: &[u8]) -> impl AsRef<[u8]> + use<> {
    use sha2::Digest;

    sha2::Sha256::digest(text)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn names_of_any_length_are_hashed_as_keys_are_documented() {
        let text = "n".repeat(300);
        for len in 0..text.len() {
            let name = &text[..len];
            let one = Sha256::new().chain_update([3, 1]).chain_update((len as u64).to_be_bytes()).chain_update(name);
            assert_eq!(sha256_of_name(3, &[Some(name)]).as_ref(), &*one.clone().finalize(), "{len}");
            let two = one.chain_update([0, 1, 0, 0, 0, 0, 0, 0, 0, 1]).chain_update("x");
            assert_eq!(sha256_of_name(3, &[Some(name), None, Some("x")]).as_ref(), &*two.finalize(), "{len}");
        }
        assert_eq!(sha256_of_name(7, &[]).as_ref(), &*Sha256::digest([7]));
    }
}
