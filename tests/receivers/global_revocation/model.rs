//! Promise: any requests, in any order and repetition, at any node, and with any outages, leave the
//! revocations of a model of a few lines.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use test_support::{NOW, at, clock, verifier};
use tower_logout::{Logout, respond::Rejection};

use super::support::{SECRET, access_token, assertion_with, endpoint, iss_sub, revoke};
use crate::support::{FailingStore, check};

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait { seconds: u64 },
    Signed { assertion: u64, subject: usize, node: usize, fails_at: usize },
    Secret { subject: usize, node: usize, fails_at: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let fails_at = prop_oneof![3 => Just(usize::MAX), 1 => 0..6_usize];
    let signed = (0..3_u64, 0..2_usize, 0..2_usize, fails_at.clone())
        .prop_map(|(assertion, subject, node, fails_at)| Step::Signed { assertion, subject, node, fails_at });
    let secret = (0..2_usize, 0..2_usize, fails_at).prop_map(|(subject, node, fails_at)| Step::Secret {
        subject,
        node,
        fails_at,
    });
    prop_oneof![(1..200_u64).prop_map(|seconds| Step::Wait { seconds }), signed.boxed(), secret.boxed()]
}

const SUBJECTS: [&str; 2] = ["ann", "bob"];

/// Assertion `n` is issued `n * 100` seconds after the start, and lives for five minutes.
fn assertion(number: u64) -> String {
    let iat = NOW + number * 100;
    assertion_with(&serde_json::json!({ "jti": number.to_string(), "iat": iat, "nbf": iat, "exp": iat + 300 }))
}

#[derive(Default)]
struct Model {
    /// Up to when the tokens of a subject are revoked.
    revoked: BTreeMap<usize, u64>,
    requests: BTreeSet<(u64, usize)>,
    spent: BTreeSet<u64>,
}

impl Model {
    fn revoke(&mut self, subject: usize, through: u64) {
        let known = self.revoked.entry(subject).or_default();
        *known = through.max(*known);
    }

    /// What happens until the call of the store that fails, and the status.
    fn signed(&mut self, number: u64, subject: usize, now: u64, fails_at: usize) -> u16 {
        let iat = NOW + number * 100;
        if iat > now + 30 || now >= iat + 300 + 30 {
            return 401;
        }
        if self.spent.contains(&number) {
            return match (self.requests.contains(&(number, subject)), fails_at) {
                (_, 0 | 1) | (true, 2) => 503,
                (true, _) => 204,
                (false, _) => 401,
            };
        }
        let is_known = self.requests.contains(&(number, subject));
        // Two look-ups; then, unless it is known, the revocation and the request; then the assertion.
        let writes = if is_known { 1 } else { 3 };
        let done = fails_at.saturating_sub(2).min(writes);
        if !is_known && done >= 1 {
            self.revoke(subject, now.max(iat));
        }
        if !is_known && done >= 2 {
            self.requests.insert((number, subject));
        }
        if done == writes {
            self.spent.insert(number);
            return 204;
        }
        503
    }

    fn secret(&mut self, subject: usize, now: u64, fails_at: usize) -> u16 {
        if fails_at == 0 {
            return 503;
        }
        self.revoke(subject, now);
        204
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_set_is_that_of_the_model(steps in proptest::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (clock, store) = (clock(), FailingStore::new());
            let nodes = [(); 2].map(|()| Logout::new(verifier(&clock), store.clone()));
            let (mut model, mut now) = (Model::default(), NOW);
            for step in steps {
                let (status, expected) = match step {
                    Step::Wait { seconds } => {
                        now += seconds;
                        clock.set(at(now));
                        continue;
                    }
                    Step::Signed { assertion: number, subject, node, fails_at } => {
                        store.fail_at(fails_at);
                        let sub_id = iss_sub(SUBJECTS[subject]);
                        let reply = revoke(&endpoint(&nodes[node]), &assertion(number), &sub_id).await;
                        (reply.status, model.signed(number, subject, now, fails_at))
                    }
                    Step::Secret { subject, node, fails_at } => {
                        store.fail_at(fails_at);
                        let reply = revoke(&endpoint(&nodes[node]), SECRET, &iss_sub(SUBJECTS[subject])).await;
                        (reply.status, model.secret(subject, now, fails_at))
                    }
                };
                store.recover();
                assert_eq!(status, expected, "{step:?}");
                for (subject, name) in SUBJECTS.iter().enumerate() {
                    let through = model.revoked.get(&subject).copied().unwrap_or_default();
                    for iat in [through, through + 1] {
                        // The token must be valid now.
                        if iat <= now + 30 && now < iat + 900 {
                            let expected = if iat <= through { Err(Rejection::Revoked) } else { Ok(()) };
                            let answer = check(&nodes[0], &access_token(name, iat)).await;
                            assert_eq!(answer, expected, "{name} at {iat} after {step:?}");
                        }
                    }
                }
            }
        });
    }
}
