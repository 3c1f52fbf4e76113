//! [`Traffic`]: what nodes send a log and read from it.

use std::collections::BTreeMap;

use tokio::time::Instant;

pub(crate) struct Traffic {
    origin: Instant,
    /// In each second, for each kind of call.
    seconds: BTreeMap<(u64, &'static str), Count>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    pub(crate) calls: u64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Traffic {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, seconds: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, kind: &'static str, entries: usize, bytes: usize) {
        let second = self.origin.elapsed().as_secs();
        let count = self.seconds.entry((second, kind)).or_default();
        count.calls += 1;
        count.entries += entries as u64;
        count.bytes += bytes as u64;
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(Instant::now());
    }

    /// All calls of a kind.
    pub(crate) fn total(&self, kind: &str) -> Count {
        self.of(kind).fold(Count::default(), |sum, count| Count {
            calls: sum.calls + count.calls,
            entries: sum.entries + count.entries,
            bytes: sum.bytes + count.bytes,
        })
    }

    /// The most of each in one second.
    pub(crate) fn peak(&self, kind: &str) -> Count {
        self.of(kind).fold(Count::default(), |most, count| Count {
            calls: most.calls.max(count.calls),
            entries: most.entries.max(count.entries),
            bytes: most.bytes.max(count.bytes),
        })
    }

    fn of(&self, kind: &str) -> impl Iterator<Item = Count> {
        self.seconds.iter().filter(move |((_, of), _)| *of == kind).map(|(_, count)| *count)
    }
}
