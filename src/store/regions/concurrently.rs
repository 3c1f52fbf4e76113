//! [`concurrently`]: asks several regions at the same time.

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::Pin,
    task::Poll,
};

pub(super) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs all futures at the same time, and passes their outputs to `take` as they come. Returns the
/// value with which `take` breaks, or `None` after the last output.
pub(super) async fn concurrently<T, B>(
    mut futures: Vec<BoxFuture<'_, T>>,
    mut take: impl FnMut(T) -> ControlFlow<B>,
) -> Option<B> {
    poll_fn(|cx| {
        let mut next = 0;
        while let Some(future) = futures.get_mut(next) {
            let Poll::Ready(output) = future.as_mut().poll(cx) else {
                next += 1;
                continue;
            };
            drop(futures.swap_remove(next));
            if let ControlFlow::Break(value) = take(output) {
                return Poll::Ready(Some(value));
            }
        }
        if futures.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}
