//! Promise: gRPC streams of every kind end with their token: status 16 in the middle, 14 if the
//! store cannot answer, and unchanged while the token is valid.

use std::{collections::HashMap, sync::Arc, time::Duration};

use test_support::{
    ISSUER,
    hand::{Act, HandStore},
    replica::{Following, SharedLog},
};
use tonic::{Code, Status, Streaming};
use tower_logout::{Logout, store::ReplicaOptions};

use super::grpc_server::{
    End, LARGE, MANY, Mount, Node, PASSING, SHORT, Seen, assert_ends, event,
    feed::{Event, Summary, WatchRequest},
    greeter::{GreetRequest, greeter_client::GreeterClient},
    next, ok_with_trailer, token_of, trailer, with, within,
};

/// Runs each test behind axum's server, with the layer in tonic's own server, and with another
/// layer around or inside the one whose store ends the stream.
macro_rules! over_all_servers {
    ($($test:ident)*) => {
        over_all_servers!(axum_server, Axum: $($test)*);
        over_all_servers!(tonic_server, Tonic: $($test)*);
        over_all_servers!(inner_of_two_layers, InnerOfTwo: $($test)*);
        over_all_servers!(outer_of_two_layers, OuterOfTwo: $($test)*);
    };
    ($name:ident, $mount:ident: $($test:ident)*) => {
        mod $name {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Mount::$mount).await;
            })*
        }
    };
}

over_all_servers! {
    a_server_stream_ends_in_the_middle
    a_client_stream_ends_in_the_middle_and_its_handler_sees_why
    a_client_stream_that_another_task_reads_ends_for_that_task
    a_bidirectional_stream_ends_in_the_middle
    a_bidirectional_stream_that_another_task_reads_ends_for_that_task
    a_stream_that_is_always_ready_does_not_outrun_its_token
    streams_of_one_subject_end_together_and_no_other
    without_a_logout_ten_thousand_messages_and_the_trailers_pass_unchanged
    a_handler_s_own_status_passes_unchanged
    a_store_that_fails_ends_streams_as_unavailable
    a_replica_that_has_lost_its_log_ends_streams_as_unavailable
    unary_calls_of_any_size_pass
}

async fn a_server_stream_ends_in_the_middle(mount: Mount) {
    for end in End::ALL {
        let mut node = Node::start(mount).await;
        let (token, other) = (token_of("ann", "1"), token_of("bob", "2"));
        let (mut stream, events) = node.watch(&token).await;
        let (mut going_on, other_events) = node.watch(&other).await;
        for number in 0..PASSING {
            events.send(Ok(event(number))).await.unwrap();
            assert_eq!(next(&mut stream).await.unwrap(), Some(event(number)), "{end:?}");
        }
        node.end(end, "1", &token).await;
        if end.is_a_revocation() {
            for number in PASSING..PASSING + 2 {
                let _ = events.send(Ok(event(number))).await; // fails if it has ended already
            }
        }
        assert_ends(&mut stream, end).await;
        within(events.closed()).await; // the handler's channel closes
        other_events.send(Ok(event(7))).await.unwrap();
        assert_eq!(next(&mut going_on).await.unwrap(), Some(event(7)), "{end:?}");
    }
}

async fn a_client_stream_ends_in_the_middle_and_its_handler_sees_why(mount: Mount) {
    // Whether the handler passes the error on or answers, the client receives the real reason.
    for mode in ["pass on", "swallow"] {
        for end in End::ALL {
            let mut node = Node::start(mount).await;
            let token = token_of("ann", "1");
            let (events, call) = node.upload(&token, mode);
            node.take(PASSING, &events).await;
            node.end(end, "1", &token).await;
            if end.is_a_revocation() {
                for number in PASSING..PASSING + 2 {
                    let _ = events.send(event(number)).await;
                }
            }
            end.assert_is(&within(call).await.unwrap().unwrap_err());
            assert_eq!(node.seen_at_the_end().await, Seen::Cut(Some(end.reason())), "{mode}, {end:?}");
            within(events.closed()).await;
        }
    }
}

async fn a_client_stream_that_another_task_reads_ends_for_that_task(mount: Mount) {
    for end in End::ALL {
        let mut node = Node::start(mount).await;
        let token = token_of("ann", "1");
        let (events, call) = node.upload(&token, "spawn");
        node.take(PASSING, &events).await;
        node.end(end, "1", &token).await;
        assert_eq!(node.seen_at_the_end().await, Seen::Cut(Some(end.reason())), "{end:?}");
        end.assert_is(&within(call).await.unwrap().unwrap_err());
    }
}

async fn a_bidirectional_stream_ends_in_the_middle(mount: Mount) {
    for end in End::ALL {
        bidirectional(mount, "pass on", end).await;
    }
}

async fn a_bidirectional_stream_that_another_task_reads_ends_for_that_task(mount: Mount) {
    for mode in ["spawn", "spawn and pass on"] {
        for end in End::ALL {
            bidirectional(mount, mode, end).await;
        }
    }
}

async fn bidirectional(mount: Mount, mode: &str, end: End) {
    let mut node = Node::start(mount).await;
    let (token, other) = (token_of("ann", "1"), token_of("bob", "2"));
    let (events, mut answers) = node.talk(&token, mode).await;
    let (other_events, mut other_answers) = node.talk(&other, "pass on").await;
    for number in 0..PASSING {
        events.send(event(number)).await.unwrap();
        assert_eq!(next(&mut answers).await.unwrap(), Some(event(number)), "{mode}, {end:?}");
        assert_eq!(node.seen().await, Seen::Event(number));
    }
    node.end(end, "1", &token).await;
    if end.is_a_revocation() {
        for number in PASSING..PASSING + 2 {
            let _ = events.send(event(number)).await;
        }
    }
    assert_ends(&mut answers, end).await;
    if mode.starts_with("spawn") {
        // The task outlives the call and holds only its half of the stream.
        assert_eq!(node.seen_at_the_end().await, Seen::Cut(Some(end.reason())), "{mode}, {end:?}");
    }
    within(events.closed()).await;
    other_events.send(event(7)).await.unwrap();
    assert_eq!(next(&mut other_answers).await.unwrap(), Some(event(7)), "{mode}, {end:?}");
}

async fn a_stream_that_is_always_ready_does_not_outrun_its_token(mount: Mount) {
    for end in End::ALL {
        let node = Node::start(mount).await;
        let token = token_of("ann", "1");
        let mut stream =
            node.client.clone().watch(with(&token, "endless", WatchRequest { first: 0 })).await.unwrap().into_inner();
        for number in 0..1000 {
            assert_eq!(next(&mut stream).await.unwrap(), Some(event(number)));
        }
        node.end(end, "1", &token).await;
        // Messages in transit still arrive: no more than the windows of HTTP/2 and the buffers of
        // the connection hold.
        let status = within(async {
            loop {
                if let Err(status) = stream.message().await {
                    return status;
                }
            }
        })
        .await;
        end.assert_is(&status);
    }
}

async fn streams_of_one_subject_end_together_and_no_other(mount: Mount) {
    let mut node = Node::start(mount).await;
    let mut streams = HashMap::new();
    for name in ["ann", "bob"] {
        for jti in 0..20 {
            let token = token_of(name, &format!("{name} {jti}"));
            streams.entry(name).or_insert_with(Vec::new).push(node.watch(&token).await);
        }
    }
    node.logout.revoker().subject(ISSUER, "ann").await.unwrap();
    for (stream, _events) in streams.get_mut("ann").unwrap() {
        assert_ends(stream, End::Subject).await;
    }
    for (stream, events) in streams.get_mut("bob").unwrap() {
        events.send(Ok(event(1))).await.unwrap();
        assert_eq!(next(stream).await.unwrap(), Some(event(1)));
    }
}

async fn without_a_logout_ten_thousand_messages_and_the_trailers_pass_unchanged(mount: Mount) {
    let mut node = Node::start(mount).await;
    let token = token_of("ann", "1");

    let (mut stream, sender) = node.watch(&token).await;
    let sending = tokio::spawn(async move {
        for number in 0..MANY {
            sender.send(Ok(event(number))).await.unwrap();
        }
        sender.send(Err(ok_with_trailer())).await.unwrap();
    });
    assert_many(&mut stream).await;
    within(sending).await.unwrap();

    let (events, mut answers) = node.talk(&token, "pass on").await;
    let sending = tokio::spawn(async move {
        for number in 0..MANY {
            events.send(event(number)).await.unwrap();
        }
    });
    assert_many(&mut answers).await;
    within(sending).await.unwrap();

    let (events, call) = node.upload(&token, "pass on");
    for number in 0..MANY {
        events.send(event(number)).await.unwrap();
    }
    drop(events);
    assert_eq!(within(call).await.unwrap().unwrap().into_inner(), Summary { events: MANY });
}

async fn assert_many(stream: &mut Streaming<Event>) {
    for number in 0..MANY {
        assert_eq!(next(stream).await.unwrap(), Some(event(number)));
    }
    assert_eq!(next(stream).await.unwrap(), None);
    let trailers = within(stream.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers.get("checksum").unwrap(), "abc");
    assert_eq!(trailers.get_bin("digest-bin").unwrap().to_bytes().unwrap(), &[0, 255][..]);
}

async fn a_handler_s_own_status_passes_unchanged(mount: Mount) {
    let mut node = Node::start(mount).await;
    let (mut stream, events) = node.watch(&token_of("ann", "1")).await;
    events.send(Ok(event(0))).await.unwrap();
    events.send(Err(Status::with_metadata(Code::DataLoss, "gone: 7 % of it", trailer()))).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), Some(event(0)));
    let status = next(&mut stream).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "gone: 7 % of it"));
    assert_eq!(status.metadata().get("checksum").unwrap(), "abc");
}

async fn a_store_that_fails_ends_streams_as_unavailable(mount: Mount) {
    for act in [Act::Fail, Act::Hang] {
        let store = HandStore::new();
        let ask_often = |logout: Logout| logout.recheck_interval(Duration::from_millis(1)).check_timeout(SHORT);
        let node = Node::start_with(mount, Arc::new(store.clone()), ask_often).await;
        unavailable(node, || drop(store.clone().checks(act))).await;
    }
}

async fn a_replica_that_has_lost_its_log_ends_streams_as_unavailable(mount: Mount) {
    let log = SharedLog::new();
    let replica = ReplicaOptions::new().max_staleness(SHORT).reject_when_stale().start(log.clone());
    replica.ready().await.unwrap();
    let node = Node::start_with(mount, Arc::new(replica), |logout| logout).await;
    unavailable(node, || log.following(Following::Hangs)).await;
}

/// Opens a stream of each kind, lets the store fail, and asserts that they end.
async fn unavailable(mut node: Node, fail: impl FnOnce()) {
    let token = token_of("ann", "1");
    let (mut watched, events) = node.watch(&token).await;
    let (uploaded, upload) = node.upload(&token, "pass on");
    let (said, mut answers) = node.talk(&token, "pass on").await;
    let (said_to_a_task, mut answers_of_a_task) = node.talk(&token, "spawn and pass on").await;
    events.send(Ok(event(0))).await.unwrap();
    assert_eq!(next(&mut watched).await.unwrap(), Some(event(0)));
    node.take(1, &uploaded).await;
    for (said, answers) in [(&said, &mut answers), (&said_to_a_task, &mut answers_of_a_task)] {
        said.send(event(0)).await.unwrap();
        assert_eq!(next(answers).await.unwrap(), Some(event(0)));
    }
    fail();
    assert_unavailable(&next(&mut watched).await.unwrap_err());
    assert_unavailable(&within(upload).await.unwrap().unwrap_err());
    assert_unavailable(&next(&mut answers).await.unwrap_err());
    assert_unavailable(&next(&mut answers_of_a_task).await.unwrap_err());
    // A new stream is rejected with the same status.
    let refused = node.client.clone().watch(with(&token, "", WatchRequest { first: 0 })).await.unwrap_err();
    assert_unavailable(&refused);
}

fn assert_unavailable(status: &Status) {
    let message = "The service is temporarily unavailable. Try again.";
    assert_eq!((status.code(), status.message()), (Code::Unavailable, message));
}

async fn unary_calls_of_any_size_pass(mount: Mount) {
    let node = Node::start(mount).await;
    let mut client = GreeterClient::new(node.channel.clone())
        .max_decoding_message_size(LARGE * 2)
        .max_encoding_message_size(LARGE * 2);
    let token = token_of("ann", "1");
    for size in [0, 1, 20_000, 70_000, 4_000_000, LARGE] {
        let greeting: String = ('a'..='z').cycle().take(size).collect();
        let reply = within(client.greet(with(&token, "", GreetRequest { greeting: greeting.clone() }))).await.unwrap();
        assert!(reply.get_ref().message == format!("{greeting} ann"), "{size}");
    }
    node.end(End::Logout, "1", &token).await;
    let greeting = "x".repeat(LARGE);
    let status = within(client.greet(with(&token, "", GreetRequest { greeting }))).await.unwrap_err();
    End::Logout.assert_is(&status);
}
