//! [`Authentication`]: how this service authenticates to the introspection endpoint.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::Serializer;
use http::HeaderValue;

use super::{ConfigError, IntrospectionError};

/// How this service authenticates to the introspection endpoint.
#[derive(Clone)]
pub(super) enum Authentication {
    Basic { id: String, secret: String },
    Post { id: String, secret: String },
    Bearer(String),
    BearerBy(Arc<dyn Fn() -> String + Send + Sync>),
}

impl Authentication {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Basic { id, secret } | Self::Post { id, secret } => match (id.is_empty(), secret.is_empty()) {
                (true, _) => Err(ConfigError::Empty("the client identifier")),
                (_, true) => Err(ConfigError::Empty("the client secret")),
                _ => Ok(()),
            },
            Self::Bearer(token) if token.is_empty() => Err(ConfigError::Empty("the bearer token")),
            Self::Bearer(token) => bearer(token).map(drop).ok_or(ConfigError::BearerToken),
            Self::BearerBy(_) => Ok(()),
        }
    }

    /// The client that signed answers are meant for.
    pub(super) fn client_id(&self) -> Option<&str> {
        match self {
            Self::Basic { id, .. } | Self::Post { id, .. } => Some(id),
            Self::Bearer(_) | Self::BearerBy(_) => None,
        }
    }

    /// The header `Authorization`, if the credentials are not in the form.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, IntrospectionError> {
        let value = match self {
            Self::Basic { id, secret } => basic(id, secret),
            Self::Post { .. } => return Ok(None),
            Self::Bearer(token) => bearer(token),
            Self::BearerBy(current) => bearer(&current()),
        };
        value.map(Some).ok_or(IntrospectionError::BearerToken)
    }

    pub(super) fn add_to_form(&self, form: &mut Serializer<'_, String>) {
        if let Self::Post { id, secret } = self {
            form.append_pair("client_id", id).append_pair("client_secret", secret);
        }
    }
}

/// RFC 6749, section 2.3.1: both are encoded as in a form, so that a colon in the identifier is not
/// taken for the separator.
fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    secret_header(format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)))))
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| secret_header(format!("Bearer {token}"))).flatten()
}

fn secret_header(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Without the credentials.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "client_secret_basic",
            Self::Post { .. } => "client_secret_post",
            Self::Bearer(_) | Self::BearerBy(_) => "bearer_token",
        })
    }
}
