//! [`PasswordSource`]: the application's closure that returns the password for each new connection.

use std::{error::Error, future::Future, pin::Pin, sync::Arc};

use tokio::task::JoinSet;

type Answer = Result<String, Arc<dyn Error + Send + Sync>>;
type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Clones share the closure.
#[derive(Clone)]
pub(super) struct PasswordSource(Arc<dyn Fn() -> Asking + Send + Sync>);

impl PasswordSource {
    pub(super) fn new<F, R, E>(closure: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Arc::new(move || {
            let asking = closure();
            Box::pin(async move { asking.await.map_err(|error| Arc::from(error.into())) })
        }))
    }

    /// Asks the closure. The caller limits the time.
    pub(super) async fn ask(&self) -> Answer {
        // In a task of its own, so that a closure that panics ends neither a follower nor a
        // request.
        let (source, mut task) = (self.clone(), JoinSet::new());
        task.spawn(async move { (source.0)().await });
        let answer = task.join_next().await.and_then(Result::ok);
        answer.unwrap_or_else(|| Err(Arc::from(Box::<dyn Error + Send + Sync>::from("it panicked"))))
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt, future::pending, io, time::Duration};

    use super::*;

    fn text<T: fmt::Debug>(answer: Result<T, Arc<dyn Error + Send + Sync>>) -> String {
        answer.map_or_else(|error| error.to_string(), |answer| format!("{answer:?}"))
    }

    #[tokio::test]
    async fn a_closure_that_panics_is_an_error() {
        async fn panics() -> Result<String, io::Error> {
            unreachable!("hunter2")
        }
        assert_eq!(text(PasswordSource::new(panics).ask().await), "it panicked");
        let panics_at_once = || -> std::future::Ready<Result<String, io::Error>> { unreachable!("hunter2") };
        assert_eq!(text(PasswordSource::new(panics_at_once).ask().await), "it panicked");
    }

    #[tokio::test]
    async fn the_error_of_the_closure_can_be_downcast() {
        let fails = || async { Err::<String, _>(io::Error::from(io::ErrorKind::NotFound)) };
        let error = PasswordSource::new(fails).ask().await.expect_err("it fails");
        let error: &(dyn Error + 'static) = &*error;
        assert!(error.is::<io::Error>());
    }

    /// What the closure was doing ends with the attempt to connect.
    #[tokio::test(start_paused = true)]
    async fn a_closure_that_hangs_is_dropped_with_the_attempt() {
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let hangs = move || {
            let held = Arc::clone(&held);
            async move {
                let password = pending::<Result<String, io::Error>>().await;
                drop(held);
                password
            }
        };
        let source = PasswordSource::new(hangs);
        tokio::time::timeout(Duration::from_secs(1), source.ask()).await.expect_err("it hangs");
        drop(source);
        while weak.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
