//! Promise: a repeated delivery succeeds and changes nothing, on every node and over a restart, and
//! also after a login in between.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use test_support::{ISSUER, NOW, at, clock, eventually, hand::Act, memory};
use tower_logout::{RedbStore, clock::Clock, respond::Rejection, revocation::RevocationKey};

use super::support::{Api, CLIENT, access_token, check, claims_with, deliver, logout_token, node, signed, status};

/// A logout of the user, which a login afterwards must survive.
fn of_the_user() -> String {
    logout_token(json!({ "sid": null }))
}

/// A token of a login after the logout.
fn later_login() -> String {
    access_token("later", json!({ "iat": NOW + 10, "sid": "ses_2" }))
}

#[tokio::test]
async fn a_repeat_succeeds_and_changes_nothing_after_a_login_in_between() {
    let api = Api::new();
    let first = deliver(&api.service(), &of_the_user()).await;
    api.clock.advance(Duration::from_secs(20));
    let stored = api.stored();
    assert_eq!(api.check(&later_login()).await, Ok(()));
    for _ in 0..3 {
        assert_eq!(deliver(&api.service(), &of_the_user()).await, first);
    }
    assert_eq!(api.check(&later_login()).await, Ok(()));
    assert_eq!(api.check(&access_token("1", json!({}))).await, Err(Rejection::Revoked));
    assert_eq!(api.stored(), stored);
}

#[tokio::test]
async fn another_message_with_the_same_jti_is_no_repeat() {
    let api = Api::new();
    for (sid, count) in [("ses_1", 2), ("ses_2", 4)] {
        assert_eq!(status(&api.service(), &logout_token(json!({ "sid": sid }))).await, 200);
        assert_eq!(api.stored().len(), count);
    }
}

#[tokio::test]
async fn the_jti_of_a_message_is_not_that_of_an_access_token() {
    let api = Api::new();
    let access = access_token("logout-1", json!({ "sid": "ses_2" }));
    assert_eq!(status(&api.service(), &logout_token(json!({}))).await, 200);
    assert_eq!(api.check(&access).await, Ok(()));
    assert!(!api.stored_keys().contains(&RevocationKey::token_id(ISSUER, "logout-1")));
}

#[tokio::test]
async fn a_respelled_signature_makes_no_other_message() {
    let api = Api::new();
    let token = of_the_user();
    assert_eq!(status(&api.service(), &token).await, 200);
    api.clock.advance(Duration::from_secs(20));
    // Unused bits of the last character of the signature are refused, so nothing is remembered twice.
    let (rest, last) = token.split_at(token.len() - 1);
    for letter in ('a'..='z').chain('A'..='Z').chain('0'..='9') {
        let answer = status(&api.service(), &format!("{rest}{letter}")).await;
        assert!(answer == 400 || letter.to_string() == last, "{letter}");
    }
    assert_eq!(api.check(&later_login()).await, Ok(()));
}

#[tokio::test]
async fn two_nodes_that_get_it_at_once_both_succeed_and_it_is_over_for_all() {
    let (clock, api) = (clock(), Api::new());
    let other = node(api.store.clone(), &clock).backchannel(CLIENT).build().unwrap();
    // Both look it up before either has taken it.
    let store = api.store.clone().finds(Act::Gated);
    let (service, token) = (api.service(), of_the_user());
    let [one, two] = [service.clone(), other.clone()].map(|service| {
        let token = token.clone();
        tokio::spawn(async move { status(&service, &token).await })
    });
    eventually("both look it up", || store.waiting() == 2).await;
    store.open(2);
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (200, 200));
    let _ = store.finds(Act::Now);
    for clock in [&api.clock, &clock] {
        clock.advance(Duration::from_secs(20));
    }
    assert_eq!((status(&service, &token).await, status(&other, &token).await), (200, 200));
    assert_eq!(api.check(&later_login()).await, Ok(()));
    assert_eq!(api.check(&access_token("1", json!({}))).await, Err(Rejection::Revoked));
}

#[tokio::test]
async fn a_node_that_starts_later_knows_it() {
    let (store, clock) = (Arc::new(memory()), clock());
    let first = node(Arc::clone(&store), &clock);
    assert_eq!(status(&first.backchannel(CLIENT).build().unwrap(), &of_the_user()).await, 200);
    drop(first);
    clock.advance(Duration::from_secs(20));
    let later = node(store, &clock);
    assert_eq!(status(&later.backchannel(CLIENT).build().unwrap(), &of_the_user()).await, 200);
    assert_eq!(check(&later, &later_login()).await, Ok(()));
    assert_eq!(check(&later, &access_token("1", json!({}))).await, Err(Rejection::Revoked));
}

#[tokio::test]
async fn it_is_known_after_a_restart() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let open = || RedbStore::options().clock(clock.clone()).open(dir.path().join("revocations.redb")).unwrap();
    let logout = node(open(), &clock);
    assert_eq!(status(&logout.backchannel(CLIENT).build().unwrap(), &of_the_user()).await, 200);
    drop(logout);
    clock.advance(Duration::from_secs(20));
    let logout = node(open(), &clock);
    assert_eq!(status(&logout.backchannel(CLIENT).build().unwrap(), &of_the_user()).await, 200);
    assert_eq!(check(&logout, &later_login()).await, Ok(()));
    assert_eq!(check(&logout, &access_token("1", json!({}))).await, Err(Rejection::Revoked));
}

/// A repeat must be known for as long as any node accepts it: here, the clock of the one that gets it
/// is behind that of the store by as much as clocks may differ.
#[tokio::test]
async fn a_repeat_is_known_until_no_node_accepts_it() {
    for (name, exp) in [("a usual one", json!(NOW + 120)), ("one that is valid for ever", json!(u64::MAX))] {
        let ends = exp.as_u64().unwrap().min(NOW + 24 * 3600);
        let token = signed(&json!({ "alg": "HS256" }), &claims_with(json!({ "sid": null, "exp": exp })));
        let (ahead, behind) = (clock(), clock());
        let store = Arc::new(tower_logout::MemoryStore::new().clock(ahead.clone()));
        let logout = node(Arc::clone(&store), &behind);
        let service = logout.backchannel(CLIENT).build().unwrap();
        assert_eq!(status(&service, &token).await, 200, "{name}");
        // The last second in which it is accepted.
        behind.set(at(ends + 29));
        ahead.set(at(ends + 59));
        // Expired entries are purged with each revocation.
        for other in 0..200 {
            let _ = logout.revoker().session(ISSUER, &other.to_string()).await.unwrap();
        }
        let login = access_token("later", json!({ "iat": ends, "exp": ends + 900, "sid": "ses_2" }));
        assert_eq!(status(&service, &token).await, 200, "{name}");
        assert_eq!(check(&logout, &login).await, Ok(()), "{name}: it was taken for a new one");
        behind.set(at(ends + 30));
        assert_eq!(status(&service, &token).await, 400, "{name}");
        assert!(behind.now() < ahead.now());
    }
}

#[tokio::test]
async fn repeats_with_other_parameters_are_repeats() {
    let api = Api::new();
    let changes: [Value; 2] = [json!({}), json!({})];
    for changes in changes {
        let token = logout_token(changes);
        let body = format!("x={}&logout_token={token}", api.stored().len());
        assert_eq!(super::support::send(&api.service(), super::support::form(body)).await.status, 200);
        assert_eq!(api.stored().len(), 2);
    }
}
