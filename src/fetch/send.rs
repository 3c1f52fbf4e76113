//! [`send`]: a request with bounds on its duration and its response.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header::CONTENT_ENCODING};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;

use crate::fetch::{Fetch, FetchError};

/// Bounds of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the connection to the last byte of the response.
    pub(crate) timeout: Duration,
    /// The length of the response's body in bytes.
    pub(crate) len: usize,
}

/// A response that has arrived completely.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Sends a request, and returns the response with whatever status it has.
pub(crate) async fn send(
    client: &Arc<dyn Fetch>,
    request: Request<Bytes>,
    limits: Limits,
) -> Result<Reply, FetchError> {
    let sending = async {
        let (head, body) = client.fetch(request).await.map_err(FetchError::no_answer)?.into_parts();
        if head
            .headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(FetchError::Encoded);
        }
        let body = Limited::new(body, limits.len).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                FetchError::TooLong(limits.len)
            } else {
                FetchError::NoAnswer(error)
            }
        })?;
        Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    timeout(limits.timeout, sending).await.unwrap_or(Err(FetchError::TimedOut(limits.timeout)))
}

#[cfg(test)]
mod tests;
