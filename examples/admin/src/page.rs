//! The page, and the protection from requests of other pages.

use axum::{
    Json,
    extract::Request,
    http::{
        HeaderName, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;
use uuid::Uuid;

/// The page, with a nonce for its own script and style: no others run in it, and it connects to
/// this server only.
pub(crate) async fn page() -> impl IntoResponse {
    let nonce = Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, &policy),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE.replace("{nonce}", &nonce)).into_response()
}

/// Rejects requests of pages from other origins.
///
/// `SameSite` keeps the cookie from other sites, but all ports of one host are one site, and a
/// WebSocket may be opened from any origin. Browsers send the origin in `Origin`; other clients
/// send none.
pub(crate) async fn same_origin(request: Request, next: Next) -> Response {
    if is_same_origin(&request) {
        return next.run(request).await;
    }
    let body = json!({ "description": "The request comes from another site.", "error": "foreign_origin" });
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}

fn is_same_origin(request: &Request) -> bool {
    let Some(origin) = request.headers().get(ORIGIN) else { return true };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has no `Host`.
    let host = host.or_else(|| request.uri().authority().map(Authority::as_str));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, from)| Some(from) == host)
}

const PAGE: &str = include_str!("page.html");
