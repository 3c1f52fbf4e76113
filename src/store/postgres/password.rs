//! [`PasswordSource`]: the closure of the application that gives the password of each connection.

use std::{error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::timeout};

type BoxError = Box<dyn Error + Send + Sync>;
type Asking = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

#[derive(Clone)]
pub(super) struct PasswordSource(Arc<dyn Fn() -> Asking + Send + Sync>);

impl PasswordSource {
    pub(super) fn new<F, A, E>(closure: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Arc::new(move || {
            let asking = closure();
            Box::pin(async move { asking.await.map_err(Into::into) })
        }))
    }

    /// Asks the closure, which may panic and may not return.
    pub(super) async fn ask(&self, limit: Duration) -> Result<String, PasswordError> {
        let source = self.clone();
        let mut asking = JoinSet::new();
        asking.spawn(async move { (source.0)().await });
        match timeout(limit, asking.join_next()).await {
            Ok(Some(Ok(password))) => password.map_err(PasswordError::Failed),
            Ok(_) => Err(PasswordError::Panicked),
            Err(_) => Err(PasswordError::TimedOut(limit)),
        }
    }
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordSource")
    }
}

/// Why there is no password.
#[derive(Debug)]
pub(super) enum PasswordError {
    Failed(BoxError),
    Panicked,
    TimedOut(Duration),
}
