//! A proxy between a client and its server that injects network faults.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    select,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};

use super::PATIENCE;

/// The replies in [`FaultProxy::garbage`]: no protocol has a message that begins like this.
pub const GARBAGE: &[u8] = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\r\n";

/// The maximum that is read at once.
const CHUNK: usize = 16 * 1024;

/// A TCP proxy whose faults are switched at run time, for existing and new connections.
///
/// A fault is in force once its method has returned: it applies to everything that a client sends
/// and a server replies after that.
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: JoinHandle<()>,
}

/// Statistics of the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Accepted connections, including rejected ones.
    pub connections: u64,
    /// Open connections.
    pub open: u64,
    /// Chunks from clients.
    pub requests: u64,
    /// Chunks from servers, whether or not they were forwarded.
    pub replies: u64,
    /// Chunks that wait in [`FaultProxy::step_replies`], at most one per connection.
    pub waiting: u64,
    /// Chunks that [`FaultProxy::let_one_through`] has let through.
    pub let_through: u64,
}

struct Shared {
    state: watch::Sender<State>,
    stats: watch::Sender<Stats>,
}

/// The state that all tasks follow.
#[derive(Clone, Debug)]
struct State {
    fault: Fault,
    target: SocketAddr,
    /// Counts the changes of the fault.
    epoch: u64,
    /// Counts the resets: a connection of an earlier count is reset.
    resets: u64,
    /// How many waiting replies may pass.
    permits: u64,
}

#[derive(Clone, Debug)]
enum Fault {
    None,
    Refuse,
    Delay(Duration),
    CutAfter(Arc<[u8]>),
    Garbage,
    HalfOpen,
    Step(usize),
}

impl FaultProxy {
    /// Starts a proxy to this address, where nothing needs to listen yet.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { fault: Fault::None, target, epoch: 0, resets: 0, permits: 0 };
        let shared = Arc::new(Shared { state: watch::Sender::new(state), stats: watch::Sender::default() });
        let acceptor = tokio::spawn(accept(listener, shared.clone()));
        Self { shared, address, acceptor }
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends any fault. Replies that were held back are forwarded.
    pub fn pass(&self) {
        self.set(Fault::None);
    }

    /// Resets all connections, and each new one as soon as it is accepted.
    pub fn refuse(&self) {
        self.set_and_reset(Fault::Refuse);
    }

    /// Resets all connections once and ends the fault, so that new ones work.
    pub fn reset(&self) {
        self.set_and_reset(Fault::None);
    }

    /// Delays each chunk of a reply by this time after the previous one of its connection.
    pub fn delay_replies(&self, delay: Duration) {
        self.set(Fault::Delay(delay));
    }

    /// Resets a connection at the first reply after its next request: the server has acted, and the
    /// client gets no reply.
    pub fn cut_after_request(&self) {
        self.cut_after_request_with("");
    }

    /// Like [`Self::cut_after_request`], at the next request that contains these bytes. Other
    /// requests, such as preparing a statement, are answered.
    pub fn cut_after_request_with(&self, part: impl AsRef<[u8]>) {
        self.set(Fault::CutAfter(part.as_ref().into()));
    }

    /// Replaces each chunk of a reply with [`GARBAGE`].
    pub fn garbage(&self) {
        self.set(Fault::Garbage);
    }

    /// Forwards nothing in either direction, not even the end. New connections are accepted and
    /// hang as well.
    pub fn half_open(&self) {
        self.set(Fault::HalfOpen);
    }

    /// Connects new connections to another address and resets existing ones. The fault stays.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.state.send_modify(|state| {
            state.target = target;
            state.resets += 1;
        });
    }

    /// Connects new connections to another address and keeps existing ones, like a name that leads
    /// to another server.
    pub fn retarget_new(&self, target: SocketAddr) {
        self.shared.state.send_modify(|state| state.target = target);
    }

    /// Holds back all replies, in chunks of at most this many bytes, until
    /// [`Self::let_one_through`] or [`Self::pass`].
    pub fn step_replies(&self, chunk: usize) {
        self.set(Fault::Step(chunk.clamp(1, CHUNK)));
    }

    /// Waits for a reply to hold back, lets one chunk through, and returns once it is forwarded.
    /// Not for concurrent callers.
    pub async fn let_one_through(&self) {
        let before = self.stats().let_through;
        self.until(|stats| stats.waiting > 0).await;
        self.shared.state.send_modify(|state| state.permits += 1);
        self.until(|stats| stats.let_through > before).await;
    }

    /// How many chunks are held back, at most one per connection.
    pub fn waiting_replies(&self) -> u64 {
        self.stats().waiting
    }

    /// How many connections have been accepted.
    pub fn connections(&self) -> u64 {
        self.stats().connections
    }

    /// How many chunks servers have sent, whether or not they were forwarded.
    pub fn replies_seen(&self) -> u64 {
        self.stats().replies
    }

    pub fn stats(&self) -> Stats {
        *self.shared.stats.borrow()
    }

    /// Waits until the statistics satisfy the condition; fails after a deadline.
    pub async fn until(&self, condition: impl FnMut(&Stats) -> bool) {
        let mut stats = self.shared.stats.subscribe();
        let came = timeout(PATIENCE, stats.wait_for(condition)).await.is_ok();
        assert!(came, "the proxy never saw it: {:?}", self.stats());
    }

    fn set(&self, fault: Fault) {
        self.shared.state.send_modify(|state| {
            state.fault = fault;
            state.epoch += 1;
            state.permits = 0;
        });
    }

    fn set_and_reset(&self, fault: Fault) {
        self.shared.state.send_modify(|state| {
            state.fault = fault;
            state.epoch += 1;
            state.permits = 0;
            state.resets += 1;
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.acceptor.abort(); // also ends the connections, which the task owns
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        let (is_refused, resets) = {
            let state = shared.state.borrow();
            (matches!(state.fault, Fault::Refuse), state.resets)
        };
        if is_refused {
            client.set_zero_linger().unwrap();
            drop(client);
            shared.count(|stats| stats.connections += 1);
        } else {
            shared.count(|stats| stats.connections += 1);
            connections.spawn(serve(client, shared.clone(), resets));
        }
    }
}

/// Serves a connection until it ends.
async fn serve(mut client: TcpStream, shared: Arc<Shared>, resets: u64) {
    let _open = Counted::new(&shared, |stats| &mut stats.open);
    let mut state = shared.state.subscribe();
    let outcome = select! {
        outcome = forward(&mut client, &shared) => outcome,
        _ = state.wait_for(|state| state.resets != resets) => Err(io::ErrorKind::ConnectionReset.into()),
    };
    if outcome.is_err() {
        let _ = client.set_zero_linger();
    }
    drop(client);
}

/// Forwards both ways until both ends have finished. An error on one side resets the other.
async fn forward(client: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let mut state = shared.state.subscribe();
    let target =
        state.wait_for(|state| !matches!(state.fault, Fault::HalfOpen)).await.map_err(io::Error::other)?.target;
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let asked = AtomicU64::new(0);
    tokio::try_join!(
        requests(from_client, to_server, shared, &asked), //
        replies(from_server, to_client, shared, &asked),
    )?;
    Ok(())
}

async fn requests(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, shared: &Shared, asked: &AtomicU64) -> io::Result<()> {
    let mut state = shared.state.subscribe();
    let mut buffer = vec![0; CHUNK];
    loop {
        shared.until_open(&mut state).await;
        let count = select! {
            count = from.read(&mut buffer) => count?,
            _ = state.changed() => continue,
        };
        shared.until_open(&mut state).await;
        let chunk = &buffer[..count];
        if chunk.is_empty() {
            return to.shutdown().await;
        }
        if let State { fault: Fault::CutAfter(part), epoch, .. } = &*state.borrow()
            && (part.is_empty() || chunk.windows(part.len()).any(|it| it == &**part))
        {
            asked.store(*epoch, Ordering::Relaxed);
        }
        to.write_all(chunk).await?;
        shared.count(|stats| stats.requests += 1);
    }
}

async fn replies(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, shared: &Shared, asked: &AtomicU64) -> io::Result<()> {
    let mut state = shared.state.subscribe();
    let mut buffer = vec![0; CHUNK];
    loop {
        shared.until_open(&mut state).await;
        let limit = if let Fault::Step(limit) = state.borrow().fault { limit } else { CHUNK };
        let count = select! {
            count = from.read(&mut buffer[..limit]) => count?,
            _ = state.changed() => continue,
        };
        if count == 0 {
            shared.until_open(&mut state).await;
            return to.shutdown().await;
        }
        shared.count(|stats| stats.replies += 1);
        let arrived = Instant::now();
        let mut waiting = None;
        let (chunk, was_let_through) = loop {
            let State { fault, epoch, .. } = state.borrow_and_update().clone();
            match fault {
                Fault::CutAfter(_) if asked.load(Ordering::Relaxed) == epoch => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Fault::None | Fault::Refuse | Fault::CutAfter(_) => break (&buffer[..count], false),
                Fault::Garbage => break (GARBAGE, false),
                Fault::Step(_) if shared.take_permit() => break (&buffer[..count], true),
                Fault::Step(_) => {
                    waiting.get_or_insert_with(|| Counted::new(shared, |stats| &mut stats.waiting));
                    let _ = state.changed().await;
                }
                Fault::HalfOpen => drop(state.changed().await),
                Fault::Delay(delay) => select! {
                    () = sleep_until(arrived + delay) => break (&buffer[..count], false),
                    _ = state.changed() => {}
                },
            }
        };
        drop(waiting);
        to.write_all(chunk).await?;
        if was_let_through {
            shared.count(|stats| stats.let_through += 1);
        }
    }
}

impl Shared {
    fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.stats.send_modify(change);
    }

    async fn until_open(&self, state: &mut watch::Receiver<State>) {
        let _ = state.wait_for(|state| !matches!(state.fault, Fault::HalfOpen)).await;
    }

    fn take_permit(&self) -> bool {
        self.state.send_if_modified(|state| {
            let is_there = state.permits > 0;
            state.permits -= u64::from(is_there);
            is_there
        })
    }
}

/// Counts one item for as long as this value lives.
struct Counted<'a> {
    shared: &'a Shared,
    field: fn(&mut Stats) -> &mut u64,
}

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared, field: fn(&mut Stats) -> &mut u64) -> Self {
        shared.count(|stats| *field(stats) += 1);
        Self { shared, field }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.shared.count(|stats| *(self.field)(stats) -= 1);
    }
}
