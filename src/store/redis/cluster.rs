//! [`Cluster`]: finds the node that owns the slot of a shard. All keys of the shard are in that
//! slot.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use redis::{Value, cmd};
use tokio::task::JoinSet;

use super::{
    address::Address,
    connection::Connection,
    error::{OptionsError, RedisStoreError, Result, Unusable},
    layout::Layout,
    parse::{array, bytes, integer, optional},
    requirements::Requirements,
};

#[derive(Debug)]
pub(super) struct Cluster {
    /// The nodes of the configuration.
    seeds: Vec<Address>,
    /// The primaries that a node has reported.
    discovered: Mutex<Vec<Address>>,
}

/// The Cluster as one node reports it.
struct Topology {
    owner: Option<Address>,
    primaries: Vec<Address>,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Address>) -> Result<Self, OptionsError> {
        if seeds.is_empty() {
            return Err(OptionsError::NoAddress);
        }
        for seed in &seeds {
            seed.host()?;
        }
        Ok(Self { seeds, discovered: Mutex::default() })
    }

    /// Connects to the node that owns the slot, according to another node and to itself.
    pub(super) async fn connect(&self, requirements: &Requirements) -> Result<Connection> {
        let mut topologies = self.request_topologies(&requirements.layout);
        let (mut tried, mut kept) = (Vec::new(), None);
        while let Some(topology) = topologies.join_next().await {
            let attempt = async {
                let Topology { owner, primaries } = topology.unwrap_or(Err(RedisStoreError::Abandoned))?;
                *self.discovered.lock().unwrap_or_else(PoisonError::into_inner) = primaries;
                let Some(owner) = owner.filter(|owner| !tried.contains(&owner.to_string())) else { return Ok(None) };
                tried.push(owner.to_string());
                // Verifying the server reads a key of the slot, which only the owner allows.
                requirements.open(&owner, true).await.map(Some)
            };
            match attempt.await {
                Ok(Some(connection)) => return Ok(connection),
                Ok(None) => {}
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => error.keep_relevant(&mut kept),
            }
        }
        Err(RedisStoreError::NoSlotOwner { error: kept })
    }

    fn request_topologies(&self, layout: &Layout) -> JoinSet<Result<Topology>> {
        let discovered = self.discovered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut topologies = JoinSet::new();
        let mut asked = Vec::new();
        for node in self.seeds.iter().chain(&discovered) {
            if !asked.contains(&node.to_string()) {
                asked.push(node.to_string());
                topologies.spawn(topology(node.clone(), layout.meta.clone()));
            }
        }
        topologies
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Cluster of")?;
        self.seeds.iter().try_for_each(|seed| write!(f, " {seed}"))
    }
}

/// Whether the owner cannot be used, so that other nodes need not be asked.
fn is_final(error: &RedisStoreError) -> bool {
    match error {
        RedisStoreError::NewerLayout { .. }
        | RedisStoreError::OtherShards { .. }
        | RedisStoreError::OtherPrefix
        | RedisStoreError::Forbidden(_) => true,
        RedisStoreError::Unusable { reason, .. } => {
            matches!(reason, Unusable::MayEvict { .. } | Unusable::InfoForbidden(_))
        }
        _ => false,
    }
}

async fn topology(node: Address, key_of_slot: String) -> Result<Topology> {
    let connection = Connection::open(&node).await?;
    let mut commands = redis::pipe();
    commands.add_command(cmd("CLUSTER").arg("KEYSLOT").arg(key_of_slot).clone());
    commands.add_command(cmd("CLUSTER").arg("SLOTS").clone());
    let [slot, ranges] = connection.send_all(&commands).await.map_err(|error| match error {
        RedisStoreError::Rejected(error) if error.to_string().contains("cluster support disabled") => {
            RedisStoreError::unusable(&node, Unusable::NotClusterNode)
        }
        error => error,
    })?;
    let slot = integer(slot)?;
    let mut topology = Topology { owner: None, primaries: Vec::new() };
    for range in array(ranges)? {
        let mut range = array(range)?.into_iter();
        let mut field = || range.next().ok_or(RedisStoreError::UnexpectedReply("a range of slots is incomplete"));
        let (first, last, primary) = (integer(field()?)?, integer(field()?)?, array(field()?)?);
        let primary = address_of(primary, &node)?;
        if (first..=last).contains(&slot) {
            topology.owner = Some(primary.clone());
        }
        if topology.primaries.len() < MAX_DISCOVERED {
            topology.primaries.push(primary);
        }
    }
    Ok(topology)
}

/// Reads the address of a node in a range of slots. A node without a host is the one that was
/// asked, which does not know its own.
fn address_of(node: Vec<Value>, asked: &Address) -> Result<Address> {
    let mut node = node.into_iter();
    let (Some(host), Some(port)) = (node.next(), node.next()) else {
        return Err(RedisStoreError::UnexpectedReply("a node has no address"));
    };
    let host = optional(host, bytes)?.and_then(|host| String::from_utf8(host).ok());
    let host = match host.as_deref() {
        None | Some("" | "?") => asked.host()?,
        Some(host) => host,
    };
    let port = u16::try_from(integer(port)?).map_err(|_| RedisStoreError::UnexpectedReply("expected a port"))?;
    Ok(asked.at(host.to_owned(), port)?)
}

const MAX_DISCOVERED: usize = 64;
