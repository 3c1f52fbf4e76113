use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};

use crate::respond::{AnswerBody, JsonResponder, Protocol, Rejection, RejectionContext, Respond};

/// Responder for gRPC requests: HTTP 200 with trailers only, as a gRPC server responds.
///
/// The status is 16 (unauthenticated) for a missing, invalid, expired or revoked token, 7
/// (permission denied) for a token that does not meet a requirement, 3 (invalid argument) for an
/// invalid request, 12 (unimplemented) for a wrong method and 14 (unavailable) if the token cannot
/// be checked or revoked. The message is the [description](Rejection::description) of the reason.
///
/// A request that cannot be gRPC gets the response of [`JsonResponder`], so that a client cannot
/// turn a rejection into HTTP 200 with its headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcResponder;

impl Respond for GrpcResponder {
    fn reject(&self, context: &RejectionContext) -> Response<AnswerBody> {
        match context.protocol {
            Protocol::Http => JsonResponder.reject(context),
            Protocol::Grpc => trailers_only(context.reason),
        }
    }
}

fn trailers_only(rejection: Rejection) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    *response.headers_mut() = trailers(rejection, rejection.description());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// Returns the trailers that end a gRPC call with this message.
pub(crate) fn trailers(rejection: Rejection, message: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(rejection)));
    // None of the descriptions needs the percent-encoding of gRPC messages.
    trailers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    trailers
}

fn grpc_status(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::InvalidRequest | Rejection::NoSubject | Rejection::InvalidRefreshToken => INVALID_ARGUMENT,
        Rejection::InsufficientScope => PERMISSION_DENIED,
        Rejection::MethodNotAllowed => UNIMPLEMENTED,
        Rejection::Unavailable => UNAVAILABLE,
        Rejection::Missing | Rejection::Invalid | Rejection::Expired | Rejection::Revoked => UNAUTHENTICATED,
    }
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

const INVALID_ARGUMENT: &str = "3";
const PERMISSION_DENIED: &str = "7";
const UNIMPLEMENTED: &str = "12";
const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";
