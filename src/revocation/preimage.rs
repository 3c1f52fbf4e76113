//! [`Preimage`]: what a revocation key is the hash of.

use sha2::{Digest, Sha256};

/// The input of a key's hash. Short inputs, which are common, are hashed in one call.
pub(super) struct Preimage {
    short: [u8; Self::SHORT],
    len: usize,
    long: Option<Sha256>,
}

impl Preimage {
    const SHORT: usize = 128;

    pub(super) fn new() -> Self {
        Self { short: [0; Self::SHORT], len: 0, long: None }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.short.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            let hash = self.long.get_or_insert_default();
            hash.update(&self.short[..self.len]);
            hash.update(bytes);
            self.len = 0;
        }
    }

    pub(super) fn hash(self) -> [u8; 32] {
        let rest = &self.short[..self.len];
        match self.long {
            None => Sha256::digest(rest),
            Some(hash) => hash.chain_update(rest).finalize(),
        }
        .into()
    }
}
