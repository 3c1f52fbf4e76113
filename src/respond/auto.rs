use http::Response;

use crate::respond::{AnswerBody, GrpcResponder, JsonResponder, Protocol, RejectionContext, Respond};

/// Responder that treats gRPC requests as a gRPC server does, and passes all others to another
/// responder. With [`JsonResponder`], it is the default.
///
/// [`Protocol::of`] determines which requests are gRPC. For [authentication
/// subrequests](JsonResponder#authentication-subrequests) of a proxy, use [`JsonResponder`] alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct AutoResponder<H = JsonResponder> {
    http: H,
}

impl<H: Respond> AutoResponder<H> {
    /// Creates a responder that passes requests that are not gRPC to `http`.
    #[must_use]
    pub const fn new(http: H) -> Self {
        Self { http }
    }
}

impl<H: Respond> Respond for AutoResponder<H> {
    fn reject(&self, context: &RejectionContext) -> Response<AnswerBody> {
        match context.protocol {
            Protocol::Http => self.http.reject(context),
            Protocol::Grpc => GrpcResponder.reject(context),
        }
    }

    fn logged_out(&self) -> Response<AnswerBody> {
        self.http.logged_out()
    }
}
