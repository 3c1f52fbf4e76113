//! Promise: a success is never answered without the revocation, and what failed can be repeated.

use std::time::Duration;

use test_support::{
    NOW,
    hand::{Act, HandStore},
};

use super::support::{SECRET, access_token, assertion, builder, endpoint, iss_sub, logout, revoke};
use crate::support::{FailingStore, check};

#[tokio::test]
async fn whichever_call_of_the_store_fails_the_answer_is_503_and_a_repeat_takes_effect() {
    for token in [SECRET.to_owned(), assertion("1")] {
        let store = FailingStore::new();
        let logout = logout(store.clone());
        assert_eq!(revoke(&endpoint(&logout), &token, &iss_sub("ann")).await.status, 204);
        let calls = store.recover();
        assert_eq!(calls, if token == SECRET { 1 } else { 5 });
        for call in 0..calls {
            let (store, ann, bob) = (FailingStore::new(), iss_sub("ann"), iss_sub("bob"));
            let logout = super::support::logout(store.clone());
            let service = endpoint(&logout);
            store.fail_at(call);
            assert_eq!(revoke(&service, &token, &ann).await.status, 503, "call {call}");
            store.recover();
            assert_eq!(revoke(&service, &token, &ann).await.status, 204, "call {call}");
            assert!(check(&logout, &access_token("ann", NOW)).await.is_err(), "call {call}");
            if token != SECRET {
                assert_eq!(revoke(&service, &token, &bob).await.status, 401, "call {call}: it is spent");
                assert!(check(&logout, &access_token("bob", NOW)).await.is_ok(), "call {call}");
            }
        }
    }
}

#[tokio::test]
async fn a_repeat_that_fails_is_answered_with_503_and_changes_nothing() {
    let store = FailingStore::new();
    let logout = logout(store.clone());
    let service = endpoint(&logout);
    assert_eq!(revoke(&service, &assertion("1"), &iss_sub("ann")).await.status, 204);
    for call in 0..3 {
        store.fail_at(call);
        assert_eq!(revoke(&service, &assertion("1"), &iss_sub("ann")).await.status, 503, "call {call}");
    }
    store.recover();
    assert_eq!(revoke(&service, &assertion("1"), &iss_sub("ann")).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_or_panics_is_answered_with_503() {
    let revokes = [Act::Hang, Act::Panic, Act::Fail, Act::DoneButFail].map(|act| HandStore::new().revokes(act));
    let finds = [Act::Hang, Act::Panic, Act::Fail].map(|act| HandStore::new().finds(act));
    for store in revokes.into_iter().chain(finds) {
        let logout = logout(store.clone());
        let service = builder(&logout).timeout(Duration::from_millis(50)).build().unwrap();
        let reply = revoke(&service, &assertion("1"), &iss_sub("ann")).await;
        assert_eq!(reply.status, 503, "{store:?}");
    }
}

#[tokio::test]
async fn a_sender_that_disconnects_leaves_nothing_half_done() {
    let store = HandStore::new().revokes(Act::Gated);
    let logout = logout(store.clone());
    let service = endpoint(&logout);
    let request = tokio::spawn(async move { revoke(&service, &assertion("1"), &iss_sub("ann")).await });
    test_support::eventually("the revocation", || store.waiting() == 1).await;
    tokio::task::yield_now().await;
    request.abort();
    store.open(3);
    test_support::eventually("all of it is stored", || store.revocations().len() == 3).await;
    assert!(check(&logout, &access_token("ann", NOW)).await.is_err());
}
