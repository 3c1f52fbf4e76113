//! [`Gate`]: passes the frames of a request or response body until its token is revoked or expires.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http_body::{Body, Frame};

use crate::{
    guard::{EndReason, RevocationWatch},
    set::Alarm,
};

/// Passes the frames of a body while its token is valid.
///
/// It starts to watch when a frame is not ready immediately, or with the second data frame, so a
/// complete body costs almost nothing.
#[derive(Debug)]
pub(super) struct Gate {
    watch: RevocationWatch,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Untouched,
    /// One data frame, which was ready immediately, has passed. `ended` is whether the token had
    /// been revoked or expired by then.
    OneFrame {
        ended: bool,
    },
    /// The alarm is raised when the watch must be polled again, regardless of which task polls the
    /// body.
    Watched(Arc<Alarm>),
    /// The token was revoked or expired before anything was sent, perhaps revoked by the request
    /// itself. Frames of the response that are ready are still sent, at most this many.
    Late(EndReason, u8),
}

type Polled<B> = Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>;

impl Gate {
    pub(super) fn new(watch: RevocationWatch) -> Self {
        Self { watch, progress: Progress::Untouched }
    }

    /// Polls the body's next frame. The error is the reason why there are no more.
    pub(super) fn poll_frame<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Polled<B>, EndReason>> {
        // The watch is polled first, so that a body that is always ready does not outlive its
        // token. A body at its end has nothing left to cut off.
        if let Progress::Watched(alarm) = &self.progress
            && alarm.is_raised()
            && !body.is_end_stream()
            && let Poll::Ready(reason) = self.look(cx)
        {
            return Poll::Ready(Err(reason));
        }
        let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
            return self.wait(cx).map(Err);
        };
        let is_data = matches!(&frame, Some(Ok(frame)) if frame.is_data());
        match if is_data { self.passed(body.is_end_stream(), cx) } else { None } {
            None => Poll::Ready(Ok(frame)),
            Some(reason) => Poll::Ready(Err(reason)),
        }
    }

    /// Waits for the watch while the body has nothing to send.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        match &self.progress {
            Progress::Watched(alarm) if !alarm.lower_or_wake(cx.waker()) => Poll::Pending,
            Progress::Late(reason, _) => Poll::Ready(*reason),
            _ => self.look(cx),
        }
    }

    /// Records a data frame that was ready immediately. Returns the reason if it must not pass.
    fn passed(&mut self, is_last: bool, cx: &mut Context<'_>) -> Option<EndReason> {
        match &mut self.progress {
            Progress::Watched(_) => None,
            Progress::Untouched if is_last => None,
            Progress::Untouched => {
                self.progress = Progress::OneFrame { ended: self.watch.ended().is_some() };
                None
            }
            Progress::OneFrame { ended } => {
                let ended = *ended;
                let Poll::Ready(reason) = self.look(cx) else { return None };
                if ended {
                    self.progress = Progress::Late(reason, LATE_FRAMES);
                    return None;
                }
                Some(reason)
            }
            Progress::Late(reason, 0) => Some(*reason),
            Progress::Late(_, left) => {
                *left -= 1;
                None
            }
        }
    }

    /// Polls the watch, with a waker that raises the alarm.
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let alarm = match &self.progress {
            Progress::Watched(alarm) => Arc::clone(alarm),
            _ => Arc::default(),
        };
        alarm.lower();
        let waker = Waker::from(Arc::clone(&alarm));
        loop {
            if let Poll::Ready(reason) = Pin::new(&mut self.watch).poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(reason);
            }
            if !alarm.lower_or_wake(cx.waker()) {
                self.progress = Progress::Watched(alarm);
                return Poll::Pending;
            }
        }
    }
}

const LATE_FRAMES: u8 = 64;
