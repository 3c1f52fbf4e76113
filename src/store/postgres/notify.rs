//! [`Notification`]: wakes the followers after a revocation was committed.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio_postgres::{Client, Error};

use super::{statements::NOTIFY, value::Value};

/// A notification that is sent behind the statement that it is about, on the same connection. The
/// server therefore runs it as soon as the statement has committed, and after every commit a
/// notification begins.
///
/// If the connection is lost in between, followers find the revocation later, because they also
/// read at intervals.
pub(super) struct Notification {
    sending: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    sent: Option<Result<(), Error>>,
}

impl Notification {
    /// It is sent when it is first polled.
    pub(super) fn new(client: Arc<Client>, channel: Arc<str>) -> Self {
        let sending =
            async move { client.query_typed(NOTIFY, &Value::params(&[Value::Text(Some(&channel))])).await.map(drop) };
        Self { sending: Box::pin(sending), sent: None }
    }

    /// Makes progress, without an end.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        if self.sent.is_none()
            && let Poll::Ready(sent) = self.sending.as_mut().poll(cx)
        {
            self.sent = Some(sent);
        }
    }
}

impl Future for Notification {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.sent.take() {
            Some(sent) => Poll::Ready(sent),
            None => self.sending.as_mut().poll(cx),
        }
    }
}
