//! The sign-in at the provider, by authorization code with PKCE, and the cookie that holds the
//! access token in the browser.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    http::{
        HeaderMap, HeaderValue, Request, StatusCode,
        header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE},
    },
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tower_logout::{
    Claims, VerifiedToken,
    respond::{Rejection, RejectionContext},
};
use uuid::Uuid;

use crate::App;

/// The cookie with the token. `HttpOnly` hides it from scripts, including the page's own.
pub(crate) const TOKEN: &str = "access_token";

/// Sends the browser to the provider.
///
/// What must be the same when it comes back is in a cookie, which only `/callback` gets. It is
/// `Lax`, because the provider's page leads there.
pub(crate) async fn begin(State(app): State<Arc<App>>) -> Response {
    let Some(provider) = &app.provider else { return no_client() };
    let (state, nonce, verifier) = (random(), random(), random());
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let cookie = format!("{BEGUN}={state}.{nonce}.{verifier}; HttpOnly; SameSite=Lax; Path=/callback; Max-Age=600");
    let headers = [(CACHE_CONTROL, "no-store".to_owned()), (SET_COOKIE, cookie)];
    (headers, Redirect::to(&provider.sign_in(&state, &nonce, &challenge))).into_response()
}

/// The parameters with which the provider sends the browser back (RFC 6749, section 4.1.2, and
/// RFC 9207).
#[derive(Deserialize)]
pub(crate) struct Callback {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Exchanges the code for tokens and keeps the access token in the cookie.
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Query(callback): Query<Callback>,
    headers: HeaderMap,
) -> Response {
    let Some(provider) = &app.provider else { return no_client() };
    let begun = cookie(&headers, BEGUN).and_then(|begun| begun.split_once('.'));
    let Some((state, (nonce, verifier))) = begun.and_then(|(state, rest)| Some((state, rest.split_once('.')?))) else {
        return failed(StatusCode::BAD_REQUEST, "this browser has not begun to sign in");
    };
    if callback.state.as_deref() != Some(state) {
        return failed(StatusCode::BAD_REQUEST, "this is the answer to another sign-in");
    }
    if callback.iss.is_some_and(|issuer| issuer != provider.issuer()) {
        return failed(StatusCode::BAD_REQUEST, "this is the answer of another provider");
    }
    let Some(code) = callback.code else {
        let error = callback.error.unwrap_or_default();
        return failed(StatusCode::BAD_REQUEST, &format!("the provider says {error:?}"));
    };
    let tokens = match provider.tokens(&code, verifier, nonce).await {
        Ok(tokens) => tokens,
        Err(error) => {
            eprintln!("error: no tokens for the code: {}", crate::in_one_line(&*error));
            return failed(StatusCode::BAD_GATEWAY, "the provider has not issued usable tokens; see the log");
        }
    };
    if let Err(rejection) = is_accepted(&app, &tokens.access_token).await {
        let why = format!("the access token is not accepted here ({rejection}): is it for AUDIENCE?");
        return failed(StatusCode::BAD_GATEWAY, &why);
    }
    let cookies = AppendHeaders([
        (SET_COOKIE, set_cookie(&tokens.access_token, tokens.expires_in.unwrap_or(DEFAULT_LIFETIME))),
        (SET_COOKIE, format!("{BEGUN}=; HttpOnly; SameSite=Lax; Path=/callback; Max-Age=0")),
    ]);
    (cookies, [(CACHE_CONTROL, "no-store")], Redirect::to("/")).into_response()
}

/// Whether the layer will accept the token, so that a misconfiguration shows at the sign-in.
async fn is_accepted(app: &App, token: &str) -> Result<(), Rejection> {
    let request = Request::builder().header(AUTHORIZATION, format!("Bearer {token}")).body(());
    let request = request.map_err(|_| Rejection::Invalid)?;
    app.logout.check((&request).into()).await.map(drop)
}

fn no_client() -> Response {
    failed(StatusCode::NOT_FOUND, "set CLIENT_ID to sign in here")
}

fn failed(status: StatusCode, why: &str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], format!("Not signed in: {why}.\n")).into_response()
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
/// `Secure` if the service uses TLS. Browsers keep cookies of up to 4 KiB.
fn set_cookie(token: &str, max_age: u64) -> String {
    format!("{TOKEN}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age}")
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split("; ")).filter_map(|cookie| cookie.split_once('='));
    cookies.find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// 244 random bits, in the alphabet of PKCE.
fn random() -> String {
    [(); 2].map(|()| Uuid::new_v4().simple().to_string()).concat()
}

/// The cookie of a sign-in that has begun.
const BEGUN: &str = "sign_in";
const DEFAULT_LIFETIME: u64 = 15 * 60;
const NO_COOKIE: HeaderValue = HeaderValue::from_static("access_token=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
