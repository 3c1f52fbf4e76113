//! Settings from the environment.

use std::{env, error::Error};

/// The settings that the table in `main.rs` lists.
pub(crate) struct Settings {
    pub(crate) addr: String,
    pub(crate) secret: String,
    pub(crate) store: Store,
}

pub(crate) enum Store {
    File(String),
    Redis(String),
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, Box<dyn Error>> {
        let secret = variable("JWT_SECRET")?.unwrap_or_else(|| {
            eprintln!("WARNING: JWT_SECRET is not set. Tokens are signed with a demo secret that everybody knows.");
            DEMO_SECRET.to_owned()
        });
        let store = match (variable("REDIS_URL")?, variable("REVOCATIONS")?) {
            (Some(_), Some(_)) => return Err("REDIS_URL and REVOCATIONS are set: unset one of them".into()),
            (Some(url), None) => Store::Redis(url),
            (None, file) => Store::File(file.unwrap_or_else(|| "revocations.redb".to_owned())),
        };
        Ok(Self { addr: variable("ADDR")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned()), secret, store })
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
