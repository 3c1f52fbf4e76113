//! [`Session`]: follows several shards. Each of them is always being waited for, also between two
//! calls.

use std::{future::Future, pin::Pin, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

use crate::{
    clock::Timestamp,
    store::{
        FollowError, Followed,
        redis::{
            cursor::{Position, RedisCursor},
            shards::Shards,
        },
    },
};

/// What continues from one call of `follow` to the next, as long as no shard fails.
pub(in crate::store::redis) struct Session {
    shards: Vec<Progress>,
    asked: FuturesUnordered<Asked>,
    /// The count of requests to reconnect when the session began.
    reconnects: u64,
}

struct Progress {
    /// Everything that the shard had acknowledged before this instant was read.
    complete_through: Option<Instant>,
    is_asked: bool,
    /// Whether it has answered since the present call began.
    has_answered: bool,
}

type Asked = Pin<Box<dyn Future<Output = Answer> + Send>>;

struct Answer {
    shard: usize,
    asked_at: Instant,
    followed: Result<Followed<Position>, FollowError>,
}

impl Shards {
    /// Waits until a shard has new entries, or until the shard that has not answered for longest
    /// confirms that there are none.
    pub(super) async fn follow(
        &self,
        cursor: &RedisCursor,
        wait: Duration,
    ) -> Result<Followed<RedisCursor>, FollowError> {
        let began = Instant::now();
        let mut read = Read {
            positions: cursor.positions(self.len())?.to_vec(),
            revocations: Vec::new(),
            purged_through: Timestamp::MIN,
        };
        // If this call fails or is dropped, the session ends with it.
        let session = cursor.take_session().filter(|session| session.reconnects == self.reconnects());
        let mut session = session.unwrap_or_else(|| Session::new(self));
        let before = session.complete_through();
        session.shards.iter_mut().for_each(|shard| shard.has_answered = false);
        loop {
            session.ask(self, &read.positions, wait);
            let Some(answer) = session.asked.next().await else { break };
            session.receive(answer, &mut read)?;
            // Other answers that are there already.
            while let Some(Some(answer)) = session.asked.next().now_or_never() {
                session.receive(answer, &mut read)?;
            }
            let has_advanced = session.complete_through() > before;
            let have_all_answered = session.shards.iter().all(|shard| shard.has_answered);
            if has_advanced || have_all_answered || !read.revocations.is_empty() {
                break;
            }
        }
        let complete_through = session.complete_through();
        let Read { positions, revocations, purged_through } = read;
        let cursor = RedisCursor::new(positions).with_session(session);
        let lag = complete_through.map(|instant| began.saturating_duration_since(instant));
        Ok(Followed::new(revocations, purged_through, cursor, lag.is_some()).with_lag(lag.unwrap_or_default()))
    }
}

/// What a call has read.
struct Read {
    positions: Vec<Position>,
    revocations: Vec<crate::revocation::Revocation>,
    purged_through: Timestamp,
}

impl Session {
    fn new(shards: &Shards) -> Self {
        let progress = || Progress { complete_through: None, is_asked: false, has_answered: false };
        Self {
            shards: (0..shards.len()).map(|_| progress()).collect(),
            asked: FuturesUnordered::new(),
            reconnects: shards.reconnects(),
        }
    }

    /// The instant up to which all shards were read completely; `None` if one of them was not yet.
    fn complete_through(&self) -> Option<Instant> {
        self.shards.iter().map(|shard| shard.complete_through).min().flatten()
    }

    /// Asks every shard that is not being waited for.
    fn ask(&mut self, shards: &Shards, positions: &[Position], wait: Duration) {
        let asked_at = Instant::now();
        for (index, ((shard, progress), position)) in shards.iter().zip(&mut self.shards).zip(positions).enumerate() {
            if progress.is_asked {
                continue;
            }
            progress.is_asked = true;
            let (shard, position) = (std::sync::Arc::clone(shard), position.clone());
            self.asked.push(Box::pin(async move {
                let followed = shard.follow_and_prune(&position, wait).await;
                Answer { shard: index, asked_at, followed }
            }));
        }
    }

    fn receive(&mut self, answer: Answer, read: &mut Read) -> Result<(), FollowError> {
        let Answer { shard, asked_at, followed } = answer;
        let Followed { revocations, purged_through, cursor, complete, .. } = followed?;
        if let (Some(progress), Some(position)) = (self.shards.get_mut(shard), read.positions.get_mut(shard)) {
            progress.is_asked = false;
            progress.has_answered = true;
            if complete {
                progress.complete_through = Some(asked_at);
            }
            *position = cursor;
        }
        read.revocations.extend(revocations);
        read.purged_through = read.purged_through.max(purged_through);
        Ok(())
    }
}
