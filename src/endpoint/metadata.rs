//! The metadata document of a protected resource, and the responses with it.

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL,
        CONTENT_LENGTH, CONTENT_TYPE,
    },
};
use serde::Serialize;

use crate::respond::{self, AnswerBody};

/// Metadata of a protected resource (RFC 9728, section 2). What has no value is left out (section
/// 3.2).
#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub(super) resource: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) authorization_servers: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) scopes_supported: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) bearer_methods_supported: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_name: Option<&'a str>,
}

impl Document<'_> {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of texts are JSON")
    }
}

/// Returns the response to a request with this method.
pub(super) fn answer(method: &Method, document: impl FnOnce() -> String) -> Response<AnswerBody> {
    match *method {
        Method::GET => published(document().into()),
        Method::HEAD => {
            let length = document().len();
            let mut response = published(AnswerBody::default());
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            response
        }
        Method::OPTIONS => preflight(),
        _ => method_not_allowed(),
    }
}

fn published(body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    allow_every_origin(headers);
    response
}

/// Clients in browsers send headers of their own, such as `MCP-Protocol-Version`.
fn preflight() -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // The wildcard does not include `Authorization`, which the service ignores.
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, Authorization"));
    allow_every_origin(headers);
    response
}

fn method_not_allowed() -> Response<AnswerBody> {
    let body =
        r#"{"description":"The resource metadata requires the method GET or HEAD.","error":"method_not_allowed"}"#;
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ALLOW, METHODS);
    respond::uncached(response)
}

fn allow_every_origin(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
