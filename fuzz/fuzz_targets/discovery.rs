//! Provider metadata and key sets: a verifier starts with them, or says why not. The rules are
//! implemented a second time with `serde_json::Value`.
//!
//! The input is the metadata and the key set, separated by a zero byte.
#![no_main]

use std::{
    convert::Infallible,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower_logout::{
    JwtVerifier,
    token::jwt::{ConfigError, KeySet, KeySourceError},
};
use tower_logout_fuzz::members;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (Some(metadata), Some(key_set)) = (parts.next(), parts.next()) else { return };
    let (metadata, key_set) = (Bytes::copy_from_slice(metadata), Bytes::copy_from_slice(key_set));
    let (expected, usable) = (jwks_uri(&metadata), str::from_utf8(&key_set).ok().map(KeySet::jwks));
    let has_metadata = AtomicBool::new(false);
    let client = move |_: Request<Bytes>| {
        let body = if has_metadata.swap(true, Ordering::Relaxed) { key_set.clone() } else { metadata.clone() };
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    };
    let started = RUNTIME.block_on(JwtVerifier::discover(ISSUER).fetch_with(client).start());
    match (started, expected, usable) {
        (Ok(verifier), Some(_), Some(Ok(set))) => {
            let health = verifier.health();
            assert!(health.is_ready() && health.issuers[0].keys == set.len());
        }
        (Err(ConfigError::KeysNotFetched { source, .. }), expected, usable) => match &*source {
            KeySourceError::Metadata { .. } | KeySourceError::OtherIssuer { .. } => assert!(expected.is_none()),
            // An address has rules of its own.
            KeySourceError::KeySetAddress { .. } => {}
            KeySourceError::KeySet { .. } => assert!(usable.is_none_or(|usable| usable.is_err())),
            KeySourceError::Unusable { .. } => {
                assert!(usable.is_some_and(|usable| usable.is_ok_and(|set| set.len() > 100)));
            }
            other => panic!("{other:?}"),
        },
        (result, ..) => panic!("{:?}", result.map(|_| "started with what cannot be used")),
    }
});

/// The address of the key set, if the document is the metadata of the issuer.
fn jwks_uri(metadata: &[u8]) -> Option<String> {
    let text = metadata.strip_prefix("\u{feff}".as_bytes()).unwrap_or(metadata);
    let mut members = members(text, &["issuer", "jwks_uri"])?;
    members.sort_by(|one, other| one.0.cmp(&other.0));
    match members.as_slice() {
        [(issuer, Value::String(name)), (uri, Value::String(address))] if issuer == "issuer" && uri == "jwks_uri" => {
            (name == ISSUER).then(|| address.clone())
        }
        _ => None,
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());
const ISSUER: &str = "https://i.example";
