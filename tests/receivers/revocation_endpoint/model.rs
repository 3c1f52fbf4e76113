//! Promise: any revocations by clients, in any order and repetition, at any node, and with any
//! outages, leave the revocations of a model of a few lines.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use test_support::{NOW, at, clock};
use tower_logout::respond::Rejection;

use super::support::{access_token, endpoint, logout_at, refresh_token, revoke};
use crate::support::{FailingStore, check};

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    /// An access token of a session, issued at the start.
    Access {
        session: usize,
        fails_at: usize,
    },
    /// A refresh token of a session.
    Refresh {
        number: usize,
        session: usize,
        fails_at: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let fails_at = prop_oneof![2 => Just(usize::MAX), 1 => 0..4_usize];
    prop_oneof![
        (1..50_u64).prop_map(Step::Wait),
        (0..2_usize, fails_at.clone()).prop_map(|(session, fails_at)| Step::Access { session, fails_at }),
        (0..2_usize, 0..2_usize, fails_at).prop_map(|(number, session, fails_at)| Step::Refresh {
            number,
            session,
            fails_at
        }),
    ]
}

const SESSIONS: [&str; 2] = ["ses_1", "ses_2"];

fn access(session: usize, iat: u64) -> String {
    access_token(&format!("{session}-{iat}"), &json!({ "sid": SESSIONS[session], "iat": iat }))
}

#[derive(Default)]
struct Model {
    /// Up to when the tokens of a session are revoked.
    sessions: BTreeMap<usize, u64>,
    access: BTreeSet<usize>,
    refresh: BTreeSet<(usize, usize)>,
}

impl Model {
    fn refresh(&mut self, number: usize, session: usize, now: u64, fails_at: usize) -> u16 {
        if fails_at < 2 {
            return 503;
        }
        if self.refresh.contains(&(number, session)) || self.sessions.contains_key(&session) {
            self.refresh.insert((number, session));
            return 200;
        }
        let through = self.sessions.entry(session).or_default();
        *through = now.max(*through);
        if fails_at == 2 {
            return 503;
        }
        self.refresh.insert((number, session));
        200
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_set_is_that_of_the_model(steps in proptest::collection::vec((step(), 0..2_usize), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (clock, store) = (clock(), FailingStore::new());
            let nodes = [(); 2].map(|()| logout_at(&clock, store.clone()));
            let (mut model, mut now) = (Model::default(), NOW);
            for (step, node) in steps {
                let service = endpoint(&nodes[node]);
                let (status, expected) = match step {
                    Step::Wait(seconds) => {
                        now += seconds;
                        clock.set(at(now));
                        continue;
                    }
                    Step::Access { session, fails_at } => {
                        store.fail_at(fails_at);
                        let status = revoke(&service, &access(session, NOW)).await.status;
                        // An expired token is no error, and the store is not asked.
                        let expected = if now < NOW + 900 && fails_at == 0 { 503 } else { 200 };
                        if now < NOW + 900 && fails_at != 0 {
                            model.access.insert(session);
                        }
                        (status, expected)
                    }
                    Step::Refresh { number, session, fails_at } => {
                        store.fail_at(fails_at);
                        let changes = json!({ "sid": SESSIONS[session], "iat": NOW });
                        let token = refresh_token(&format!("r{number}-{session}"), &changes);
                        (revoke(&service, &token).await.status, model.refresh(number, session, now, fails_at))
                    }
                };
                store.recover();
                assert_eq!(status, expected, "{step:?}");
                for session in 0..SESSIONS.len() {
                    let through = model.sessions.get(&session).copied().unwrap_or_default();
                    for iat in [NOW, through, through + 1] {
                        if iat < NOW || iat > now + 30 || now >= NOW + 900 {
                            continue;
                        }
                        let is_revoked = iat <= through || iat == NOW && model.access.contains(&session);
                        let expected = if is_revoked { Err(Rejection::Revoked) } else { Ok(()) };
                        let answer = check(&nodes[1 - node], &access(session, iat)).await;
                        assert_eq!(answer, expected, "{session} at {iat} after {step:?}");
                    }
                }
            }
        });
    }
}
