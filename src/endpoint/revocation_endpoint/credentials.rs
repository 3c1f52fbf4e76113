//! [`ClientRequest`]: what the closure that authenticates clients gets.

use std::fmt;

use http::request::Parts;

use crate::endpoint::secret::Secret;

/// A request of a client, for the closure that authenticates it. Its `Debug` shows neither
/// credentials nor headers.
#[non_exhaustive]
pub struct ClientRequest {
    /// The credentials in the request.
    pub credentials: ClientCredentials,
    /// The request without its body: for certificates, which other layers have verified (RFC 8705),
    /// or the address of the client.
    pub head: Parts,
}

/// The credentials of a client (RFC 6749, section 2.3). At most one method is used. Nothing has been
/// verified. Its `Debug` shows only the method.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClientCredentials {
    /// The request names no client, or identifies it by something that is not known here, such as a
    /// certificate or another scheme in the `Authorization` header.
    None,
    /// The parameter `client_id` alone: a public client, or one that authenticates by a certificate
    /// (RFC 8705).
    Id {
        /// The client identifier.
        client_id: String,
    },
    /// `client_secret_basic`: the scheme `Basic` of the `Authorization` header. Both parts are
    /// decoded.
    Basic {
        /// The client identifier.
        client_id: String,
        /// The secret.
        client_secret: String,
    },
    /// `client_secret_post`: the parameters `client_id` and `client_secret`.
    Post {
        /// The client identifier.
        client_id: String,
        /// The secret.
        client_secret: String,
    },
    /// `private_key_jwt` or another assertion: the parameters `client_assertion_type` and
    /// `client_assertion` (RFC 7521, section 4.2).
    Assertion {
        /// The client identifier, if the request has one besides the assertion.
        client_id: Option<String>,
        /// The type, such as `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
        assertion_type: String,
        /// The assertion.
        assertion: String,
    },
}

impl ClientCredentials {
    /// Returns the client identifier, if the request has one.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Id { client_id } | Self::Basic { client_id, .. } | Self::Post { client_id, .. } => Some(client_id),
            Self::Assertion { client_id, .. } => client_id.as_deref(),
        }
    }

    /// Returns whether the request has this secret, by `client_secret_basic` or
    /// `client_secret_post`. The comparison takes constant time.
    ///
    /// For secrets of which only a hash is stored, compare [`client_secret`](Self::client_secret)
    /// with the function of that hash.
    #[must_use]
    pub fn has_secret(&self, secret: &str) -> bool {
        self.client_secret().is_some_and(|own| Secret::new(secret).is(own))
    }

    /// Returns the secret in the request.
    #[must_use]
    pub fn client_secret(&self) -> Option<&str> {
        match self {
            Self::Basic { client_secret, .. } | Self::Post { client_secret, .. } => Some(client_secret),
            Self::None | Self::Id { .. } | Self::Assertion { .. } => None,
        }
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Id { .. } => "Id",
            Self::Basic { .. } => "Basic",
            Self::Post { .. } => "Post",
            Self::Assertion { .. } => "Assertion",
        })
    }
}
