#![allow(clippy::unwrap_used)]

use std::{
    convert::Infallible,
    io,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use futures_util::{StreamExt, stream};
use http::Response;
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use super::*;

const LIMITS: Limits = Limits { timeout: Duration::from_secs(5), len: 1000 };

async fn send_by(client: impl Fetch) -> Result<Reply, FetchError> {
    let client: Arc<dyn Fetch> = Arc::new(client);
    send(&client, Request::new(Bytes::new()), LIMITS).await
}

fn data(len: usize) -> Frame<Bytes> {
    Frame::data(Bytes::from(vec![b'a'; len]))
}

#[tokio::test]
async fn a_response_is_returned_whatever_its_status_is() {
    for status in [200, 204, 302, 404, 500] {
        let reply = send_by(move |_| async move {
            Response::builder().status(status).header("x", "y").body(Full::new(Bytes::from("text")))
        });
        let reply = reply.await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (status, &b"text"[..]));
        assert_eq!(reply.headers["x"], "y");
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_the_limit_at_most() {
    fn chunks(lens: &'static [usize]) -> impl Fetch {
        move |_| async move {
            let frames = stream::iter(lens).map(|&len| Ok::<_, Infallible>(data(len)));
            Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
        }
    }
    for lens in [&[1000][..], &[999, 1], &[0, 500, 0, 500], &[]] {
        assert_eq!(send_by(chunks(lens)).await.unwrap().body.len(), lens.iter().sum::<usize>());
    }
    for lens in [&[1001][..], &[1000, 1], &[1, 1000], &[1_000_000]] {
        let error = send_by(chunks(lens)).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLong(1000)), "{lens:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_no_further_than_its_limit() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    let endless = send_by(|_| async {
        let frames = stream::repeat_with(|| {
            READ.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(data(100))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames.take(1000))))
    });
    assert!(matches!(endless.await, Err(FetchError::TooLong(1000))));
    assert_eq!(READ.load(Ordering::Relaxed), 11);
}

#[tokio::test]
async fn a_compressed_response_is_refused_before_its_body_is_read() {
    for (encodings, refused) in [
        (&["gzip"][..], true),
        (&["GZIP"], true),
        (&["br"], true),
        (&["identity", "gzip"], true),
        (&["identity, gzip"], true),
        (&[""], true),
        (&["identity"], false),
        (&["Identity", "identity"], false),
        (&[], false),
    ] {
        let read = Arc::new(AtomicUsize::new(0));
        let reading = Arc::clone(&read);
        let reply = send_by(move |_| {
            let reading = Arc::clone(&reading);
            async move {
                let frames = stream::repeat_with(move || {
                    reading.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, Infallible>(data(1))
                });
                let mut response = Response::new(StreamBody::new(frames.take(1)));
                for encoding in encodings {
                    response.headers_mut().append(CONTENT_ENCODING, encoding.parse().unwrap());
                }
                Ok::<_, Infallible>(response)
            }
        });
        let reply = reply.await;
        assert_eq!(matches!(reply, Err(FetchError::Encoded)), refused, "{encodings:?}: {reply:?}");
        assert_eq!(read.load(Ordering::Relaxed), usize::from(!refused));
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_is_that_of_the_whole_response() {
    let began = Instant::now();
    let silent = |_| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>();
    assert!(matches!(send_by(silent).await, Err(FetchError::TimedOut(_))));
    assert_eq!(began.elapsed(), LIMITS.timeout);

    // Each part arrives in time, and the whole does not.
    let began = Instant::now();
    let slow = |_| async {
        sleep(Duration::from_secs(2)).await;
        let frames = stream::repeat(()).then(async |()| {
            sleep(Duration::from_secs(2)).await;
            Ok::<_, Infallible>(data(1))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
    };
    assert!(matches!(send_by(slow).await, Err(FetchError::TimedOut(_))));
    assert_eq!(began.elapsed(), LIMITS.timeout);
}

#[tokio::test]
async fn an_error_of_the_client_or_of_the_body_is_kept() {
    let failing = |_| async { Err::<Response<Full<Bytes>>, _>(io::Error::other("the cause")) };
    let breaking = |_| async {
        let frames = stream::iter([Ok(Frame::data(Bytes::from("half"))), Err(io::Error::other("the cause"))]);
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
    };
    for error in [send_by(failing).await.unwrap_err(), send_by(breaking).await.unwrap_err()] {
        assert!(matches!(error, FetchError::NoAnswer(_)));
        assert!(format!("{error:?}").ends_with("trusted here?: the cause"), "{error:?}");
    }
}

#[cfg(feature = "oidc")]
mod over_a_network {
    use super::*;
    use crate::fetch::{HttpClient, HttpClientError};

    /// The result of a request to a server that serves one connection, and how many bytes of its
    /// response it could send.
    async fn answered<F, Serving>(serve: F) -> (Result<Reply, FetchError>, u64)
    where
        F: FnOnce(TcpStream, Arc<AtomicU64>) -> Serving + Send + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.read_u8().await.unwrap() != b'\n' || stream.read_u16().await.unwrap() != 0x0d0a {}
            serve(stream, counter).await;
        });
        let client: Arc<dyn Fetch> = Arc::new(HttpClient::new());
        let limits = Limits { timeout: Duration::from_millis(500), len: 64 * 1024 };
        let reply = send(&client, Request::get(url).body(Bytes::new()).unwrap(), limits).await;
        // The client has closed the connection, so that the server ends, too.
        tokio::time::timeout(Duration::from_secs(20), server).await.expect("the connection is closed").unwrap();
        (reply, sent.load(Ordering::Relaxed))
    }

    async fn send_all(mut stream: TcpStream, head: &str, sent: Arc<AtomicU64>, len: u64, unit: &[u8]) {
        let _ = stream.write_all(head.as_bytes()).await;
        while sent.load(Ordering::Relaxed) < len && stream.write_all(unit).await.is_ok() {
            sent.fetch_add(unit.len() as u64, Ordering::Relaxed);
        }
    }

    const GIB: u64 = 1 << 30;

    /// What the buffers of both sockets can hold, generously.
    const BUFFERED: u64 = 32 << 20;

    #[tokio::test]
    async fn a_gibibyte_is_not_read() {
        let (reply, sent) = answered(async |stream, sent| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {GIB}\r\n\r\n");
            send_all(stream, &head, sent, GIB, &[b'a'; 16384]).await;
        })
        .await;
        assert!(matches!(reply, Err(FetchError::TooLong(_))), "{reply:?}");
        assert!(sent < BUFFERED, "{sent}");

        // Without a length at the beginning.
        let (reply, sent) = answered(async |stream, sent| {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            send_all(stream, head, sent, GIB, b"10\r\n0123456789abcdef\r\n".repeat(1000).as_slice()).await;
        })
        .await;
        assert!(matches!(reply, Err(FetchError::TooLong(_))), "{reply:?}");
        assert!(sent < BUFFERED, "{sent}");
    }

    #[tokio::test]
    async fn a_compressed_response_is_not_read() {
        let (reply, sent) = answered(async |stream, sent| {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {GIB}\r\n\r\n");
            send_all(stream, &head, sent, GIB, &[0; 16384]).await;
        })
        .await;
        assert!(matches!(reply, Err(FetchError::Encoded)), "{reply:?}");
        assert!(sent < BUFFERED, "{sent}");
    }

    #[tokio::test]
    async fn endless_headers_are_not_read() {
        let one = answered(async |stream, sent| {
            send_all(stream, "HTTP/1.1 200 OK\r\nx: ", sent, GIB, &[b'a'; 16384]).await;
        });
        let many = answered(async |stream, sent| {
            send_all(stream, "HTTP/1.1 200 OK\r\n", sent, GIB, b"name: value\r\n").await;
        });
        for (reply, sent) in [one.await, many.await] {
            assert!(matches!(reply, Err(FetchError::NoAnswer(_))), "{reply:?}");
            assert!(sent < BUFFERED, "{sent}");
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_given_up() {
        let silent = answered(async |mut stream, _| assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0));
        assert!(matches!(silent.await, (Err(FetchError::TimedOut(_)), _)));
        let halfway = answered(async |mut stream, _| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
        });
        assert!(matches!(halfway.await, (Err(FetchError::TimedOut(_)), _)));
        // Informational responses do not extend the time.
        let busy = answered(async |stream, sent| {
            send_all(stream, "", sent, u64::MAX, b"HTTP/1.1 100 Continue\r\n\r\n").await;
        });
        assert!(matches!(busy.await, (Err(FetchError::TimedOut(_) | FetchError::NoAnswer(_)), _)));
    }

    #[tokio::test]
    async fn a_body_that_ends_early_is_an_error() {
        let (reply, _) = answered(async |mut stream, _| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        })
        .await;
        assert!(matches!(reply, Err(FetchError::NoAnswer(_))), "{reply:?}");
    }

    #[tokio::test]
    async fn an_error_of_the_set_up_is_not_blamed_on_the_server() {
        let client: Arc<dyn Fetch> = Arc::new(HttpClient::new());
        let request = Request::get("http://idp.example").body(Bytes::new()).unwrap();
        let error = send(&client, request, LIMITS).await.unwrap_err();
        assert!(matches!(error, FetchError::Client(HttpClientError::Scheme(_))));
        assert!(format!("{error:?}").starts_with("`http` requests are not sent"), "{error:?}");
    }
}
