//! Chance, so that what many do at intervals does not happen all at once.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Any part of a duration, each as likely as another.
pub(crate) fn random_part_of(duration: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or(u32::MAX);
    duration.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
