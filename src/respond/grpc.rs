use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};

use crate::respond::{Protocol, Rejection, Respond};

/// Answers as a gRPC server does, whatever the request speaks: HTTP 200, trailers only.
///
/// Codes: 16 (unauthenticated) for a missing, invalid, expired or revoked token, 3 (invalid argument), 14 (unavailable), and 12 (unimplemented) for
/// the wrong method on the logout endpoint. The message is the reason's [description](Rejection::description).
#[derive(Clone, Copy, Debug, Default)]
pub struct GrpcResponder;

impl Respond for GrpcResponder {
    fn refuse(&self, rejection: Rejection, _protocol: Protocol) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.headers_mut() = trailers(rejection);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response
    }
}

/// The end of a gRPC stream that was under way.
pub(crate) fn trailers(rejection: Rejection) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(rejection)));
    // None of the descriptions needs the percent-encoding of gRPC messages.
    trailers.insert(GRPC_MESSAGE, HeaderValue::from_static(rejection.description()));
    trailers
}

fn grpc_status(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::InvalidRequest | Rejection::NoSubject | Rejection::InvalidRefreshToken => INVALID_ARGUMENT,
        Rejection::MethodNotAllowed => UNIMPLEMENTED,
        Rejection::Unavailable => UNAVAILABLE,
        Rejection::Missing | Rejection::Invalid | Rejection::Expired | Rejection::Revoked => UNAUTHENTICATED,
    }
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

const INVALID_ARGUMENT: &str = "3";
const UNIMPLEMENTED: &str = "12";
const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";
