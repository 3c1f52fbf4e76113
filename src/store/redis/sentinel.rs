//! [`Sentinels`]: who says which server is the master.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::cmd;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    address::Address,
    connection::Connection,
    error::RedisStoreError,
    link::Link,
    reply::{Reply, array, exactly, integer, optional, text},
};

/// All Sentinels that watch a master. What they say counts if more than half of them say it.
pub(super) struct Sentinels {
    name: String,
    /// What the master wants to know. Its host is the master's name.
    master: Address,
    all: Vec<(Address, Arc<Link>)>,
    limit: Duration,
    /// Which server they last named, asked when.
    confirmed: Mutex<Option<(String, Instant)>>,
}

impl Sentinels {
    pub(super) fn new(mut addresses: Vec<Address>, master: Address, limit: Duration) -> Reply<Self> {
        // One that is named twice has one voice.
        addresses.sort_by_key(ToString::to_string);
        addresses.dedup_by_key(|address| address.to_string());
        if addresses.is_empty() {
            return Err(RedisStoreError::NoUrls);
        }
        let name = master.host()?.to_owned();
        let link = |address: Address| {
            let connect_to = address.clone();
            let connect = move || {
                let address = connect_to.clone();
                Box::pin(async move { Connection::open(&address).await }) as _
            };
            (address, Arc::new(Link::new(limit, Box::new(connect))))
        };
        let all = addresses.into_iter().map(link).collect();
        Ok(Self { name, master, all, limit, confirmed: Mutex::new(None) })
    }

    /// The master that a majority names.
    pub(super) async fn master(&self) -> Reply<Address> {
        let began = Instant::now();
        let majority = self.all.len() / 2 + 1;
        let mut answers = JoinSet::new();
        for (_, link) in &self.all {
            answers.spawn(ask(Arc::clone(link), self.name.clone(), self.limit));
        }
        let mut votes: HashMap<(String, u16), usize> = HashMap::new();
        let mut error = None;
        // Those who do not answer are not waited for once it is clear.
        while let Some(answer) = answers.join_next().await {
            match answer.unwrap_or(Err(RedisStoreError::Abandoned)) {
                Ok(Some(named)) => {
                    let count = votes.entry(named.clone()).or_default();
                    *count += 1;
                    if *count >= majority {
                        let master = self.master.at(named.0, named.1)?;
                        let confirmed = Some((master.to_string(), began));
                        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = confirmed;
                        return Ok(master);
                    }
                }
                Ok(None) => {}
                Err(one) => error = Some(Box::new(one)),
            }
        }
        let agreeing = votes.into_values().max().unwrap_or_default();
        Err(RedisStoreError::NoMajority { name: self.name.clone(), agreeing, asked: self.all.len(), error })
    }

    /// Whether a majority has named this master within this time.
    pub(super) fn have_confirmed(&self, address: &Address, within: Duration) -> bool {
        let confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(&*confirmed, Some((named, at)) if *named == address.to_string() && at.elapsed() < within)
    }

    /// Makes sure that a majority names this master now.
    pub(super) async fn confirm(&self, address: &Address) -> Reply<()> {
        let limit = self.limit;
        let named = timeout(limit, self.master()).await.unwrap_or(Err(RedisStoreError::Timeout { limit }))?;
        if named.to_string() == address.to_string() {
            return Ok(());
        }
        Err(RedisStoreError::Deposed { server: address.to_string() })
    }
}

/// Whom one Sentinel names, if it knows the name.
async fn ask(link: Arc<Link>, name: String, limit: Duration) -> Reply<Option<(String, u16)>> {
    let asked = async {
        let sentinel = link.connection().await?;
        let reply = sentinel.ask(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name)).await?;
        sentinel.judge(optional(reply, |reply| {
            let [host, port] = exactly(array(reply)?)?;
            let port = u16::try_from(integer(port)?).map_err(|_| RedisStoreError::Garbage("no port"))?;
            Ok((text(host)?, port))
        }))
    };
    timeout(limit, asked).await.unwrap_or(Err(RedisStoreError::Timeout { limit }))
}

impl std::fmt::Display for Sentinels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the master `{}` of the Sentinels", self.name)?;
        self.all.iter().try_for_each(|(address, _)| write!(f, " {address}"))
    }
}

impl std::fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let addresses: Vec<_> = self.all.iter().map(|(address, _)| address).collect();
        f.debug_struct("Sentinels").field("name", &self.name).field("sentinels", &addresses).finish_non_exhaustive()
    }
}
