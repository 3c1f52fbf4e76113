use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::respond::{AnswerBody, Rejection, RejectionContext, Respond};

/// Responder that writes the JSON bodies of the Matar API, for gRPC requests too.
///
/// Matar is an app whose public API documentation gives the paths and response bodies of a logout
/// endpoint; this crate implements them.
///
/// | reason | status | `error` |
/// |---|---|---|
/// | [`Missing`] | 401 | `authorization_required` |
/// | [`Invalid`] | 401 | `invalid_token` |
/// | [`Expired`] | 401 | `token_expired` |
/// | [`Revoked`] | 401 | `token_revoked` |
/// | [`InsufficientScope`] | 403 | `insufficient_scope` |
/// | [`InvalidRequest`], [`NoSubject`], [`InvalidRefreshToken`] | 400 | `invalid_request` |
/// | [`MethodNotAllowed`] | 405 | `method_not_allowed` |
/// | [`Unavailable`] | 503 | `temporarily_unavailable` |
///
/// Responses with status 401, 403 and 400 carry the challenge of RFC 6750, section 3, with the
/// [parameters](crate::respond::Challenge) that are configured. [`NoSubject`] is the reason if a
/// token without `sub` is to log out its [subject](crate::endpoint::LogoutScope::Subject).
///
/// With the feature `axum`, a handler that extracts a [`VerifiedToken`](crate::VerifiedToken) or a
/// [`RevocationWatch`](crate::RevocationWatch) outside the layer, or with another claims type than
/// the verifier's, is a mistake in the code and not a rejection. No [`Respond`] implementation is
/// asked: the response is 500, with the body
/// `{"description":"The server is misconfigured.","error":"server_error"}`.
///
/// [`Missing`]: Rejection::Missing
/// [`Invalid`]: Rejection::Invalid
/// [`Expired`]: Rejection::Expired
/// [`Revoked`]: Rejection::Revoked
/// [`InsufficientScope`]: Rejection::InsufficientScope
/// [`InvalidRequest`]: Rejection::InvalidRequest
/// [`NoSubject`]: Rejection::NoSubject
/// [`InvalidRefreshToken`]: Rejection::InvalidRefreshToken
/// [`MethodNotAllowed`]: Rejection::MethodNotAllowed
/// [`Unavailable`]: Rejection::Unavailable
///
/// # Authentication subrequests
///
/// Use this responder if a proxy asks the service whether a request may pass: nginx's
/// `auth_request`, Traefik's `forwardAuth`, or Envoy's `ext_authz` over HTTP. Such a proxy forwards
/// headers of the client, often including `content-type`, and evaluates only the HTTP status.
/// [`AutoResponder`](crate::respond::AutoResponder) rejects a request that can be gRPC with HTTP
/// 200; a proxy that asks with `POST` over HTTP/2 would then let the request pass.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_logout::{JwtVerifier, Logout, MemoryStore, respond::JsonResponder};
///
/// let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build()?;
/// let logout = Logout::new(verifier, MemoryStore::new()).respond(JsonResponder);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonResponder;

impl Respond for JsonResponder {
    fn reject(&self, context: &RejectionContext) -> Response<AnswerBody> {
        let rejection = context.reason;
        let challenge = || context.www_authenticate().map(|challenge| (WWW_AUTHENTICATE, challenge));
        let (status, header) = match rejection {
            Rejection::Missing | Rejection::Invalid | Rejection::Expired | Rejection::Revoked => {
                (StatusCode::UNAUTHORIZED, challenge())
            }
            Rejection::InsufficientScope => (StatusCode::FORBIDDEN, challenge()),
            Rejection::InvalidRequest | Rejection::NoSubject | Rejection::InvalidRefreshToken => {
                (StatusCode::BAD_REQUEST, challenge())
            }
            Rejection::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, Some((ALLOW, HeaderValue::from_static("POST"))))
            }
            Rejection::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, Some((RETRY_AFTER, HeaderValue::from_static("1"))))
            }
        };
        // Neither text contains characters to escape.
        let body = format!(r#"{{"description":"{}","error":"{}"}}"#, rejection.description(), rejection.code());
        let mut response = Response::new(AnswerBody::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Returns the response to a successful logout.
pub(super) fn logged_out() -> Response<AnswerBody> {
    let mut response = Response::new(r#"{"message":"Successfully logged out"}"#.into());
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Returns the response to a request whose handler extracts what no layer provides. The body
/// contains no details.
#[cfg(feature = "axum")]
pub(crate) fn misconfigured() -> Response<AnswerBody> {
    let body = r#"{"description":"The server is misconfigured.","error":"server_error"}"#;
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    super::uncached(response)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
