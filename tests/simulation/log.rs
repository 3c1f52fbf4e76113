//! [`SimulatedLog`]: the log as a node sees it, over a network that delays, loses and repeats.

use std::{
    ops::Bound,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower_logout::{
    RevocationStore,
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    store::{FollowError, Followed, RevocationLog, SnapshotSink, StoreError},
};

use crate::{
    network::unavailable,
    server::{Cursor, Server},
    world::{Connection, Path, Shared, View, Weakness, World, lock},
};

#[derive(Clone)]
pub(crate) struct SimulatedLog {
    pub(crate) world: Shared,
    pub(crate) node: usize,
    pub(crate) life: u64,
}

impl SimulatedLog {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    async fn write(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        let (on, trip) = (self.connection(Path::Write), self.trip());
        self.reach("revoke", on, trip).await?;
        self.serve(Path::Write, revocations.len()).await;
        let epoch = self.world().nodes[self.node].epoch;
        let outcomes = self.accept(on, epoch, revocations)?;
        if let Some(later) = trip.again {
            let (log, revocations) = (self.clone(), revocations.to_vec());
            tokio::spawn(async move {
                sleep(later).await;
                if log.world().is_open(on) {
                    let _ = log.accept(on, epoch, &revocations);
                }
            });
        }
        self.reply("revoke", on, trip).await?;
        Ok(outcomes)
    }

    /// What the server does for a write.
    fn accept(&self, on: Connection, epoch: u64, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        let mut world = self.world();
        world.traffic.add("revoke", revocations.len(), BYTES_OF_WRITE + revocations.len() * BYTES_OF_WRITTEN);
        let server = &world.servers[on.server];
        if server.refuses_writes {
            return Err(unavailable("revoke", "the server accepts no writes"));
        }
        if world.plan.writes_name_their_epoch && epoch != 0 && server.contents.epoch != epoch {
            return Err(unavailable("revoke", "the epoch is another"));
        }
        if server.contents.epoch == 0 {
            let epoch = world.rng.u64(1..);
            world.servers[on.server].create(epoch);
        }
        let now = world.now(world.servers[on.server].clock);
        world.servers[on.server].purge(now);
        let outcomes: Vec<_> = revocations.iter().map(|revocation| world.join(on.server, revocation)).collect();
        let newly = outcomes.iter().filter(|outcome| **outcome == Outcome::Newly).count();
        world.trace.add("written", self.node as u64, newly as u64);
        Ok(outcomes)
    }

    /// Verifies that the server has everything up to the cursor.
    fn verify(world: &World, server: &Server, cursor: &Cursor) -> Result<(), FollowError> {
        let contents = &server.contents;
        let lost = |why| Err(FollowError::CursorLost(why));
        if contents.epoch == 0 || contents.epoch != cursor.epoch && !world.has(Weakness::NoEpoch) {
            return lost("the store is another one");
        }
        if world.plan.restarts_are_other_logs && server.incarnation != cursor.incarnation {
            return lost("the server is another one");
        }
        if contents.seq < cursor.number {
            return lost("acknowledged revocations are missing");
        }
        let at = contents.feed.iter().rev().find(|entry| entry.number == cursor.number);
        let is_there = match at {
            _ if cursor.number == 0 => true,
            Some(entry) => entry.id == cursor.id || world.has(Weakness::NoEntryIdentity),
            None => contents.seq == cursor.number && contents.last_id == cursor.id,
        };
        if is_there { Ok(()) } else { lost("the entry at the cursor is missing or different") }
    }

    /// The entries after the cursor.
    fn after(world: &World, on: Connection, mut cursor: Cursor) -> Result<(Vec<Revocation>, Cursor), FollowError> {
        let contents = &world.servers[on.server].contents;
        let by_number = world.has(Weakness::NoEntryIdentity);
        let first = if by_number {
            contents.feed.partition_point(|entry| entry.number <= cursor.number)
        } else {
            contents.feed.partition_point(|entry| entry.id <= cursor.id)
        };
        let mut revocations = Vec::new();
        for entry in contents.feed[first..].iter().take(world.plan.most) {
            if entry.number != cursor.number + 1 {
                return Err(FollowError::CursorLost("entries after the cursor are missing"));
            }
            (cursor.number, cursor.id) = (entry.number, entry.id);
            revocations.push(entry.revocation);
        }
        Ok((revocations, cursor))
    }

    async fn read_after(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        let began = Instant::now();
        let (on, trip) = (self.connection(Path::Read), self.trip());
        self.reach("follow", on, trip).await?;
        self.serve(Path::Read, 0).await;
        let (seq, purged_through) = {
            let mut world = self.world();
            let server = &world.servers[on.server];
            Self::verify(&world, server, cursor)?;
            let contents = &server.contents;
            let state = (contents.seq, contents.purged_through);
            self.look(&mut world, on, began);
            state
        };
        let deadline = Instant::now() + wait;
        let mut is_late = false;
        let (revocations, end) = loop {
            let changed = {
                let world = self.world();
                if !world.is_open(on) {
                    return Err(unavailable("follow", "the connection was reset").into());
                }
                let (revocations, end) = Self::after(&world, on, *cursor)?;
                if !revocations.is_empty() || is_late {
                    break (revocations, end);
                }
                Arc::clone(&world.servers[on.server].changed)
            };
            is_late = timeout_at(deadline, changed.notified()).await.is_err();
        };
        if revocations.is_empty() && cursor.number < seq {
            return Err(FollowError::CursorLost("all entries after the cursor are missing"));
        }
        self.serve(Path::Read, revocations.len()).await;
        self.world().traffic.add("follow", revocations.len(), BYTES_OF_ANSWER + revocations.len() * BYTES_OF_ENTRY);
        self.reply("follow", on, trip).await?;
        let world = self.world();
        let complete = end.number >= seq || world.has(Weakness::CompleteTooEarly);
        let purged_through = if world.has(Weakness::NoPurgeWatermark) { Timestamp::MIN } else { purged_through };
        Ok(Followed::new(revocations, purged_through, end, complete))
    }

    /// Records what the server lacks at this moment, for a call that began then.
    fn look(&self, world: &mut World, on: Connection, began: Instant) {
        let lacked = world.servers[on.server].lacks.clone();
        let node = &mut world.nodes[self.node];
        if node.life == self.life {
            let owed = lacked.intersection(&node.known).copied().collect();
            node.views.push_back(View { began, lacked, owed });
        }
    }

    /// One round trip of a snapshot. Even a log whose calls have no limit limits each of these.
    async fn round<T>(
        &self,
        on: Connection,
        entries: impl Fn(&T) -> usize,
        run: impl FnOnce(&mut World) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let limit = self.world().plan.limit.min(PATIENCE);
        let round = async {
            let trip = self.trip();
            self.reach("snapshot", on, trip).await?;
            let result = run(&mut self.world())?;
            self.serve(Path::Read, entries(&result)).await;
            self.reply("snapshot", on, trip).await?;
            Ok(result)
        };
        timeout(limit, round).await.unwrap_or_else(|_| Err(unavailable("snapshot", "no answer in time")))
    }

    async fn read_all(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        let began = Instant::now();
        let on = self.connection(Path::Read);
        let begin = |world: &mut World| {
            if world.servers[on.server].contents.epoch == 0 {
                if world.servers[on.server].refuses_writes {
                    return Err(unavailable("snapshot", "the store is missing"));
                }
                let epoch = world.rng.u64(1..);
                world.servers[on.server].create(epoch);
            }
            self.look(world, on, began);
            world.traffic.add("snapshot", 0, BYTES_OF_ANSWER);
            let server = &world.servers[on.server];
            Ok((server.end(), server.contents.live.len()))
        };
        let (cursor, live) = self.round(on, |_| 0, begin).await?;
        into.expect(live as u64);
        let mut position = None;
        loop {
            let read = |world: &mut World| {
                let from = position.map_or(Bound::Unbounded, Bound::Excluded);
                let live = &world.servers[on.server].contents.live;
                let page: Vec<_> =
                    live.range((from, Bound::Unbounded)).take(world.plan.most).map(|(_, known)| *known).collect();
                world.traffic.add("page", page.len(), BYTES_OF_PAGE + page.len() * BYTES_OF_LIVE);
                Ok(page)
            };
            let page = self.round(on, Vec::len, read).await?;
            into.take(&page);
            match page.last() {
                Some(last) => position = Some(last.key()),
                None => break,
            }
        }
        let finish = |world: &mut World| {
            let server = &world.servers[on.server];
            Ok((server.end(), server.contents.purged_through))
        };
        let (end, purged_through) = self.round(on, |_| 0, finish).await?;
        if end.epoch != cursor.epoch {
            return Err(unavailable("snapshot", "the store was replaced meanwhile"));
        }
        let mut world = self.world();
        if !world.has(Weakness::NoPurgeWatermark) {
            into.purged_through(purged_through);
        }
        if world.nodes[self.node].life == self.life {
            world.nodes[self.node].epoch = cursor.epoch;
        }
        world.trace.add("loaded", self.node as u64, live as u64);
        Ok(if world.has(Weakness::CursorAfterSnapshot) { end } else { cursor })
    }

    async fn ask<T>(&self, cursor: &Cursor, answer: impl Fn(&Server) -> T) -> Result<T, FollowError> {
        let (on, trip) = (self.connection(Path::Read), self.trip());
        self.reach("check", on, trip).await?;
        let answer = {
            let mut world = self.world();
            let server = &world.servers[on.server];
            Self::verify(&world, server, cursor)?;
            world.trace.add("checked", self.node as u64, on.server as u64);
            answer(&world.servers[on.server])
        };
        self.reply("check", on, trip).await?;
        Ok(answer)
    }
}

#[async_trait]
impl RevocationStore for SimulatedLog {
    async fn revoke(&self, revocation: &Revocation) -> Result<Outcome, StoreError> {
        let outcomes = self.revoke_all(&[*revocation]).await?;
        outcomes.first().copied().ok_or_else(|| unavailable("revoke", "no outcome"))
    }

    async fn revoke_all(&self, revocations: &[Revocation]) -> Result<Vec<Outcome>, StoreError> {
        self.limited("revoke", Duration::ZERO, self.write(revocations)).await
    }

    async fn is_revoked(&self, _: &TokenIdentity) -> Result<bool, StoreError> {
        Err(unavailable("check", "a replica names its cursor"))
    }
}

#[async_trait]
impl RevocationLog for SimulatedLog {
    type Cursor = Cursor;

    async fn snapshot(&self, into: &mut dyn SnapshotSink) -> Result<Cursor, StoreError> {
        self.limited("snapshot", Duration::from_secs(3600), self.read_all(into)).await
    }

    async fn follow(&self, cursor: &Cursor, wait: Duration) -> Result<Followed<Cursor>, FollowError> {
        let followed = self.limited("follow", wait, self.read_after(cursor, wait)).await;
        if let Err(FollowError::CursorLost(why)) = followed {
            let mut world = self.world();
            world.nodes[self.node].cursor_lost_at = Some(Instant::now());
            world.trace.add(why, self.node as u64, cursor.number);
        }
        followed
    }

    fn reconnect(&self) {
        let mut world = self.world();
        if world.nodes[self.node].life == self.life {
            (world.nodes[self.node].reads, world.nodes[self.node].writes) = (None, None);
        }
    }

    async fn check(&self, cursor: &Cursor, token: &TokenIdentity) -> Result<bool, FollowError> {
        self.limited("check", Duration::ZERO, self.ask(cursor, |server| server.contents.covers(token))).await
    }

    async fn look_up(&self, cursor: &Cursor, key: RevocationKey) -> Result<Option<Revocation>, FollowError> {
        let find = |server: &Server| server.contents.live.get(&key).copied();
        self.limited("find", Duration::ZERO, self.ask(cursor, find)).await
    }
}

/// After this time, a replica gives a call up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);

/// Sizes on the wire with Redis; docs/scale.md has how they were measured.
const BYTES_OF_ANSWER: usize = 515;
const BYTES_OF_ENTRY: usize = 135;
const BYTES_OF_PAGE: usize = 60;
const BYTES_OF_LIVE: usize = 54;
const BYTES_OF_WRITE: usize = 500;
const BYTES_OF_WRITTEN: usize = 80;
