//! [`Nodes`]: which node of a Cluster has the slot of the prefix. All that the store keeps is in that one slot.

use std::sync::{Mutex, PoisonError};

use redis::{Value, cmd};
use tokio::task::JoinSet;

use super::{
    address::Address,
    connection::Connection,
    error::RedisStoreError,
    layout::Layout,
    reply::{Reply, array, bytes, integer, optional},
    server::welcome,
};

#[derive(Debug)]
pub(super) struct Nodes {
    seeds: Vec<Address>,
    /// Other nodes that were named by those that were asked.
    learnt: Mutex<Vec<Address>>,
}

impl std::fmt::Display for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the Cluster of")?;
        self.seeds.iter().try_for_each(|seed| write!(f, " {seed}"))
    }
}

/// What a node says about the Cluster.
struct View {
    owner: Option<Address>,
    masters: Vec<Address>,
}

impl Nodes {
    pub(super) fn new(seeds: Vec<Address>) -> Reply<Self> {
        if seeds.is_empty() {
            return Err(RedisStoreError::NoUrls);
        }
        for seed in &seeds {
            seed.host()?;
        }
        Ok(Self { seeds, learnt: Mutex::default() })
    }

    /// A connection to the node that has the slot: that says so itself, and is named by some node.
    pub(super) async fn connect(&self, layout: &Layout, behind_proxy: bool) -> Reply<Connection> {
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut views = JoinSet::new();
        let mut asked = Vec::new();
        for node in self.seeds.iter().chain(&learnt) {
            if !asked.contains(&node.to_string()) {
                asked.push(node.to_string());
                views.spawn(view(node.clone(), layout.meta.clone()));
            }
        }
        let (mut tried, mut last) = (Vec::new(), None);
        while let Some(view) = views.join_next().await {
            let attempt = async {
                let View { owner, masters } = view.unwrap_or(Err(RedisStoreError::Abandoned))?;
                *self.learnt.lock().unwrap_or_else(PoisonError::into_inner) = masters;
                let Some(owner) = owner.filter(|owner| !tried.contains(&owner.to_string())) else { return Ok(None) };
                tried.push(owner.to_string());
                // A node that no longer has the slot does not read its names.
                welcome(Connection::open(&owner).await?, layout, true, behind_proxy).await.map(Some)
            };
            match attempt.await {
                Ok(Some(connection)) => return Ok(connection),
                Ok(None) => {}
                // Such a server is not to be used, whatever others say.
                Err(
                    error @ (RedisStoreError::MayEvict { .. }
                    | RedisStoreError::Layout { .. }
                    | RedisStoreError::Forbidden(_)
                    | RedisStoreError::NoInfo { .. }),
                ) => return Err(error),
                Err(error) => last = Some(Box::new(error)),
            }
        }
        Err(RedisStoreError::NoSlotOwner { error: last })
    }
}

async fn view(node: Address, name: String) -> Reply<View> {
    let connection = Connection::open(&node).await?;
    let mut commands = redis::pipe();
    commands.add_command(cmd("CLUSTER").arg("KEYSLOT").arg(name).clone());
    commands.add_command(cmd("CLUSTER").arg("SLOTS").clone());
    let [slot, ranges] = connection.ask_all(&commands).await?;
    let slot = integer(slot)?;
    let mut view = View { owner: None, masters: Vec::new() };
    for range in array(ranges)? {
        let mut range = array(range)?.into_iter();
        let mut next = || range.next().ok_or(RedisStoreError::Garbage("a range of slots that is too short"));
        let (first, last, master) = (integer(next()?)?, integer(next()?)?, array(next()?)?);
        let master = endpoint(&node, master)?;
        if (first..=last).contains(&slot) {
            view.owner = Some(master.clone());
        }
        if view.masters.len() < MOST_LEARNT {
            view.masters.push(master);
        }
    }
    Ok(view)
}

/// A node that does not know its own name is where it was asked.
fn endpoint(asked: &Address, node: Vec<Value>) -> Reply<Address> {
    let mut node = node.into_iter();
    let (Some(host), Some(port)) = (node.next(), node.next()) else {
        return Err(RedisStoreError::Garbage("a node without an address"));
    };
    let host = optional(host, bytes)?.and_then(|host| String::from_utf8(host).ok());
    let host = match host.as_deref() {
        None | Some("" | "?") => asked.host()?,
        Some(host) => host,
    };
    let port = u16::try_from(integer(port)?).map_err(|_| RedisStoreError::Garbage("no port"))?;
    asked.at(host.to_owned(), port)
}

const MOST_LEARNT: usize = 64;
