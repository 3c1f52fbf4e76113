use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Waits for both, at the same time.
pub(super) async fn both<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut done = (None, None);
    poll_fn(|cx| {
        if done.0.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(cx)
        {
            done.0 = Some(output);
        }
        if done.1.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(cx)
        {
            done.1 = Some(output);
        }
        match (done.0.take(), done.1.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            undone => {
                done = undone;
                Poll::Pending
            }
        }
    })
    .await
}
