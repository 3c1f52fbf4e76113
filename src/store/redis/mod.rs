#![doc = include_str!("../../../docs/redis-layout.md")]

mod address;
mod check;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod error;
mod feed;
mod join;
mod layout;
mod link;
mod log;
mod memory;
mod options;
mod probe;
mod prune;
mod reply;
mod revoke;
mod script;
#[cfg(feature = "redis-sentinel")]
mod sentinel;
mod server;
mod state;
mod tls;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use crate::{
    revocation::{Outcome, Revocation, TokenIdentity},
    store::{RevocationStore, StoreError, upkeep::Upkeep},
};
use connection::Connection;
use error::RedisStoreError;
use layout::Layout;
use link::Link;
pub use log::RedisCursor;
use memory::{Memory, Seen};
pub use options::RedisStoreOptions;
use reply::Reply;
use script::{REPAIR, new_epoch};
use server::Server;
use state::{Condition, STATE_REPLIES, State, ask_for_state};

/// Remembers revocations in a Redis or a Valkey that all processes share.
///
/// Each revocation is one script, which the server runs as one step: of any number of parallel callers, on whatever machine, exactly one is told
/// [`Outcome::Newly`]. Each check is one round trip, however many keys the token has, and answered by the master. Used directly,
/// nothing is ever stale, and nothing works without the server; [`Replica`](crate::Replica) over it answers checks from this process's memory instead.
///
/// # The server
///
/// Redis 6.2 or later, or Valkey: alone, with Sentinels ([`connect_sentinel`](RedisStoreOptions::connect_sentinel), feature `redis-sentinel`) or as a Cluster
/// ([`connect_cluster`](RedisStoreOptions::connect_cluster), feature `redis-cluster`), and with TLS (`rediss://`, feature `redis-tls`).
/// Each time it connects, the store makes sure that the server is a primary and that its `maxmemory-policy` is `noeviction` or
/// begins with `volatile-`: a server that evicts revocations would bring revoked tokens back to life. No key of the store
/// has a time to live, and one that somebody sets is removed by the next revocation, so that `volatile-` policies cannot evict it.
/// When the server's memory is full, revoking is an error.
///
/// Managed services that hide what kind of server they are (Redis Cloud, Redis Enterprise) are used with
/// [`behind_proxy`](RedisStoreOptions::behind_proxy).
///
/// # When the server loses what it had
///
/// The store remembers what it has seen. If the server was emptied, replaced, set back to an older copy, or lacks a part of what was
/// stored, checks and revocations are errors (503) from that moment on, in the same round trip, and never "not revoked". A
/// [`Replica`](crate::Replica) over the store knows what is missing, makes it whole and goes on by itself. Used directly, the store goes
/// on when what it has seen is there again. An operator who cannot restore it revokes everything that was issued until
/// then ([`Revoker::everything`](crate::Revoker::everything)) and restarts the processes; `docs/redis-layout.md` says how. A process
/// that starts cannot know what an empty server once held.
///
/// What is acknowledged is in the server's memory. It survives the end of the server if that persists (`appendonly yes`; with
/// `appendfsync always` the loss of power, too), and a failover if the new master had it already, which
/// [`wait_replicas`](RedisStoreOptions::wait_replicas) makes likely. What is lost all the same, every `Replica` that knew it tells the server again.
///
/// A master that was deposed and is still alive goes on answering whoever stays connected to it: one server behind a name that leads to another
/// now, or a node of a Cluster that is cut off with a minority, up to `cluster-node-timeout` (15 seconds unless configured otherwise). The store connects anew
/// as soon as anything speaks against a connection. What helps beyond that: Sentinels, `min-replicas-to-write`, stopping the old
/// master before another is promoted, and a short `cluster-node-timeout`.
///
/// # What a failover costs
///
/// Until another server has taken over, revocations are errors, as are checks of a store that is used directly; a
/// [`Replica`](crate::Replica) answers from memory while what it knows is no older than [`max_staleness`](crate::ReplicaOptions::max_staleness) (5 s). A Cluster
/// replaces a primary after about twice its `cluster-node-timeout`: 5.9 s were measured with 3 s, and 15 s are the
/// default. Sentinels take their `down-after-milliseconds` (30 s by default) and one or two seconds more. **Set either to a third of
/// `max_staleness` at most**, or raise `max_staleness`: otherwise each failover is an outage for all.
///
/// A user with few rights needs the commands that `docs/redis-layout.md` lists. The layout is described there, too, for programs in
/// other languages that revoke or check.
///
/// # Errors
///
/// Every call ends within the [timeout](RedisStoreOptions::timeout), whatever the server does. A revocation that ended in an error may be stored
/// nevertheless: revoking again then tells [`Outcome::Already`]. After an error that speaks against the connection, the next
/// call makes a new one, and finds out anew where the master is.
///
/// # Examples
///
/// ```no_run
/// # async fn connect() -> Result<(), tower_logout::StoreError> {
/// use tower_logout::{RedisStore, Replica};
///
/// let store = RedisStore::connect("redis://logout:secret@redis.internal:6379").await?;
/// let replica = Replica::start(store);
/// # Ok(())
/// # }
/// ```
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    server: Arc<Server>,
    layout: Arc<Layout>,
    timeout: Duration,
    wait_replicas: usize,
    commands: Link,
    /// Waiting for replicas, or for the end of a pause, holds up what comes after it on the same connection.
    writes: Link,
    /// Connections for whoever reads all, or waits for what comes. One at a time uses each: waiting holds it up, too.
    readers: Mutex<Vec<Reader>>,
    upkeep: Upkeep,
    /// What was seen of the store.
    memory: Memory,
    /// Whether a snapshot of it was read to its end.
    is_loaded: AtomicBool,
    behind_proxy: bool,
}

/// A connection of its own, for whoever reads all or follows.
struct Reader {
    connection: Connection,
    /// When the Sentinels were asked whose answer named its server, for it and for nobody else.
    confirmed: Option<Instant>,
}

impl RedisStore {
    /// Connects to one server: `redis://user:password@host:port/database`, `rediss://…` for TLS.
    ///
    /// User, password, port and database may be absent. What is not a letter or a digit in user and password is to be percent-encoded.
    ///
    /// # Errors
    ///
    /// [`StoreError`] whose source says what is wrong and what to do, if the URL cannot be used, or if the server
    /// does not answer in time, does not let the user run what the store needs, takes no writes, is older than 6.2, a replica, a Sentinel or a node of a Cluster, may evict what it holds, does not show whether it may (`INFO`), or
    /// holds something of a later version under the prefix.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::options().connect(url).await
    }

    /// Makes a store that connects when it is first used, to a server that need not be up yet.
    ///
    /// A [`Replica`](crate::Replica) over it starts at once, answers 503, and is ready when the server has come. What
    /// [`connect`](Self::connect) finds out about the server and about rights, the first call finds out instead.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the URL or an option cannot be used.
    pub fn connect_lazily(url: &str) -> Result<Self, StoreError> {
        Self::options().connect_lazily(url)
    }

    /// What else can be chosen: the prefix, the timeout, replicas to wait for, TLS, Sentinel and Cluster.
    pub fn options() -> RedisStoreOptions {
        RedisStoreOptions::default()
    }

    fn new(server: Server, options: &RedisStoreOptions) -> Reply<Self> {
        let RedisStoreOptions { timeout, wait_replicas, behind_proxy, .. } = *options;
        if timeout.is_zero() {
            return Err(RedisStoreError::NoTime);
        }
        let (server, layout) = (Arc::new(server), Arc::new(Layout::new(&options.prefix)?));
        let link = || {
            let (server, layout) = (Arc::clone(&server), Arc::clone(&layout));
            let connect = move || {
                let (server, layout) = (Arc::clone(&server), Arc::clone(&layout));
                Box::pin(async move { server.connect(&layout, behind_proxy).await }) as _
            };
            Link::new(timeout, Box::new(connect))
        };
        let (commands, writes) = (link(), link());
        let shared = Shared {
            server,
            layout,
            timeout,
            wait_replicas,
            commands,
            writes,
            readers: Mutex::default(),
            upkeep: Upkeep::default(),
            memory: Memory::default(),
            is_loaded: AtomicBool::new(false),
            behind_proxy,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Connects, and makes sure that all that will be needed works.
    async fn open(self) -> Result<Self, StoreError> {
        let shared = &self.shared;
        let opened = async {
            shared.meet().await?;
            shared.probe().await
        };
        shared.within(opened).await.map_err(|error| shared.failed("open", error))?;
        Ok(self)
    }
}

/// A time for which a server is to wait. Zero would be for ever, and there is a longest one that it takes.
fn to_wait(time: Duration) -> String {
    time.as_millis().clamp(1, LONGEST_WAIT_MS).to_string()
}

/// 49 days.
const LONGEST_WAIT_MS: u128 = u32::MAX as u128;

#[async_trait]
impl RevocationStore for RedisStore {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let shared = &self.shared;
        let result = shared.within(shared.revoke(revocation)).await;
        shared.judged(result).map_err(|error| shared.failed("revoke", error))
    }

    async fn is_revoked(&self, token: &TokenIdentity) -> Result<bool, StoreError> {
        let shared = &self.shared;
        let result = shared.within(shared.is_revoked(token)).await;
        shared.judged(result).map_err(|error| shared.failed("check", error))
    }
}

impl Shared {
    async fn within<T>(&self, work: impl Future<Output = Reply<T>>) -> Reply<T> {
        self.within_after(Duration::ZERO, work).await
    }

    /// The limit for something that may wait in the server.
    async fn within_after<T>(&self, wait: Duration, work: impl Future<Output = Reply<T>>) -> Reply<T> {
        let limit = self.timeout.saturating_add(wait);
        timeout(limit, work).await.unwrap_or(Err(RedisStoreError::Timeout { limit }))
    }

    /// Looks at the store for the first time.
    async fn meet(&self) -> Reply<()> {
        let connection = self.commands.connection().await?;
        self.seen(&connection).await.map(|_| ())
    }

    /// What was seen of the store before. If nobody has looked yet, what there is now: created, if there is nothing.
    async fn seen(&self, connection: &Connection) -> Reply<Seen> {
        let seen = self.memory.seen();
        if !matches!(seen, Seen::Nothing) {
            return Ok(seen);
        }
        let looked = async {
            match self.repaired(connection, false).await {
                Ok(state) => self.memory.reached(state.end()),
                // It can still be read from.
                Err(RedisStoreError::OutOfMemory(_)) => self.memory.found_empty(),
                Err(error) => return Err(error),
            }
            Ok(self.memory.seen())
        };
        // Once in the life of a store. Checks do not carry the room for it.
        connection.judge(Box::pin(looked).await)
    }

    /// What is there, after it was made whole as far as that may be.
    async fn repaired(&self, connection: &Connection, tells_what_is_missing: bool) -> Reply<State> {
        let (state, condition) = self.look(connection).await?;
        if condition == Condition::Whole {
            return Ok(state);
        }
        let tells = if tells_what_is_missing { b"1" } else { b"0" };
        connection.run(&REPAIR, &self.layout.names(), &[new_epoch().as_bytes(), tells]).await?;
        match self.look(connection).await? {
            (state, Condition::Whole) => Ok(state),
            (_, Condition::Damaged(part)) => Err(RedisStoreError::Damaged { part }),
            (_, Condition::Empty) => Err(RedisStoreError::Damaged { part: "all of it" }),
        }
    }

    async fn look(&self, connection: &Connection) -> Reply<(State, Condition)> {
        loop {
            let mut question = redis::pipe();
            ask_for_state(&mut question, &self.layout, state::START);
            let replies = connection.ask_all::<STATE_REPLIES>(&question).await?;
            let (state, is_settled) = State::read_asked(replies)?;
            // Otherwise somebody has written in between. The caller's limit bounds how often.
            if is_settled {
                let condition = state.condition()?;
                return Ok((state, condition));
            }
        }
    }

    /// A connection that nobody else uses, until it is [given back](Self::give_back).
    async fn reader(&self) -> Reply<Reader> {
        while let Some(reader) = self.idle_readers().pop() {
            if !reader.connection.is_spoiled(self.timeout) {
                return Ok(reader);
            }
        }
        let connection = self.within(Box::pin(self.server.connect(&self.layout, self.behind_proxy))).await?;
        // It may have led elsewhere than those that are older.
        self.suspect();
        Ok(Reader { connection, confirmed: None })
    }

    fn give_back(&self, reader: Reader) {
        if !reader.connection.is_spoiled(self.timeout) {
            self.idle_readers().push(reader);
        }
    }

    fn idle_readers(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, operation: &'static str, error: RedisStoreError) -> StoreError {
        error.of(operation, Some(&self.server))
    }

    /// What speaks against one connection speaks against the other, which leads to the same server.
    fn judged<T>(&self, result: Reply<T>) -> Reply<T> {
        result.inspect_err(|error| {
            if !error.leaves_connection_intact() && !error.is_loss() {
                self.suspect();
            }
        })
    }

    /// Who revokes or asks next connects anew. A name may lead to another server by now, and the old one may still answer on what is connected
    /// to it: what it acknowledges is lost.
    fn suspect(&self) {
        self.commands.spoil();
        self.writes.spoil();
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.shared.server)
            .field("prefix", &self.shared.layout.prefix())
            .field("timeout", &self.shared.timeout)
            .field("wait_replicas", &self.shared.wait_replicas)
            .finish_non_exhaustive()
    }
}
