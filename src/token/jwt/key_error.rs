//! [`KeyError`]: the reason why a key or a key set cannot be used.

use serde_json::error::Category;

use crate::{chain::debug_as_chain, token::jwt::Algorithm};

/// Error of a key or a key set that cannot be used. It contains no part of either.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No crypto backend is compiled in.
    #[error("no signature can be verified: enable the feature `aws-lc-rs` or `rust-crypto` of tower-logout")]
    NoBackend,
    /// The secret is shorter than the algorithm's hash.
    #[error(
        "the {algorithm} secret has {len} bytes and RFC 7518, section 3.2, requires {at_least}: \
         generate a random one, for example with `openssl rand -base64 48`"
    )]
    ShortSecret {
        /// The algorithm.
        algorithm: Algorithm,
        /// The length of the secret in bytes.
        len: usize,
        /// The shortest length allowed, in bytes.
        at_least: usize,
    },
    /// A private key was given instead of a public key.
    #[error("this is a private key: keep it where tokens are signed, and pass the public key to the verifier")]
    PrivateKey,
    /// A key set, which is a public document, contains a symmetric key.
    #[error(
        "this is a symmetric key (`oct`), and anyone who reads the key set could sign with it: \
         pass a confidential secret with `Key::secret` or `Key::jwk`"
    )]
    SymmetricKey,
    /// The key does not fit the algorithm.
    #[error("the key does not fit {algorithm}: {reason}")]
    Unsuitable {
        /// The algorithm.
        algorithm: Algorithm,
        /// What the algorithm needs.
        reason: &'static str,
    },
    /// The text has another format than the expected one.
    #[error("this is {found}: {remedy}")]
    OtherForm {
        /// The format of the text.
        found: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The text is not a key in the expected format.
    #[error("this is not {expected}: is the text complete, and of this format?")]
    Malformed {
        /// The expected format.
        expected: &'static str,
        /// The error of the parser.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The members of a key forbid verifying signatures, or its type is unknown.
    #[error("the key cannot verify signatures: {0}")]
    Forbidden(&'static str),
    /// None of the keys of a set can be used.
    #[error(
        "none of the {keys} keys of the JSON Web Key Set can verify signatures: is this the set of the right issuer?"
    )]
    NoUsableKey {
        /// How many keys the set has.
        keys: usize,
        /// Why the first of them cannot be used.
        source: Option<Box<KeyError>>,
    },
}

debug_as_chain!(KeyError);

impl KeyError {
    pub(super) const CERTIFICATE: Self = Self::OtherForm {
        found: "a certificate, not a public key",
        remedy: "extract its key with `openssl x509 -in FILE -noout -pubkey`",
    };
    pub(super) const OPENSSH: Self = Self::OtherForm {
        found: "a key in the format of SSH, not PEM",
        remedy: "convert it with `ssh-keygen -e -m PKCS8 -f FILE`",
    };
    pub(super) const SEVERAL: Self = Self::OtherForm {
        found: "more than one key",
        remedy: "use `KeySet::pem` for all of them, or pass a single one",
    };

    /// The name of the kind of error in metrics.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::PrivateKey => "private",
            Self::SymmetricKey => "symmetric",
            Self::Unsuitable { .. } | Self::ShortSecret { .. } => "unsuitable",
            Self::Forbidden(_) => "unsupported",
            Self::NoBackend | Self::OtherForm { .. } | Self::Malformed { .. } | Self::NoUsableKey { .. } => "malformed",
        }
    }

    pub(super) fn empty(expected: &'static str) -> Self {
        let source = "the text is empty: is the file complete, or the environment variable set?".into();
        Self::Malformed { expected, source }
    }

    /// Describes an error of `serde_json` without quoting values, because they can be parts of the
    /// key.
    pub(super) fn json(expected: &'static str, error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Data => "a member is missing or of the wrong type",
            Category::Eof => "the text ends too early",
            Category::Syntax | Category::Io => "the text is not JSON",
        };
        let source = match error.line() {
            0 => what.into(),
            line => format!("{what}: line {line}, column {}", error.column()).into(),
        };
        Self::Malformed { expected, source }
    }
}
