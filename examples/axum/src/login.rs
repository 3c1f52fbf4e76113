//! The login, which signs the tokens, and the cookie that holds one in the browser.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_logout::{
    Claims, VerifiedToken,
    respond::{Rejection, RejectionContext},
};
use uuid::Uuid;

use crate::{App, settings::Settings};

/// The cookie with the token. `HttpOnly` hides it from scripts, including the page's own.
pub(crate) const COOKIE: &str = "access_token";

/// Issues a token to anyone: an application checks a password here.
///
/// The response has the token for `curl` and a cookie for browsers. An application does one or the
/// other.
pub(crate) async fn login(State(app): State<Arc<App>>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    struct Login {
        username: String,
    }
    let Ok(Login { username }) = serde_json::from_slice(&body) else {
        return bad_request(r#"Send JSON such as {"username":"ann"}."#);
    };
    if username.trim().is_empty() || username.len() > 200 {
        return bad_request("The username must have 1 to 200 bytes.");
    }
    match app.signer.token_for(&username) {
        Ok(token) => {
            let cookie = set_cookie(&token.access_token, token.expires_in);
            ([(CACHE_CONTROL, "no-store".to_owned()), (SET_COOKIE, cookie)], Json(token)).into_response()
        }
        Err(error) => {
            eprintln!("error: cannot sign a token: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn bad_request(description: &str) -> Response {
    let body = json!({ "description": description, "error": "invalid_request" });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// The user who is signed in. The response is 200 even without one, as browsers report any other
/// status as an error.
pub(crate) async fn session(token: Option<VerifiedToken<Claims>>) -> Response {
    let session = match token {
        Some(token) => json!({ "signed_in": true, "sub": token.sub }),
        None => json!({ "signed_in": false }),
    };
    ([(CACHE_CONTROL, "no-store")], Json(session)).into_response()
}

/// The response of [`session`]'s layer if the token is no longer valid: the user is not signed in.
pub(crate) fn no_session(context: &RejectionContext) -> Response {
    let mut response = Json(json!({ "error": context.reason.code(), "signed_in": false })).into_response();
    if context.reason == Rejection::Unavailable {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE; // the token may still be valid
    } else {
        response.headers_mut().insert(SET_COOKIE, NO_COOKIE);
    }
    response
}

/// Deletes the cookie after a successful logout, and after one whose token is invalid.
pub(crate) async fn clear_cookie(mut response: Response) -> Response {
    if matches!(response.status(), StatusCode::OK | StatusCode::UNAUTHORIZED) {
        response.headers_mut().insert(SET_COOKIE, NO_COOKIE);
    }
    response
}

/// `SameSite=Strict` keeps browsers from sending the cookie with requests of other sites. Add
/// `Secure` if the service uses TLS.
fn set_cookie(token: &str, max_age: u64) -> String {
    format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age}")
}

/// Signs the tokens that the verifier above accepts.
pub(crate) struct Signer {
    key: EncodingKey,
    issuer: Option<String>,
    audience: Option<String>,
}

#[derive(Serialize)]
struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

impl Signer {
    pub(crate) fn new(settings: &Settings) -> Result<Self, jsonwebtoken::errors::Error> {
        Ok(Self {
            key: EncodingKey::from_secret(settings.secret.as_bytes())?,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
        })
    }

    fn token_for(&self, username: &str) -> Result<TokenResponse, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut claims = json!({
            "sub": username,
            "iat": now,
            "exp": now + TOKEN_LIFETIME.as_secs(),
            "jti": Uuid::new_v4(), // identifies this token: logging out revokes it
            // Identifies the session: all tokens of one login, including refreshed ones.
            "sid": Uuid::new_v4(),
        });
        if let Some(issuer) = &self.issuer {
            claims["iss"] = json!(issuer);
        }
        if let Some(audience) = &self.audience {
            claims["aud"] = json!(audience);
        }
        let access_token = jsonwebtoken::encode(&Header::default(), &claims, &self.key)?;
        Ok(TokenResponse { access_token, token_type: "Bearer", expires_in: TOKEN_LIFETIME.as_secs() })
    }
}

const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);
const NO_COOKIE: HeaderValue = HeaderValue::from_static("access_token=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
