//! [`Link`]: a connection that is made when it is needed, and made anew when it is of no more use.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{connection::Connection, error::RedisStoreError, reply::Reply};

/// Makes connections.
pub(super) type Connect = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Reply<Connection>> + Send>> + Send + Sync>;

pub(super) struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    connect: Connect,
    /// For making a connection, and for an answer.
    limit: Duration,
    slot: Mutex<Slot>,
}

enum Slot {
    Empty,
    /// A task makes it, and all who need one wait for that: not for each other, and not in vain if one of them goes away.
    Making {
        made: watch::Receiver<Option<Reply<Connection>>>,
        /// It may lead to where connections no longer are to lead.
        is_suspect: bool,
    },
    Ready(Connection),
    /// It could not be made a moment ago. Whoever comes so soon is told the same: a server in trouble is spared.
    Failed(RedisStoreError, Instant),
}

impl Link {
    pub(super) fn new(limit: Duration, connect: Connect) -> Self {
        Self { shared: Arc::new(Shared { connect, limit, slot: Mutex::new(Slot::Empty) }) }
    }

    /// The connection there is, or a new one. To be waited for no longer than the caller's own limit.
    pub(super) async fn connection(&self) -> Reply<Connection> {
        let mut made = {
            let mut slot = self.shared.slot();
            match &*slot {
                Slot::Ready(connection) if !connection.is_spoiled(self.shared.limit) => return Ok(connection.clone()),
                Slot::Failed(error, at) if at.elapsed() < SPARED_FOR => return Err(error.clone()),
                // The task may have ended with its runtime.
                Slot::Making { made, .. } if made.has_changed().is_ok() => made.clone(),
                _ => {
                    let made = Shared::make(&self.shared);
                    *slot = Slot::Making { made: made.clone(), is_suspect: false };
                    made
                }
            }
        };
        let made = made.wait_for(Option::is_some).await.map_err(|_| RedisStoreError::Abandoned)?;
        made.clone().unwrap_or(Err(RedisStoreError::Abandoned))
    }

    /// Whoever asks for a connection after this gets a new one, unless one is being made: then whoever asks once that is done.
    pub(super) fn spoil(&self) {
        match &mut *self.shared.slot() {
            Slot::Ready(connection) => connection.spoil(),
            Slot::Making { is_suspect, .. } => *is_suspect = true,
            Slot::Empty | Slot::Failed(..) => {}
        }
    }
}

impl Shared {
    fn make(this: &Arc<Self>) -> watch::Receiver<Option<Reply<Connection>>> {
        let (sender, made) = watch::channel(None);
        let this = Arc::clone(this);
        tokio::spawn(async move {
            let limit = this.limit;
            let result = timeout(limit, (this.connect)()).await.unwrap_or(Err(RedisStoreError::Timeout { limit }));
            // Before anybody is told, who then may come again.
            {
                let mut slot = this.slot();
                if let (Slot::Making { is_suspect: true, .. }, Ok(connection)) = (&*slot, &result) {
                    connection.spoil();
                }
                *slot = match result.clone() {
                    Ok(connection) => Slot::Ready(connection),
                    Err(error) => Slot::Failed(error, Instant::now()),
                };
            }
            sender.send_replace(Some(result));
        });
        made
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SPARED_FOR: Duration = Duration::from_millis(10);
