//! [`Connection`]: one connection to one server, for any number of callers, that knows when it is of no more use.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
};
use tokio::time::Instant;

use super::{
    address::Address,
    error::{RedisStoreError, code},
    reply::{Reply, accepted, exactly},
    script::{Script, Sent},
    tls,
};

#[derive(Clone)]
pub(super) struct Connection {
    wire: MultiplexedConnection,
    state: Arc<State>,
}

struct State {
    address: Address,
    /// The server has closed it, or a caller found that it is of no more use.
    is_spoiled: Arc<AtomicBool>,
    knows_flags: AtomicBool,
    made: Instant,
    flight: Mutex<Flight>,
}

/// Answers come in the order of the questions. So the latest that was answered tells which are open, also those whose callers have gone.
struct Flight {
    asked: u64,
    answered: u64,
    /// Since when nothing has been answered, if something is open.
    waits_since: Instant,
}

impl Connection {
    /// Connects, introduces itself, and that is all. For as long as the caller cares to wait.
    pub(super) async fn open(address: &Address) -> Reply<Self> {
        let is_spoiled = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&is_spoiled);
        let config = AsyncConnectionConfig::new()
            // Callers bound their waiting themselves.
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(move |info: PushInfo| {
                if info.kind == PushKind::Disconnection {
                    closed.store(true, Ordering::Release);
                }
                Ok::<(), ()>(())
            });
        let client = Client::open(address.info().clone()).map_err(|error| connect_failed(address, error))?;
        let connecting = Box::pin(client.get_multiplexed_async_connection_with_config(&config));
        let wire = Box::pin(wire(address, connecting)).await?;
        let made = Instant::now();
        let flight = Mutex::new(Flight { asked: 0, answered: 0, waits_since: made });
        let (address, knows_flags) = (address.clone(), AtomicBool::new(false));
        Ok(Self { wire, state: Arc::new(State { address, is_spoiled, knows_flags, made, flight }) })
    }

    pub(super) fn address(&self) -> &Address {
        &self.state.address
    }

    /// One command.
    pub(super) async fn ask(&self, command: &Cmd) -> Reply<Value> {
        let value = self.track(|mut wire| async move { wire.send_packed_command(command).await }).await?;
        self.judge(accepted(value))
    }

    /// Commands that are sent and answered together, with other callers' before and after them, not between.
    pub(super) async fn ask_all<const N: usize>(&self, commands: &Pipeline) -> Reply<[Value; N]> {
        let values = self.track(|mut wire| async move { wire.send_packed_commands(commands, 0, N).await }).await?;
        self.judge(values.into_iter().map(accepted).collect::<Reply<_>>().and_then(exactly))
    }

    /// Runs a script, and shows it to the server if that does not know it.
    pub(super) async fn run(&self, script: &'static Script, names: &[&str], arguments: &[&[u8]]) -> Reply<Value> {
        let script = self.script(script);
        let reply = self.ask(script.known(names).arg(arguments)).await;
        if is_unknown_script(&reply) {
            return self.ask(script.whole(names).arg(arguments)).await;
        }
        reply
    }

    /// The script as this server takes it.
    pub(super) fn script(&self, script: &'static Script) -> Sent {
        script.to(self.state.knows_flags.load(Ordering::Relaxed))
    }

    /// The server knows what a script may say of itself.
    pub(super) fn has_flags(&self) {
        self.state.knows_flags.store(true, Ordering::Relaxed);
    }

    /// Whether the server has closed the connection, somebody was told something that speaks against it, or it has not answered for `limit`.
    pub(super) fn is_spoiled(&self, limit: Duration) -> bool {
        let flight = self.flight();
        self.state.is_spoiled.load(Ordering::Acquire)
            || (flight.answered < flight.asked && flight.waits_since.elapsed() >= limit)
    }

    /// Nobody shall use the connection after this.
    pub(super) fn spoil(&self) {
        self.state.is_spoiled.store(true, Ordering::Release);
    }

    /// Passes on what a caller made of a reply. If it speaks against the connection, nobody shall use that again.
    pub(super) fn judge<T>(&self, result: Reply<T>) -> Reply<T> {
        if let Err(error) = &result
            && !error.leaves_connection_intact()
            && !(error.is_loss() && self.state.made.elapsed() < LOSS_IS_SAID_AGAIN)
            && !is_unknown_script(&result)
        {
            self.spoil();
        }
        result
    }

    async fn track<T, F: Future<Output = RedisResult<T>>>(
        &self,
        ask: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Reply<T> {
        let number = {
            let mut flight = self.flight();
            if flight.asked == flight.answered {
                flight.waits_since = Instant::now();
            }
            flight.asked += 1;
            flight.asked
        };
        let result = ask(self.wire.clone()).await;
        {
            let mut flight = self.flight();
            flight.answered = flight.answered.max(number);
            flight.waits_since = Instant::now();
        }
        self.judge(result.map_err(RedisStoreError::said))
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.state.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a connection to be made, and finds out why it is not where one of the two speaks TLS.
async fn wire(
    address: &Address,
    connecting: Pin<Box<impl Future<Output = RedisResult<MultiplexedConnection>>>>,
) -> Reply<MultiplexedConnection> {
    #[cfg(feature = "redis-tls")]
    if address.is_tls() {
        let mut connecting = connecting;
        let no_tls = || RedisStoreError::NoTls { server: address.to_string() };
        let made = match tokio::time::timeout(tls::UNUSUAL, &mut connecting).await {
            Ok(made) => made,
            Err(_) if tls::speaks_plainly(address).await => return Err(no_tls()),
            Err(_) => connecting.await,
        };
        return match made {
            Ok(wire) => Ok(wire),
            Err(_) if tls::speaks_plainly(address).await => Err(no_tls()),
            Err(error) => Err(connect_failed(address, error)),
        };
    }
    match connecting.await {
        Ok(wire) => Ok(wire),
        // A server that answers as a Redis does not speak TLS.
        Err(error) if error.code().is_none() && tls::speaks_tls(address).await => {
            Err(RedisStoreError::OnlyTls { server: address.to_string() })
        }
        Err(error) => Err(connect_failed(address, error)),
    }
}

fn connect_failed(address: &Address, error: RedisError) -> RedisStoreError {
    match RedisStoreError::said(error) {
        RedisStoreError::Command(error) => RedisStoreError::Connect { server: address.to_string(), error },
        error => error,
    }
}

pub(super) fn is_unknown_script<T>(reply: &Reply<T>) -> bool {
    matches!(reply, Err(RedisStoreError::Command(error)) if code(error) == "NOSCRIPT")
}

/// What was lost may be found elsewhere, and another connection may lead there. It is not made for each who asks.
const LOSS_IS_SAID_AGAIN: Duration = Duration::from_millis(500);

/// So many commands may wait to be written before callers wait for each other.
const QUEUE: usize = 1024;
