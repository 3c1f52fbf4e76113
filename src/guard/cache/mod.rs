//! [`TokenCache`]: a cache of verified tokens, keyed by their text.

mod head;
#[cfg(test)]
mod tests;

use std::{
    array, fmt,
    hash::{BuildHasher, Hasher},
    ops::Range,
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use foldhash::fast::RandomState;

use crate::clock::Timestamp;
use head::{FIRST_TAG, Head, PLACES, unless_locked};

/// A map of bounded size from the texts of tokens to the results of their verification.
///
/// The hash of a text selects its group, and a group holds at most eight entries, so neither bound
/// needs a counter that all threads share. The state that decides whether a new text is cached is
/// in the group's [`Head`], one cache line of the processor. Most texts that are seen once, or too
/// seldom to be worth a place, are therefore not cached without taking a lock or allocating.
///
/// No call waits for another: a locked group or entry is treated as absent.
pub(crate) struct TokenCache<T> {
    groups: Box<[Group<T>]>,
    /// Seeded at random. Only verified texts are cached, so few clients can choose hashed texts,
    /// and none can predict their hashes.
    hasher: RandomState,
    tokens_per_group: usize,
    bytes_per_group: u32,
}

/// Result of looking up a text.
pub(crate) enum Lookup<T> {
    Known(T),
    /// The text is not cached. Verify the token, and [offer](TokenCache::offer) the result.
    Unknown(Ticket),
}

/// The hash of a text, so that it is computed once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    hash: u64,
}

/// One cache line of the processor, including the lock.
#[repr(align(64))]
struct Place<T>(RwLock<Option<Entry<T>>>);

struct Entry<T> {
    text: Box<str>,
    value: T,
    /// The revision at which the verifier accepted the token.
    revision: u64,
    /// From the acceptance of the token until its expiry.
    life: Range<Timestamp>,
}

struct Group<T> {
    head: Head,
    places: [Place<T>; PLACES],
}

impl<T: Clone> TokenCache<T> {
    /// Creates a cache for at most this many tokens, whose texts have at most this many bytes in
    /// total.
    pub(crate) fn new(tokens: usize, bytes: usize) -> Self {
        let tokens_per_group = tokens.min(PLACES);
        let groups = match tokens.checked_div(tokens_per_group) {
            Some(groups) if bytes > 0 => groups.min(bytes / LONGEST).max(1),
            _ => 0,
        };
        let bytes_per_group = bytes.checked_div(groups).unwrap_or(0).try_into().unwrap_or(u32::MAX);
        Self {
            groups: (0..groups).map(|_| Group::new(tokens_per_group, bytes_per_group)).collect(),
            hasher: RandomState::default(),
            tokens_per_group,
            bytes_per_group,
        }
    }

    /// Returns the cached result for this text, if it is valid at this revision and time.
    pub(crate) fn find(&self, text: &[u8], revision: u64, now: Timestamp) -> Lookup<T> {
        let ticket = self.ticket(text);
        let known = self.group(ticket).and_then(|group| group.find(ticket, text, revision, now));
        known.map_or(Lookup::Unknown(ticket), Lookup::Known)
    }

    /// Caches the result for a token, if there is room or the token displaces another.
    ///
    /// `ticket` must be that of the text. `life` begins when the token was accepted.
    pub(crate) fn offer(&self, ticket: Ticket, text: &str, revision: u64, life: Range<Timestamp>, value: &T) {
        let Some(group) = self.group(ticket) else { return };
        let fits = u32::try_from(text.len()).is_ok_and(|len| len <= self.bytes_per_group);
        if fits && !life.is_empty() {
            group.offer(ticket, text, revision, life, value);
        }
    }

    fn ticket(&self, text: &[u8]) -> Ticket {
        if self.groups.is_empty() {
            return Ticket { hash: 0 };
        }
        // Tokens end with their signatures, which differ.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(&text[text.len().saturating_sub(HASHED)..]);
        Ticket { hash: hasher.finish() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than the number of groups")]
    fn group(&self, ticket: Ticket) -> Option<&Group<T>> {
        let index = (u128::from(ticket.hash) * self.groups.len() as u128) >> u64::BITS;
        self.groups.get(index as usize)
    }
}

impl<T: Clone> Group<T> {
    fn new(tokens: usize, bytes: u32) -> Self {
        Self { head: Head::new(tokens, bytes), places: array::from_fn(|_| Place(RwLock::new(None))) }
    }

    fn find(&self, ticket: Ticket, text: &[u8], revision: u64, now: Timestamp) -> Option<T> {
        self.head.places_of(ticket.tag()).find_map(|place| {
            let entry = self.places.get(place)?.read()?;
            let entry = entry.as_ref().filter(|entry| entry.text.as_bytes() == text)?;
            if entry.revision != revision || !entry.life.contains(&now) {
                return None;
            }
            self.head.set_used(place);
            Some(entry.value.clone())
        })
    }

    fn offer(&self, ticket: Ticket, text: &str, revision: u64, life: Range<Timestamp>, value: &T) {
        let (head, tag, now) = (&self.head, ticket.tag(), life.start);
        if !head.may_come_in(tag, text.len(), revision, now) {
            return;
        }
        // Dropped after the lock is released, because dropping claims can run the application's
        // code.
        let mut displaced = Vec::new();
        let Some(mut hand) = head.try_lock() else { return };
        if head.may_hold_outdated(revision, now) {
            displaced.extend(self.take_outdated(revision, now));
        }
        let same = |entry: &Entry<T>| *entry.text == *text;
        displaced.extend(head.places_of(tag).filter_map(|place| self.take_if(place, same)));
        let Some(free) = self.make_room(&mut hand, text.len(), &mut displaced) else { return };
        if let Some(mut place) = self.places[free].write() {
            head.put(free, tag, text.len(), life.end);
            *place = Some(Entry { text: text.into(), value: value.clone(), revision, life });
        }
    }

    /// Returns a free place with room for this many bytes, if necessary after evicting entries that
    /// were not used since the hand last passed them. The first entry that was used ends the
    /// search, and stays at least until the hand returns.
    fn make_room(&self, hand: &mut u8, len: usize, displaced: &mut Vec<Entry<T>>) -> Option<usize> {
        for _ in 0..=PLACES {
            let free = self.head.free_place(len);
            if free.is_some() {
                return free;
            }
            let place = usize::from(*hand) % PLACES;
            *hand = hand.wrapping_add(1);
            if self.head.take_used(place) {
                return None;
            }
            displaced.extend(self.take_if(place, |_| true));
        }
        None
    }

    /// Removes entries that have expired or were accepted at another revision.
    fn take_outdated(&self, revision: u64, now: Timestamp) -> impl Iterator<Item = Entry<T>> {
        self.head.forget_outdated(revision);
        (0..PLACES).filter_map(move |place| {
            let outdated = |entry: &Entry<T>| entry.revision != revision || entry.life.end <= now;
            let taken = self.take_if(place, outdated);
            if taken.is_none()
                && let Some(entry) = self.places[place].read()
                && let Some(entry) = &*entry
            {
                self.head.note_end(entry.life.end);
            }
            taken
        })
    }

    /// Removes an entry, unless another thread is reading it.
    fn take_if(&self, place: usize, out: impl FnOnce(&Entry<T>) -> bool) -> Option<Entry<T>> {
        let taken = self.places.get(place)?.write()?.take_if(|entry| out(entry))?;
        self.head.take_out(place, taken.text.len());
        Some(taken)
    }
}

impl<T> Place<T> {
    fn read(&self) -> Option<RwLockReadGuard<'_, Option<Entry<T>>>> {
        unless_locked(self.0.try_read())
    }

    fn write(&self) -> Option<RwLockWriteGuard<'_, Option<Entry<T>>>> {
        unless_locked(self.0.try_write())
    }
}

impl Ticket {
    /// A part of the hash other than the one that selects the group.
    #[expect(clippy::cast_possible_truncation, reason = "a part")]
    fn tag(self) -> u16 {
        (self.hash as u16).max(FIRST_TAG)
    }
}

impl<T> fmt::Debug for TokenCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("tokens", &(self.groups.len() * self.tokens_per_group))
            .field("bytes", &(self.groups.len() * self.bytes_per_group as usize))
            .finish_non_exhaustive()
    }
}

/// A group has room for a text of at least this many bytes, the default maximum length of a token,
/// if the cache as a whole has.
const LONGEST: usize = 8 * 1024;
/// The number of bytes at the end of a text that are hashed. Comparisons use the whole text.
const HASHED: usize = 16;
