//! [`Gate`]: passes the frames of a body, in either direction, until its token ends.

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
/// It begins to watch when a frame is not ready at once, or when a second frame with data is: a
/// complete body costs next to nothing.
#[derive(Debug)]
pub(super) struct Gate {
    watch: RevocationWatch,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Untouched,
    /// One frame with data has passed, which was ready at once. Whether the token had ended by
    /// then.
    OneFrame {
        ended: bool,
    },
    /// The alarm is raised when the watch wants to be polled, whatever it waits for and whichever
    /// task polls the body.
    Watched(Arc<Alarm>),
    /// The token had ended before anything was sent: it was revoked while the request was being
    /// answered, perhaps by the request itself. What is ready of the answer is still sent, at most
    /// this many frames.
    Late(EndReason, u8),
}

type Polled<B> = Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>;

impl Gate {
    pub(super) fn new(watch: RevocationWatch) -> Self {
        Self { watch, progress: Progress::Untouched }
    }

    /// The body's next frame, or why there is none any more.
    pub(super) fn poll_frame<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Polled<B>, EndReason>> {
        // First: a body that is always ready must not outrun its token. A body at its end has
        // nothing left to cut off.
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

    /// The body has nothing to send now.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        match &self.progress {
            Progress::Watched(alarm) if !alarm.lower_or_wake(cx.waker()) => Poll::Pending,
            Progress::Late(reason, _) => Poll::Ready(*reason),
            _ => self.look(cx),
        }
    }

    /// A frame with data came at once. Why it may not pass, if it may not.
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
