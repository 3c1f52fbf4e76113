use crate::chain::debug_as_chain;

/// Error of [`Logout::realm`](crate::Logout::realm): a header cannot carry the realm.
#[derive(Clone, Eq, PartialEq, thiserror::Error)]
#[error(
    "the realm {realm:?} has a character that a header cannot carry: use letters, digits, spaces and signs of ASCII, \
     without line breaks"
)]
#[non_exhaustive]
pub struct InvalidRealm {
    /// The realm.
    pub realm: String,
}

debug_as_chain!(InvalidRealm);
