//! [`Target`]: the server of a store, as errors name it.

use std::{fmt, net::SocketAddr, sync::Arc};

use tokio_postgres::{Config, config::Host};

/// The hosts with their ports, and the database, without the user and the password.
#[derive(Clone, Debug)]
pub(super) struct Target(Arc<str>);

impl Target {
    pub(super) fn of(config: &Config) -> Self {
        let ports = config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let hosts: Vec<_> = if config.get_hosts().is_empty() {
            let addresses = config.get_hostaddrs().iter().enumerate();
            addresses.map(|(index, address)| SocketAddr::new(*address, port(index)).to_string()).collect()
        } else {
            let hosts = config.get_hosts().iter().enumerate();
            hosts.map(|(index, host)| address(host, config.get_hostaddrs().get(index), port(index))).collect()
        };
        let database = config.get_dbname().map_or_else(
            || "the database named like the user".to_owned(),
            |database| format!("database `{}`", database.escape_debug()),
        );
        Self(format!("{}, {database}", hosts.join(" or ")).into())
    }
}

fn address(host: &Host, address: Option<&std::net::IpAddr>, port: u16) -> String {
    match (host, address) {
        (Host::Tcp(host), None) if host.contains(':') => format!("[{host}]:{port}"),
        (Host::Tcp(host), None) => format!("{host}:{port}"),
        (Host::Tcp(host), Some(address)) => format!("{host}:{port} (at {address})"),
        #[cfg(unix)]
        (Host::Unix(directory), _) => format!("socket {}/.s.PGSQL.{port}", directory.display()),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const DEFAULT_PORT: u16 = 5432;
