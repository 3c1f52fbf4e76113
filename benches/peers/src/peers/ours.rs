use bare::{Bare, settle};
use http::Response;
use jsonwebtoken::Algorithm as Library;
use tower::Layer;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    clock::Timestamp,
    revocation::{Revocation, RevocationKey},
    token::jwt::{Algorithm, Key},
};

use crate::{
    check,
    peers::Peer,
    sample::{Claims, ISSUER, KEY_ID},
    scheme::{Public, Scheme},
    versions::Lock,
};

pub(crate) type Ours = Logout<Claims>;

pub(super) fn cached(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Peer {
    Peer {
        name: format!("tower-logout {}", lock.version("tower-logout")),
        caches: true,
        note: "only cache hits, which favours it as it does the other one that caches",
        ..peer(&logout(scheme, Cache::On, revoked), lock)
    }
}

pub(super) fn uncached(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Peer {
    Peer {
        name: format!("tower-logout {}, uncached", lock.version("tower-logout")),
        caches: false,
        note: "",
        ..peer(&logout(scheme, Cache::Off, revoked), lock)
    }
}

fn peer(logout: &Ours, lock: &Lock) -> Peer {
    Peer {
        name: String::new(),
        built_with: format!("aws-lc-rs {}", lock.version("aws-lc-rs")),
        refuses_revoked: true,
        caches: false,
        note: "",
        check: Box::new(check::service(logout.layer().layer(Bare), Response::status)),
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Cache {
    On,
    Off,
}

pub(crate) fn logout(scheme: &Scheme, cache: Cache, revoked: &[String]) -> Ours {
    let store = MemoryStore::new();
    for jti in revoked {
        let key = RevocationKey::token_id(ISSUER, jti);
        settle(store.revoke(&Revocation::new(key, Timestamp::MAX, Timestamp::MAX))).expect("there is room");
    }
    let logout = Logout::new(verifier(scheme), store);
    match cache {
        Cache::On => logout,
        Cache::Off => logout.token_cache(0, 0),
    }
}

pub(crate) fn verifier(scheme: &Scheme) -> JwtVerifier<Claims> {
    let builder = JwtVerifier::with_keys(key(scheme).with_kid(KEY_ID)).issuer(ISSUER).require_jti().claims();
    builder.build().expect("a verifier with a key")
}

fn key(scheme: &Scheme) -> Key {
    let algorithm = match scheme.algorithm {
        Library::HS256 => Algorithm::HS256,
        Library::RS256 => Algorithm::RS256,
        Library::ES256 => Algorithm::ES256,
        Library::EdDSA => Algorithm::EdDSA,
        other => unreachable!("no scheme has {other:?}"),
    };
    let key = match &scheme.public {
        Public::Secret(secret) => Key::secret(algorithm, secret),
        Public::Key { pem, .. } => Key::pem(algorithm, pem),
    };
    key.expect("a key of the scheme's own algorithm")
}
