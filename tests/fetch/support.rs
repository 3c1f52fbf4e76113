//! Servers on loopback that do what a test says, byte by byte.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::BoxError;
use tower_logout::fetch::{Fetch, HttpClient};

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Installs the crypto provider of this process, once.
pub(crate) fn install_provider() {
    let _ = aws_lc_rs::default_provider().install_default();
}

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fetch/certificates").join(name)
}

pub(crate) fn pem(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

/// A client that trusts the authority of these tests, and ignores the proxies of the environment.
pub(crate) fn client() -> HttpClient {
    install_provider();
    HttpClient::new().no_proxy().root_certificates(pem("authority.pem")).unwrap()
}

/// Sends a GET request and reads the whole body. An error is text, with its causes.
pub(crate) async fn get(client: &impl Fetch, url: &str) -> Result<Response<String>, String> {
    let getting = get_without_deadline(client, url);
    timeout(Duration::from_secs(20), getting).await.expect("there is a response or an error")
}

async fn get_without_deadline(client: &impl Fetch, url: &str) -> Result<Response<String>, String> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let (head, body) = client.fetch(request).await.map_err(chain)?.into_parts();
    let body = body.collect().await.map_err(chain)?.to_bytes();
    Ok(Response::from_parts(head, String::from_utf8_lossy(&body).into_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
fn chain(error: BoxError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A connection that a server has accepted.
pub(crate) struct Accepted {
    stream: Box<dyn Io>,
    /// 0 for the first connection to this server.
    pub(crate) number: usize,
    heads: Arc<Mutex<Vec<String>>>,
}

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Accepted {
    /// Reads the head of a request. `None` if the client has closed the connection.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// Reads this many bytes of a request's body.
    pub(crate) async fn read(&mut self, len: usize) -> String {
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Sends the bytes again and again, until the client has closed the connection.
    pub(crate) async fn send_until_closed(&mut self, bytes: &[u8]) {
        while self.stream.write_all(bytes).await.is_ok() {}
    }

    /// Answers every request with the same text.
    pub(crate) async fn answer_all(&mut self, text: &str) {
        while self.request().await.is_some() {
            self.send(text).await;
        }
    }

    /// Copies bytes in both directions, until one side closes.
    pub(crate) async fn tunnel_to(mut self, address: SocketAddr) {
        let mut other = TcpStream::connect(address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut self.stream, &mut other).await;
    }
}

/// A server on loopback; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Calls a function for each connection.
    pub(crate) async fn http<F, Serving>(serve: F) -> Self
    where
        F: Fn(Accepted) -> Serving + Send + Sync + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        Self::start(None, serve).await
    }

    /// As `http`, after a TLS handshake with the certificate of this name.
    pub(crate) async fn https<F, Serving>(certificate: &str, serve: F) -> Self
    where
        F: Fn(Accepted) -> Serving + Send + Sync + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        let chain = vec![CertificateDer::from_pem_slice(&pem(&format!("{certificate}.pem"))).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(&pem(&format!("{certificate}.key"))).unwrap();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), serve).await
    }

    async fn start<F, Serving>(tls: Option<TlsAcceptor>, serve: F) -> Self
    where
        F: Fn(Accepted) -> Serving + Send + Sync + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counter, written) = (Arc::clone(&connections), Arc::clone(&heads));
        let serve = Arc::new(serve);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let (tls, serve, heads) = (tls.clone(), Arc::clone(&serve), Arc::clone(&written));
                tokio::spawn(async move {
                    let stream: Box<dyn Io> = match tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    serve(Accepted { stream, number, heads }).await;
                });
            }
        });
        Self { address, connections, heads, task }
    }

    pub(crate) fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/", self.address.port())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
