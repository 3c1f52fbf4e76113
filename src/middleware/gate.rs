//! What every frame of a stream passes, in either direction.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame};

use crate::guard::{EndReason, RevocationWatch};

/// Lets the frames of a body through for as long as its token is good.
///
/// It begins to watch when a frame does not come at once, or a second one with data does: a body that is complete costs nothing.
#[derive(Debug)]
pub(super) struct Gate {
    watch: RevocationWatch,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Untouched,
    /// One frame with data has passed, and came at once.
    OneFrame,
    /// It is watched, and so many frames have passed since the watch was asked.
    Watched(u8),
}

type Polled<B> = Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>;

impl Gate {
    pub(super) fn new(watch: RevocationWatch) -> Self {
        Self { watch, progress: Progress::Untouched }
    }

    /// The body's next frame, or why there is none any more.
    pub(super) fn poll_frame<B: Body>(
        &mut self,
        body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Polled<B>, EndReason>> {
        // First: a body that is always ready must not outrun its token.
        if self.is_to_look()
            && let Poll::Ready(reason) = self.look(cx)
        {
            return Poll::Ready(Err(reason));
        }
        let Poll::Ready(frame) = body.poll_frame(cx) else {
            return self.look(cx).map(Err);
        };
        let is_data = matches!(&frame, Some(Ok(frame)) if frame.is_data());
        match &mut self.progress {
            Progress::Watched(frames) => *frames += 1,
            Progress::Untouched if is_data => self.progress = Progress::OneFrame,
            Progress::OneFrame if is_data => {
                if let Poll::Ready(reason) = self.look(cx) {
                    return Poll::Ready(Err(reason));
                }
            }
            Progress::Untouched | Progress::OneFrame => {}
        }
        Poll::Ready(Ok(frame))
    }

    fn is_to_look(&mut self) -> bool {
        match self.progress {
            Progress::Untouched | Progress::OneFrame => false,
            Progress::Watched(frames) => frames >= FRAMES_PER_LOOK || self.watch.is_signalled(),
        }
    }

    fn look(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.progress = Progress::Watched(0);
        Pin::new(&mut self.watch).poll(cx)
    }
}

/// A revocation is noticed before each frame; an expiry, whose timer must be asked, before one in so many that are ready.
const FRAMES_PER_LOOK: u8 = 64;
