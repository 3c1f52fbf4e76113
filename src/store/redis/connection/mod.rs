//! Connections to a server: shared ones ([`LazyConnection`]) and those of one caller ([`Readers`]).

mod lazy;
mod multiplexed;
mod open;
mod readers;

pub(super) use lazy::LazyConnection;
pub(super) use multiplexed::{Connection, is_unknown_script};
pub(super) use readers::{Reader, Readers};
