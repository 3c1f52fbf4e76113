//! Who has revoked, and why: the hook of the application, and the event for an audit log.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use metrics_util::debugging::DebuggingRecorder;
use test_support::{
    events::Events,
    hand::{Act, HandStore},
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    clock::{Clock, SystemClock},
    revocation::{KeyKind, Outcome},
    revoker::{Revoked, Source},
};

use super::support::metrics_of;

const SECRET: [u8; 32] = [7; 32];
const PATIENCE: Duration = Duration::from_secs(30);

fn logout(store: impl RevocationStore) -> Logout {
    Logout::new(JwtVerifier::hs256(SECRET).issuer("https://matar.app").build().unwrap(), store)
}

fn reporting(logout: Logout) -> (Logout, mpsc::UnboundedReceiver<Revoked>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let logout = logout.on_revoked(move |revoked| {
        let sender = sender.clone();
        async move { drop(sender.send(revoked)) }
    });
    (logout, receiver)
}

async fn next<T>(seen: &mut mpsc::UnboundedReceiver<T>) -> T {
    timeout(PATIENCE, seen.recv()).await.expect("the hook is called").unwrap()
}

async fn log_out(logout: &Logout) -> StatusCode {
    let exp = SystemClock.now().as_unix_millis() / 1000 + 600;
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &serde_json::json!({ "iss": "https://matar.app", "sub": "usr_1", "jti": "1", "exp": exp }),
        &jsonwebtoken::EncodingKey::from_secret(&SECRET).unwrap(),
    );
    let request = Request::post("/logout").header("authorization", format!("Bearer {}", token.unwrap()));
    logout.service().oneshot(request.body(String::new()).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn the_hook_learns_of_each_revocation_with_its_source_actor_and_reason() {
    let (logout, mut seen) = reporting(logout(MemoryStore::new()));
    let staff = logout.revoker().by("alice of the help desk").because("lost phone");
    let receipt = staff.user("usr_1").await.unwrap();
    logout.revoker().session("https://matar.app", "ses_1").await.unwrap();
    staff.user("usr_1").await.unwrap();

    let first = next(&mut seen).await;
    assert_eq!(first.revocation(), receipt.revocation());
    assert_eq!((first.source(), first.outcome()), (Source::Code, Outcome::Newly));
    assert_eq!((first.actor(), first.reason()), (Some("alice of the help desk"), Some("lost phone")));
    let second = next(&mut seen).await;
    assert_eq!(second.revocation().key().kind(), KeyKind::Session);
    assert_eq!((second.actor(), second.reason()), (None, None), "a revoker made later knows nobody");
    assert_eq!(next(&mut seen).await.actor(), Some("alice of the help desk"));
}

#[tokio::test]
async fn a_logout_has_the_endpoint_as_its_source() {
    let (logout, mut seen) = reporting(logout(MemoryStore::new()));
    assert_eq!(log_out(&logout).await, StatusCode::OK);
    let revoked = next(&mut seen).await;
    assert_eq!((revoked.source(), revoked.revocation().key().kind()), (Source::Endpoint, KeyKind::TokenId));
}

#[tokio::test]
async fn the_hook_is_called_after_the_store_has_the_revocation_and_not_if_it_has_failed() {
    let store = HandStore::new().revokes(Act::Fail);
    let (logout, mut seen) = reporting(logout(store.clone()));
    logout.revoker().user("usr_1").await.unwrap_err();
    let store = store.revokes(Act::Now);
    logout.revoker().user("usr_2").await.unwrap();
    let revoked = next(&mut seen).await;
    assert_eq!(store.revocations(), [*revoked.revocation()]);
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn a_hook_that_hangs_delays_no_answer_and_what_is_left_out_is_reported() {
    let events = Events::of_this_thread();
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (release, calls) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (waits, counts) = (Arc::clone(&release), Arc::clone(&calls));
    let (began, has_begun) = oneshot::channel();
    let began = Mutex::new(Some(began));
    let logout = logout(MemoryStore::new()).on_revoked(move |_| {
        let (release, calls, began) = (Arc::clone(&waits), Arc::clone(&counts), began.lock().unwrap().take());
        async move {
            if let Some(began) = began {
                began.send(()).unwrap();
                release.notified().await;
            }
            calls.fetch_add(1, Ordering::SeqCst);
        }
    });
    let revoker = logout.revoker();
    revoker.user("first").await.unwrap();
    has_begun.await.unwrap();
    let queued = Logout::<tower_logout::Claims>::MAX_QUEUED_REVOCATIONS;
    for user in 0..queued + 3 {
        revoker.user(&user.to_string()).await.unwrap();
    }
    assert_eq!(metrics_of(&recorder).counters["tower_logout_hook_skipped_total"], 3);
    let skipped = events.named("revocation hook skipped");
    assert_eq!((skipped.len(), &*skipped[0].fields["reason"]), (1, "its queue is full"), "once a minute");
    assert_eq!(calls.load(Ordering::SeqCst), 0);

    release.notify_one();
    let all = async {
        while calls.load(Ordering::SeqCst) < 1 + queued {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all).await.expect("all that were queued are passed on");
}

#[tokio::test]
async fn a_hook_that_panics_is_reported_and_called_again() {
    let events = Events::of_this_thread();
    let (sender, mut seen) = mpsc::unbounded_channel();
    let panics = AtomicBool::new(true);
    let logout = logout(MemoryStore::new()).on_revoked(move |revoked: Revoked| {
        let (sender, panics) = (sender.clone(), panics.swap(false, Ordering::SeqCst));
        async move {
            assert!(!panics, "the hook of this test panics once");
            sender.send(revoked.reason().map(str::to_owned)).unwrap();
        }
    });
    logout.revoker().because("one").user("usr_1").await.unwrap();
    logout.revoker().because("two").user("usr_1").await.unwrap();
    assert_eq!(next(&mut seen).await.as_deref(), Some("two"));
    assert_eq!(events.named("revocation hook failed").len(), 1);
}

#[test]
fn a_hook_works_on_a_later_runtime_and_outside_of_one_is_reported() {
    let events = Events::of_this_thread();
    let (logout, mut seen) = reporting(logout(MemoryStore::new()));
    let revoker = logout.revoker();
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            revoker.user("usr_1").await.unwrap();
            next(&mut seen).await;
        });
    }
    futures_util::FutureExt::now_or_never(revoker.user("usr_2")).unwrap().unwrap();
    assert_eq!(events.named("revocation hook skipped").len(), 1);
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn the_event_for_the_audit_log_names_source_actor_and_reason() {
    let events = Events::of_this_thread();
    let logout = logout(MemoryStore::new());
    logout.revoker().by("alice").because("lost phone").user("usr_secret").await.unwrap();
    let event = &events.named("revoked")[0];
    let field = |name: &str| event.fields[name].clone();
    assert_eq!([field("source"), field("actor"), field("reason")], ["code", "alice", "lost phone"]);
    assert!(!format!("{event:?}").contains("usr_secret"));
}
