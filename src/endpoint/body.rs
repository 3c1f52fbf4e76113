//! [`read`]: the body of a request, within bounds.

use std::pin::pin;

use bytes::{Buf, BufMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

/// The reason why there is no body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unreadable {
    TooLong,
    /// The connection was interrupted, or the body is malformed.
    Broken,
    /// It has not arrived by the deadline.
    Late,
}

/// Reads a body of at most this length.
pub(super) async fn read<B: Body>(body: B, max_len: usize, deadline: Instant) -> Result<Vec<u8>, Unreadable> {
    timeout_at(deadline, collect(body, max_len)).await.unwrap_or(Err(Unreadable::Late))
}

async fn collect<B: Body>(body: B, max_len: usize) -> Result<Vec<u8>, Unreadable> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.as_mut().frame().await {
        let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else { continue };
        if data.remaining() > max_len - bytes.len() {
            return Err(Unreadable::TooLong);
        }
        bytes.put(data);
    }
    Ok(bytes)
}
