//! The receiver modules of the conformance suite for the Shared Signals Framework (OpenID
//! Foundation, package `openid/ssf`), with a transmitter of the tests in place of the suite: over
//! HTTP, by push and by poll.

use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use test_support::{NOW, clock, memory, verifier};
use tokio::net::TcpListener;
use tower_logout::{
    Logout,
    endpoint::security_events::{
        Decision, EventKind, SecurityEventPoller, SecurityEvents, SsfStream, SsfStreamBuilder, StreamStatus,
    },
};

use super::{
    support::{CAEP, Node, RISC, SSF, email, event, opaque, session_revoked, user},
    transmitter::{Fate, POLL, PUSH, Transmitter},
};

const SECRET: &str = "Bearer of-the-stream";
const LONG: Duration = Duration::from_secs(60);

/// A receiver that is served on a free port, and the transmitter.
struct Suite {
    transmitter: Transmitter,
    node: Node,
    url: String,
    is_push: bool,
}

impl Suite {
    async fn start(is_push: bool) -> Self {
        // Another provider of TLS may be installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let transmitter = Transmitter::start().await;
        transmitter.state().authorization = Some("Bearer of-the-client".to_owned());
        let clock = clock();
        let logout = Logout::new(verifier(&clock), memory().clock(clock.clone()));
        let decide = |event: &tower_logout::endpoint::security_events::SecurityEvent| match event.kind() {
            EventKind::DeviceComplianceChange if event.member("current_status") == Some("not-compliant") => {
                Decision::Narrowest
            }
            _ => event.default_decision(),
        };
        let events = logout.security_events(transmitter.issuer()).authorization(SECRET).decide(decide).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/security-events", listener.local_addr().unwrap());
        let app = Router::new().route_service("/security-events", events.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { transmitter, node: Node { logout, events, clock }, url, is_push }
    }

    fn events(&self) -> &SecurityEvents {
        &self.node.events
    }

    /// The stream with a static token, or one of client credentials.
    fn stream(&self) -> SsfStreamBuilder {
        let stream = self.events().stream();
        if self.is_push {
            stream.authorization("Bearer of-the-client").push_to(&self.url)
        } else {
            stream
                .authorization_by(|| async { Ok::<_, std::io::Error>("Bearer of-the-client".to_owned()) })
                .by_polling()
        }
    }

    fn poll(&self, stream: &SsfStream) -> Option<SecurityEventPoller> {
        let interval = Duration::from_millis(1);
        (!self.is_push).then(|| self.events().poller(stream).interval(interval, interval).start().unwrap())
    }

    fn stored(&self) -> Vec<Value> {
        self.transmitter.state().streams.clone()
    }
}

/// Runs a module with each way of delivery.
async fn by_push_and_by_poll<F: AsyncFn(Suite)>(module: F) {
    for is_push in [true, false] {
        module(Suite::start(is_push).await).await;
    }
}

#[tokio::test]
async fn happypath() {
    by_push_and_by_poll(async |suite| {
        let stream = suite.stream().description("orders").ensure().await.unwrap();
        let configuration = stream.read().await.unwrap();
        assert_eq!((configuration.id.as_str(), configuration.is_polled), (stream.id(), !suite.is_push));
        assert_eq!(configuration.issuer, suite.transmitter.url());
        assert!(configuration.delivers(EventKind::SessionRevoked) && !configuration.delivers(EventKind::OptIn));
        assert_eq!(suite.stored()[0]["description"], "orders");
        // Someone else has changed it.
        suite.transmitter.state().streams[0]["description"] = json!("other");
        assert!(stream.update().await.is_ok());
        assert_eq!(suite.stored()[0]["description"], "orders");
        suite.transmitter.state().streams[0]["events_requested"] = json!([]);
        assert!(stream.replace().await.unwrap().delivers(EventKind::SessionRevoked));
        assert_eq!(suite.stored()[0]["events_requested"].as_array().unwrap().len(), 9);
        stream.delete().await.unwrap();
        assert_eq!(suite.stored(), [json!(null); 0]);
    })
    .await;
}

#[tokio::test]
async fn stream_create_delete() {
    by_push_and_by_poll(async |suite| {
        let stream = suite.stream().ensure().await.unwrap();
        let delivery = &suite.stored()[0]["delivery"];
        let expected = if suite.is_push {
            json!({ "method": PUSH, "endpoint_url": suite.url, "authorization_header": SECRET })
        } else {
            json!({ "method": POLL, "endpoint_url": format!("{}/poll?stream_id=1", suite.transmitter.url()) })
        };
        assert_eq!(*delivery, expected);
        stream.delete().await.unwrap();
        assert_eq!(suite.stored(), [json!(null); 0]);
    })
    .await;
}

#[tokio::test]
async fn stream_status_update() {
    by_push_and_by_poll(async |suite| {
        let stream = suite.stream().ensure().await.unwrap();
        assert_eq!(stream.status().await.unwrap(), StreamStatus::Enabled);
        for status in [StreamStatus::Paused, StreamStatus::Disabled, StreamStatus::Enabled] {
            assert_eq!(stream.set_status(status).await.unwrap(), status);
            assert_eq!(stream.status().await.unwrap(), status);
        }
    })
    .await;
}

#[tokio::test]
async fn stream_verification() {
    by_push_and_by_poll(async |suite| {
        let stream = suite.stream().ensure().await.unwrap();
        let _poller = suite.poll(&stream);
        stream.verify(LONG).await.unwrap();
        suite.transmitter.until("both verifications", |state| state.acknowledged.len() == 2).await;
        let unknown = event("v", &opaque(stream.id()), &format!("{SSF}verification"), &json!({ "state": "unknown" }));
        assert_eq!(suite.transmitter.deliver(unknown).await, Fate::Refused("invalid_state".to_owned()));
        stream.delete().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn unsolicited_stream_verification() {
    by_push_and_by_poll(async |suite| {
        suite.transmitter.state().verifies_by_itself = true;
        suite.transmitter.state().limits_verification = true;
        let stream = suite.stream().ensure().await.unwrap();
        let _poller = suite.poll(&stream);
        suite.transmitter.until("the verification", |state| state.acknowledged.len() == 1).await;
        assert!(stream.verify(LONG).await.unwrap_err().to_string().contains("429"));
    })
    .await;
}

#[tokio::test]
async fn stream_supported_events() {
    by_push_and_by_poll(async |suite| {
        let stream = suite.stream().ensure().await.unwrap();
        let _poller = suite.poll(&stream);
        stream.verify(LONG).await.unwrap();
        let names = ["session-revoked", "token-claims-change", "credential-change", "device-compliance-change"];
        let caep = names.map(|name| format!("{CAEP}{name}"));
        let risc = ["account-disabled", "account-purged", "identifier-changed"].map(|name| format!("{RISC}{name}"));
        for uri in caep.into_iter().chain(risc) {
            let subject = email("conformance@example.com");
            assert_eq!(suite.transmitter.deliver(event(&uri, &subject, &uri, &json!({}))).await, Fate::Taken, "{uri}");
        }
        assert_eq!(suite.node.revoked().await, [""; 0], "nobody has that address");
    })
    .await;
}

#[tokio::test]
async fn stream_caep_interop() {
    by_push_and_by_poll(async |suite| {
        let kinds = [EventKind::SessionRevoked, EventKind::CredentialChange, EventKind::DeviceComplianceChange];
        let stream = suite.stream().events(kinds).ensure().await.unwrap();
        let _poller = suite.poll(&stream);
        assert!(kinds.iter().all(|kind| suite.stored()[0].to_string().contains(&kind.uri().unwrap())));
        assert!(stream.read().await.unwrap().delivers(EventKind::DeviceComplianceChange));
        assert_eq!(stream.status().await.unwrap(), StreamStatus::Enabled);
        stream.verify(LONG).await.unwrap();
        // The suite sends milliseconds.
        let at = json!(NOW * 1000);
        let deliver = async |jti: &str, subject: &Value, name: &str, mut members: Value| {
            members["event_timestamp"] = at.clone();
            members["initiating_entity"] = json!("policy");
            let claims = event(jti, subject, &format!("{CAEP}{name}"), &members);
            assert_eq!(suite.transmitter.deliver(claims).await, Fate::Taken, "{name}");
        };
        deliver("1", &json!({ "user": user("ann"), "session": opaque("1") }), "session-revoked", json!({})).await;
        assert_eq!(suite.node.revoked().await, ["ann/1", "bob/1"]);
        let changed = json!({ "credential_type": "password", "change_type": "delete" });
        deliver("2", &user("ann"), "credential-change", changed).await;
        assert_eq!(suite.node.revoked().await, ["ann/1", "ann/2", "bob/1"]);
        let status = json!({ "previous_status": "compliant", "current_status": "not-compliant" });
        deliver("3", &json!({ "user": user("bob"), "device": opaque("d") }), "device-compliance-change", status).await;
        assert_eq!(suite.node.revoked().await, ["ann/1", "ann/2", "bob/1", "bob/2"]);
        suite.node.clock.advance(Duration::from_secs(60));
        for sub in ["ann", "bob"] {
            assert!(!suite.node.revokes(&super::support::access(sub, "1", NOW + 60)).await, "not for ever");
        }
    })
    .await;
}

/// Of the suite's newer edition: what must be refused, also by a receiver that polls.
#[tokio::test]
async fn rejections() {
    by_push_and_by_poll(async |suite| {
        let stream = suite.stream().ensure().await.unwrap();
        let _poller = suite.poll(&stream);
        for (jti, changes, err) in [
            ("audience", json!({ "aud": "https://other.example" }), "invalid_audience"),
            ("expiry", json!({ "exp": NOW + 60 }), "invalid_request"),
            ("subject", json!({ "sub": "ann" }), "invalid_request"),
        ] {
            let claims = super::support::with(session_revoked(jti, &user("ann")), &changes);
            assert_eq!(suite.transmitter.deliver(claims).await, Fate::Refused(err.to_owned()), "{jti}");
        }
        assert_eq!(suite.node.revoked().await, [""; 0]);
    })
    .await;
}
