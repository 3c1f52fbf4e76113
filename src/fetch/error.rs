use std::time::Duration;

use http::StatusCode;
use tower::BoxError;

use crate::chain::debug_as_chain;

/// Error of a request to an identity provider: there is no usable response.
///
/// It contains nothing of the request or of the response's body.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The address is not an `https` URL.
    #[error("`{address}` cannot be used as an address: {reason}")]
    Address {
        /// The address, without user information, query and fragment.
        address: String,
        /// What is wrong with it, and the remedy.
        reason: &'static str,
    },
    /// The client cannot send the request.
    #[cfg(feature = "oidc")]
    #[error(transparent)]
    Client(crate::fetch::HttpClientError),
    /// The client returned an error.
    #[error("the server did not answer: is it reachable from this machine, and is its certificate trusted here?")]
    NoAnswer(#[source] BoxError),
    /// The response did not arrive in time.
    #[error("the response did not arrive within {0:?}: is the server reachable from this machine, or overloaded?")]
    TimedOut(Duration),
    /// The response has another status than expected. Redirects are not followed.
    #[error("the response has the status {status}: {remedy}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The likely cause and the remedy.
        remedy: &'static str,
    },
    /// The response is longer than allowed.
    #[error("the response is longer than {0} bytes: is the address right? If it is, raise the limit")]
    TooLong(usize),
    /// The response is compressed, although no compression was asked for.
    #[error(
        "the response has a `content-encoding`, although none was asked for: use a client that decompresses, or have the \
         server or the proxy in front of it send the document unchanged"
    )]
    Encoded,
}

debug_as_chain!(FetchError);

impl FetchError {
    /// The error of a client.
    pub(crate) fn no_answer(error: BoxError) -> Self {
        #[cfg(feature = "oidc")]
        let error = match error.downcast() {
            Ok(error) => return Self::Client(*error),
            Err(error) => error,
        };
        Self::NoAnswer(error)
    }

    /// The error of a response with a status that is not the expected one.
    pub(crate) fn status(status: StatusCode) -> Self {
        let remedy = match status.as_u16() {
            300..=399 => "redirects are not followed; configure the address that they lead to, if you trust it",
            401 | 403 => "check the credentials, and what this client may do at the server",
            404 | 410 => "is the address right, including its path and the trailing slash?",
            429 => "the server limits requests; use fewer instances, or longer intervals",
            500..=599 => "the server has a problem; its log tells which",
            _ => "is the address right?",
        };
        Self::Status { status, remedy }
    }
}
