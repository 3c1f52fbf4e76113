//! What staff can end.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use tower_logout::{
    Revoker, VerifiedToken,
    revoker::{Receipt, RevokeError},
};

use crate::{
    App,
    login::{self, ISSUER, User},
};

/// What is ended. `name` is the value of the claim.
#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum What {
    User { name: String },
    Session { name: String },
    Client { name: String },
    Issuer { name: String },
    Everything,
}

/// Ends what the request names. The journal and the audit log show who has done it, and why.
pub(crate) async fn revoke(State(app): State<Arc<App>>, staff: VerifiedToken<User>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    struct Request {
        #[serde(flatten)]
        what: What,
        reason: String,
    }
    let Ok(Request { what, reason }) = serde_json::from_slice(&body) else {
        return login::bad_request(r#"Send JSON such as {"what":"user","name":"ann","reason":"lost phone"}."#);
    };
    if reason.trim().is_empty() || reason.len() > 500 {
        return login::bad_request("Give a reason, of at most 500 bytes: it is in the journal.");
    }
    match end(&app.logout.revoker().by(&*staff.sub).because(reason), what).await {
        Ok(receipt) => Json(json!({ "key": receipt.revocation().key().to_string() })).into_response(),
        Err(RevokeError::Store(_)) => {
            let body =
                json!({ "description": "The store is unavailable. Try again.", "error": "temporarily_unavailable" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
        // Such as an issuer that no token has: the error says which ones there are.
        Err(error) => login::bad_request(&error.to_string()),
    }
}

async fn end(revoker: &Revoker, what: What) -> Result<Receipt, RevokeError> {
    match what {
        What::User { name } => revoker.user(&name).await,
        What::Session { name } => revoker.session(ISSUER, &name).await,
        What::Client { name } => revoker.client(ISSUER, &name).await,
        What::Issuer { name } => revoker.issuer(&name).await,
        What::Everything => revoker.everything().await,
    }
}
