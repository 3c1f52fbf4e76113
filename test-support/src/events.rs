//! `tracing` events for the test that listens to them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak},
    thread::{self, ThreadId},
};

use tracing::{
    Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

/// The events since its creation. Clones share one record.
#[derive(Clone, Debug)]
pub struct Events(Arc<Listener>);

#[derive(Debug)]
struct Listener {
    thread: Option<ThreadId>,
    events: Mutex<Vec<Event>>,
    spans: Mutex<Vec<Event>>,
}

/// An event, or a span that begins or records values, at any level.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub level: String,
    /// The name of the enclosing span.
    pub span: String,
    pub fields: BTreeMap<String, String>,
}

impl Events {
    /// Events of this thread. A test has its own thread, on which its runtime runs unless it uses
    /// more threads.
    pub fn of_this_thread() -> Self {
        Self::listen(Some(thread::current().id()))
    }

    /// Events of all threads, including those of other tests.
    pub fn of_all_threads() -> Self {
        Self::listen(None)
    }

    /// One subscriber serves the whole process from the first event that any test listens to.
    /// `tracing` caches for each call site whether anyone is interested, on the first thread that
    /// reaches it: a subscriber of one thread would miss call sites that another thread reached
    /// before.
    fn listen(thread: Option<ThreadId>) -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing_subscriber::registry().with(Hub).init());
        let listener = Listener { thread, events: Mutex::default(), spans: Mutex::default() };
        let listener = Arc::new(listener);
        let mut listeners = lock(&LISTENERS);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&listener));
        Self(listener)
    }

    pub fn all(&self) -> Vec<Event> {
        lock(&self.0.events).clone()
    }

    /// The events with this message.
    pub fn named(&self, message: &str) -> Vec<Event> {
        self.all().into_iter().filter(|event| event.message() == message).collect()
    }

    /// The events at `ERROR`.
    pub fn errors(&self) -> Vec<Event> {
        self.all().into_iter().filter(|event| event.level == "ERROR").collect()
    }

    /// Everything that a log could show, spans included.
    pub fn text(&self) -> String {
        let lines = self.all().into_iter().chain(lock(&self.0.spans).clone());
        lines.map(|event| event.to_string()).collect::<Vec<_>>().join("\n")
    }
}

impl Event {
    /// The message, which events of other crates may lack.
    pub fn message(&self) -> &str {
        self.fields.get("message").map_or("", String::as_str)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:", self.level, self.span)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

static LISTENERS: Mutex<Vec<Weak<Listener>>> = Mutex::new(Vec::new());

/// A test that fails while it holds the lock does not make others fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Hub;

impl Hub {
    fn report(kind: impl Fn(&Listener) -> &Mutex<Vec<Event>>, event: impl FnOnce() -> Event) {
        let here = thread::current().id();
        let listeners: Vec<_> = lock(&LISTENERS).iter().filter_map(Weak::upgrade).collect();
        let concerned: Vec<_> =
            listeners.iter().filter(|listener| listener.thread.is_none_or(|thread| thread == here)).collect();
        if concerned.is_empty() {
            return;
        }
        let event = event();
        for listener in concerned {
            lock(kind(listener)).push(event.clone());
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Hub {
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        Self::report(
            |listener| &listener.events,
            || {
                let span = context.event_span(event).map(|span| span.name().to_owned()).unwrap_or_default();
                let mut seen = Event { level: event.metadata().level().to_string(), span, ..Event::default() };
                event.record(&mut seen);
                seen
            },
        );
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, _id: &span::Id, _context: Context<'_, S>) {
        Self::report(
            |listener| &listener.spans,
            || {
                let (level, name) = (attributes.metadata().level().to_string(), attributes.metadata().name());
                let mut seen = Event { level, span: name.to_owned(), ..Event::default() };
                attributes.record(&mut seen);
                seen
            },
        );
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        Self::report(
            |listener| &listener.spans,
            || {
                let span = context.span(id).map(|span| span.name().to_owned()).unwrap_or_default();
                let mut seen = Event { span, ..Event::default() };
                values.record(&mut seen);
                seen
            },
        );
    }
}

impl Visit for Event {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
