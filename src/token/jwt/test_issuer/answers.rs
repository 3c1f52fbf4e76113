//! [`Answers`]: what a test issuer answers instead, later, or not at all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::{sync::watch, time::sleep};

use super::lock;
use crate::fetch::FetchBody;

pub(super) type Answer = Arc<dyn Fn(Request<Bytes>) -> Response<FetchBody> + Send + Sync>;

#[derive(Default)]
pub(super) struct Answers {
    by_path: Mutex<HashMap<String, Answer>>,
    pace: watch::Sender<Pace>,
}

#[derive(Clone, Copy, Default)]
struct Pace {
    delay: Duration,
    hangs: bool,
}

impl Answers {
    pub(super) fn delay(&self, delay: Duration) {
        self.pace.send_modify(|pace| pace.delay = delay);
    }

    pub(super) fn hang(&self) {
        self.pace.send_modify(|pace| pace.hangs = true);
    }

    pub(super) fn set(&self, path: &str, answer: Answer) {
        lock(&self.by_path).insert(path.to_owned(), answer);
    }

    pub(super) fn recover(&self) {
        lock(&self.by_path).clear();
        self.pace.send_replace(Pace::default());
    }

    /// Resolves when a request may be answered.
    pub(super) async fn pace(&self) {
        let mut pace = self.pace.subscribe();
        // Fails only if the sender is dropped, and `self` holds it.
        let delay = pace.wait_for(|pace| !pace.hangs).await.map(|pace| pace.delay).unwrap_or_default();
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    pub(super) fn of(&self, path: &str) -> Option<Answer> {
        lock(&self.by_path).get(path).cloned()
    }
}
