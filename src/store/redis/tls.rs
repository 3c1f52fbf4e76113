//! Which of the two a server speaks, TLS or not, where a connection to it fails or is not made.
//!
//! A server that waits for the other one says nothing, or closes the connection, which tells nobody why.

use std::time::Duration;

use redis::ConnectionAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::address::Address;

/// Whether a server answers to a `PING` in plain text.
#[cfg(feature = "redis-tls")]
pub(super) async fn speaks_plainly(address: &Address) -> bool {
    matches!(first_byte(address, b"PING\r\n").await, Some(b'+' | b'-'))
}

/// Whether a server answers by an alert to the beginning of a handshake that is too short.
pub(super) async fn speaks_tls(address: &Address) -> bool {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    const SHORT_HELLO: [u8; 10] = [HANDSHAKE, 3, 1, 0, 5, 1, 0, 0, 1, 0];
    first_byte(address, &SHORT_HELLO).await == Some(ALERT)
}

async fn first_byte(address: &Address, question: &[u8]) -> Option<u8> {
    let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = address.info().addr() else {
        return None;
    };
    let asked = async {
        let mut socket = TcpStream::connect((host.as_str(), *port)).await.ok()?;
        socket.write_all(question).await.ok()?;
        socket.read_u8().await.ok()
    };
    timeout(PATIENCE, asked).await.ok()?
}

/// After this long a handshake is worth a look at what the server speaks.
#[cfg(feature = "redis-tls")]
pub(super) const UNUSUAL: Duration = Duration::from_millis(100);

/// The caller's time is short, and this is asked when part of it is over.
const PATIENCE: Duration = Duration::from_millis(250);
