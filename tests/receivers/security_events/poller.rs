//! Promise: a poller takes events in their order, acknowledges them only after the store has them,
//! asks no more often than it must, and stops with its handle. In virtual time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use test_support::{ISSUER, NOW, at, verifier};
use tokio::time::{Instant, sleep};
use tower_logout::{
    Logout,
    endpoint::{
        SubjectIdentifier,
        security_events::{
            SecurityEventPoller, SecurityEventPollerBuilder, SecurityEventsBuilder, SecurityEventsError,
            TransmitterError,
        },
    },
    revocation::RevocationKey,
    token::jwt::Issuer,
};

use super::{
    support::{AUDIENCE, FOREIGN_KEY, Node, Store, TRANSMITTER, access, email, session_revoked, user, with},
    transmitter::Transmitter,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A node over a store, and the transmitter that it polls.
struct Polled {
    transmitter: Transmitter,
    store: Store,
    node: Node,
}

impl Polled {
    fn new() -> Self {
        Self::with(&Store::new(), |builder| builder)
    }

    fn with(store: &Store, settings: impl FnOnce(SecurityEventsBuilder) -> SecurityEventsBuilder) -> Self {
        Self::of(&Transmitter::of(TRANSMITTER), store, settings)
    }

    fn of(
        transmitter: &Transmitter,
        store: &Store,
        settings: impl FnOnce(SecurityEventsBuilder) -> SecurityEventsBuilder,
    ) -> Self {
        let clock = store.clock().clone();
        let logout = Logout::new(verifier(&clock), store.clone());
        let issuer = Issuer::transmitter(TRANSMITTER).audience(AUDIENCE).fetch_with(transmitter.client());
        let events = settings(logout.security_events(issuer)).build().unwrap();
        Self { transmitter: transmitter.clone(), store: store.clone(), node: Node { logout, events, clock } }
    }

    fn builder(&self) -> SecurityEventPollerBuilder {
        self.node.events.poller(format!("{TRANSMITTER}/poll"))
    }

    fn start(&self) -> SecurityEventPoller {
        self.builder().start().unwrap()
    }

    fn polls(&self) -> Vec<(Instant, Value)> {
        self.transmitter.requests("/poll")
    }

    async fn acknowledged(&self, id: &str) {
        self.transmitter.until("an acknowledgement", |state| state.acknowledged.iter().any(|own| own == id)).await;
    }

    /// The times between the beginnings of requests, in whole seconds.
    fn gaps(&self) -> Vec<u64> {
        let polls = self.polls();
        polls.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect()
    }
}

/// An event about a user whose resolution is recorded.
fn about(name: &str) -> Value {
    session_revoked(name, &email(name))
}

#[tokio::test(start_paused = true)]
async fn events_are_taken_and_acknowledged_in_their_order() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let polled = Polled::with(&Store::new(), |builder| {
        builder.resolve(move |subject| {
            let SubjectIdentifier::Email { email } = subject.identifier else { panic!("another format") };
            record.lock().unwrap().push(email.clone());
            async move { Ok::<_, std::io::Error>(vec![RevocationKey::subject(ISSUER, &email)]) }
        })
    });
    let names = ["c", "a", "d", "b"];
    for name in names {
        polled.transmitter.keep(about(name));
    }
    let poller = polled.builder().max_events(3).start().unwrap();
    polled.acknowledged("b").await;
    assert_eq!(*asked.lock().unwrap(), names);
    assert_eq!(polled.transmitter.state().acknowledged, names);
    assert!(polled.polls().iter().all(|(_, body)| body["maxEvents"] == 3 && body["returnImmediately"] == false));
    // There was more, and it was asked for at once.
    assert_eq!(polled.gaps()[0], 0);
    assert!(poller.health().is_ready());
}

/// At each step: the look-up, the revocation, and the note that it was taken.
#[tokio::test(start_paused = true)]
async fn an_event_is_not_acknowledged_before_the_store_has_it() {
    for calls in 0..3 {
        let polled = Polled::new();
        polled.store.fails_after(calls);
        polled.transmitter.keep(session_revoked("1", &user("ann")));
        let poller = polled.start();
        polled.transmitter.until("some requests", |state| state.requests.len() > 6).await;
        assert!(polled.polls().iter().all(|(_, body)| body.get("ack").is_none() && body.get("setErrs").is_none()));
        assert!(!poller.health().is_ready() && poller.health().is_running);
        polled.store.works();
        polled.acknowledged("1").await;
        assert_eq!(polled.node.revoked().await, ["ann/1", "ann/2"], "{calls}");
        assert!(poller.health().is_ready());
    }
}

/// An event that cannot be taken does not keep others from it.
#[tokio::test(start_paused = true)]
async fn an_event_that_the_application_cannot_resolve_does_not_hold_up_others() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let polled = Polled::with(&Store::new(), |builder| {
        builder.resolve(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Err("the directory is down") }
        })
    });
    polled.transmitter.keep(about("unresolved"));
    polled.transmitter.keep(session_revoked("1", &user("ann")));
    let _poller = polled.start();
    polled.acknowledged("1").await;
    polled.transmitter.until("another attempt", |_| attempts.load(Ordering::SeqCst) > 2).await;
    assert_eq!(polled.transmitter.state().acknowledged, ["1"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_is_reported_and_not_acknowledged() {
    let polled = Polled::new();
    polled.transmitter.keep_text("forged", FOREIGN_KEY.sign(&session_revoked("forged", &user("ann"))));
    polled.transmitter.keep(with(session_revoked("foreign", &user("ann")), &json!({ "aud": "https://other.example" })));
    polled.transmitter.keep_text("no token", String::new());
    polled.transmitter.keep(with(session_revoked("long", &user("ann")), &json!({ "txn": "x".repeat(65 * 1024) })));
    polled.transmitter.keep(session_revoked("1", &user("bob")));
    let poller = polled.start();
    polled.acknowledged("1").await;
    assert_eq!(polled.transmitter.state().acknowledged, ["1"]);
    let refused = polled.transmitter.state().refused.clone();
    assert_eq!(
        refused.iter().map(|(id, err)| (id.as_str(), err.as_str())).collect::<Vec<_>>(),
        [
            ("foreign", "invalid_audience"),
            ("forged", "invalid_key"),
            ("long", "invalid_request"),
            ("no token", "invalid_request"),
        ]
    );
    assert_eq!(polled.node.revoked().await, ["bob/1", "bob/2"]);
    assert!(poller.health().is_ready(), "the transmitter is at fault, not the poller");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_may_be_of_any_length() {
    let (store, transmitter) = (Store::new(), Transmitter::of(TRANSMITTER));
    let polled = Polled::of(&transmitter, &store, |builder| builder.timeout(Duration::MAX));
    polled.transmitter.keep(session_revoked("1", &user("ann")));
    let _poller = polled.start();
    polled.acknowledged("1").await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_is_acknowledged_again_and_changes_nothing() {
    let polled = Polled::new();
    let claims = session_revoked("1", &user("ann"));
    polled.transmitter.keep(claims.clone());
    let _poller = polled.start();
    polled.acknowledged("1").await;
    polled.store.clock().set(at(NOW + 60));
    polled.transmitter.keep(claims);
    polled.transmitter.until("a second one", |state| state.acknowledged.len() == 2).await;
    assert!(!polled.node.revokes(&access("ann", "1", NOW + 30)).await);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_poll_one_stream_take_an_event_once() {
    let (store, transmitter) = (Store::new(), Transmitter::of(TRANSMITTER));
    let [one, other] = [(); 2].map(|()| Polled::of(&transmitter, &store, |builder| builder));
    let _pollers = [one.start(), other.start()];
    for number in 0..20 {
        transmitter.keep(session_revoked(&number.to_string(), &user("ann")));
    }
    one.acknowledged("19").await;
    let written = store.written();
    let notes = written.iter().filter(|written| written.key().kind().is_of_one_token());
    let distinct: std::collections::BTreeSet<_> = notes.map(tower_logout::revocation::Revocation::key).collect();
    assert_eq!(distinct.len(), 20);
    assert_eq!(one.node.revoked().await, ["ann/1", "ann/2"]);
}

/// Keycloak answers every poll at once.
#[tokio::test(start_paused = true)]
async fn a_transmitter_that_does_not_hold_polls_is_asked_ever_less_often() {
    let polled = Polled::new();
    polled.transmitter.state().holds_polls = None;
    let _poller = polled.start();
    polled
        .transmitter
        .until("eight polls", |state| state.requests.iter().filter(|request| request.2.ends_with("poll")).count() == 8)
        .await;
    assert_eq!(polled.gaps(), [2, 4, 8, 16, 16, 16, 16]);
    polled.transmitter.keep(session_revoked("1", &user("ann")));
    polled.acknowledged("1").await;
    assert_eq!(polled.gaps()[7..], [16, 2], "an event is acknowledged soon");
}

#[tokio::test(start_paused = true)]
async fn the_interval_can_be_set() {
    let polled = Polled::new();
    polled.transmitter.state().holds_polls = None;
    let _poller = polled.builder().interval(Duration::from_secs(5), Duration::from_secs(7)).start().unwrap();
    sleep(MINUTE).await;
    assert_eq!(polled.gaps()[..4], [5, 7, 7, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_held_is_answered_by_the_event() {
    let polled = Polled::new();
    let _poller = polled.start();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(polled.polls().len(), 1);
    let began = Instant::now();
    polled.transmitter.keep(session_revoked("1", &user("ann")));
    polled.acknowledged("1").await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    sleep(MINUTE * 2).await;
    assert_eq!(polled.gaps()[1..3], [30, 30], "held for 30 seconds each");
}

/// Whether there was no event, or no answer, is found out by a request that is answered at once.
#[tokio::test(start_paused = true)]
async fn a_poll_that_is_held_for_too_long_is_followed_by_one_that_is_answered_at_once() {
    let polled = Polled::new();
    polled.transmitter.state().holds_polls = Some(MINUTE * 10);
    let poller = polled.builder().long_poll(Duration::from_secs(20)).start().unwrap();
    sleep(Duration::from_secs(90)).await;
    let immediate: Vec<_> = polled.polls().iter().map(|(_, body)| body["returnImmediately"] == true).collect();
    assert_eq!(immediate[..4], [false, true, false, true]);
    assert!(poller.health().is_ready());
}

#[tokio::test(start_paused = true)]
async fn after_errors_it_asks_ever_less_often_and_when_it_is_told_to() {
    let polled = Polled::new();
    polled.transmitter.state().holds_polls = None;
    for _ in 0..6 {
        polled.transmitter.state().responses.push_back(("/poll", 500, Vec::new(), String::new()));
    }
    for seconds in ["100", "1000000"] {
        let busy = ("/poll", 503, vec![("retry-after", seconds)], String::new());
        polled.transmitter.state().responses.push_back(busy);
    }
    let poller = polled.start();
    polled
        .transmitter
        .until("nine polls", |state| state.requests.iter().filter(|request| request.2.ends_with("poll")).count() == 9)
        .await;
    for (gap, expected) in polled.gaps().into_iter().zip([2, 4, 8, 16, 32, 60, 100, 300]) {
        assert!((expected..=expected * 5 / 4).contains(&gap), "{gap} for {expected}");
    }
    sleep(Duration::from_secs(1)).await;
    assert!(poller.health().is_ready(), "{:?}", poller.health());
}

#[tokio::test(start_paused = true)]
async fn a_transmitter_that_ignores_acknowledgements_is_not_asked_without_a_pause() {
    let polled = Polled::new();
    let set = polled.transmitter.sign(session_revoked("1", &user("ann")));
    let body = json!({ "sets": { "1": set }, "moreAvailable": true }).to_string();
    for _ in 0..1000 {
        polled.transmitter.state().responses.push_back(("/poll", 200, Vec::new(), body.clone()));
    }
    let _poller = polled.start();
    sleep(MINUTE).await;
    assert!(polled.polls().len() < 9, "{}", polled.polls().len());
    assert!(polled.polls()[1..].iter().all(|(_, body)| body["ack"] == json!(["1"])));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_ends_it_and_stopping_it_acknowledges_first() {
    let polled = Polled::new();
    polled.transmitter.state().holds_polls = None;
    let poller = polled.start();
    sleep(MINUTE).await;
    drop(poller);
    tokio::task::yield_now().await;
    let polls = polled.polls().len();
    sleep(MINUTE * 60).await;
    assert_eq!(polled.polls().len(), polls);

    let polled = Polled::new();
    polled.transmitter.keep(session_revoked("1", &user("ann")));
    let poller = polled.start();
    polled.transmitter.until("a poll", |state| state.requests.iter().any(|request| request.2.ends_with("poll"))).await;
    while polled.node.revoked().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(polled.transmitter.state().acknowledged, [""; 0], "the next request would do it");
    poller.stop().await;
    assert_eq!(polled.transmitter.state().acknowledged, ["1"]);
    let polls = polled.polls();
    let (_, last) = polls.last().unwrap();
    assert_eq!(*last, json!({ "maxEvents": 0, "returnImmediately": true, "ack": ["1"] }));

    // One that is held does not delay it.
    let polled = Polled::new();
    let poller = polled.start();
    sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    poller.stop().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(polled.polls().len(), 1, "there was nothing to acknowledge");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_too_long_is_asked_for_in_parts() {
    let polled = Polled::new();
    for number in 0..16 {
        polled.transmitter.keep(session_revoked(&number.to_string(), &user("ann")));
    }
    // Each event has about 900 bytes.
    let poller = polled.builder().max_response(4 * 1024).max_events(16).start().unwrap();
    polled.acknowledged("15").await;
    let asked: Vec<_> = polled.polls().iter().map(|(_, body)| body["maxEvents"].as_u64().unwrap()).collect();
    assert_eq!(asked[..6], [16, 8, 4, 4, 4, 4]);
    assert_eq!(polled.transmitter.state().acknowledged.len(), 16);
    polled.transmitter.until("the whole number", |state| state.requests.last().unwrap().4["maxEvents"] == 16).await;
    drop(poller);
}

#[tokio::test(start_paused = true)]
async fn no_more_events_are_taken_from_an_answer_than_were_asked_for() {
    let polled = Polled::new();
    let sets: Vec<_> = (0..50)
        .map(|number| {
            format!(r#""{number}":"{}""#, polled.transmitter.sign(session_revoked(&number.to_string(), &user("ann"))))
        })
        .collect();
    let body = format!(r#"{{"sets":{{{}}}}}"#, sets.join(","));
    polled.transmitter.state().responses.push_back(("/poll", 200, Vec::new(), body));
    let _poller = polled.builder().max_events(2).start().unwrap();
    polled.acknowledged("1").await;
    assert_eq!(polled.transmitter.state().acknowledged, ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn it_authenticates_with_the_value_of_the_moment() {
    let polled = Polled::new();
    polled.transmitter.state().holds_polls = None;
    let calls = Arc::new(AtomicUsize::new(0));
    let _poller = polled
        .builder()
        .authorization_by(move || {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move { if call == 1 { Err("the token endpoint is down") } else { Ok(format!("Bearer {call}")) } }
        })
        .start()
        .unwrap();
    sleep(MINUTE).await;
    let state = polled.transmitter.state();
    let polls = state.requests.iter().filter(|request| request.2.ends_with("poll"));
    let sent: Vec<_> = polls.map(|request| request.3["authorization"].to_str().unwrap().to_owned()).collect();
    assert_eq!(sent[..3], ["Bearer 0", "Bearer 2", "Bearer 3"]);
}

#[tokio::test(start_paused = true)]
async fn its_health_says_what_is_wrong() {
    let polled = Polled::new();
    polled.transmitter.state().authorization = Some("Bearer right".to_owned());
    let poller = polled.builder().authorization("Bearer wrong-secret").start().unwrap();
    assert!(!poller.health().is_ready(), "nothing was answered yet");
    sleep(Duration::from_secs(1)).await;
    let health = poller.health();
    assert!(matches!(&**health.error.as_ref().unwrap(), TransmitterError::Credentials { .. }), "{health:?}");
    assert!(!format!("{health:?} {poller:?}").contains("secret"));
    drop(poller);
    for (status, body, expected) in [
        (200, "<html>", "is the address right?"),
        (200, "[]", "is the address right?"),
        (200, r#"{"sets":[]}"#, "`sets` is not an object"),
        (404, "", "is the address right"),
        (302, "", "redirects are not followed"),
    ] {
        let polled = Polled::new();
        polled.transmitter.state().responses.push_back(("/poll", status, Vec::new(), body.to_owned()));
        let poller = polled.start();
        sleep(Duration::from_secs(1)).await;
        let health = poller.health();
        assert_eq!(health.failures, 1, "{body}");
        assert!(format!("{:?}", health.error.unwrap()).contains(expected), "{body}");
        sleep(MINUTE).await;
        assert!(poller.health().is_ready() && poller.health().last_answer.is_some(), "{body}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_an_error_with_the_remedy() {
    let polled = Polled::new();
    let zero = Duration::ZERO;
    for (error, expected) in [
        (polled.builder().interval(zero, MINUTE).start().unwrap_err(), "the shortest interval is zero"),
        (polled.builder().interval(MINUTE, Duration::from_secs(1)).start().unwrap_err(), "must not be longer"),
        (polled.builder().long_poll(zero).start().unwrap_err(), "long_poll is zero"),
        (polled.builder().max_events(0).start().unwrap_err(), "max_events is zero"),
        (polled.builder().max_response(0).start().unwrap_err(), "max_response is zero"),
        (polled.node.events.poller("http://idp.example/poll").start().unwrap_err(), "cannot be used"),
        (polled.node.events.poller("").start().unwrap_err(), "cannot be used"),
    ] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = std::thread::scope(|scope| scope.spawn(|| polled.builder().start().unwrap_err()).join().unwrap());
    assert!(matches!(error, SecurityEventsError::NoRuntime), "{error}");
}
