//! [`Task`]: fetches, takes and acknowledges events.

use std::{future::poll_fn, mem, pin::pin, sync::Arc, task::Poll, time::Duration};

use http::{HeaderMap, Method, header::CONTENT_LANGUAGE};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    health::Observed,
    pace::Pace,
    wire::{Batch, Receipts},
};
use crate::{
    endpoint::{
        deadline,
        security_events::{
            TransmitterError,
            credentials::Credentials,
            push::ENGLISH,
            receiver::Receiver,
            refusal::NotReceived,
            transmitter::{Call, MANAGEMENT, Transmitter},
        },
    },
    fetch::{Address, FetchError, Limits},
    telemetry,
};

/// How events are fetched and taken.
pub(super) struct Polling {
    pub(super) receiver: Arc<Receiver>,
    pub(super) transmitter: Arc<Transmitter>,
    pub(super) address: Address,
    pub(super) credentials: Credentials,
    pub(super) long_poll: Duration,
    pub(super) max_response: usize,
    /// How long taking an event may last.
    pub(super) timeout: Duration,
}

/// Fetches, takes and acknowledges events until it is stopped.
pub(super) struct Task {
    polling: Polling,
    most_events: usize,
    /// How many events are asked for. Fewer than the most after a response that was too long.
    max_events: usize,
    /// Whether the next request asks for an answer at once, because the last one got none.
    is_probing: bool,
    pace: Pace,
    /// What is told with the next request.
    receipts: Receipts,
    observed: Arc<Observed>,
    stopped: watch::Receiver<bool>,
}

/// A request that has failed, with the headers of the response if there was one.
struct Failed(TransmitterError, Option<HeaderMap>);

impl Task {
    pub(super) fn new(
        polling: Polling,
        max_events: usize,
        pace: Pace,
        observed: Arc<Observed>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let receipts = Receipts::default();
        Self { polling, most_events: max_events, max_events, is_probing: false, pace, receipts, observed, stopped }
    }

    pub(super) async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        loop {
            let began = Instant::now();
            let fetching = self.polling.fetch(&self.receipts, self.max_events, self.is_probing);
            let Some(fetched) = unless_stopped(&mut stopped, fetching).await else { break };
            let wait = self.conclude(fetched, began.elapsed()).await;
            if unless_stopped(&mut stopped, sleep(wait)).await.is_none() {
                break;
            }
        }
        if !self.receipts.is_empty() {
            // If that fails, the events come again.
            let _ = self.polling.fetch(&self.receipts, 0, true).await;
        }
    }

    /// Takes the events of an answer, and returns the time until the next request.
    async fn conclude(&mut self, fetched: Result<Batch, Failed>, took: Duration) -> Duration {
        let batch = match fetched {
            Ok(batch) => batch,
            Err(Failed(TransmitterError::Fetch { source: FetchError::TimedOut(_), .. }, _)) if !self.is_probing => {
                // There was no event, or no answer: the next request tells which.
                self.is_probing = true;
                return self.pace.after_nothing(took);
            }
            Err(failed) => return self.fail(failed),
        };
        self.is_probing = false;
        if batch.events.len() < self.max_events {
            // What was too long has been fetched in parts.
            self.max_events = self.most_events;
        }
        let told = mem::take(&mut self.receipts);
        let (mut is_new, mut all_taken) = (false, true);
        for (id, text) in batch.events {
            is_new |= !told.name(&id);
            match self.polling.receiver.receive(&text, deadline::after(self.polling.timeout)).await {
                Ok(()) => self.receipts.taken.push(id),
                Err(NotReceived::Refused(refusal)) => self.receipts.refuse(id, &refusal),
                Err(NotReceived::Unavailable) => all_taken = false,
            }
        }
        if self.observed.answered(all_taken) {
            telemetry::polling_again(&self.polling.transmitter.issuer);
        }
        match (all_taken, is_new) {
            (false, _) => self.pace.after_failure(None),
            (true, true) => self.pace.after_events(took, batch.more),
            (true, false) => self.pace.after_nothing(took),
        }
    }

    fn fail(&mut self, Failed(error, headers): Failed) -> Duration {
        if matches!(error, TransmitterError::Fetch { source: FetchError::TooLong(_), .. }) {
            self.max_events = (self.max_events / 2).max(1);
        }
        let Polling { receiver, transmitter, .. } = &self.polling;
        telemetry::polling_failed(&receiver.throttle, &transmitter.issuer, &error);
        self.observed.failed(error);
        self.pace.after_failure(headers.as_ref())
    }
}

impl Polling {
    /// Tells what has become of the events of the last answer, and fetches the next ones.
    async fn fetch(&self, receipts: &Receipts, max_events: usize, immediately: bool) -> Result<Batch, Failed> {
        let mut headers = HeaderMap::new();
        if receipts.have_errors() {
            headers.insert(CONTENT_LANGUAGE, ENGLISH);
        }
        let timeout = if immediately { MANAGEMENT.timeout } else { self.long_poll };
        let call = Call {
            operation: OPERATION,
            method: Method::POST,
            address: &self.address,
            credentials: &self.credentials,
            body: Some(receipts.request(max_events, immediately)),
            headers,
            limits: Limits { timeout, len: self.max_response },
        };
        let reply = self.transmitter.send(call).await.map_err(|error| Failed(error, None))?;
        if !reply.status.is_success() {
            return Err(Failed(TransmitterError::status(OPERATION, reply.status), Some(reply.headers)));
        }
        Batch::read(OPERATION, &reply, max_events).map_err(|error| Failed(error, None))
    }
}

/// Waits for a future, unless the poller is stopped before.
async fn unless_stopped<T>(stopped: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    let (mut stopped, mut work) = (pin!(stopped.wait_for(|stopped| *stopped)), pin!(work));
    poll_fn(|cx| match stopped.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(cx).map(Some),
    })
    .await
}

const OPERATION: &str = "poll for events";
