//! [`SingleFlight`]: lookups that concurrent callers share.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    future::Future,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, time::timeout};

use crate::{chain::debug_as_chain, telemetry, token::VerifyError};

/// Shares lookups between concurrent callers, by key: the first caller starts the lookup, and
/// callers that arrive while it runs join it.
///
/// A lookup runs on its own Tokio task, and continues when a caller stops waiting. Without that, a
/// [`TokenVerifier`](crate::token::TokenVerifier) whose lookup takes longer than
/// [`check_timeout`](crate::Logout::check_timeout) would start it again with each request and never
/// finish it.
///
/// Results are not cached: after a lookup has ended, the next caller starts a new one. The lookup
/// itself should store its result where [`verify`](crate::token::TokenVerifier::verify) looks
/// first, as in the example. A request that has waited too long gets 503; later requests use the
/// stored result.
///
/// # Limits
///
/// At most `capacity` lookups run at a time, each for at most `limit`; a lookup that takes longer
/// is dropped. A caller that joins gets the result of a lookup that started earlier.
///
/// # Examples
///
/// A verifier that fetches the keys of an issuer, once for all requests that wait for them:
///
/// ```
/// use std::{sync::{Arc, OnceLock}, time::Duration};
///
/// use async_trait::async_trait;
/// use tower_logout::{
///     Claims, JwtVerifier, VerifiedToken,
///     token::{SingleFlight, TokenVerifier, VerifyError},
/// };
///
/// struct Fetching {
///     verifier: Arc<OnceLock<JwtVerifier>>,
///     fetches: SingleFlight<(), Result<(), String>>,
/// }
///
/// # async fn fetch() -> Result<JwtVerifier, String> {
/// #     let verifier = JwtVerifier::hs256([7; 32]).issuer("https://matar.app").build();
/// #     verifier.map_err(|error| error.to_string())
/// # }
/// #[async_trait]
/// impl TokenVerifier for Fetching {
///     type Claims = Claims;
///
///     async fn verify(&self, token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
///         if self.verifier.get().is_none() {
///             let verifier = Arc::clone(&self.verifier);
///             let fetched = self.fetches.run((), move || async move {
///                 let fetched = fetch().await?; // may take longer than a request waits
///                 let _ = verifier.set(fetched);
///                 Ok(())
///             });
///             fetched.await?.map_err(VerifyError::unavailable)?;
///         }
///         match self.verifier.get() {
///             Some(verifier) => verifier.verify(token).await,
///             None => Err(VerifyError::unavailable("the keys were not fetched")),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let fetching = Fetching {
///     verifier: Arc::default(),
///     fetches: SingleFlight::new(1, Duration::from_secs(10)),
/// };
/// let error = fetching.verify("a.b.c").await.unwrap_err();
/// assert!(matches!(error, VerifyError::Invalid(_)));
/// # }
/// ```
pub struct SingleFlight<K, V> {
    flights: Arc<Mutex<Flights<K, V>>>,
    capacity: usize,
    limit: Duration,
}

/// Running lookups, each with the channel that delivers its result.
type Flights<K, V> = HashMap<K, watch::Receiver<Option<Result<V, FlightError>>>>;

/// Error of a [`SingleFlight`], whose lookup has no result. The next call starts the lookup again.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FlightError {
    /// The maximum number of lookups is running, none of which has this key.
    #[error("as many lookups are running as `SingleFlight::new` allows: allow more, or find out why they take so long")]
    Full,
    /// The lookup took longer than allowed and was dropped.
    #[error("the lookup took longer than `SingleFlight::new` allows: is its server reachable?")]
    TimedOut,
    /// The lookup panicked, or its runtime has ended.
    #[error("the lookup panicked, or the Tokio runtime that it ran on has ended")]
    Failed,
    /// The caller is outside a Tokio runtime, so no lookup can start.
    #[error("a lookup needs a Tokio runtime: call it from inside one")]
    NoRuntime,
}

debug_as_chain!(FlightError);

impl From<FlightError> for VerifyError {
    fn from(error: FlightError) -> Self {
        Self::unavailable(error)
    }
}

impl<K, V> SingleFlight<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Creates a value without running lookups. At most `capacity` lookups run at a time, each for
    /// at most `limit`.
    #[must_use]
    pub fn new(capacity: usize, limit: Duration) -> Self {
        Self { flights: Arc::default(), capacity, limit }
    }

    /// Joins the lookup with this key, or starts it, and waits for its result.
    ///
    /// # Errors
    ///
    /// [`FlightError`] if there is no result. An error of the lookup itself is part of its result,
    /// `V`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not end the lookup, which continues for other callers. A lookup
    /// starts when the future is first polled.
    pub async fn run<F>(&self, key: K, work: impl FnOnce() -> F + Send + 'static) -> Result<V, FlightError>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut result = self.enter(key, work)?;
        let landed = result.wait_for(Option::is_some).await.map_err(|_| FlightError::Failed)?;
        landed.clone().unwrap_or(Err(FlightError::Failed))
    }

    /// Returns the number of running lookups.
    #[must_use]
    pub fn under_way(&self) -> usize {
        lock(&self.flights).len()
    }

    fn enter<F>(
        &self,
        key: K,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<watch::Receiver<Option<Result<V, FlightError>>>, FlightError>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = lock(&self.flights);
        let full = flights.len() >= self.capacity;
        let entry = match flights.entry(key) {
            Entry::Occupied(flight) => return Ok(flight.get().clone()),
            Entry::Vacant(_) if full => return Err(FlightError::Full),
            Entry::Vacant(entry) => entry,
        };
        let runtime = Handle::try_current().map_err(|_| FlightError::NoRuntime)?;
        let (sender, receiver) = watch::channel(None);
        let flight = Flight { key: entry.key().clone(), flights: Arc::clone(&self.flights), sender, is_listed: true };
        entry.insert(receiver.clone());
        drop(flights);
        let limit = self.limit;
        runtime.spawn(telemetry::in_span(async move {
            // A panic drops the flight, which reports `Failed` to all waiting callers.
            let result = timeout(limit, async move { work().await }).await.map_err(|_| FlightError::TimedOut);
            flight.land(result);
        }));
        Ok(receiver)
    }
}

/// A running lookup. When it is dropped, for whatever reason, the next caller starts a new one.
struct Flight<K: Eq + Hash, V> {
    key: K,
    flights: Arc<Mutex<Flights<K, V>>>,
    sender: watch::Sender<Option<Result<V, FlightError>>>,
    is_listed: bool,
}

impl<K: Eq + Hash, V> Flight<K, V> {
    /// Delivers the result. The flight is removed before, so that nobody joins it afterwards: a
    /// caller that has a result and needs a later one gets that from its next call.
    fn land(mut self, result: Result<V, FlightError>) {
        self.remove();
        self.sender.send_replace(Some(result));
    }

    fn remove(&mut self) {
        if mem::take(&mut self.is_listed) {
            lock(&self.flights).remove(&self.key);
        }
    }
}

impl<K: Eq + Hash, V> Drop for Flight<K, V> {
    fn drop(&mut self) {
        self.remove();
    }
}

fn lock<K, V>(flights: &Mutex<Flights<K, V>>) -> MutexGuard<'_, Flights<K, V>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight")
            .field("under_way", &lock(&self.flights).len())
            .field("capacity", &self.capacity)
            .field("limit", &self.limit)
            .finish()
    }
}
