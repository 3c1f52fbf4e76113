//! Stores several revocations on the server, in as few statements as possible.

use std::{collections::BTreeMap, time::Duration};

use super::{error::PostgresError, layout::to_column, revoke::ATTEMPTS, shared::Shared, value::Value};
use crate::revocation::{Outcome, Revocation, RevocationKey};

/// The revocations of one statement: the position of each in the caller's list. All transactions
/// lock the rows in the order of the keys, so that none waits for another that waits for it.
type Batch = BTreeMap<RevocationKey, usize>;

/// The outcomes of those that were stored.
type Stored = Vec<Option<Outcome>>;

/// Whose revocations a statement has.
#[derive(Clone, Copy)]
enum Callers {
    One,
    Several,
}

impl Shared {
    pub(super) async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, PostgresError> {
        match self.store(revocations, Callers::One).await {
            (_, Some(error)) => Err(error),
            (stored, None) => stored.into_iter().collect::<Option<_>>().ok_or(PostgresError::NotStored),
        }
    }

    /// Stores the revocations of several callers, which do not wait long for the rows of one of
    /// them. Those without an outcome were not stored, and each of them decides alone what becomes
    /// of it.
    pub(super) async fn revoke_together(&self, revocations: &[Revocation]) -> Result<Stored, PostgresError> {
        match self.store(revocations, Callers::Several).await {
            (_, Some(error)) if !error.may_concern_one_row() => Err(error),
            (stored, _) => Ok(stored),
        }
    }

    /// Stores revocations until a statement fails.
    async fn store(&self, revocations: &[Revocation], callers: Callers) -> (Stored, Option<PostgresError>) {
        let mut stored = vec![None; revocations.len()];
        let (mut waiting, mut covered) = ((0..revocations.len()).collect(), Vec::new());
        let mut error = None;
        while error.is_none() {
            let batch = next_batch(revocations, &mut waiting, &mut covered);
            if batch.is_empty() {
                break;
            }
            error = self.send(revocations, batch, callers, &mut stored).await.err();
        }
        for Covered { at, by } in covered {
            stored[at] = stored[by].and(Some(Outcome::Already));
        }
        (stored, error)
    }

    async fn send(
        &self,
        revocations: &[Revocation],
        mut batch: Batch,
        callers: Callers,
        stored: &mut Stored,
    ) -> Result<(), PostgresError> {
        let statement = &self.statements().await?.revoke_all;
        let lock_timeout = match callers {
            Callers::One => Self::lock_timeout(self.timeout),
            Callers::Several => Self::lock_timeout(self.timeout.min(SHARED_LOCK_TIMEOUT)),
        };
        for _ in 0..ATTEMPTS {
            let instants =
                |of: fn(&Revocation) -> i64| Value::Numbers(batch.values().map(|&at| of(&revocations[at])).collect());
            let values = [
                Value::Keys(batch.keys().map(|key| &key.as_bytes()[..]).collect()),
                instants(|revocation| to_column(revocation.issued_through())),
                instants(|revocation| to_column(revocation.retain_until())),
                Value::Text(Some(&lock_timeout)),
            ];
            let rows = match callers {
                Callers::One => self.sessions.write(statement, &values, &self.channel).await?,
                Callers::Several => self.sessions.write_once(statement, &values, &self.channel).await?,
            };
            for row in &rows {
                let Some(outcome) = self.outcome(row)? else { continue };
                let key = <[u8; RevocationKey::LEN]>::try_from(row.try_get::<_, &[u8]>("key")?);
                if let Some(at) = key.ok().and_then(RevocationKey::from_bytes).and_then(|key| batch.remove(&key)) {
                    stored[at] = Some(outcome);
                    self.loss.add_written(&revocations[at]);
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
        }
        Err(PostgresError::NotStored)
    }
}

/// A revocation that another one of the same statement covers, so that it changes nothing.
struct Covered {
    at: usize,
    by: usize,
}

/// Takes the revocations of the next statement, which can write each row once.
fn next_batch(revocations: &[Revocation], waiting: &mut Vec<usize>, covered: &mut Vec<Covered>) -> Batch {
    let mut batch = Batch::new();
    waiting.retain(|&at| {
        let revocation = &revocations[at];
        match batch.get(&revocation.key()) {
            Some(&by) if revocations[by].join(revocation) == Some(revocations[by]) => {
                covered.push(Covered { at, by });
                false
            }
            None if batch.len() < MAX_PER_STATEMENT => batch.insert(revocation.key(), at).is_some(),
            _ => true,
        }
    });
    batch
}

const MAX_PER_STATEMENT: usize = 5000;
/// How long the revocations of several callers wait for a row of one of them.
const SHARED_LOCK_TIMEOUT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn batches(given: &[(&str, u64, u64)]) -> Vec<Vec<usize>> {
        let at = Timestamp::from_unix_seconds;
        let of = |&(sub, through, until): &(&str, u64, u64)| {
            Revocation::new(RevocationKey::subject("i", sub), at(through), at(until))
        };
        let given: Vec<_> = given.iter().map(of).collect();
        let mut waiting = (0..given.len()).collect();
        let mut covered = Vec::new();
        let mut batches = Vec::new();
        loop {
            let batch = next_batch(&given, &mut waiting, &mut covered);
            if batch.is_empty() {
                return batches;
            }
            assert!(batch.iter().all(|(key, &at)| given[at].key() == *key));
            let mut batch: Vec<_> = batch.into_values().collect();
            batch.sort_unstable();
            batches.push(batch);
        }
    }

    #[test]
    fn a_statement_has_each_key_once_and_covered_revocations_are_not_sent() {
        assert!(batches(&[]).is_empty());
        assert_eq!(batches(&[("a", 1, 1), ("b", 1, 1), ("a", 1, 1)]), [[0, 1]]);
        assert_eq!(batches(&[("a", 1, 1), ("a", 2, 1), ("a", 2, 2), ("a", 1, 1)]), [[0], [1], [2]]);
        assert_eq!(batches(&[("a", 2, 1), ("a", 1, 2), ("b", 1, 1)]), [vec![0, 2], vec![1]]);
        let many: Vec<_> = (0..=MAX_PER_STATEMENT).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(|sub| (&**sub, 1, 1)).collect();
        assert_eq!(batches(&many)[1], [MAX_PER_STATEMENT]);
    }
}
