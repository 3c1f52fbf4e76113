use http::Response;
use jsonwebtoken::Algorithm as Library;
use tower::Layer;
use tower_logout::{revocation::{Revocation, RevocationKey}, clock::Timestamp, token::jwt::{Algorithm, Key}, JwtVerifier, Logout, MemoryStore, RevocationStore};

use crate::{
    bare::{Bare, settle},
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
        goal: None,
        ..peer(&layer(scheme, Cache::On, revoked), lock)
    }
}

pub(super) fn uncached(scheme: &Scheme, revoked: &[String], lock: &Lock) -> Peer {
    Peer {
        name: format!("tower-logout {}, uncached", lock.version("tower-logout")),
        caches: false,
        note: "",
        goal: None,
        ..peer(&layer(scheme, Cache::Off, revoked), lock)
    }
}

fn peer(layer: &Ours, lock: &Lock) -> Peer {
    Peer {
        name: String::new(),
        built_with: format!("aws-lc-rs {}", lock.version("aws-lc-rs")),
        refuses_revoked: true,
        caches: false,
        note: "",
        goal: None,
        check: Box::new(check::service(layer.layer().layer(Bare), Response::status)),
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Cache {
    On,
    Off,
}

pub(crate) fn layer(scheme: &Scheme, cache: Cache, revoked: &[String]) -> Ours {
    let store = MemoryStore::new();
    for jti in revoked {
        let key = RevocationKey::token_id(ISSUER, jti);
        settle(store.revoke(&Revocation::new(key, Timestamp::MAX, Timestamp::MAX))).expect("there is room");
    }
    Logout::new(verifier(scheme, cache), store)
}

pub(crate) fn verifier(scheme: &Scheme, cache: Cache) -> JwtVerifier<Claims> {
    let builder = JwtVerifier::with_keys(key(scheme).with_kid(KEY_ID)).issuer(ISSUER).require_jti().claims();
    let builder = match cache {
        Cache::On => builder,
        Cache::Off => builder.uncached(),
    };
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
