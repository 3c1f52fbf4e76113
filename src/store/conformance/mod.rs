//! Test suite that every store must pass (feature `test-util`).
//!
//! [`conformance!`](macro@crate::conformance) generates the tests. They need `tokio` with `macros`
//! and `rt-multi-thread` as a dev-dependency.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use tower_logout::{MemoryStore, RevocationStore, conformance};
//!
//! conformance! {
//!     memory => MemoryStore::new();
//!     erased => Arc::new(MemoryStore::new()) as Arc<dyn RevocationStore>;
//! }
//! ```
//!
//! The expression is evaluated once for each test, in an async function. It must yield a store in
//! which nothing else revokes at the same time. The suite revokes random keys, which are retained
//! until the year 2100.
#![expect(clippy::missing_panics_doc, clippy::panic, reason = "tests fail by panicking")]

mod find;
mod revoke_all;
mod revoke_and_check;

use std::sync::Arc;

use crate::{
    clock::Timestamp,
    revocation::{Outcome, Retention, Revocation, RevocationKey, TokenIdentity},
    store::RevocationStore,
};
pub use find::{a_revocation_is_found_by_its_key, every_task_finds_what_another_has_revoked};
pub use revoke_all::{
    a_dropped_future_leaves_each_of_many_written_or_absent,
    exactly_one_parallel_caller_receives_newly_for_each_of_many, many_at_once_have_the_outcomes_of_one_after_the_other,
    many_at_once_raise_signals_and_change_the_generation, random_batches_agree_with_a_model,
};
pub use revoke_and_check::{
    a_dropped_future_leaves_a_revocation_written_or_absent, a_new_revocation_changes_the_generation,
    a_revoked_token_is_reported_as_revoked, a_token_is_revoked_by_any_of_its_keys,
    exactly_one_parallel_caller_receives_newly, live_revocations_are_never_evicted, other_tokens_are_not_revoked,
    random_operations_agree_with_a_model, revocations_join_by_maximum, signals_are_raised_for_affected_tokens_only,
    the_outcome_is_newly_only_for_new_revocations, tokens_issued_later_are_not_revoked,
};

/// Generates a module of tests for each store: `name => expression;`.
///
/// Attributes before the name apply to each of its tests, such as
/// `#[ignore = "needs redis-server"]`.
#[macro_export]
macro_rules! conformance {
    ($($(#[$attribute:meta])* $name:ident => $store:expr;)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::conformance!(@tests ($(#[$attribute])*) $store;
                a_revoked_token_is_reported_as_revoked
                other_tokens_are_not_revoked
                a_token_is_revoked_by_any_of_its_keys
                tokens_issued_later_are_not_revoked
                revocations_join_by_maximum
                the_outcome_is_newly_only_for_new_revocations
                exactly_one_parallel_caller_receives_newly
                a_dropped_future_leaves_a_revocation_written_or_absent
                signals_are_raised_for_affected_tokens_only
                a_new_revocation_changes_the_generation
                random_operations_agree_with_a_model
                live_revocations_are_never_evicted
                a_revocation_is_found_by_its_key
                every_task_finds_what_another_has_revoked
                many_at_once_have_the_outcomes_of_one_after_the_other
                exactly_one_parallel_caller_receives_newly_for_each_of_many
                a_dropped_future_leaves_each_of_many_written_or_absent
                many_at_once_raise_signals_and_change_the_generation
                random_batches_agree_with_a_model
            );
        }
    )+};
    (@tests $attributes:tt $store:expr; $($test:ident)+) => {$(
        $crate::conformance!(@test $attributes $store; $test);
    )+};
    (@test ($(#[$attribute:meta])*) $store:expr; $test:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        $(#[$attribute])*
        async fn $test() {
            $crate::store::conformance::$test(&::std::sync::Arc::new($store)).await;
        }
    };
}

async fn revoke<S: RevocationStore>(store: &Arc<S>, revocation: &Revocation) -> Outcome {
    store.revoke(revocation).await.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn revoke_all<S: RevocationStore>(store: &Arc<S>, revocations: &[Revocation]) -> Vec<Outcome> {
    store.revoke_all(revocations).await.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn find<S: RevocationStore>(store: &Arc<S>, key: RevocationKey) -> Option<Revocation> {
    store.find(key).await.unwrap_or_else(|error| panic!("{error:?}"))
}

/// Checks a token with both methods, whose results must agree.
async fn is_revoked<S: RevocationStore>(store: &Arc<S>, token: &TokenIdentity) -> bool {
    let answer = store.is_revoked(token).await.unwrap_or_else(|error| panic!("{error}"));
    if let Some(now) = store.is_revoked_now(token) {
        let now = now.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(now, answer, "is_revoked_now agrees with is_revoked");
    }
    answer
}

fn token(jti: &str, issued_at: u64) -> TokenIdentity {
    TokenIdentity::new(RevocationKey::token_id(ISSUER, jti), seconds(issued_at), FAR, &Retention::default())
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

/// Returns a name that is unique across calls and processes.
fn unique(name: &str) -> String {
    format!("{name}-{:032x}", fastrand::u128(..))
}

const ISSUER: &str = "https://conformance.example";
const FAR: Timestamp = Timestamp::from_unix_seconds(4_102_444_800);
