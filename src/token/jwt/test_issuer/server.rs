//! [`Server`]: the port of a test issuer, which can be closed and opened again.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use bytes::Bytes;
use http::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Mutex, oneshot},
    task::{JoinHandle, JoinSet},
};

use super::{Shared, TestIssuer, lock};
use crate::fetch::FetchBody;

pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    door: Mutex<Door>,
}

/// One of the two is there.
#[derive(Default)]
struct Door {
    open: Option<Task>,
    /// Keeps the port from others while connections to it are refused.
    closed: Option<TcpSocket>,
}

/// The task that accepts connections.
struct Task {
    handle: JoinHandle<()>,
    /// The task ends when it is dropped.
    running: Option<oneshot::Sender<Infallible>>,
}

impl Server {
    /// Opens a free port. The function gets its address.
    pub(super) async fn start(shared: impl FnOnce(SocketAddr) -> Arc<Shared>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = shared(address);
        let open = Some(Task::accepting(listener, &shared));
        Self { address, shared, door: Mutex::new(Door { open, closed: None }) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns when the port and all connections are closed.
    pub(super) async fn stop(&self) {
        let mut door = self.door.lock().await;
        // Stays in its place until it has ended, in case this future is dropped.
        if let Some(task) = &mut door.open {
            task.running = None;
            (&mut task.handle).await.expect("the task neither panics nor is it aborted");
            door.open = None;
            door.closed = Some(reserve(self.address));
        }
    }

    /// Returns when the port is open.
    pub(super) async fn resume(&self) {
        let mut door = self.door.lock().await;
        if let Some(socket) = door.closed.take() {
            let listener = socket.listen(BACKLOG).expect("the port is reserved");
            door.open = Some(Task::accepting(listener, &self.shared));
        }
    }
}

impl Task {
    fn accepting(listener: TcpListener, shared: &Arc<Shared>) -> Self {
        let (running, ended) = oneshot::channel();
        let handle = tokio::spawn(accept(listener, Arc::clone(shared), ended));
        Self { handle, running: Some(running) }
    }
}

fn reserve(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("there is a socket: one was just closed");
    // Connections that were closed keep the port for a while, except for those who set this.
    #[cfg(unix)]
    socket.set_reuseaddr(true).expect("a new socket takes options");
    socket.bind(address).expect("the port was just closed: has another process taken it?");
    socket
}

/// Accepts connections until the sender is dropped, and then closes all of them.
async fn accept(listener: TcpListener, shared: Arc<Shared>, ended: oneshot::Receiver<Infallible>) {
    let mut ended = pin!(ended);
    let mut connections = JoinSet::new();
    loop {
        let next = poll_fn(|cx| match ended.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => listener.poll_accept(cx).map(Some),
        });
        match next.await {
            None => break,
            Some(Ok((stream, _))) => drop(connections.spawn(serve(stream, Arc::clone(&shared)))),
            // The client has gone before it was accepted.
            Some(Err(_)) => {}
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await) }
    });
    // Fails if the client goes away, or if the body of an answer does.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<FetchBody> {
    let path = request.uri().path().to_owned();
    *lock(&shared.requests).entry(path.clone()).or_default() += 1;
    shared.answers.pace().await;
    if let Some(answer) = shared.answers.of(&path) {
        let (head, body) = request.into_parts();
        // If the client goes away, nobody gets the answer.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        return answer(Request::from_parts(head, body));
    }
    match path.as_str() {
        TestIssuer::DISCOVERY => document(discovery(shared)),
        TestIssuer::KEYS => document(shared.keys().document()),
        _ => {
            let mut response = Response::new(FetchBody::new(Full::<Bytes>::default()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn document(json: String) -> Response<FetchBody> {
    let mut response = Response::new(FetchBody::new(Full::<Bytes>::from(json)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The members that OpenID Connect Discovery requires, section 3. Nobody can sign in at the
/// endpoints.
fn discovery(shared: &Shared) -> String {
    let Shared { url, .. } = shared;
    json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}{}", TestIssuer::KEYS),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [shared.keys().current().algorithm().to_string()],
    })
    .to_string()
}

const BACKLOG: u32 = 1024;
