//! Cases about looking up a revocation.

use std::{sync::Arc, time::Duration};

use super::{FAR, ISSUER, find, revoke, seconds, token, unique};
use crate::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey},
    store::RevocationStore,
};

/// A revocation of any kind of key is found as it was made, joined with others of its key, and
/// nothing is found before.
pub async fn a_revocation_is_found_by_its_key<S: RevocationStore>(store: &Arc<S>) {
    let name = unique("name");
    let keys = [
        RevocationKey::token_id(ISSUER, &name),
        RevocationKey::signing_input(&name),
        RevocationKey::session(ISSUER, &name),
        RevocationKey::subject(ISSUER, &name),
        RevocationKey::client(ISSUER, &name),
        RevocationKey::issuer(&name),
        RevocationKey::claim(ISSUER, "tenant", &name),
    ];
    let longer = FAR.saturating_add(Duration::from_secs(1));
    for key in keys {
        assert_eq!(find(store, key).await, None, "{key:?} is not revoked yet");
        for (through, until, joined) in [
            (seconds(100), FAR, (seconds(100), FAR)),
            (seconds(99), longer, (seconds(100), longer)),
            (seconds(101), FAR, (seconds(101), longer)),
            (Timestamp::MAX, FAR, (Timestamp::MAX, longer)),
        ] {
            revoke(store, &Revocation::new(key, through, until)).await;
            assert_eq!(find(store, key).await, Some(Revocation::new(key, joined.0, joined.1)));
        }
    }
    let other = RevocationKey::subject(ISSUER, &unique("name"));
    assert_eq!(find(store, other).await, None);
    let own = token(&unique("jti"), 100);
    revoke(store, &Revocation::of_token(&own)).await;
    assert_eq!(find(store, own.own_key()).await, Some(Revocation::of_token(&own)));
}

/// Once any task has revoked, all tasks find the revocation.
pub async fn every_task_finds_what_another_has_revoked<S: RevocationStore>(store: &Arc<S>) {
    for _ in 0..10 {
        let token = Arc::new(token(&unique("jti"), 100));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (store, token) = (Arc::clone(store), Arc::clone(&token));
                tokio::spawn(async move {
                    let found_before = find(&store, token.own_key()).await;
                    let outcome = revoke(&store, &Revocation::of_token(&token)).await;
                    assert_eq!(find(&store, token.own_key()).await, Some(Revocation::of_token(&token)));
                    assert!(found_before.is_none() || outcome == Outcome::Already, "what was found is not new");
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap_or_else(|error| panic!("a caller panicked: {error}"));
        }
    }
}
