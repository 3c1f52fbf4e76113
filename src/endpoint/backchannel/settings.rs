//! [`Settings`]: which logout tokens are accepted, and what they end.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::token::{VerifyError, jwt::Algorithm};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) clients: Vec<Client>,
    /// For tokens with an expiry, and for tokens without one.
    pub(super) max_age: [Duration; 2],
    pub(super) allow_missing_expiry: bool,
    pub(super) allow_unencrypted: bool,
    pub(super) dated_by: DatedBy,
    pub(super) always_end_subject: bool,
    pub(super) decrypt: Option<Decrypt>,
    pub(super) timeout: Duration,
}

/// Up to when the tokens are revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DatedBy {
    Delivery,
    IssueOfLogoutToken,
}

/// A client that logout tokens are for.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    /// The algorithms of its tokens, or `None` for those that the verifier allows.
    pub(super) algorithms: Option<Vec<Algorithm>>,
}

impl Settings {
    /// Whether algorithms are set for a client.
    pub(super) fn sets_algorithms(&self) -> bool {
        self.algorithms_of_clients().next().is_some()
    }

    pub(super) fn algorithms_of_clients(&self) -> impl Iterator<Item = Algorithm> {
        self.clients.iter().filter_map(|client| client.algorithms.as_deref()).flatten().copied()
    }
}

type Decrypted = Pin<Box<dyn Future<Output = Result<String, VerifyError>> + Send>>;

/// Decrypts tokens by a closure of the application.
#[derive(Clone)]
pub(super) struct Decrypt(Arc<dyn Fn(String) -> Decrypted + Send + Sync>);

impl Decrypt {
    pub(super) fn new<F, R>(decrypt: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, VerifyError>> + Send + 'static,
    {
        Self(Arc::new(move |token| Box::pin(decrypt(token))))
    }

    pub(super) async fn decrypt(&self, token: String) -> Result<String, VerifyError> {
        (self.0)(token).await
    }
}

impl fmt::Debug for Decrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypt").finish_non_exhaustive()
    }
}
