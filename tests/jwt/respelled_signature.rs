//! Promise: a token with another encoding of its signature is the same token and is revoked with
//! it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Alg, EncodingKey};
use p256::{
    ecdsa::{Signature, SigningKey},
    pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding},
};
use serde_json::{Value, json};
use test_support::{NOW, clock, sign};
use tower_logout::{
    JwtVerifier, MemoryStore, RevocationStore,
    revocation::Revocation,
    token::{
        TokenVerifier,
        jwt::{Algorithm, Key},
    },
};

/// Any scalar below the order of the curve is a private key.
fn signing_key() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn es256(claims: &Value) -> String {
    let key = signing_key();
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    sign(&json!({ "alg": "ES256" }), claims, Alg::ES256, &key)
}

/// The same token with the signature `(r, n-s)`, which can be computed without the key.
fn respelled(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let other = Signature::from_scalars(signature.r().to_bytes(), (-*signature.s()).to_bytes()).unwrap();
    assert_ne!(signature, other);
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(other.to_bytes()))
}

#[tokio::test]
async fn it_verifies_before_the_logout_and_is_rejected_after_it() {
    let public = signing_key().verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let key = Key::pem(Algorithm::ES256, public).unwrap();
    let clock = clock();
    let verifier = JwtVerifier::with_keys(key).clock(clock.clone()).build().unwrap();
    let store = MemoryStore::new().clock(clock);

    // Without a `jti`, the token's own key is derived from its text.
    let token = es256(&json!({ "sub": "usr_123", "iat": NOW, "exp": NOW + 900 }));
    let other = respelled(&token);
    let [token, other] = [verifier.verify(&token).await.unwrap(), verifier.verify(&other).await.unwrap()];
    assert!(!store.is_revoked(other.identity()).await.unwrap());
    let _ = store.revoke(&Revocation::of_token(token.identity())).await.unwrap();
    assert!(store.is_revoked(other.identity()).await.unwrap());
}
