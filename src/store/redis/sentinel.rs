//! [`Sentinels`]: finds the primary that a majority of the Sentinels names.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::cmd;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    address::Address,
    connection::{Connection, LazyConnection},
    error::{OptionsError, RedisStoreError, Result, Unusable},
    parse::{array, exactly, integer, optional, text},
};

/// All Sentinels of a primary. An answer counts if more than half of them give it.
pub(super) struct Sentinels {
    /// The name under which the Sentinels know the primary.
    name: String,
    /// The settings for connecting to the primary, whose host is the name.
    settings: Address,
    members: Vec<(Address, LazyConnection)>,
    limit: Duration,
    /// The primary that a majority has named, and the time at which it was asked.
    confirmed: Mutex<Option<(String, Instant)>>,
}

impl Sentinels {
    pub(super) fn new(mut addresses: Vec<Address>, settings: Address, limit: Duration) -> Result<Self, OptionsError> {
        // A Sentinel that is listed twice has one vote.
        addresses.sort_by_key(ToString::to_string);
        addresses.dedup_by_key(|address| address.to_string());
        if addresses.is_empty() {
            return Err(OptionsError::NoAddress);
        }
        let name = settings.host()?.to_owned();
        let connected = |address: Address| {
            let target = address.clone();
            let connect = move || {
                let target = target.clone();
                async move { Connection::open(&target).await }
            };
            (address, LazyConnection::new(limit, connect))
        };
        let members = addresses.into_iter().map(connected).collect();
        Ok(Self { name, settings, members, limit, confirmed: Mutex::new(None) })
    }

    /// Asks all Sentinels, and returns the primary as soon as a majority names it.
    pub(super) async fn primary(&self) -> Result<Address> {
        let began = Instant::now();
        let asked = self.members.len();
        let majority = asked / 2 + 1;
        let mut answers = JoinSet::new();
        for (address, connection) in &self.members {
            answers.spawn(ask(address.clone(), connection.clone(), self.name.clone(), self.limit));
        }
        let mut votes: HashMap<(String, u16), usize> = HashMap::new();
        let (mut unknown, mut kept) = (0, None);
        while let Some(answer) = answers.join_next().await {
            match answer.unwrap_or(Err(RedisStoreError::Abandoned)) {
                Ok(Some(named)) => {
                    let count = votes.entry(named.clone()).or_default();
                    *count += 1;
                    if *count >= majority {
                        let primary = self.settings.at(named.0, named.1)?;
                        let confirmed = Some((primary.to_string(), began));
                        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = confirmed;
                        return Ok(primary);
                    }
                }
                Ok(None) => unknown += 1,
                Err(error) => error.keep_relevant(&mut kept),
            }
        }
        let name = self.name.clone();
        if unknown == asked {
            return Err(RedisStoreError::UnknownMaster { name, asked });
        }
        let agreeing = votes.into_values().max().unwrap_or_default();
        Err(RedisStoreError::NoMajority { name, agreeing, asked, error: kept })
    }

    /// Whether a majority has named this primary within `max_age`.
    pub(super) fn have_confirmed(&self, address: &Address, max_age: Duration) -> bool {
        let confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(&*confirmed, Some((named, at)) if *named == address.to_string() && at.elapsed() < max_age)
    }

    /// Verifies that a majority names this primary now.
    pub(super) async fn confirm(&self, address: &Address) -> Result<()> {
        let limit = self.limit;
        let named = timeout(limit, self.primary()).await.unwrap_or(Err(RedisStoreError::Timeout { limit }))?;
        if named.to_string() == address.to_string() {
            return Ok(());
        }
        Err(RedisStoreError::unusable(address, Unusable::Demoted))
    }
}

/// Asks one Sentinel for the primary of this name; `None` if it does not know the name.
async fn ask(
    address: Address,
    connection: LazyConnection,
    name: String,
    limit: Duration,
) -> Result<Option<(String, u16)>> {
    let answer = async {
        let sentinel = connection.get().await?;
        let reply = sentinel.send(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name)).await;
        let reply = reply.map_err(|error| match error {
            RedisStoreError::Forbidden(error) if error.to_string().contains("unknown command") => {
                RedisStoreError::unusable(&address, Unusable::NotSentinel)
            }
            error => error,
        })?;
        sentinel.invalidate_on_error(optional(reply, |reply| {
            let [host, port] = exactly(array(reply)?)?;
            let port =
                u16::try_from(integer(port)?).map_err(|_| RedisStoreError::UnexpectedReply("expected a port"))?;
            Ok((text(host)?, port))
        }))
    };
    timeout(limit, answer).await.unwrap_or(Err(RedisStoreError::Timeout { limit }))
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the primary `{}` of the Sentinels", self.name)?;
        self.members.iter().try_for_each(|(address, _)| write!(f, " {address}"))
    }
}

impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.members.iter().map(|(address, _)| address).collect();
        f.debug_struct("Sentinels").field("name", &self.name).field("sentinels", &addresses).finish_non_exhaustive()
    }
}
