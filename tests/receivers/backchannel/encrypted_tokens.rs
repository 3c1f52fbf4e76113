//! Promise: encrypted logout tokens are decrypted by the application before anything else, and
//! refused without that.

use std::io;

use serde_json::json;
use tower_logout::token::VerifyError;

use super::support::{Api, deliver, logout_token, status};

/// What stands for encryption here: five parts, the fourth of which is the token.
fn encrypted(token: &str) -> String {
    format!("e30.key.iv.{}.tag", token.replace('.', "~"))
}

fn decrypted(token: &str) -> Option<String> {
    let sealed = token.strip_suffix(".tag")?;
    sealed.split('.').nth(3).map(|text| text.replace('~', "."))
}

async fn decrypt(token: String) -> Result<String, VerifyError> {
    decrypted(&token).ok_or_else(|| VerifyError::invalid("it was not encrypted for this service"))
}

#[tokio::test]
async fn an_encrypted_token_is_refused_by_default() {
    let api = Api::new();
    let forged = deliver(&api.service(), "forged").await;
    assert_eq!(deliver(&api.service(), &encrypted(&logout_token(json!({})))).await, forged);
    assert!(api.stored().is_empty());
}

#[tokio::test]
async fn it_is_decrypted_and_then_judged_as_any_other() {
    let api = Api::new();
    let service = api.endpoint(|builder| builder.decrypt(decrypt));
    assert_eq!(status(&service, &encrypted(&logout_token(json!({ "nonce": "n" })))).await, 400);
    assert_eq!(status(&service, &encrypted("a.b.c")).await, 400);
    assert_eq!(status(&service, &encrypted(&encrypted("a.b.c"))).await, 400);
    assert!(api.stored().is_empty());
    assert_eq!(status(&service, &encrypted(&logout_token(json!({})))).await, 200);
    // The same message, encrypted anew.
    let again = encrypted(&logout_token(json!({}))).replace("iv", "other");
    assert_eq!((status(&service, &again).await, api.stored().len()), (200, 2));
}

#[tokio::test]
async fn a_closure_may_be_synchronous() {
    let api = Api::new();
    let ready = |token: String| std::future::ready(decrypted(&token).ok_or(VerifyError::Expired));
    let service = api.endpoint(|builder| builder.decrypt(ready));
    assert_eq!(status(&service, &encrypted(&logout_token(json!({})))).await, 200);
}

#[tokio::test]
async fn what_cannot_be_decrypted_is_refused_as_everything_else() {
    let api = Api::new();
    let service = api.endpoint(|builder| builder.decrypt(decrypt));
    let forged = deliver(&service, "forged").await;
    assert_eq!(deliver(&service, "a.b.c.d.e").await, forged);
    let padded = || logout_token(json!({ "ignored": "x".repeat(64 * 1024) }));
    let large = api.endpoint(|builder| builder.decrypt(move |_| std::future::ready(Ok(padded()))));
    assert_eq!(deliver(&large, "a.b.c.d.e").await, forged, "what was compressed");
}

#[tokio::test]
async fn a_key_service_that_does_not_answer_is_an_outage() {
    let api = Api::new();
    let down = async |_| Err(VerifyError::unavailable(io::Error::from(io::ErrorKind::ConnectionRefused)));
    let service = api.endpoint(|builder| builder.decrypt(down));
    assert_eq!(status(&service, &encrypted(&logout_token(json!({})))).await, 503);
}

#[tokio::test(start_paused = true)]
async fn a_key_service_that_hangs_is_an_outage() {
    let api = Api::new();
    let service = api.endpoint(|builder| builder.decrypt(async |_| std::future::pending().await));
    assert_eq!(status(&service, &encrypted(&logout_token(json!({})))).await, 503);
}

#[tokio::test]
async fn plain_tokens_are_then_refused_unless_they_are_allowed() {
    let api = Api::new();
    let service = api.endpoint(|builder| builder.decrypt(decrypt));
    assert_eq!(status(&service, &logout_token(json!({}))).await, 400);
    assert!(api.stored().is_empty());
    let service = api.endpoint(|builder| builder.decrypt(decrypt).allow_unencrypted());
    assert_eq!(status(&service, &logout_token(json!({}))).await, 200);
}
