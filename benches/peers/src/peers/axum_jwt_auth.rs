//! `axum-jwt-auth` is an extractor, not a layer, so the service here is the smallest that calls it.
//! Its result is an argument of the handler and is not inserted into the request.

use std::{
    convert::Infallible,
    hint::black_box,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::extract::FromRequestParts;
use axum_jwt_auth::{BearerTokenExtractor, Claims as Extracted, Decoder, LocalDecoder};
use bare::{Bare, Body};
use http::{Request, Response};
use jsonwebtoken_10::{
    Algorithm, DecodingKey, Validation,
    crypto::{CryptoProvider, aws_lc, rust_crypto},
};
use tower::{Service, service_fn};

use crate::{
    check::{self, Check, refused},
    peers::Peer,
    sample::{Claims, ISSUER, Sample},
    scheme::{Public, Scheme},
    versions::Lock,
};

pub(super) fn with_rust_crypto(scheme: &Scheme, lock: &Lock) -> Peer {
    Peer {
        name: format!("axum-jwt-auth {}", lock.version("axum-jwt-auth")),
        note: "an extractor, called by the least service there can be, that inserts nothing into the request; its decoder is boxed by its own design",
        ..peer(scheme, Backend::RustCrypto, lock)
    }
}

pub(super) fn with_aws_lc(scheme: &Scheme, lock: &Lock) -> Peer {
    Peer {
        name: format!("axum-jwt-auth {}, aws-lc-rs", lock.version("axum-jwt-auth")),
        note: "the same, with a backend that it has no feature for, and that the application must add and install",
        ..peer(scheme, Backend::AwsLc, lock)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Backend {
    AwsLc,
    RustCrypto,
}

fn peer(scheme: &Scheme, backend: Backend, lock: &Lock) -> Peer {
    install_backends();
    let library = lock.used_by("axum-jwt-auth", "jsonwebtoken");
    let name = match backend {
        Backend::AwsLc => format!("aws-lc-rs {}", lock.version("aws-lc-rs")),
        Backend::RustCrypto => "RustCrypto".to_owned(),
    };
    let mut check = check::service(extracting(decoder(scheme)), Response::status);
    Peer {
        name: String::new(),
        built_with: format!("jsonwebtoken {library}, {name}"),
        refuses_revoked: false,
        caches: false,
        note: "",
        check: Box::new(move |sample: &Sample| {
            WITH_AWS_LC.store(backend == Backend::AwsLc, Relaxed);
            check.passes(sample)
        }),
    }
}

fn extracting(decoder: Decoder<Claims>) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    service_fn(move |request: Request<Body>| {
        let decoder = Arc::clone(&decoder);
        async move {
            let (mut parts, body) = request.into_parts();
            match Extracted::<Claims, BearerTokenExtractor>::from_request_parts(&mut parts, &decoder).await {
                Ok(claims) => {
                    black_box(&claims);
                    Bare.call(Request::from_parts(parts, body)).await
                }
                Err(_) => Ok(refused()),
            }
        }
    })
}

fn decoder(scheme: &Scheme) -> Decoder<Claims> {
    let (algorithm, key) = match (&scheme.public, scheme.name) {
        (Public::Secret(secret), _) => (Algorithm::HS256, Ok(DecodingKey::from_secret(secret.as_bytes()))),
        (Public::Key { pem, .. }, "RS256") => (Algorithm::RS256, DecodingKey::from_rsa_pem(pem.as_bytes())),
        (Public::Key { pem, .. }, "ES256") => (Algorithm::ES256, DecodingKey::from_ec_pem(pem.as_bytes())),
        (Public::Key { pem, .. }, _) => (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem.as_bytes())),
    };
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    // The crate requires an audience setting; the tokens have none, and none is required of them.
    validation.set_audience(&["https://api.example/"]);
    let decoder = LocalDecoder::builder().keys(vec![key.expect("a key of the scheme's own algorithm")]);
    Arc::new(decoder.validation(validation).build().expect("a key and an audience"))
}

/// The backend is process-wide: this one delegates to the one that the current check uses.
pub(crate) fn install_backends() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let provider = CryptoProvider {
            verifier_factory: |algorithm, key| {
                let provider =
                    if WITH_AWS_LC.load(Relaxed) { &aws_lc::DEFAULT_PROVIDER } else { &rust_crypto::DEFAULT_PROVIDER };
                (provider.verifier_factory)(algorithm, key)
            },
            ..aws_lc::DEFAULT_PROVIDER.clone()
        };
        Box::leak(Box::new(provider)).install_default().expect("it is the first");
    });
}

static WITH_AWS_LC: AtomicBool = AtomicBool::new(false);
