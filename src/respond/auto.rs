use http::Response;

use crate::respond::{AnswerBody, GrpcResponder, JsonResponder, Protocol, RejectionContext, Respond};

/// Answers gRPC requests as a gRPC server does and all others with another responder. It is the
/// default, with JSON.
///
/// [`Protocol::of`] says which requests are gRPC. A service that a proxy asks whether a request may
/// pass uses [`JsonResponder`] alone: see its section on authentication subrequests.
#[derive(Clone, Copy, Debug, Default)]
pub struct AutoResponder<H = JsonResponder> {
    http: H,
}

impl<H: Respond> AutoResponder<H> {
    /// Answers requests that are not gRPC with this responder.
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
