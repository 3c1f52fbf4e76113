//! The minimum that every check needs, written with the libraries that this crate uses, without
//! allocations except those of an extension.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm},
};
use bare::{Answer, Bare, Body};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, Response, header::AUTHORIZATION};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use tower::Service;

use crate::{
    check::{self, Check, refused},
    sample::{ISSUER, Sample},
    scheme::{Public, Scheme},
};

type Tokens = HashSet<Box<[u8]>, foldhash::fast::RandomState>;

fn tokens(samples: &[Sample]) -> Tokens {
    samples.iter().map(|sample| sample.token.as_bytes().into()).collect()
}

/// A hash of the whole token, a table lookup, and a comparison of the whole text.
pub(crate) fn lookup(samples: &[Sample]) -> impl Check + use<> {
    let tokens = tokens(samples);
    move |sample: &Sample| tokens.contains(sample.token.as_bytes())
}

/// The same for the token in the request's header, including the current time.
pub(crate) fn known(samples: &[Sample]) -> impl Check + use<> {
    let tokens = tokens(samples);
    move |sample: &Sample| is_known(&tokens, &sample.request)
}

fn is_known(tokens: &Tokens, request: &Request<Body>) -> bool {
    let value = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    value.is_some_and(|token| tokens.contains(token)) && SystemTime::now() > SystemTime::UNIX_EPOCH
}

/// The same around the bare service, with one extension that identifies the user.
pub(crate) fn layer(samples: &[Sample]) -> impl Check + use<> {
    check::service(Least { inner: Bare, tokens: tokens(samples), user: Arc::from(ISSUER) }, Response::status)
}

struct Least {
    inner: Bare,
    tokens: Tokens,
    user: Arc<str>,
}

impl Service<Request<Body>> for Least {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Body>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if !is_known(&self.tokens, &request) {
            return ready(Ok(refused()));
        }
        request.extensions_mut().insert(Arc::clone(&self.user));
        self.inner.call(request)
    }
}

/// The signature alone, with its bytes decoded already.
pub(crate) fn signature(scheme: &Scheme) -> impl Check + use<> {
    let key = Key::of(scheme);
    move |sample: &Sample| key.verifies(&sample.token.as_bytes()[..sample.signed], &sample.signature)
}

/// The signature, base64 of the signature and the claims, and the claims, which borrow from their
/// text.
pub(crate) fn verification(scheme: &Scheme) -> impl Check + use<> {
    let key = Key::of(scheme);
    let (mut signature, mut payload) = ([0; 512], [0; 1024]);
    move |sample: &Sample| {
        let parts = sample.token.rsplit_once('.');
        let Some((message, encoded)) = parts else { return false };
        let Ok(len) = URL_SAFE_NO_PAD.decode_slice(encoded, &mut signature) else { return false };
        if !key.verifies(message.as_bytes(), &signature[..len]) {
            return false;
        }
        let Some((_, encoded)) = message.split_once('.') else { return false };
        let Ok(len) = URL_SAFE_NO_PAD.decode_slice(encoded, &mut payload) else { return false };
        let claims: Result<Claims<'_>, _> = serde_json::from_slice(&payload[..len]);
        claims.is_ok_and(|claims| claims.are_complete())
    }
}

#[derive(Deserialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    sid: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
}

impl Claims<'_> {
    /// Reads each field, so that none is optimised away.
    fn are_complete(&self) -> bool {
        let are_there = [self.sub, self.sid, self.jti].iter().all(|text| !text.is_empty());
        are_there && self.iss == ISSUER && self.iat < self.exp
    }
}

/// A prepared key.
enum Key {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Key {
    fn of(scheme: &Scheme) -> Self {
        let algorithm: &dyn VerificationAlgorithm = match scheme.algorithm {
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
            _ => &ED25519,
        };
        match &scheme.public {
            Public::Secret(secret) => Self::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()).into()),
            Public::Key { raw, .. } => {
                Self::Public(ParsedPublicKey::new(algorithm, raw).expect("a key of its algorithm"))
            }
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}
