//! The input of every check: a token, and the request that carries it.

use bare::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderMap, Request,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, USER_AGENT},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) sid: String,
    pub(crate) jti: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
}

pub(crate) struct Sample {
    pub(crate) token: String,
    /// The length of the signed part of the token.
    pub(crate) signed: usize,
    pub(crate) signature: Vec<u8>,
    pub(crate) request: Request<Body>,
}

impl Sample {
    pub(crate) fn new(token: String) -> Self {
        let request = Request::get("/api/v1/me")
            .header(HOST, "api.example")
            .header(USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip, deflate, br, zstd")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::new())
            .expect("a token is a header's value");
        let signed = token.rfind('.').expect("a token has a signature");
        let signature = URL_SAFE_NO_PAD.decode(&token[signed + 1..]).expect("a signature is base64url");
        Self { token, signed, signature, request }
    }
}

/// The token of a request, extracted by hand.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

pub(crate) const ISSUER: &str = "https://issuer.example/";
/// The id of the only key. One peer rejects tokens without it.
pub(crate) const KEY_ID: &str = "2026-11";
