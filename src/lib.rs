//! Logout for bearer tokens, as [Tower](https://docs.rs/tower) middleware.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod guard;
mod logout;
mod middleware;
pub mod observe;
pub mod respond;
pub mod revocation;
pub mod store;
mod token;

#[cfg(feature = "test-util")]
pub use clock::ManualClock;
pub use clock::{Clock, SystemClock, Timestamp};
pub use guard::{Checking, Guard, Verdict};
pub use logout::{LogoutFuture, LogoutService, Receipt, Revoker};
#[cfg(feature = "axum")]
pub use middleware::MissingToken;
pub use middleware::{ResponseBody, ResponseFuture, RevocationLayer, RevocationService};
pub use respond::{AutoResponder, GrpcResponder, JsonResponder, Protocol, Rejection, Respond};
pub use revocation::{
    AtCapacity, KeyKind, Outcome, Retention, Revocation, RevocationKey, RevocationSet, TokenIdentity,
};
pub use store::{MemoryStore, RevocationStore, StoreError};
#[cfg(feature = "redb")]
pub use store::{RedbStore, RedbStoreOptions};
#[cfg(feature = "jwt")]
pub use token::jwt::{self, Claims, JwtVerifier};
pub use token::{InvalidRequest, RequestHead, TokenSource, TokenVerifier, VerifiedToken, VerifyError};
