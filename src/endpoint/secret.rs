//! [`Secret`]: a secret that senders present.

use std::{fmt, hint::black_box};

use sha2::{Digest, Sha256};

/// A secret that senders present. Only its hash is in memory.
#[derive(Clone)]
pub(super) struct Secret([u8; 32]);

impl Secret {
    pub(super) fn new(text: impl AsRef<[u8]>) -> Self {
        Self(hash(text))
    }

    /// Whether the text is the secret. How long that takes depends on the length of the text alone:
    /// hashes are compared, and all their bytes.
    pub(super) fn is(&self, text: impl AsRef<[u8]>) -> bool {
        let other = hash(text);
        let differences = self.0.iter().zip(&other).fold(0, |so_far, (own, other)| black_box(so_far | (own ^ other)));
        differences == 0
    }
}

fn hash(text: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_the_secret() {
        let secret = Secret::new("correct horse");
        assert!(secret.is("correct horse"));
        for other in ["", "correct horsf", "correct hors", "correct horse ", "Correct horse", "dorrect horse"] {
            assert!(!secret.is(other), "{other}");
        }
        assert!(Secret::new("").is("") && !Secret::new("").is("a"));
    }

    #[test]
    fn every_bit_of_the_hash_is_compared() {
        let secret = Secret::new("a");
        for bit in 0..256 {
            let mut other = secret.clone();
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!other.is("a"), "{bit}");
        }
    }

    #[test]
    fn debug_shows_neither_the_secret_nor_its_hash() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret");
    }
}
