//! Opens connections, and diagnoses failures where only one end uses TLS.
//!
//! A server that expects the other protocol does not answer or closes the connection, and its error
//! does not show the cause.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, PushInfo, PushKind, RedisResult, aio::MultiplexedConnection,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::store::redis::{
    address::Address,
    error::{RedisStoreError, Result, Unusable},
};

/// Connects and authenticates, without a time limit. `is_invalid` is set once the server closes the
/// connection.
pub(super) async fn open(address: &Address, is_invalid: &Arc<AtomicBool>) -> Result<MultiplexedConnection> {
    let closed = Arc::clone(is_invalid);
    let config = AsyncConnectionConfig::new()
        // Callers limit the time.
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(MAX_QUEUED_COMMANDS)
        .set_push_sender(move |info: PushInfo| {
            if info.kind == PushKind::Disconnection {
                closed.store(true, Ordering::Release);
            }
            Ok::<(), ()>(())
        });
    let info = address.credentials().await?;
    let client = Client::open(info).map_err(|error| RedisStoreError::from(error).of_connecting(address))?;
    let connecting = Box::pin(client.get_multiplexed_async_connection_with_config(&config));
    Box::pin(diagnosed(address, connecting)).await
}

/// Waits for the connection. If it fails, or if TLS takes long, determines which protocol the
/// server speaks.
async fn diagnosed(
    address: &Address,
    connecting: Pin<Box<impl Future<Output = RedisResult<MultiplexedConnection>>>>,
) -> Result<MultiplexedConnection> {
    #[cfg(feature = "redis-tls")]
    if address.is_tls() {
        let mut connecting = connecting;
        let no_tls = || RedisStoreError::unusable(address, Unusable::NoTls);
        let opened = match timeout(SLOW_HANDSHAKE, &mut connecting).await {
            Ok(opened) => opened,
            Err(_) if speaks_plain_text(address).await => return Err(no_tls()),
            Err(_) => connecting.await,
        };
        return match opened {
            Ok(connection) => Ok(connection),
            Err(_) if speaks_plain_text(address).await => Err(no_tls()),
            Err(error) => Err(RedisStoreError::from(error).of_connecting(address)),
        };
    }
    match connecting.await {
        Ok(connection) => Ok(connection),
        // An error with a code is the reply of a Redis server, which therefore does not speak TLS.
        Err(error) if error.code().is_none() && speaks_tls(address).await => {
            Err(RedisStoreError::unusable(address, Unusable::TlsOnly))
        }
        Err(error) => Err(RedisStoreError::from(error).of_connecting(address)),
    }
}

/// Whether the server replies to a `PING` in plain text.
#[cfg(feature = "redis-tls")]
async fn speaks_plain_text(address: &Address) -> bool {
    matches!(first_byte(address, b"PING\r\n").await, Some(b'+' | b'-'))
}

/// Whether the server replies with a TLS alert to the beginning of a handshake that is too short.
async fn speaks_tls(address: &Address) -> bool {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    const SHORT_HELLO: [u8; 10] = [HANDSHAKE, 3, 1, 0, 5, 1, 0, 0, 1, 0];
    first_byte(address, &SHORT_HELLO).await == Some(ALERT)
}

async fn first_byte(address: &Address, request: &[u8]) -> Option<u8> {
    let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = address.addr() else {
        return None;
    };
    let reply = async {
        let mut socket = TcpStream::connect((host.as_str(), *port)).await.ok()?;
        socket.write_all(request).await.ok()?;
        socket.read_u8().await.ok()
    };
    timeout(DIAGNOSIS_TIMEOUT, reply).await.ok()?
}

/// Duration of a TLS handshake after which the protocol of the server is determined.
#[cfg(feature = "redis-tls")]
const SLOW_HANDSHAKE: Duration = Duration::from_millis(100);

/// Short, because the diagnosis uses a part of the caller's time limit.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_millis(250);

/// Maximum number of commands waiting to be written. Beyond it, callers wait.
const MAX_QUEUED_COMMANDS: usize = 1024;
