//! Settings from the environment.

use std::env;

/// The settings that the table in `main.rs` lists.
pub(crate) struct Settings {
    pub(crate) addr: String,
    /// One at least.
    pub(crate) issuers: Vec<String>,
    pub(crate) audience: String,
    pub(crate) client: Option<Client>,
    pub(crate) scope: String,
    pub(crate) store: Store,
    pub(crate) events: Option<EventStream>,
    /// The bearer token of global revocations.
    pub(crate) global_revocation: Option<String>,
}

/// A stream of security events that is pushed here.
pub(crate) struct EventStream {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// What the transmitter sends as `Authorization`.
    pub(crate) authorization: Option<String>,
}

/// This service, as the provider knows it.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// Further clients of the provider whose users call this service.
    pub(crate) others: Vec<String>,
    /// A client without a secret is a public one.
    pub(crate) secret: Option<String>,
}

/// Where revocations are stored.
pub(crate) enum Store {
    File(String),
    Redis(String),
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, String> {
        let issuers = required("ISSUER", "the issuer identifier of the provider, such as https://idp.example")?;
        let issuers: Vec<_> = issuers.split(',').map(|issuer| issuer.trim().to_owned()).collect();
        if issuers.iter().any(String::is_empty) {
            return Err("ISSUER has an empty entry: separate issuers by one comma".to_owned());
        }
        let secret = variable("CLIENT_SECRET")?;
        let client = match variable("CLIENT_ID")? {
            Some(ids) => {
                let mut ids = ids.split(',').map(|id| id.trim().to_owned());
                let (id, others): (_, Vec<_>) = (ids.next().unwrap_or_default(), ids.collect());
                if id.is_empty() || others.iter().any(String::is_empty) {
                    return Err("CLIENT_ID has an empty entry: separate clients by one comma".to_owned());
                }
                Some(Client { id, others, secret })
            }
            None if secret.is_some() => return Err("CLIENT_SECRET needs CLIENT_ID, which is not set".to_owned()),
            None => None,
        };
        let store = match (variable("REVOCATIONS")?, variable("REDIS_URL")?) {
            (Some(_), Some(_)) => return Err("set either REVOCATIONS or REDIS_URL".to_owned()),
            (None, Some(url)) => Store::Redis(url),
            (file, None) => Store::File(file.unwrap_or_else(|| "revocations.redb".to_owned())),
        };
        let (authorization, audience) = (variable("SSF_AUTHORIZATION")?, variable("SSF_AUDIENCE")?);
        let events = match variable("SSF_ISSUER")? {
            Some(issuer) => {
                let audience = audience.ok_or("SSF_ISSUER needs SSF_AUDIENCE, the `aud` of the stream")?;
                Some(EventStream { issuer, audience, authorization })
            }
            None if audience.is_some() || authorization.is_some() => {
                return Err("SSF_AUDIENCE and SSF_AUTHORIZATION need SSF_ISSUER, which is not set".to_owned());
            }
            None => None,
        };
        Ok(Self {
            addr: variable("ADDR")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
            issuers,
            audience: required("AUDIENCE", "what access tokens for this service have in `aud`")?,
            client,
            scope: variable("SCOPE")?.unwrap_or_else(|| "openid".to_owned()),
            store,
            events,
            global_revocation: variable("GTR_BEARER")?,
        })
    }
}

fn required(name: &str, meaning: &str) -> Result<String, String> {
    variable(name)?.ok_or_else(|| format!("{name} is not set: {meaning}"))
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
