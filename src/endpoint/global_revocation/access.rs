//! [`Access`]: whether a sender may revoke.

/// Whether the sender of a request may revoke, as a closure of
/// [`GlobalRevocationAuth::closure`](super::GlobalRevocationAuth::closure) decides.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Access {
    /// It may.
    Allowed,
    /// The request has no credentials, or wrong ones. The response is 401.
    Unauthenticated,
    /// The sender is known, and may not. The response is 403.
    Forbidden,
}
