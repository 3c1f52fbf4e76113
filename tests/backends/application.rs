//! Promise: an application that signs its tokens with `jsonwebtoken` and its own crypto backend
//! keeps working when it adds this library, with any features.
#![cfg(test)]

#[cfg(feature = "own-tls")]
mod own_tls;

use std::{
    convert::Infallible,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use jsonwebtoken::{Algorithm as Signing, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore,
    token::jwt::{Algorithm, Key},
};

const ISSUER: &str = "https://issuer.example";
const SECRET: &[u8] = b"a secret of the tests, 32 bytes.";
/// Created for this test.
const PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBxdaxlfGsKqvsp5L
9DRmvgYKpVUJmkxeMYCWZonRCdqhRANCAARb5ANlISW0yp7tdKvP1zaclBW01fMH
nf6b9vkHl0nilz8ZeXQLLy4HEpDeh0ARD1m5oPYtHAWnKGEDxC+DsCnh
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEW+QDZSEltMqe7XSrz9c2nJQVtNXz
B53+m/b5B5dJ4pc/GXl0Cy8uBxKQ3odAEQ9ZuaD2LRwFpyhhA8Qvg7Ap4Q==
-----END PUBLIC KEY-----
";

type Body = Empty<&'static [u8]>;

/// The application's login.
fn login(algorithm: Signing, key: &EncodingKey) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let claims = json!({ "iss": ISSUER, "sub": "usr_123", "jti": "one", "iat": now, "exp": now + 900 });
    jsonwebtoken::encode(&Header::new(algorithm), &claims, key).expect("the claims are JSON")
}

fn request(token: &str) -> Request<Body> {
    Request::post("/api").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::new()).expect("it is a request")
}

/// Uses the token, logs out with it, and uses it again.
fn use_and_log_out(key: Key, token: &str) {
    let verifier = JwtVerifier::with_keys(key).issuer(ISSUER).build().expect("the key is good");
    let logout = Logout::new(verifier, MemoryStore::new());
    let endpoint = logout.service();
    let service = logout.layer().layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::new()))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there are threads");
    runtime.block_on(async {
        let used = service.clone().oneshot(request(token)).await.expect("it never fails");
        assert_eq!(used.status(), StatusCode::OK);
        let answer = endpoint.oneshot(request(token)).await.expect("it never fails");
        assert_eq!(answer.status(), StatusCode::OK);
        let refused = service.oneshot(request(token)).await.expect("it never fails");
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    });
}

#[test]
fn an_application_that_signs_with_a_secret_logs_out() {
    let token = login(Signing::HS256, &EncodingKey::from_secret(SECRET).expect("it is not empty"));
    use_and_log_out(Key::secret(Algorithm::HS256, SECRET).expect("it is long enough"), &token);
    let mut validation = Validation::new(Signing::HS256);
    validation.set_issuer(&[ISSUER]);
    let decoding = DecodingKey::from_secret(SECRET).expect("it is not empty");
    jsonwebtoken::decode::<Value>(&token, &decoding, &validation).expect("the application verifies, too");
}

#[test]
fn an_application_that_signs_with_a_private_key_logs_out() {
    let token = login(Signing::ES256, &EncodingKey::from_ec_pem(PRIVATE.as_bytes()).expect("it is a private key"));
    use_and_log_out(Key::pem(Algorithm::ES256, PUBLIC).expect("it is a public key"), &token);
}
