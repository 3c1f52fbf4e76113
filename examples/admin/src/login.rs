//! The login, which signs the tokens, and what a token says about its user.

use std::{
    error::Error,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use jsonwebtoken::{EncodingKey, Header};
use serde::Deserialize;
use serde_json::json;
use tower_logout::{VerifiedToken, respond::RejectionContext};
use uuid::Uuid;

use crate::App;

/// The claims that the handlers need.
#[derive(Deserialize)]
pub(crate) struct User {
    pub(crate) sub: String,
    #[serde(default)] // the tokens of customers have none
    pub(crate) roles: Vec<String>,
}

impl User {
    pub(crate) fn is_staff(&self) -> bool {
        self.roles.iter().any(|role| role == STAFF)
    }
}

/// Issues a token to anyone: an application checks a password here, and knows who belongs to staff.
pub(crate) async fn login(State(app): State<Arc<App>>, body: Bytes) -> Response {
    #[derive(Deserialize)]
    struct Login {
        username: String,
        #[serde(default)]
        staff: bool,
    }
    let Ok(Login { username, staff }) = serde_json::from_slice(&body) else {
        return bad_request(r#"Send JSON such as {"username":"ann"}."#);
    };
    if username.trim().is_empty() || username.len() > 200 {
        return bad_request("The username must have 1 to 200 bytes.");
    }
    match app.signer.token_for(&username, staff) {
        Ok(token) => {
            // `SameSite=Strict` keeps browsers from sending it with requests of other sites. Add
            // `Secure` if the service uses TLS.
            let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={LIFETIME}");
            let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{LIFETIME}}}"#);
            ([(CACHE_CONTROL, "no-store"), (SET_COOKIE, &*cookie)], body).into_response()
        }
        Err(error) => {
            eprintln!("error: cannot sign a token: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The state, if staff is signed in. The response is 200 even if nobody is, as browsers report any
/// other status as an error.
pub(crate) async fn session(State(app): State<Arc<App>>, user: Option<VerifiedToken<User>>) -> Response {
    let body = match user {
        Some(user) if user.is_staff() => json!({ "state": app.state() }),
        Some(_) => json!({ "error": "insufficient_scope" }),
        None => json!({}),
    };
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// The response of [`session`]'s layer if the token is no longer valid.
pub(crate) fn no_session(context: &RejectionContext) -> Response {
    Json(json!({ "error": context.reason.code() })).into_response()
}

pub(crate) fn bad_request(description: &str) -> Response {
    let body = json!({ "description": description, "error": "invalid_request" });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// Signs the tokens that the verifier accepts.
pub(crate) struct Signer(EncodingKey);

impl Signer {
    pub(crate) fn new(secret: &str) -> Result<Self, jsonwebtoken::errors::Error> {
        EncodingKey::from_secret(secret.as_bytes()).map(Self)
    }

    fn token_for(&self, username: &str, staff: bool) -> Result<String, Box<dyn Error>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": ISSUER,
            "sub": username,
            "client_id": CLIENT,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": Uuid::new_v4(),
            "sid": Uuid::new_v4(),
            "roles": if staff { &[STAFF][..] } else { &[] },
        });
        Ok(jsonwebtoken::encode(&Header::default(), &claims, &self.0)?)
    }
}

/// The cookie with the token. `HttpOnly` hides it from scripts, including the page's own.
pub(crate) const COOKIE: &str = "access_token";
pub(crate) const ISSUER: &str = "https://login.example";
const STAFF: &str = "staff";
const CLIENT: &str = "web";
const LIFETIME: u64 = 15 * 60;
