//! Public keys in PEM (RFC 7468). Nothing in a text is skipped silently.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::token::jwt::{KeyError, key_format, public_key::PublicKey};

/// Returns the public keys of a PEM text, in their order: at least one.
///
/// Explanatory text is allowed before a block, as in that RFC. Anything else that is not a public
/// key is an error.
pub(super) fn public_keys(text: &[u8]) -> Result<Vec<PublicKey>, KeyError> {
    if text.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
        return Err(KeyError::PrivateKey);
    }
    let mut rest = key_format::pem(text)?;
    let mut keys = Vec::new();
    while let Some((before, block)) = rest.split_once(BEGIN) {
        let block = Block::parse(block)?;
        if before.contains(DASHES) || block.body.contains(DASHES) {
            return Err(damaged("a line `-----BEGIN` or `-----END` is missing or damaged"));
        }
        keys.push(block.public_key()?);
        rest = block.after;
    }
    match (keys.as_slice(), rest.trim_ascii()) {
        ([], rest) => Err(damaged(if rest.contains(DASHES) {
            "a line `-----BEGIN` or `-----END` is missing or damaged"
        } else {
            "there is no `-----BEGIN PUBLIC KEY-----`"
        })),
        (_, "") => Ok(keys),
        _ => Err(KeyError::OtherForm {
            found: "PEM with text after its last block",
            remedy: "remove the text after the last `-----END` line, or complete it to a block",
        }),
    }
}

struct Block<'a> {
    label: &'a str,
    body: &'a str,
    after: &'a str,
}

impl<'a> Block<'a> {
    /// Parses a block from its label on.
    fn parse(text: &'a str) -> Result<Self, KeyError> {
        let parts = || {
            let (label, text) = text.split_once(DASHES)?;
            let (body, text) = text.split_once(END)?;
            let (end, after) = text.split_once(DASHES)?;
            (label == end).then_some(Self { label, body, after })
        };
        parts().ok_or_else(|| damaged("the end line of a block does not match its begin line"))
    }

    fn public_key(&self) -> Result<PublicKey, KeyError> {
        match self.label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => return Err(KeyError::CERTIFICATE),
            "SSH2 PUBLIC KEY" => return Err(KeyError::OPENSSH),
            _ => {
                return Err(KeyError::OtherForm {
                    found: "PEM with a block that is not a public key",
                    remedy: "keep only the blocks `-----BEGIN PUBLIC KEY-----`",
                });
            }
        }
        let body: Vec<u8> = self.body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| damaged("a block is not base64"))?;
        PublicKey::from_der(&der)
    }
}

fn damaged(what: &'static str) -> KeyError {
    KeyError::Malformed { expected: "a public key in PEM", source: what.into() }
}

const DASHES: &str = "-----";
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
/// Ends the label of every private key, plain or encrypted.
const PRIVATE: &[u8] = b"PRIVATE KEY-----";
