//! Promise: any sequence of events, in any order and repetition, at any node, leaves the same
//! revocations as a model: each event dates what it ends once, when it is taken first, and no
//! revocation is ever weakened.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use proptest::prelude::*;
use serde_json::json;
use test_support::{NOW, at};

use super::support::{KEY, Node, RISC, Store, access, event, opaque, session_revoked, user, with};

/// What tokens are revoked by: a user, or a session.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Key {
    Subject(&'static str),
    Session(&'static str),
}

struct Message {
    token: String,
    issued_at: u64,
    ends: &'static [Key],
    is_refused: bool,
}

static MESSAGES: LazyLock<Vec<Message>> = LazyLock::new(|| {
    let message = |claims: &serde_json::Value, ends| Message {
        token: KEY.sign(claims),
        issued_at: claims["iat"].as_u64().unwrap(),
        ends,
        is_refused: claims.get("exp").is_some(),
    };
    let in_session = json!({ "user": user("ann"), "session": opaque("1") });
    vec![
        message(&session_revoked("1", &user("ann")), &[Key::Subject("ann")]),
        message(&with(session_revoked("2", &user("ann")), &json!({ "iat": NOW + 25 })), &[Key::Subject("ann")]),
        message(&session_revoked("3", &in_session), &[Key::Session("1")]),
        message(&event("4", &in_session, &format!("{RISC}account-disabled"), &json!({})), &[Key::Subject("ann")]),
        message(&session_revoked("5", &opaque("2")), &[Key::Subject("2"), Key::Session("2")]),
        message(&event("6", &user("ann"), &format!("{RISC}account-enabled"), &json!({})), &[]),
        message(&with(session_revoked("7", &user("bob")), &json!({ "exp": NOW + 1000 })), &[]),
        message(&session_revoked("8", &user("bob")), &[Key::Subject("bob")]),
    ]
});

#[derive(Clone, Debug)]
enum Step {
    Deliver {
        message: usize,
        node: usize,
    },
    /// A delivery during which the store fails after so many calls.
    Fail {
        message: usize,
        node: usize,
        calls: usize,
    },
    Pass {
        seconds: u64,
    },
    Restart {
        node: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let message = 0..8_usize;
    prop_oneof![
        6 => (message.clone(), 0..2_usize).prop_map(|(message, node)| Step::Deliver { message, node }),
        2 => (message, 0..2_usize, 0..4_usize).prop_map(|(message, node, calls)| Step::Fail { message, node, calls }),
        3 => (1..40_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => (0..2_usize).prop_map(|node| Step::Restart { node }),
    ]
}

/// Takes the steps, and returns what differs from the model.
async fn differences(steps: &[Step]) -> Vec<String> {
    let store = Store::new();
    let mut nodes = [Node::over(&store), Node::over(&store)];
    let mut now = NOW;
    let (mut taken, mut revoked) = (BTreeSet::new(), BTreeMap::<Key, u64>::new());
    for step in steps {
        let (message, node, calls) = match *step {
            Step::Deliver { message, node } => (message, node, None),
            Step::Fail { message, node, calls } => (message, node, Some(calls)),
            Step::Pass { seconds } => {
                now += seconds;
                store.clock().set(at(now));
                continue;
            }
            Step::Restart { node } => {
                nodes[node] = Node::over(&store);
                continue;
            }
        };
        let Message { token, issued_at, ends, is_refused } = &MESSAGES[message];
        // A look-up, a revocation for each key, and a note.
        let needed = if *is_refused || ends.is_empty() { 0 } else { ends.len() + 2 };
        let needed = if taken.contains(&message) { needed.min(1) } else { needed };
        if let Some(calls) = calls {
            store.fails_after(calls);
        }
        let status = nodes[node].push_text(token).await.status;
        store.works();
        let fails = calls.is_some_and(|calls| calls < needed);
        let expected = if *is_refused {
            400
        } else if fails {
            503
        } else {
            202
        };
        if status != expected {
            return vec![format!("{step:?}: {status} in place of {expected}")];
        }
        if *is_refused || taken.contains(&message) {
            continue;
        }
        let written = calls.map_or(ends.len(), |calls| calls.saturating_sub(1).min(ends.len()));
        for key in &ends[..written] {
            let through = revoked.entry(*key).or_default();
            *through = (*through).max(now.max(*issued_at));
        }
        if !fails && needed > 0 {
            taken.insert(message);
        }
    }
    now += 60;
    store.clock().set(at(now));
    let mut differences = Vec::new();
    for (sub, sid) in [("ann", "1"), ("ann", "2"), ("bob", "1"), ("bob", "3"), ("2", "3")] {
        for issued in (NOW - 1..=now).step_by(3) {
            let ends = |key| revoked.get(&key).is_some_and(|through| issued <= *through);
            let expected = ends(Key::Subject(sub)) || ends(Key::Session(sid));
            for node in &nodes {
                if node.revokes(&access(sub, sid, issued)).await != expected {
                    differences.push(format!("{sub}/{sid} of {}: {expected} was expected", issued - NOW));
                }
            }
        }
    }
    differences
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_sequence_of_events_leaves_the_revocations_of_the_model(steps in prop::collection::vec(step(), 0..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let differences = runtime.block_on(differences(&steps));
        prop_assert!(differences.is_empty(), "{:?}", differences);
    }
}
