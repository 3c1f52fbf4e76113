//! An authorization server that answers as the test says, and verifiers that ask it.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::{Value, json};
use test_support::{ISSUER, NOW, bearer};
use tower_logout::{
    Logout, VerifiedToken,
    clock::ManualClock,
    fetch::Fetch,
    respond::Rejection,
    token::{
        TokenVerifier, VerifyError,
        introspection::{Introspection, IntrospectionBuilder, IntrospectionError},
        jwt::InvalidToken,
    },
};

pub(super) const ENDPOINT: &str = "https://idp.example/introspect";
pub(super) const JSON: &str = "application/json";
pub(super) const JWT: &str = "application/token-introspection+jwt";

/// A response, or `None` if there is none.
pub(super) type Reply = Option<(u16, Option<&'static str>, Bytes)>;

type Script = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// An authorization server. Clones are the same server.
#[derive(Clone)]
pub(super) struct Server(Arc<State>);

struct State {
    script: Mutex<Script>,
    requests: Mutex<Vec<Request<Bytes>>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    /// A request is answered when there is a permit, which it returns.
    gate: tokio::sync::Semaphore,
}

impl Server {
    /// A server that answers so, by the token.
    pub(super) fn new(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self(Arc::new(State {
            script: Mutex::new(Arc::new(script)),
            requests: Mutex::default(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            gate: tokio::sync::Semaphore::new(tokio::sync::Semaphore::MAX_PERMITS >> 1),
        }))
    }

    /// A server that gives this answer about every token.
    pub(super) fn always(answer: &Value) -> Self {
        let reply = ok(answer);
        Self::new(move |_| reply.clone())
    }

    pub(super) fn says(&self, script: impl Fn(&str) -> Reply + Send + Sync + 'static) {
        *self.0.script.lock().unwrap() = Arc::new(script);
    }

    pub(super) fn always_says(&self, answer: &Value) {
        let reply = ok(answer);
        self.says(move |_| reply.clone());
    }

    pub(super) fn has_no_answer(&self) {
        self.says(|_| None);
    }

    /// Lets requests wait until [`open`](Self::open).
    pub(super) fn close(&self) {
        self.0.gate.forget_permits(usize::MAX);
    }

    pub(super) fn open(&self, requests: usize) {
        self.0.gate.add_permits(requests);
    }

    pub(super) fn requests(&self) -> Vec<Request<Bytes>> {
        self.0.requests.lock().unwrap().clone()
    }

    pub(super) fn asked(&self) -> usize {
        self.0.requests.lock().unwrap().len()
    }

    /// The requests that wait or are answered now, and the most that there were at a time.
    pub(super) fn running(&self) -> (usize, usize) {
        (self.0.running.load(Ordering::SeqCst), self.0.most_running.load(Ordering::SeqCst))
    }

    pub(super) async fn answer(&self, request: Request<Bytes>) -> Result<Response<Full<Bytes>>, io::Error> {
        let state = &self.0;
        let token = form(&request).remove("token").unwrap_or_default();
        state.requests.lock().unwrap().push(request);
        let _running = Running::of(Arc::clone(state));
        drop(state.gate.acquire().await.unwrap());
        let script = Arc::clone(&state.script.lock().unwrap());
        let (status, content_type, body) = script(&token).ok_or_else(|| io::Error::other("the network is down"))?;
        let mut headers = HeaderMap::new();
        headers.extend(content_type.map(|content_type| (CONTENT_TYPE, content_type.parse().unwrap())));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status.try_into().unwrap();
        *response.headers_mut() = headers;
        Ok(response)
    }

    pub(super) fn client(&self) -> impl Fetch + use<> {
        let server = self.clone();
        move |request| {
            let server = server.clone();
            async move { server.answer(request).await }
        }
    }

    /// A verifier that asks this server about tokens of [`ISSUER`].
    pub(super) fn builder(&self, clock: &ManualClock) -> IntrospectionBuilder {
        Introspection::at(ENDPOINT, ISSUER)
            .client_secret_basic("orders", "geheim")
            .clock(clock.clone())
            .fetch_with(self.client())
    }

    pub(super) fn verifier(&self, clock: &ManualClock) -> Introspection {
        self.builder(clock).build().unwrap()
    }

    pub(super) fn logout(&self, clock: &ManualClock) -> Logout {
        Logout::new(self.verifier(clock), test_support::memory())
    }
}

struct Running(Arc<State>);

impl Running {
    fn of(state: Arc<State>) -> Self {
        let running = state.running.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_running.fetch_max(running, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The fields of the form that was posted.
pub(super) fn form(request: &Request<Bytes>) -> HashMap<String, String> {
    form_urlencoded::parse(request.body()).into_owned().collect()
}

#[expect(clippy::unnecessary_wraps, reason = "as a script returns it")]
pub(super) fn ok(answer: &Value) -> Reply {
    Some((200, Some(JSON), answer.to_string().into()))
}

pub(super) fn inactive() -> Value {
    json!({ "active": false })
}

/// The answer about an active token with a lifetime of 15 minutes from [`NOW`], with some members
/// replaced, or removed where they are `null`.
pub(super) fn active_with(changes: Value) -> Value {
    let mut answer = test_support::claims_with("one", changes);
    answer["active"] = true.into();
    answer
}

pub(super) fn active() -> Value {
    active_with(json!({}))
}

/// What a verifier has said about a token.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Accepted,
    Expired,
    Invalid(InvalidToken),
    /// The code of the error.
    Unavailable(&'static str),
}

pub(super) async fn says<V: TokenVerifier>(verifier: &V, token: &str) -> Said {
    said(verifier.verify(token).await)
}

/// What it says without a request to the server, if anything.
pub(super) fn knows<V: TokenVerifier>(verifier: &V, token: &str) -> Option<Said> {
    verifier.verify_now(token).map(said)
}

fn said<C>(result: Result<VerifiedToken<C>, VerifyError>) -> Said {
    match result {
        Ok(_) => Said::Accepted,
        Err(VerifyError::Expired) => Said::Expired,
        Err(VerifyError::Invalid(reason)) => Said::Invalid(*reason.downcast_ref().unwrap()),
        Err(VerifyError::Unavailable(reason)) => {
            Said::Unavailable(match &**reason.downcast_ref::<Arc<IntrospectionError>>().unwrap() {
                IntrospectionError::Fetch(_) => "fetch",
                IntrospectionError::Credentials(_) => "credentials",
                IntrospectionError::Request => "request",
                IntrospectionError::ContentType { .. } => "content type",
                IntrospectionError::Answer(_) => "answer",
                IntrospectionError::Signature(_) => "signature",
                IntrospectionError::SignedAnswer(_) => "signed answer",
                IntrospectionError::Busy => "busy",
                IntrospectionError::BearerToken => "bearer token",
                other => panic!("{other}"),
            })
        }
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn check<C: Send + Sync + 'static>(logout: &Logout<C>, token: &str) -> Result<(), Rejection> {
    let request = Request::get("/").header("authorization", bearer(token)).body(()).unwrap();
    logout.check((&request).into()).await.map(drop)
}

/// Later than the expiry of [`active`].
pub(super) const LATE: u64 = NOW + 900;
