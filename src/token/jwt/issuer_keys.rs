//! [`IssuerKeys`]: the keys that an issuer has at the moment.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;

use crate::token::jwt::verification_keys::VerificationKeys;

/// The keys that an issuer has at the moment. They are replaced while they are read.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    current: ArcSwapOption<VerificationKeys>,
    revision: Arc<Revision>,
}

/// The number of times that keys of a verifier were replaced.
#[derive(Debug, Default)]
pub(super) struct Revision(AtomicU64);

impl Revision {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl IssuerKeys {
    pub(super) fn new(keys: Option<VerificationKeys>, revision: Arc<Revision>) -> Self {
        Self { current: ArcSwapOption::from_pointee(keys), revision }
    }

    pub(super) fn current(&self) -> arc_swap::Guard<Option<Arc<VerificationKeys>>> {
        self.current.load()
    }

    pub(super) fn are_known(&self) -> bool {
        self.current.load().is_some()
    }

    pub(super) fn replace(&self, keys: VerificationKeys) {
        self.set(Some(Arc::new(keys)));
    }

    /// Discards the keys: the tokens of the issuer cannot be verified until it has new ones.
    pub(super) fn withdraw(&self) {
        if self.are_known() {
            self.set(None);
        }
    }

    fn set(&self, keys: Option<Arc<VerificationKeys>>) {
        self.current.store(keys);
        // Changed after the keys, so that a token that is verified with the old keys in between has
        // the old revision.
        self.revision.increment();
    }
}
