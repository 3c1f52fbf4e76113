//! [`Connection`]: one connection to one server, for any number of callers.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::Instant;

use super::open::open;
use crate::store::redis::{
    address::Address,
    error::{RedisStoreError, Result, code},
    parse::{accepted, exactly},
    scripts::{Script, ScriptVariant},
};

/// A multiplexed connection. It becomes invalid when it is closed, when it does not answer, or
/// after an error that another server may not have.
///
/// Clones share the connection.
#[derive(Clone)]
pub(in crate::store::redis) struct Connection {
    multiplexed: MultiplexedConnection,
    state: Arc<State>,
}

struct State {
    address: Address,
    is_invalid: Arc<AtomicBool>,
    supports_script_flags: AtomicBool,
    opened: Instant,
    progress: Mutex<Progress>,
}

/// Counts of sent and answered commands. Replies come in the order of the commands, so the latest
/// reply also accounts for commands whose callers were dropped.
struct Progress {
    sent: u64,
    answered: u64,
    /// When the last reply arrived, or when a command was sent while none was pending.
    pending_since: Instant,
}

impl Connection {
    /// Connects and authenticates. The caller limits the time.
    pub(in crate::store::redis) async fn open(address: &Address) -> Result<Self> {
        let is_invalid = Arc::new(AtomicBool::new(false));
        let multiplexed = open(address, &is_invalid).await?;
        let opened = Instant::now();
        let state = State {
            address: address.clone(),
            is_invalid,
            supports_script_flags: AtomicBool::new(false),
            opened,
            progress: Mutex::new(Progress { sent: 0, answered: 0, pending_since: opened }),
        };
        Ok(Self { multiplexed, state: Arc::new(state) })
    }

    pub(in crate::store::redis) fn address(&self) -> &Address {
        &self.state.address
    }

    /// Sends one command.
    pub(in crate::store::redis) async fn send(&self, command: &Cmd) -> Result<Value> {
        let send = |mut connection: MultiplexedConnection| async move { connection.send_packed_command(command).await };
        let value = self.track(send).await?;
        self.invalidate_on_error(accepted(value))
    }

    /// Sends several commands in one round trip. Commands of other callers are not interleaved with
    /// them.
    pub(in crate::store::redis) async fn send_all<const N: usize>(&self, commands: &Pipeline) -> Result<[Value; N]> {
        let send = |mut connection: MultiplexedConnection| async move {
            connection.send_packed_commands(commands, 0, N).await
        };
        let values = self.track(send).await?;
        self.invalidate_on_error(values.into_iter().map(accepted).collect::<Result<_>>().and_then(exactly))
    }

    /// Runs a script by its hash, or by its text if the server has not cached it.
    pub(in crate::store::redis) async fn run(
        &self,
        script: &'static Script,
        names: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Value> {
        let script = self.script(script);
        let reply = self.send(script.by_hash(names).arg(arguments)).await;
        if is_unknown_script(&reply) {
            return self.send(script.by_text(names).arg(arguments)).await;
        }
        reply
    }

    /// The variant of the script that this server accepts.
    pub(in crate::store::redis) fn script(&self, script: &'static Script) -> ScriptVariant {
        script.variant(self.state.supports_script_flags.load(Ordering::Relaxed))
    }

    /// Records that the server accepts scripts that declare flags.
    pub(in crate::store::redis) fn set_supports_script_flags(&self) {
        self.state.supports_script_flags.store(true, Ordering::Relaxed);
    }

    /// Whether the connection must not be used again: it was closed, invalidated, or has not
    /// answered for `limit`.
    pub(in crate::store::redis) fn is_invalid(&self, limit: Duration) -> bool {
        let progress = self.progress();
        self.state.is_invalid.load(Ordering::Acquire)
            || (progress.answered < progress.sent && progress.pending_since.elapsed() >= limit)
    }

    pub(in crate::store::redis) fn invalidate(&self) {
        self.state.is_invalid.store(true, Ordering::Release);
    }

    /// Returns `result`, and invalidates the connection if it is an error for which another
    /// connection may help.
    pub(in crate::store::redis) fn invalidate_on_error<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && !error.leaves_connection_intact()
            && !(error.is_loss() && self.state.opened.elapsed() < LOSS_RECONNECT_INTERVAL)
            && !is_unknown_script(&result)
        {
            self.invalidate();
        }
        result
    }

    async fn track<T, F: Future<Output = RedisResult<T>>>(
        &self,
        send: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T> {
        let number = {
            let mut progress = self.progress();
            if progress.sent == progress.answered {
                progress.pending_since = Instant::now();
            }
            progress.sent += 1;
            progress.sent
        };
        let result = send(self.multiplexed.clone()).await;
        {
            let mut progress = self.progress();
            progress.answered = progress.answered.max(number);
            progress.pending_since = Instant::now();
        }
        self.invalidate_on_error(result.map_err(RedisStoreError::from))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.state.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(in crate::store::redis) fn is_unknown_script<T>(reply: &Result<T>) -> bool {
    matches!(reply, Err(RedisStoreError::Rejected(error)) if code(error) == "NOSCRIPT")
}

/// After a loss, a new connection may lead to a server that has the data. The interval limits how
/// often one is opened.
const LOSS_RECONNECT_INTERVAL: Duration = Duration::from_millis(500);
