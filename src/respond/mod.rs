//! The answers that clients receive: to a [`Rejection`] and to a logout that succeeded, as a
//! [`Respond`] implementation writes them.

mod auto;
mod body;
mod grpc;
mod json;
mod protocol;
mod rejection;

use http::{HeaderValue, Response, header::CACHE_CONTROL};

pub use auto::AutoResponder;
pub use body::AnswerBody;
pub use grpc::GrpcResponder;
pub(crate) use grpc::trailers as grpc_trailers;
pub use json::JsonResponder;
#[cfg(feature = "axum")]
pub(crate) use json::misconfigured;
pub use protocol::Protocol;
pub(crate) use protocol::{is_grpc, media_type};
pub use rejection::Rejection;

/// Writes the answers of the layer and of the endpoints.
///
/// A closure that takes a [`RejectionContext`] is a responder. Whatever a responder returns gets
/// `Cache-Control: no-store` if it has no such header, and a rejected request's answer the
/// [`Rejection`] into its extensions.
///
/// # Examples
///
/// Problem details (RFC 9457) instead of the default bodies, and gRPC left as it is:
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_logout::respond::{AutoResponder, Rejection, RejectionContext};
///
/// let problem = |context: &RejectionContext| {
///     let status = match context.reason {
///         Rejection::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::UNAUTHORIZED,
///     };
///     let body = format!(r#"{{"type":"about:blank","title":"{}"}}"#, context.reason.code());
///     let mut response = Response::new(body);
///     *response.status_mut() = status;
///     response
/// };
/// let responder = AutoResponder::new(problem);
/// ```
pub trait Respond: Send + Sync + 'static {
    /// Writes the response to a request that was rejected.
    fn reject(&self, context: &RejectionContext) -> Response<AnswerBody>;

    /// Writes the response to a logout that succeeded. Default: 200
    /// `{"message":"Successfully logged out"}`.
    ///
    /// The endpoint adds `Retry-After` where a login is not safe yet: see
    /// [`LogoutScope::Subject`](crate::endpoint::LogoutScope::Subject).
    fn logged_out(&self) -> Response<AnswerBody> {
        json::logged_out()
    }
}

/// What is known of a rejected request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RejectionContext {
    /// Why it was rejected.
    pub reason: Rejection,
    /// How it is to be answered.
    pub protocol: Protocol,
}

impl RejectionContext {
    /// Creates the context of a request that spoke `protocol` and was rejected for this reason.
    #[must_use]
    pub const fn new(reason: Rejection, protocol: Protocol) -> Self {
        Self { reason, protocol }
    }
}

impl<F, B> Respond for F
where
    F: Fn(&RejectionContext) -> Response<B> + Send + Sync + 'static,
    B: Into<AnswerBody>,
{
    fn reject(&self, context: &RejectionContext) -> Response<AnswerBody> {
        self(context).map(Into::into)
    }
}

/// Returns the responder's response, with what every such answer has.
pub(crate) fn reject(
    responder: &(impl Respond + ?Sized),
    reason: Rejection,
    protocol: Protocol,
) -> Response<AnswerBody> {
    let mut response = uncached(responder.reject(&RejectionContext::new(reason, protocol)));
    response.extensions_mut().insert(reason);
    response
}

pub(crate) fn uncached(mut response: Response<AnswerBody>) -> Response<AnswerBody> {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
    response
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Rejection {
    fn into_response(self) -> axum_core::response::Response {
        reject(&JsonResponder, self, Protocol::Http).map(axum_core::body::Body::new)
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
