//! The responses of the layer and the logout endpoint, which a [`Respond`] implementation writes:
//! to rejected requests ([`Rejection`]) and to successful logouts.

mod auto;
mod body;
mod challenge;
mod grpc;
mod json;
mod protocol;
mod realm;
mod rejection;

use std::sync::Arc;

use http::{HeaderValue, Response, header::CACHE_CONTROL};

pub use auto::AutoResponder;
pub use body::AnswerBody;
pub use challenge::Challenge;
pub(crate) use challenge::{is_quotable, is_scope_value};
pub use grpc::GrpcResponder;
pub(crate) use grpc::trailers as grpc_trailers;
pub use json::JsonResponder;
#[cfg(feature = "axum")]
pub(crate) use json::misconfigured;
pub use protocol::Protocol;
pub(crate) use protocol::{is_grpc, media_type};
pub use realm::InvalidRealm;
pub use rejection::Rejection;

/// Writes the responses of the layer and the logout endpoint.
///
/// A closure that takes a [`RejectionContext`] is a responder. Each response gets the header
/// `Cache-Control: no-store`, unless the responder has set that header. The response to a rejected
/// request also gets the [`Rejection`] in its extensions.
///
/// # Examples
///
/// Problem details (RFC 9457) instead of the default bodies, except for gRPC:
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

    /// Writes the response to a successful logout. Default: 200 `{"message":"Successfully logged
    /// out"}`.
    ///
    /// The endpoint adds `Retry-After` if a login is not safe yet: see
    /// [`LogoutScope::Subject`](crate::endpoint::LogoutScope::Subject).
    fn logged_out(&self) -> Response<AnswerBody> {
        json::logged_out()
    }
}

/// A rejected request, as a responder sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RejectionContext {
    /// The reason for the rejection.
    pub reason: Rejection,
    /// The protocol of the response.
    pub protocol: Protocol,
    /// The parameters of the challenge for the client.
    pub challenge: Challenge,
}

impl RejectionContext {
    /// Creates the context of a request that was rejected for this reason and gets a response in
    /// this protocol. The challenge has no parameters.
    #[must_use]
    pub const fn new(reason: Rejection, protocol: Protocol) -> Self {
        Self { reason, protocol, challenge: Challenge::none() }
    }

    /// Returns the value of the header `WWW-Authenticate`, or `None` if the reason is not about the
    /// client's token.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::respond::{Protocol, Rejection, RejectionContext};
    ///
    /// let context = RejectionContext::new(Rejection::Expired, Protocol::Http);
    /// let challenge = r#"Bearer error="invalid_token", error_description="The token has expired.""#;
    /// assert_eq!(context.www_authenticate().unwrap(), challenge);
    /// ```
    #[must_use]
    pub fn www_authenticate(&self) -> Option<HeaderValue> {
        self.challenge.header(self.reason)
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

/// The responder of a layer or an endpoint, and the parameters of its challenges.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(crate) responder: Arc<dyn Respond>,
    pub(crate) challenge: Challenge,
}

impl Answers {
    /// Returns the responder's response, with the header and the extension that every rejection
    /// has.
    pub(crate) fn reject(&self, reason: Rejection, protocol: Protocol) -> Response<AnswerBody> {
        reject(&*self.responder, &RejectionContext { reason, protocol, challenge: self.challenge.clone() })
    }

    /// Changes the parameters of the challenges.
    pub(crate) fn challenge(self, change: impl FnOnce(Challenge) -> Challenge) -> Self {
        Self { challenge: change(self.challenge), ..self }
    }
}

fn reject(responder: &dyn Respond, context: &RejectionContext) -> Response<AnswerBody> {
    let mut response = uncached(responder.reject(context));
    response.extensions_mut().insert(context.reason);
    response
}

pub(crate) fn uncached(mut response: Response<AnswerBody>) -> Response<AnswerBody> {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
    response
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Rejection {
    fn into_response(self) -> axum_core::response::Response {
        reject(&JsonResponder, &RejectionContext::new(self, Protocol::Http)).map(axum_core::body::Body::new)
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
