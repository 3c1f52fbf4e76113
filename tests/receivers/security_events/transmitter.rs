//! A transmitter for the tests: it manages streams, signs events, and pushes or keeps them.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{Router, extract::State as Shared};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tower_logout::{fetch::Fetch, token::jwt::Issuer};

use super::support::{AUDIENCE, KEY, SSF, event, opaque, with};

pub(super) const PUSH: &str = "urn:ietf:rfc:8935";
pub(super) const POLL: &str = "urn:ietf:rfc:8936";

/// A path, and the status, the headers and the body of the response to a request for it.
pub(super) type Forced = (&'static str, u16, Vec<(&'static str, &'static str)>, String);

/// A transmitter. Clones are the same one.
#[derive(Clone)]
pub(super) struct Transmitter(Arc<Inner>);

struct Inner {
    url: String,
    state: Mutex<State>,
    changed: Notify,
}

/// What a test sets, and what has happened.
pub(super) struct State {
    /// The value of `Authorization` that requests must have.
    pub(super) authorization: Option<String>,
    pub(super) metadata: Value,
    /// How long a poll is held if there is no event. Keycloak does not hold it.
    pub(super) holds_polls: Option<Duration>,
    /// A response instead of the usual one, to the next requests for these paths.
    pub(super) responses: VecDeque<Forced>,
    pub(super) one_stream: bool,
    pub(super) verifies_by_itself: bool,
    pub(super) limits_verification: bool,
    pub(super) audience: Value,
    pub(super) streams: Vec<Value>,
    /// Events to poll, in order.
    pub(super) kept: Vec<(String, String)>,
    pub(super) acknowledged: Vec<String>,
    pub(super) refused: BTreeMap<String, String>,
    pub(super) requests: Vec<(Instant, Method, String, HeaderMap, Value)>,
    serial: usize,
}

/// What has become of an event.
#[derive(Debug, PartialEq)]
pub(super) enum Fate {
    /// 202, or acknowledged.
    Taken,
    Refused(String),
    /// Another answer, or none in time.
    Open,
}

impl Transmitter {
    /// A transmitter in memory, of this issuer.
    pub(super) fn of(url: &str) -> Self {
        let metadata = json!({
            "spec_version": "1_0",
            "issuer": url,
            "jwks_uri": format!("{url}/jwks"),
            "delivery_methods_supported": [PUSH, POLL],
            "configuration_endpoint": format!("{url}/streams"),
            "status_endpoint": format!("{url}/status"),
            "verification_endpoint": format!("{url}/verify?tenant=1"),
            "authorization_schemes": [{ "spec_urn": "urn:ietf:rfc:6749" }],
        });
        let state = State {
            authorization: None,
            metadata,
            holds_polls: Some(Duration::from_secs(30)),
            responses: VecDeque::new(),
            one_stream: false,
            verifies_by_itself: false,
            limits_verification: false,
            audience: json!(AUDIENCE),
            streams: Vec::new(),
            kept: Vec::new(),
            acknowledged: Vec::new(),
            refused: BTreeMap::new(),
            requests: Vec::new(),
            serial: 0,
        };
        Self(Arc::new(Inner { url: url.to_owned(), state: Mutex::new(state), changed: Notify::new() }))
    }

    /// A transmitter that listens on a free port of this machine.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transmitter = Self::of(&format!("http://{}/tenant", listener.local_addr().unwrap()));
        let handler = |Shared(transmitter): Shared<Self>, request: axum::extract::Request| async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            transmitter.answer(Request::from_parts(head, body)).await
        };
        let app = Router::new().fallback(handler).with_state(transmitter.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        transmitter
    }

    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    /// The transmitter as an application configures it.
    pub(super) fn issuer(&self) -> Issuer {
        Issuer::transmitter(self.url()).audience(AUDIENCE).allow_http_on_loopback()
    }

    /// A client that reaches it in memory.
    pub(super) fn client(&self) -> impl Fetch + use<> {
        let transmitter = self.clone();
        move |request: Request<Bytes>| {
            let transmitter = transmitter.clone();
            async move { Ok::<_, io::Error>(transmitter.answer(request).await) }
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// The requests for a path, each with its body.
    pub(super) fn requests(&self, path: &str) -> Vec<(Instant, Value)> {
        let state = self.state();
        let of_path = state.requests.iter().filter(|(_, _, own, ..)| own.ends_with(path));
        of_path.map(|(at, _, _, _, body)| (*at, body.clone())).collect()
    }

    /// Waits until a condition holds.
    pub(super) async fn until(&self, what: &str, mut condition: impl FnMut(&State) -> bool) {
        let waiting = async {
            loop {
                let changed = self.0.changed.notified();
                if condition(&self.state()) {
                    return;
                }
                let _ = timeout(Duration::from_millis(200), changed).await;
            }
        };
        timeout(Duration::from_secs(3600), waiting).await.unwrap_or_else(|_| panic!("never came: {what}"));
    }

    pub(super) fn sign(&self, claims: Value) -> String {
        KEY.sign(&with(claims, &json!({ "iss": self.url() })))
    }

    /// Keeps an event until it is polled.
    pub(super) fn keep(&self, claims: Value) {
        let id = claims["jti"].as_str().unwrap().to_owned();
        let set = self.sign(claims);
        self.keep_text(&id, set);
    }

    pub(super) fn keep_text(&self, id: &str, set: String) {
        self.state().kept.push((id.to_owned(), set));
        self.0.changed.notify_waiters();
    }

    /// Delivers an event in the way of the stream, and returns what has become of it.
    pub(super) async fn deliver(&self, claims: Value) -> Fate {
        let stream = self.state().streams.first().cloned().unwrap();
        if stream["delivery"]["method"] == PUSH {
            return self.push(&stream, claims).await;
        }
        let id = claims["jti"].as_str().unwrap().to_owned();
        self.keep(claims);
        self.until("an acknowledgement", |state| state.acknowledged.contains(&id) || state.refused.contains_key(&id))
            .await;
        self.state().refused.get(&id).map_or(Fate::Taken, |err| Fate::Refused(err.clone()))
    }

    async fn push(&self, stream: &Value, claims: Value) -> Fate {
        let url = stream["delivery"]["endpoint_url"].as_str().unwrap();
        let mut request = reqwest::Client::new()
            .post(url)
            .header("content-type", "application/secevent+jwt")
            .header("accept", "application/json");
        if let Some(authorization) = stream["delivery"]["authorization_header"].as_str() {
            request = request.header("authorization", authorization);
        }
        let response = request.body(self.sign(claims)).send().await.unwrap();
        match response.status().as_u16() {
            202 => {
                assert_eq!(response.bytes().await.unwrap(), "");
                Fate::Taken
            }
            400 => {
                assert_eq!(response.headers()["content-language"], "en");
                let error: Value = response.json().await.unwrap();
                Fate::Refused(error["err"].as_str().unwrap().to_owned())
            }
            _ => Fate::Open,
        }
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
        {
            let mut state = self.state();
            state.requests.push((
                Instant::now(),
                head.method.clone(),
                path.clone(),
                head.headers.clone(),
                body.clone(),
            ));
            let forced = state.responses.iter().position(|(own, ..)| path.ends_with(own));
            if let Some((_, status, headers, body)) = forced.and_then(|at| state.responses.remove(at)) {
                self.0.changed.notify_waiters();
                return headers.into_iter().fold(response(status, body), |mut response, (name, value)| {
                    response.headers_mut().insert(name, value.parse().unwrap());
                    response
                });
            }
            let is_public = path.contains("/.well-known/") || path.ends_with("/jwks");
            let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            if !is_public && state.authorization.is_some() && state.authorization != authorization {
                return response(401, String::new());
            }
        }
        let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "stream_id").map(|(_, id)| id);
        let (status, body) = match (path.rsplit('/').next().unwrap(), path.contains("/.well-known/")) {
            (_, true) => self.metadata(&path),
            ("jwks", _) => (200, serde_json::from_str(&KEY.jwks()).unwrap()),
            ("streams", _) => self.streams(&head.method, id.as_deref(), &body),
            ("status", _) => self.status(&head.method, id.as_deref(), &body),
            ("verify", _) => self.verify(&body),
            ("poll", _) => return self.poll(&head.headers, &body).await,
            _ => (404, Value::Null),
        };
        self.0.changed.notify_waiters();
        response(status, if body.is_null() { String::new() } else { body.to_string() })
    }

    /// Only at the place of the final specification: inserted between host and path.
    fn metadata(&self, path: &str) -> (u16, Value) {
        let own = self.0.url.splitn(4, '/').nth(3).map_or(String::new(), |path| format!("/{path}"));
        if path == format!("/.well-known/ssf-configuration{own}") {
            (200, self.state().metadata.clone())
        } else {
            (404, Value::Null)
        }
    }

    fn streams(&self, method: &Method, id: Option<&str>, body: &Value) -> (u16, Value) {
        let mut state = self.state();
        let id = id.or(body["stream_id"].as_str());
        let at = state.streams.iter().position(|stream| Some(stream["stream_id"].as_str().unwrap()) == id);
        match (method.as_str(), at) {
            ("GET", None) if id.is_none() => (200, state.streams.clone().into()),
            ("GET", Some(at)) => (200, state.streams[at].clone()),
            ("POST", _) if state.one_stream && !state.streams.is_empty() => (409, Value::Null),
            ("POST", _) => {
                state.serial += 1;
                let id = format!("stream {}", state.serial);
                let mut stream = body.clone();
                stream["stream_id"] = json!(id);
                stream["iss"] = json!(self.0.url);
                stream["aud"] = state.audience.clone();
                stream["events_delivered"] = body["events_requested"].clone();
                stream["events_supported"] = body["events_requested"].clone();
                stream["min_verification_interval"] = json!(60);
                stream["status"] = json!("enabled");
                if body["delivery"]["method"] == POLL {
                    stream["delivery"]["endpoint_url"] =
                        json!(format!("{}/poll?stream_id={}", self.0.url, state.serial));
                }
                state.streams.push(stream.clone());
                if state.verifies_by_itself {
                    drop(state);
                    self.send_verification(&stream, None);
                }
                (201, stream)
            }
            ("PATCH" | "PUT", Some(at)) => {
                let address = state.streams[at]["delivery"]["endpoint_url"].clone();
                for name in ["delivery", "events_requested", "description"] {
                    if let Some(value) = body.get(name) {
                        state.streams[at][name] = value.clone();
                    } else if method == Method::PUT {
                        state.streams[at].as_object_mut().unwrap().remove(name);
                    }
                }
                if state.streams[at]["delivery"]["method"] == POLL {
                    state.streams[at]["delivery"]["endpoint_url"] = address;
                }
                state.streams[at]["events_delivered"] = state.streams[at]["events_requested"].clone();
                (200, state.streams[at].clone())
            }
            ("DELETE", Some(at)) => {
                state.streams.remove(at);
                (204, Value::Null)
            }
            _ => (404, Value::Null),
        }
    }

    fn status(&self, method: &Method, id: Option<&str>, body: &Value) -> (u16, Value) {
        let mut state = self.state();
        let id = id.or(body["stream_id"].as_str());
        let Some(stream) = state.streams.iter_mut().find(|stream| stream["stream_id"].as_str() == id) else {
            return (404, Value::Null);
        };
        if method == Method::POST {
            stream["status"] = body["status"].clone();
        }
        (200, json!({ "stream_id": stream["stream_id"], "status": stream["status"] }))
    }

    fn verify(&self, body: &Value) -> (u16, Value) {
        let state = self.state();
        if state.limits_verification {
            return (429, Value::Null);
        }
        let stream = state.streams.iter().find(|stream| stream["stream_id"] == body["stream_id"]).cloned();
        drop(state);
        let Some(stream) = stream else { return (404, Value::Null) };
        self.send_verification(&stream, body["state"].as_str());
        (204, Value::Null)
    }

    fn send_verification(&self, stream: &Value, state: Option<&str>) {
        let mut locked = self.state();
        locked.serial += 1;
        let id = format!("verification-{}", locked.serial);
        drop(locked);
        let members = state.map_or(json!({}), |state| json!({ "state": state }));
        let subject = opaque(stream["stream_id"].as_str().unwrap());
        let claims = event(&id, &subject, &format!("{SSF}verification"), &members);
        if stream["delivery"]["method"] == POLL {
            return self.keep(claims);
        }
        let (transmitter, stream) = (self.clone(), stream.clone());
        tokio::spawn(async move {
            if transmitter.push(&stream, claims).await == Fate::Taken {
                transmitter.state().acknowledged.push(id);
                transmitter.0.changed.notify_waiters();
            }
        });
    }

    async fn poll(&self, headers: &HeaderMap, body: &Value) -> Response<Full<Bytes>> {
        let texts =
            |value: &Value| value.as_array().into_iter().flatten().map(|id| id.as_str().unwrap().to_owned()).collect();
        let acknowledged: Vec<String> = texts(&body["ack"]);
        if let Some(errors) = body["setErrs"].as_object() {
            assert_eq!(headers["content-language"], "en");
            let mut state = self.state();
            for (id, error) in errors {
                assert!(error["description"].is_string());
                state.refused.insert(id.clone(), error["err"].as_str().unwrap().to_owned());
                state.kept.retain(|(own, _)| own != id);
            }
        }
        {
            let mut state = self.state();
            state.kept.retain(|(id, _)| !acknowledged.contains(id));
            state.acknowledged.extend(acknowledged);
        }
        self.0.changed.notify_waiters();
        let max = usize::try_from(body["maxEvents"].as_u64().unwrap_or(u64::MAX)).unwrap();
        let holds = self.state().holds_polls.filter(|_| body["returnImmediately"] != true && max > 0);
        let deadline = Instant::now() + holds.unwrap_or_default();
        loop {
            let changed = self.0.changed.notified();
            let kept: Vec<_> = self.state().kept.iter().take(max).cloned().collect();
            if kept.is_empty() && Instant::now() < deadline {
                let _ = timeout_at(deadline, changed).await;
                continue;
            }
            let more = self.state().kept.len() > kept.len();
            let sets: Vec<_> = kept.iter().map(|(id, set)| format!("{}:{}", json!(id), json!(set))).collect();
            return response(200, format!(r#"{{"sets":{{{}}},"moreAvailable":{more}}}"#, sets.join(",")));
        }
    }
}

fn response(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}
