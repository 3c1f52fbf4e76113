//! The tokens that were verified, by their texts: a table of a fixed size, in groups that are locked one at a time.

use std::{
    array, fmt,
    hash::{BuildHasher, Hasher},
    ops::Range,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use foldhash::fast::RandomState;

use crate::clock::Timestamp;

/// A text's hash chooses its group, and a group holds a few texts at most. So neither bound needs a count that all threads share, and no lock is held for longer
/// than it takes to look at a group.
pub(crate) struct TokenCache<T> {
    groups: Box<[Aligned<RwLock<Group<T>>>]>,
    /// Seeded at random. Only texts that were verified come in, so that few can choose what is hashed, and none knows to what.
    hasher: RandomState,
    tokens_of_group: usize,
    bytes_of_group: usize,
}

/// Begins where a line of the processor's cache does.
#[derive(Default)]
#[repr(align(64))]
struct Aligned<T>(T);

/// With its lock it takes eight lines, where the compiler puts the tags beside the lock.
struct Group<T> {
    places: [Option<Entry<T>>; PLACES],
    /// A part of the hash of what is in each place.
    tags: [u32; PLACES],
    /// Where to look next for one that may make room.
    hand: usize,
}

struct Entry<T> {
    text: Box<str>,
    known: Known<T>,
    /// Since it was last passed over when room was needed.
    used: AtomicBool,
}

/// What is known of a text.
struct Known<T> {
    value: T,
    /// The verifier's, when it was accepted.
    revision: u64,
    /// From when it was accepted until it is dead.
    life: Range<Timestamp>,
}

/// What a cache knows of a text.
pub(crate) enum Lookup<T> {
    Known(T),
    Unknown(Ticket),
}

/// The hash of a text that was not found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl<T: Clone> TokenCache<T> {
    /// At most so many tokens, whose texts have at most so many bytes together.
    pub(crate) fn new(tokens: usize, bytes: usize) -> Self {
        let tokens_of_group = tokens.min(PLACES);
        let groups = match tokens.checked_div(tokens_of_group) {
            Some(groups) if bytes > 0 => groups.min(bytes / LONGEST).max(1),
            _ => 0,
        };
        Self {
            groups: (0..groups).map(|_| Aligned::default()).collect(),
            hasher: RandomState::default(),
            tokens_of_group,
            bytes_of_group: bytes.checked_div(groups).unwrap_or(0),
        }
    }

    /// What is known of a text.
    pub(crate) fn find(&self, text: &[u8], revision: u64, now: Timestamp) -> Lookup<T> {
        let ticket = Ticket(self.hash(text));
        let Some(group) = self.group(ticket.0) else { return Lookup::Unknown(ticket) };
        let group = group.read().unwrap_or_else(PoisonError::into_inner);
        match group.find(tag(ticket.0), text) {
            Some(entry) if entry.known.revision == revision && entry.known.life.contains(&now) => {
                if !entry.used.load(Ordering::Relaxed) {
                    entry.used.store(true, Ordering::Relaxed);
                }
                Lookup::Known(entry.known.value.clone())
            }
            _ => Lookup::Unknown(ticket),
        }
    }

    pub(crate) fn offer(&self, Ticket(hash): Ticket, text: &str, revision: u64, life: Range<Timestamp>, value: &T) {
        let Some(group) = self.group(hash) else { return };
        if text.len() > self.bytes_of_group {
            return;
        }
        let known = Known { value: value.clone(), revision, life };
        let entry = Entry { text: text.into(), known, used: AtomicBool::new(false) };
        // Dropped without the lock: claims are of the application's own type.
        let mut displaced = Vec::new();
        let mut group = group.write().unwrap_or_else(PoisonError::into_inner);
        displaced.extend(group.take_what_is_over(&entry));
        while group.len() == self.tokens_of_group || group.bytes() + text.len() > self.bytes_of_group {
            displaced.extend(group.displace());
        }
        group.put(tag(hash), entry);
        drop(group);
    }

    /// Tokens end with their signatures, in which no two are alike.
    fn hash(&self, text: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(&text[text.len().saturating_sub(HASHED)..]);
        hasher.finish()
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than the number of groups")]
    fn group(&self, hash: u64) -> Option<&RwLock<Group<T>>> {
        let index = (u128::from(hash) * self.groups.len() as u128) >> u64::BITS;
        self.groups.get(index as usize).map(|Aligned(group)| group)
    }
}

impl<T> Group<T> {
    fn find(&self, tag: u32, text: &[u8]) -> Option<&Entry<T>> {
        let mut places = self.tags.iter().zip(&self.places).filter(|(own, _)| **own == tag);
        places.find_map(|(_, entry)| entry.as_ref().filter(|entry| entry.text.as_bytes() == text))
    }

    /// Takes out what cannot be of use any more, as far as a later one tells, and another of its text.
    fn take_what_is_over(&mut self, later: &Entry<T>) -> impl Iterator<Item = Entry<T>> {
        self.places.iter_mut().filter_map(|place| {
            place.take_if(|old| {
                old.text == later.text
                    || old.known.life.end <= later.known.life.start
                    || old.known.revision != later.known.revision
            })
        })
    }

    /// Takes out one, and not one that was used since the hand was last there, unless all were.
    fn displace(&mut self) -> Option<Entry<T>> {
        loop {
            let place = &mut self.places[self.hand];
            self.hand = (self.hand + 1) % PLACES;
            if place.as_mut().is_none_or(|entry| !std::mem::take(entry.used.get_mut())) {
                return place.take();
            }
        }
    }

    fn put(&mut self, tag: u32, entry: Entry<T>) {
        if let Some(place) = self.places.iter().position(Option::is_none) {
            self.tags[place] = tag;
            self.places[place] = Some(entry);
        }
    }

    fn len(&self) -> usize {
        self.places.iter().flatten().count()
    }

    fn bytes(&self) -> usize {
        self.places.iter().flatten().map(|entry| entry.text.len()).sum()
    }
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { places: array::from_fn(|_| None), tags: [0; PLACES], hand: 0 }
    }
}

impl<T> fmt::Debug for TokenCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("tokens", &(self.groups.len() * self.tokens_of_group))
            .field("bytes", &(self.groups.len() * self.bytes_of_group))
            .finish_non_exhaustive()
    }
}

/// Another part of the hash than the one that chooses the group.
#[expect(clippy::cast_possible_truncation, reason = "a part")]
const fn tag(hash: u64) -> u32 {
    hash as u32
}

/// How many tokens a group may hold.
const PLACES: usize = 8;
/// A group has room for a text of this many bytes, the longest token there is by default, where there is room for one at all.
const LONGEST: usize = 8 * 1024;
/// How many bytes at the end of a text are hashed. All of them are compared.
const HASHED: usize = 16;
