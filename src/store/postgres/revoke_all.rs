//! Stores several revocations on the server, in as few statements as possible.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::{error::PostgresError, layout::to_column, revoke::ATTEMPTS, shared::Shared};
use crate::revocation::{Outcome, Revocation, RevocationKey};

/// The revocations of one statement: the position of each in the caller's list. All transactions
/// lock the rows in the order of the keys, so that none waits for another that waits for it.
type Batch = BTreeMap<RevocationKey, usize>;

impl Shared {
    pub(super) async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, PostgresError> {
        let mut outcomes = vec![Outcome::Already; revocations.len()];
        let mut waiting: Vec<usize> = (0..revocations.len()).collect();
        loop {
            let batch = next_batch(revocations, &mut waiting);
            if batch.is_empty() {
                return Ok(outcomes);
            }
            self.send(revocations, batch, &mut outcomes).await?;
        }
    }

    async fn send(
        &self,
        revocations: &[Revocation],
        mut batch: Batch,
        outcomes: &mut [Outcome],
    ) -> Result<(), PostgresError> {
        let statements = self.statements().await?;
        let lock_timeout = self.lock_timeout();
        for _ in 0..ATTEMPTS {
            let column =
                |of: fn(&Revocation) -> i64| batch.values().map(|&at| of(&revocations[at])).collect::<Vec<_>>();
            let keys: Vec<&[u8]> = batch.keys().map(|key| &key.as_bytes()[..]).collect();
            let issued_through = column(|revocation| to_column(revocation.issued_through()));
            let retain_until = column(|revocation| to_column(revocation.retain_until()));
            let params = [
                (&keys as _, Type::BYTEA_ARRAY),
                (&issued_through as _, Type::INT8_ARRAY),
                (&retain_until as _, Type::INT8_ARRAY),
                (&lock_timeout as _, Type::TEXT),
            ];
            let (rows, session) = self.sessions.write(&statements.revoke_all, &params).await?;
            let mut is_changed = false;
            for row in &rows {
                let Some(written) = self.written(row)? else { continue };
                is_changed |= written.is_changed;
                let key = <[u8; RevocationKey::LEN]>::try_from(row.try_get::<_, &[u8]>("key")?);
                if let Some(at) = key.ok().and_then(RevocationKey::from_bytes).and_then(|key| batch.remove(&key)) {
                    outcomes[at] = written.outcome;
                    self.loss.add_written(&revocations[at]);
                }
            }
            if is_changed {
                self.notify(session);
            }
            if batch.is_empty() {
                return Ok(());
            }
        }
        Err(PostgresError::NotStored)
    }
}

/// Takes the revocations of the next statement, which can write each row once. What an earlier one
/// of the batch covers changes nothing.
fn next_batch(revocations: &[Revocation], waiting: &mut Vec<usize>) -> Batch {
    let mut batch = Batch::new();
    waiting.retain(|&at| {
        let revocation = &revocations[at];
        match batch.get(&revocation.key()) {
            Some(&earlier) => revocations[earlier].join(revocation) != Some(revocations[earlier]),
            None if batch.len() < MAX_PER_STATEMENT => batch.insert(revocation.key(), at).is_some(),
            None => true,
        }
    });
    batch
}

const MAX_PER_STATEMENT: usize = 5000;

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
        let mut batches = Vec::new();
        loop {
            let batch = next_batch(&given, &mut waiting);
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
