//! Errors for clients in the form of RFC 6749, section 5.2.

use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use crate::respond::{self, AnswerBody, JsonResponder, Protocol, Rejection, RejectionContext, Respond};

/// Writes an error. Neither text may contain characters that JSON escapes.
pub(super) fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response<AnswerBody> {
    let body = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    respond::uncached(response)
}

/// The response to a request that can be repeated.
pub(super) fn unavailable() -> Response<AnswerBody> {
    reject(Rejection::Unavailable)
}

/// The response to a request that is not a `POST`.
pub(super) fn method_not_allowed() -> Response<AnswerBody> {
    reject(Rejection::MethodNotAllowed)
}

fn reject(reason: Rejection) -> Response<AnswerBody> {
    respond::uncached(JsonResponder.reject(&RejectionContext::new(reason, Protocol::Http)))
}
