//! Promise: a stream is created or found at each start, by any node; and what is wrong with it is an
//! error that says what to do.

use std::time::Duration;

use serde_json::{Value, json};
use test_support::verifier;
use tower_logout::{
    Logout,
    endpoint::security_events::{EventKind, SsfStreamBuilder, StreamStatus, TransmitterError},
    token::jwt::Issuer,
};

use super::{
    support::{AUDIENCE, KEY, Node, Store, TRANSMITTER, opaque, session_revoked, user},
    transmitter::{POLL, PUSH, Transmitter},
};

const PUSHED_TO: &str = "https://api.example/security-events";

fn node(transmitter: &Transmitter, store: &Store) -> Node {
    let clock = store.clock().clone();
    let logout = Logout::new(verifier(&clock), store.clone());
    let issuer = Issuer::transmitter(transmitter.url()).audience(AUDIENCE).fetch_with(transmitter.client());
    let events = logout.security_events(issuer).authorization("Bearer of-the-stream").build().unwrap();
    Node { logout, events, clock }
}

fn stream(transmitter: &Transmitter) -> SsfStreamBuilder {
    node(transmitter, &Store::new()).events.stream().authorization("Bearer x")
}

#[tokio::test]
async fn a_stream_is_created_once_and_found_afterwards() {
    let transmitter = Transmitter::of(TRANSMITTER);
    let first = stream(&transmitter).push_to(PUSHED_TO).ensure().await.unwrap();
    for _ in 0..3 {
        let again = stream(&transmitter).push_to(PUSHED_TO).ensure().await.unwrap();
        assert_eq!(again.id(), first.id());
    }
    assert_eq!(transmitter.state().streams.len(), 1);
    let polled = stream(&transmitter).by_polling().ensure().await.unwrap();
    assert_ne!(polled.id(), first.id());
    assert_eq!(transmitter.state().streams.len(), 2);
}

#[tokio::test]
async fn the_events_of_a_stream_that_is_found_are_completed() {
    let transmitter = Transmitter::of(TRANSMITTER);
    stream(&transmitter).by_polling().events([EventKind::SessionRevoked]).ensure().await.unwrap();
    let kinds = [EventKind::SessionRevoked, EventKind::AccountDisabled];
    let found = stream(&transmitter).by_polling().events(kinds).ensure().await.unwrap();
    assert!(found.read().await.unwrap().delivers(EventKind::AccountDisabled));
    assert_eq!(transmitter.state().streams.len(), 1);
}

#[tokio::test]
async fn a_stream_that_was_paused_is_enabled() {
    let transmitter = Transmitter::of(TRANSMITTER);
    let first = stream(&transmitter).by_polling().ensure().await.unwrap();
    first.set_status(StreamStatus::Paused).await.unwrap();
    let again = stream(&transmitter).by_polling().ensure().await.unwrap();
    assert_eq!(again.status().await.unwrap(), StreamStatus::Enabled);
}

/// Two nodes start at once, and the transmitter allows one stream.
#[tokio::test]
async fn a_stream_that_another_node_has_created_is_found() {
    let transmitter = Transmitter::of(TRANSMITTER);
    transmitter.state().one_stream = true;
    let nothing = ("/streams", 404, Vec::new(), String::new());
    stream(&transmitter).by_polling().ensure().await.unwrap();
    transmitter.state().responses.push_back(nothing);
    stream(&transmitter).by_polling().ensure().await.unwrap();
    let error = stream(&transmitter).push_to(PUSHED_TO).ensure().await.unwrap_err();
    assert!(matches!(error, TransmitterError::OtherStream), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_a_transmitter_is_an_error_that_says_what_to_do() {
    type Change = fn(&mut super::transmitter::State);
    let changes: [(Change, &str); 12] = [
        (|state| state.metadata["issuer"] = json!("https://other.example"), "names another issuer"),
        (|state| state.metadata["issuer"] = Value::Null, "is not a JSON object with the members"),
        (
            |state| drop(state.metadata.as_object_mut().unwrap().remove("configuration_endpoint")),
            "configuration_endpoint",
        ),
        (
            |state| state.metadata["configuration_endpoint"] = json!("http://idp.example/streams"),
            "configuration_endpoint",
        ),
        (|state| state.metadata["delivery_methods_supported"] = json!([PUSH]), "delivery by polling"),
        (|state| state.audience = json!("https://other.example"), "Issuer::audience"),
        (|state| state.authorization = Some("Bearer other".to_owned()), "authorization()"),
        (|state| state.responses.push_back(("/streams", 500, Vec::new(), String::new())), "list its streams"),
        (|state| state.responses.push_back(("/ssf", 500, Vec::new(), String::new())), "read its metadata"),
        (
            |state| state.responses.push_back(("/status", 200, Vec::new(), r#"{"status":"?"}"#.to_owned())),
            "unknown `status`",
        ),
        (|state| state.responses.push_back(("/verify", 404, Vec::new(), String::new())), "verify the stream"),
        (|state| state.metadata = json!({ "issuer": TRANSMITTER }), "configuration_endpoint"),
    ];
    for (change, expected) in changes {
        let transmitter = Transmitter::of(TRANSMITTER);
        let builder = stream(&transmitter).by_polling();
        // The keys were fetched with the first metadata.
        tokio::task::yield_now().await;
        change(&mut transmitter.state());
        let error = builder.ensure().await.unwrap_err();
        assert!(format!("{error:?}").contains(expected), "{error:?} for {expected}");
    }
    let transmitter = Transmitter::of(TRANSMITTER);
    let error = stream(&transmitter).ensure().await.unwrap_err();
    assert!(matches!(error, TransmitterError::NoDelivery));
    let elsewhere = Transmitter::of("https://elsewhere.example");
    elsewhere.state().responses.extend([(); 4].map(|()| ("-configuration", 404, Vec::new(), String::new())));
    let error = stream(&elsewhere).by_polling().ensure().await.unwrap_err();
    assert!(matches!(&error, TransmitterError::NoMetadata { addresses } if addresses.len() == 2), "{error:?}");
}

/// Push delivers to any node, and the one that has asked must learn of it.
#[tokio::test]
async fn a_verification_that_another_node_receives_counts() {
    let transmitter = Transmitter::of(TRANSMITTER);
    let store = Store::new();
    let (one, other) = (node(&transmitter, &store), node(&transmitter, &store));
    let stream = one.events.stream().by_polling().ensure().await.unwrap();
    let poller = other.events.poller(&stream).start().unwrap();
    for timeout in [Duration::from_secs(60), Duration::MAX] {
        stream.verify(timeout).await.unwrap();
    }
    drop(poller);
}

#[tokio::test(start_paused = true)]
async fn a_verification_that_does_not_arrive_is_an_error() {
    let transmitter = Transmitter::of(TRANSMITTER);
    let stream = stream(&transmitter).by_polling().ensure().await.unwrap();
    let error = stream.verify(Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, TransmitterError::NotVerified(_)), "{error}");
}

#[tokio::test]
async fn a_verification_endpoint_keeps_its_query() {
    let transmitter = Transmitter::of(TRANSMITTER);
    transmitter.state().metadata["status_endpoint"] = json!(format!("{TRANSMITTER}/status?tenant=1"));
    let stream = stream(&transmitter).by_polling().ensure().await.unwrap();
    assert_eq!(stream.status().await.unwrap(), StreamStatus::Enabled, "the identifier is added to the query");
}

#[tokio::test]
async fn a_stream_is_asked_for_as_the_specification_says() {
    let transmitter = Transmitter::of(TRANSMITTER);
    let builder = stream(&transmitter).push_to(PUSHED_TO).events([EventKind::SessionRevoked]);
    assert!(!format!("{builder:?}").contains("Bearer"));
    builder.description("orders").ensure().await.unwrap();
    let requests = transmitter.requests("/streams");
    let (_, body) = &requests[1];
    assert_eq!(
        *body,
        json!({
            "delivery": { "method": PUSH, "endpoint_url": PUSHED_TO, "authorization_header": "Bearer of-the-stream" },
            "events_requested": ["https://schemas.openid.net/secevent/caep/event-type/session-revoked"],
            "description": "orders",
        })
    );
    stream(&transmitter).by_polling().ensure().await.unwrap();
    let requests = transmitter.requests("/streams");
    assert_eq!(requests.last().unwrap().1["delivery"], json!({ "method": POLL }));
}

#[tokio::test]
async fn the_keys_of_a_transmitter_are_found_where_old_and_new_ones_publish_them() {
    for place in [
        "/.well-known/ssf-configuration/ssf",
        "/ssf/.well-known/ssf-configuration",
        "/.well-known/risc-configuration/ssf",
        "/ssf/.well-known/risc-configuration",
    ] {
        let metadata = json!({ "issuer": TRANSMITTER, "jwks_uri": format!("{TRANSMITTER}/jwks") }).to_string();
        let client = move |request: http::Request<bytes::Bytes>| {
            let metadata = metadata.clone();
            async move {
                let body = match request.uri().path() {
                    path if path == place => Some(metadata),
                    "/ssf/jwks" => Some(KEY.jwks()),
                    _ => None,
                };
                let mut response =
                    http::Response::new(http_body_util::Full::<bytes::Bytes>::from(body.clone().unwrap_or_default()));
                if body.is_none() {
                    *response.status_mut() = http::StatusCode::NOT_FOUND;
                }
                Ok::<_, std::io::Error>(response)
            }
        };
        let mut node = Node::new();
        let issuer = Issuer::transmitter(TRANSMITTER).audience(AUDIENCE).fetch_with(client);
        node.events = node.logout.security_events(issuer).build().unwrap();
        node.takes(&session_revoked("1", &user("ann"))).await;
        assert_eq!(node.revoked().await, ["ann/1", "ann/2"], "{place}");
    }
}

#[tokio::test]
async fn without_the_keys_of_the_transmitter_events_are_answered_with_503() {
    let mut node = Node::new();
    let issuer = Issuer::transmitter(TRANSMITTER).audience(AUDIENCE).fetch_with(|_| async {
        Err::<http::Response<http_body_util::Full<bytes::Bytes>>, _>(std::io::Error::other("no network"))
    });
    node.events = node.logout.security_events(issuer).build().unwrap();
    assert_eq!(node.push(&session_revoked("1", &user("ann"))).await.status, 503);
    assert_eq!(node.revoked().await, [""; 0]);
}

#[tokio::test]
async fn members_that_the_metadata_calls_critical_are_not_ignored() {
    let subject = json!({ "user": user("ann"), "tenant": opaque("t") });
    for (critical, expected) in
        [(json!(["tenant"]), &[][..]), (json!(["device"]), &["ann/1", "ann/2"]), (Value::Null, &["ann/1", "ann/2"])]
    {
        let transmitter = Transmitter::of(TRANSMITTER);
        transmitter.state().metadata["critical_subject_members"] = critical.clone();
        let node = node(&transmitter, &Store::new());
        let mut request = super::support::delivery(transmitter.sign(session_revoked("1", &subject)));
        request.headers_mut().insert("authorization", "Bearer of-the-stream".parse().unwrap());
        assert_eq!(node.send(request).await.status, 202);
        assert_eq!(node.revoked().await, expected, "{critical}");
    }
}
