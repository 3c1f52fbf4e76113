//! Settings from the environment.

use std::{env, error::Error};

use tower_logout::token::jwt::{Algorithm, Key, KeyError};

/// The settings that the table in `main.rs` lists.
pub(crate) struct Settings {
    pub(crate) addr: String,
    pub(crate) secret: String,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) revocations: String,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, Box<dyn Error>> {
        let secret = variable("JWT_SECRET")?.unwrap_or_else(|| {
            eprintln!("WARNING: JWT_SECRET is not set. Tokens are signed with a demo secret that everybody knows.");
            DEMO_SECRET.to_owned()
        });
        Ok(Self {
            addr: variable("ADDR")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
            secret,
            issuer: variable("JWT_ISSUER")?,
            audience: variable("JWT_AUDIENCE")?,
            revocations: variable("REVOCATIONS")?.unwrap_or_else(|| "revocations.redb".to_owned()),
        })
    }

    /// A short secret is accepted here so that any token can be tried. Use `Key::secret`, which
    /// rejects it, in production.
    pub(crate) fn verifying_key(&self) -> Result<Key, KeyError> {
        match Key::secret(Algorithm::HS256, &self.secret) {
            Err(KeyError::ShortSecret { len, at_least, .. }) if len > 0 => {
                eprintln!(
                    "WARNING: JWT_SECRET has {len} bytes, fewer than {at_least}. Whoever sees one token can guess it and then sign \
                     tokens for anybody. Make a random one: openssl rand -base64 48"
                );
                Key::insecure_short_secret(Algorithm::HS256, &self.secret)
            }
            key => key,
        }
    }
}

/// An environment variable. An empty one is an error, not the default.
fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Err(format!("{name} is empty: set it or unset it")),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8")),
    }
}

const DEMO_SECRET: &str = "a demo secret that everybody knows: never use it";
