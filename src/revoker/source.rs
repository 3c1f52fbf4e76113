//! [`Source`]: where a revocation comes from.

use std::{fmt, sync::Arc};

/// Where a revocation comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// The logout endpoint, [`LogoutService`](crate::LogoutService).
    Endpoint,
    /// A [`Revoker`](crate::Revoker) in application code.
    Code,
    /// A logout token of an OpenID provider (OpenID Connect Back-Channel Logout 1.0).
    BackChannel,
    /// A security event token (Shared Signals Framework 1.0).
    SecurityEvent,
    /// A global token revocation (`draft-parecki-oauth-global-token-revocation`).
    GlobalRevocation,
    /// The token revocation endpoint (RFC 7009).
    RevocationEndpoint,
}

impl Source {
    /// Returns the name, such as `back_channel`, for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Code => "code",
            Self::BackChannel => "back_channel",
            Self::SecurityEvent => "security_event",
            Self::GlobalRevocation => "global_revocation",
            Self::RevocationEndpoint => "revocation_endpoint",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who revokes, and why.
#[derive(Clone, Debug)]
pub(super) struct Attribution {
    pub(super) source: Source,
    pub(super) actor: Option<Arc<str>>,
    pub(super) reason: Option<Arc<str>>,
}

impl Attribution {
    pub(super) const fn new(source: Source) -> Self {
        Self { source, actor: None, reason: None }
    }
}
