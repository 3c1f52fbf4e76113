//! How the service is: its store, its live streams and its last revocations.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::header::CACHE_CONTROL,
    response::{
        IntoResponse,
        sse::{Event, Sse},
    },
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::interval;
use tokio_stream::wrappers::IntervalStream;
use tower_logout::{RevocationWatch, store::ReplicaMonitor};

use crate::{App, in_one_line};

/// Where revocations are stored.
pub(crate) enum Storage {
    File,
    Replica(ReplicaMonitor),
}

/// How many event streams are open, and how many a revocation or an expiry has ended.
#[derive(Default)]
pub(crate) struct Streams {
    open: AtomicU64,
    ended: AtomicU64,
}

/// An open stream, until it is dropped.
struct Open {
    app: Arc<App>,
    watch: RevocationWatch,
}

impl App {
    pub(crate) fn state(&self) -> Value {
        let streams = json!({
            "open": self.streams.open.load(Ordering::Relaxed),
            "ended": self.streams.ended.load(Ordering::Relaxed),
        });
        json!({ "store": self.storage.state(), "streams": streams, "revocations": self.journal.entries() })
    }
}

pub(crate) async fn state(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(app.state()))
}

/// An event each second. The layer ends the stream with its token.
pub(crate) async fn events(State(app): State<Arc<App>>, watch: RevocationWatch) -> impl IntoResponse {
    app.streams.open.fetch_add(1, Ordering::Relaxed);
    let open = Open { app, watch };
    Sse::new(IntervalStream::new(interval(Duration::from_secs(1))).map(move |_| {
        let _ = &open;
        Ok::<_, Infallible>(Event::default().event("tick").data(""))
    }))
}

impl Storage {
    fn state(&self) -> Value {
        match self {
            Self::File => json!({ "kind": "file", "is_ready": true }),
            Self::Replica(monitor) => {
                let health = monitor.health();
                json!({
                    "kind": "replica",
                    "is_ready": health.is_fresh(),
                    "staleness_ms": health.staleness().map(|staleness| staleness.as_millis()),
                    "error": health.last_error().map(|error| in_one_line(error)),
                })
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let streams = &self.app.streams;
        streams.open.fetch_sub(1, Ordering::Relaxed);
        if self.watch.ended().is_some() {
            streams.ended.fetch_add(1, Ordering::Relaxed);
        }
    }
}
