//! Errors of regions.

use crate::store::StoreError;

/// Why regions cannot be used together. No log was contacted.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidRegions {
    #[error("the name of a region must have 1 to 64 bytes and no control characters")]
    Name,
    #[error("`home` is the name of the region that is passed to `Regions::home`; give the other another name")]
    Home,
    #[error("two regions are named {name:?}; give each its own name, which reports and metrics show")]
    Twice { name: String },
    #[error(
        "checks are to do without the region {name:?}, and there is none; `insecure_accept_without` takes a name that \
         is passed to `and`"
    )]
    Unknown { name: String },
    #[error(
        "checks cannot do without the home region; `Logout::insecure_allow_on_store_failure` allows requests while no \
         region can be asked"
    )]
    WithoutHome,
}

/// A region other than home cannot answer.
#[derive(Debug, thiserror::Error)]
#[error(
    "the region {name:?} cannot answer; requests are rejected until it can, unless it is named with \
     `insecure_accept_without`"
)]
pub(super) struct CannotAnswer {
    pub(super) name: String,
    pub(super) source: StoreError,
}
