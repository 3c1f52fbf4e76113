use http::{HeaderMap, Method, Version, header::CONTENT_TYPE};

/// The protocol of a response: HTTP or gRPC.
///
/// A gRPC response is HTTP 200 with the status in its trailers. A proxy that evaluates only the
/// HTTP status takes such a rejection for a success, so a header that any HTTP request can carry
/// must not select gRPC.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP with status codes.
    #[default]
    Http,
    /// gRPC: the status is in the trailers.
    Grpc,
}

impl Protocol {
    /// Determines the protocol for the response to a request.
    ///
    /// It is gRPC if the method is `POST`, the version is HTTP/2 or later, and there is exactly one
    /// `content-type`, which is `application/grpc`, alone or followed by `+` or `;`. Everything
    /// else, including gRPC-Web, is HTTP.
    #[must_use]
    pub fn of(method: &Method, version: Version, headers: &HeaderMap) -> Self {
        if method == Method::POST && version >= Version::HTTP_2 && is_grpc(headers) { Self::Grpc } else { Self::Http }
    }
}

/// Whether the content is gRPC. gRPC-Web does not count, because its trailers are in the body.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let parts = media_type(headers).and_then(|name| name.split_at_checked(GRPC.len()));
    parts.is_some_and(|(start, rest)| start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+')))
}

/// Returns the media type of the only `content-type`, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.as_bytes().split(|byte| *byte == b';').next().map(<[u8]>::trim_ascii)
}

const GRPC: &[u8] = b"application/grpc";
