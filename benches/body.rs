//! What it costs to end streams with their token: passing a frame through a guarded body, the
//! latency from a revocation to the end of a stream among many, and opening and dropping a stream;
//! each compared with the same without the layer.
//!
//! `cargo bench --bench body`. The last lines of the output are the ratios, measured in alternation
//! within one run.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    convert::Infallible,
    env,
    future::{Future, ready},
    hint::black_box,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use http::{Request, Response, header::AUTHORIZATION};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::{runtime::Runtime, sync::mpsc};
use tower::{BoxError, Layer, Service, service_fn};
use tower_logout::{
    JwtVerifier, Logout, MemoryStore, RevocationStore,
    clock::Timestamp,
    middleware::ResponseBody,
    revocation::{Revocation, RevocationKey},
};

type Asking = Request<Empty<Bytes>>;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let arguments: Vec<_> = env::args().collect();
    let in_full = arguments.iter().any(|given| given == "--bench") && !arguments.iter().any(|given| given == "--test");
    if arguments.iter().any(|given| given == "--list") {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    frames(&mut criterion);
    opening(&mut criterion);
    criterion.final_summary();
    if in_full {
        print_ratios(&runtime);
        print_latencies(&runtime);
    }
}

/// A stream that always has a frame: the worst case for costs per frame.
struct Always(Bytes);

impl Body for Always {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(self.0.clone()))))
    }
}

/// A stream that never sends.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

fn frame() -> Bytes {
    Bytes::from_static(
        b"data: {\"an event\":\"of about a hundred bytes\",\"as\":\"they are sent\",\"number\":123456789}\n\n",
    )
}

fn logout() -> Logout {
    over(MemoryStore::new())
}

fn over(store: impl RevocationStore) -> Logout {
    Logout::new(JwtVerifier::hs256(SECRET).issuer(ISSUER).build().unwrap(), store)
}

fn request(jti: &str) -> Asking {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = json!({
        "iss": ISSUER, "sub": format!("subject of {jti}"), "sid": format!("session of {jti}"), "client_id": "app",
        "jti": jti, "iat": now, "exp": now + 36_000
    });
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET).unwrap()).unwrap();
    Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(Empty::new()).unwrap()
}

/// Calls a service that answers at once.
fn call<S, B>(service: &mut S, request: &Asking) -> B
where
    S: Service<Asking, Response = Response<B>, Error = Infallible>,
{
    match pin!(service.call(request.clone())).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response.into_body(),
        _ => unreachable!("nothing waits"),
    }
}

/// The body as it comes through the layer.
fn guarded<B>(logout: &Logout, jti: &str, body: B) -> ResponseBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let body = Mutex::new(Some(body));
    let inner = service_fn(|_| ready(Ok(Response::new(body.lock().unwrap().take().unwrap()))));
    call(&mut logout.layer().layer(inner), &request(jti))
}

/// Polls once and returns whether a frame was ready.
fn poll<B: Body + Unpin>(body: &mut B) -> bool {
    black_box(Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))).is_ready()
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a frame that is ready");
    group.throughput(Throughput::Elements(1));
    let mut bare = Always(frame());
    group.bench_function("bare", |bencher| bencher.iter(|| poll(&mut bare)));
    let mut guarded = guarded(&logout(), "frames", Always(frame()));
    group.bench_function("guarded", |bencher| bencher.iter(|| poll(&mut guarded)));
}

fn opening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open and drop");
    let request = request("opening");
    let mut bare = service_fn(|_: Asking| ready(Ok(Response::new(Silent))));
    group.bench_function("bare stream", |bencher| bencher.iter(|| poll(&mut call(&mut bare, &request))));
    let silent = service_fn(|_| ready(Ok::<_, Infallible>(Response::new(Silent))));
    let mut checked = logout().allow_streams_after_revocation().layer().layer(silent);
    group.bench_function("checked stream", |bencher| {
        bencher.iter(|| poll(&mut call(&mut checked, &request)));
    });
    let mut guarded = logout().layer().layer(silent);
    group.bench_function("guarded stream", |bencher| {
        bencher.iter(|| poll(&mut call(&mut guarded, &request)));
    });
    let whole = service_fn(|_| ready(Ok::<_, Infallible>(Response::new(Full::new(frame())))));
    let mut checked = logout().allow_streams_after_revocation().layer().layer(whole);
    group.bench_function("checked, complete body", |bencher| {
        bencher.iter(|| poll(&mut call(&mut checked, &request)));
    });
    let mut guarded = logout().layer().layer(whole);
    group.bench_function("guarded, complete body", |bencher| {
        bencher.iter(|| poll(&mut call(&mut guarded, &request)));
    });
}

/// Frames per second through the guarded body and the bare one, in alternation.
fn print_ratios(runtime: &Runtime) {
    let logout = logout();
    let in_a_loop = paired(|is_guarded| {
        if is_guarded {
            runtime.block_on(read(guarded(&logout, "loop", Always(frame()))))
        } else {
            runtime.block_on(read(Always(frame())))
        }
    });
    let from_a_channel = paired(|is_guarded| {
        let (feed, frames) = mpsc::channel(64);
        let feeding = runtime.spawn(async move { while feed.send(frame()).await.is_ok() {} });
        let elapsed = if is_guarded {
            runtime.block_on(read(guarded(&logout, "channel", Fed(frames))))
        } else {
            runtime.block_on(read(Fed(frames)))
        };
        feeding.abort();
        elapsed
    });
    let over_http = paired(|is_guarded| {
        if is_guarded {
            runtime.block_on(over_http(guarded(&logout, "http", Always(frame()))))
        } else {
            runtime.block_on(over_http(Always(frame())))
        }
    });
    println!("frames a second, guarded beside bare (median of {ROUNDS} pairs of {FRAMES} frames):");
    println!("  over HTTP/1.1, hyper at both ends of a pipe   {over_http:.3}");
    println!("  from a channel that another task fills        {from_a_channel:.3}");
    println!("  polled in a loop, a body that does nothing    {in_a_loop:.3}");
}

/// The median ratio of the rates of `measure(true)` and `measure(false)`.
fn paired(mut measure: impl FnMut(bool) -> Duration) -> f64 {
    let mut ratios: Vec<_> = (0..ROUNDS)
        .map(|round| {
            // The two alternate in coming first.
            let guarded_first = round % 2 == 0;
            let (first, second) = (measure(guarded_first).as_secs_f64(), measure(!guarded_first).as_secs_f64());
            if guarded_first { second / first } else { first / second }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}

/// The time to read this many frames.
async fn read<B: Body<Data = Bytes>>(body: B) -> Duration {
    let mut body = pin!(body);
    let began = Instant::now();
    for _ in 0..FRAMES {
        black_box(body.frame().await.is_some());
    }
    began.elapsed()
}

/// The same with a server and a client.
async fn over_http<B>(body: B) -> Duration
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (here, there) = tokio::io::duplex(64 * 1024);
    let body = Mutex::new(Some(body));
    let service = hyper::service::service_fn(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let serving =
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(there), service));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(here)).await.unwrap();
    let client = tokio::spawn(connection);
    let request = Request::get("/").header("host", "x").body(Empty::<Bytes>::new()).unwrap();
    let mut response = sender.send_request(request).await.unwrap().into_body();
    let (began, mut read) = (Instant::now(), 0);
    // The client returns several frames at once.
    while read < FRAMES * frame().len() {
        read += response.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    let elapsed = began.elapsed();
    serving.abort();
    client.abort();
    elapsed
}

struct Fed(mpsc::Receiver<Bytes>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

/// The time from the call that revokes to the end of the stream in its reading task, with this many
/// other streams open.
fn print_latencies(runtime: &Runtime) {
    println!("revoke to end, {REVOCATIONS} times:");
    let mut others = Vec::new();
    let store = Arc::new(MemoryStore::new());
    let logout = over(Arc::clone(&store));
    for open in [1, 1_000, 100_000] {
        while others.len() + 1 < open {
            others.push(runtime.spawn(ended(guarded(&logout, &format!("other {}", others.len()), Silent))));
        }
        let mut took: Vec<_> = (0..REVOCATIONS)
            .map(|n| runtime.block_on(revoke_to_end(&logout, &store, &format!("{open} {n}"))))
            .collect();
        took.sort_unstable();
        let watched = store.watched();
        println!(
            "  {open:>7} open ({watched} others): p50 {:>6.1} us, p99 {:>6.1} us",
            micros(took[REVOCATIONS / 2]),
            micros(took[REVOCATIONS * 99 / 100])
        );
    }
    others.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn revoke_to_end(logout: &Logout, store: &MemoryStore, jti: &str) -> Duration {
    let before = store.watched();
    let stream = tokio::spawn(ended(guarded(logout, jti, Silent)));
    while store.watched() == before {
        tokio::task::yield_now().await;
    }
    let revocation = Revocation::new(RevocationKey::token_id(ISSUER, jti), Timestamp::MAX, Timestamp::MAX);
    let began = Instant::now();
    store.revoke(&revocation).await.unwrap();
    stream.await.unwrap().duration_since(began)
}

async fn ended(mut body: ResponseBody<Silent>) -> Instant {
    assert!(body.frame().await.unwrap().is_err());
    Instant::now()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

const SECRET: &[u8] = b"a secret of the benches, 32 bytes";
const ISSUER: &str = "https://issuer.example";
const FRAMES: usize = 100_000;
const ROUNDS: usize = 51;
const REVOCATIONS: usize = 5_000;
