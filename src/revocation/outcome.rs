//! [`Outcome`]: whether a revocation was new.

/// Effect of a revocation on what the store already held.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Outcome {
    /// The revocation is new: it covers tokens that were not covered before. If several callers
    /// revoke the same tokens concurrently, exactly one gets this.
    Newly,
    /// The revocation changes nothing: its tokens were already revoked by this key.
    Already,
}

impl Outcome {
    /// Returns the name used in events and metrics: `newly` or `already`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Newly => "newly",
            Self::Already => "already",
        }
    }
}
