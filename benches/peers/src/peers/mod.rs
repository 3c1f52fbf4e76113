//! The compared crates.

mod axum_jwt_auth;
mod by_hand;
mod jwt_authorizer;
pub(crate) mod ours;
mod tower_oauth2_resource_server;

pub(crate) use axum_jwt_auth::install_backends;

use crate::{check::Check, scheme::Scheme, versions::Lock};

/// A check around a service, and its description.
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Its crypto library and its other dependencies.
    pub(crate) built_with: String,
    pub(crate) refuses_revoked: bool,
    pub(crate) caches: bool,
    /// What makes its work more or less than that of the others.
    pub(crate) note: &'static str,
    pub(crate) check: Box<dyn Check>,
}

/// All peers, this crate first. They accept tokens of this scheme, and those that can reject tokens
/// reject the ones with these `jti`s.
pub(crate) fn all(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Vec<Peer> {
    let mut peers = vec![ours::cached(scheme, revoked, lock), ours::uncached(scheme, revoked, lock)];
    peers.extend([
        by_hand::caching(scheme, revoked, lock),
        by_hand::with_dash_map(scheme, revoked, lock),
        by_hand::with_hash_set(scheme, revoked, lock),
        by_hand::with_moka(scheme, revoked, lock),
        axum_jwt_auth::with_rust_crypto(scheme, lock),
        axum_jwt_auth::with_aws_lc(scheme, lock),
        jwt_authorizer::peer(scheme, lock),
        tower_oauth2_resource_server::peer(scheme, lock),
    ]);
    peers
}
