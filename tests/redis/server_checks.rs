//! Promise: `RedisStore` uses a server only if the server is fit to keep revocations, and an error
//! names the remedy.

use std::time::Duration;

use test_support::servers::{RedisOptions, RedisSentinels, RedisServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_logout::{RedisStore, Replica, RevocationStore, revocation::Revocation};

use super::support::{chain, failure, is_revoked, options, revoke, server, store, token, until};

async fn server_with(extra: &[&str]) -> RedisServer {
    let extra = extra.iter().map(|&it| it.to_owned()).collect();
    RedisServer::start(RedisOptions { extra, ..RedisOptions::default() }).await
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_may_evict_is_rejected_with_the_remedy() {
    let server = server_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let error = failure(options().connect(&server.url())).await;
    assert!(error.contains("CONFIG SET maxmemory-policy noeviction") && error.contains("redis.conf"), "{error}");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    store(&server).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_may_evict_after_its_restart_is_not_used_again() {
    let server = server().await;
    let store = store(&server).await;
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let is_rejected =
        async || store.is_revoked(&token("b")).await.is_err_and(|error| chain(&error).contains("allkeys-lru"));
    until("the refusal", is_rejected).await;
    assert!(failure(store.revoke(&Revocation::of_token(&token("b")))).await.contains("allkeys-lru"));
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    until("it is used again", async || store.is_revoked(&token("a")).await.ok() == Some(true)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_redis_replica_is_rejected() {
    let master = server().await;
    let replica = server().await;
    replica.replica_of(&master).await;
    let error = failure(options().connect(&replica.url())).await;
    assert!(error.contains("is a replica") && error.contains("address of the primary"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_master_that_becomes_a_replica_is_not_used_any_more() {
    let server = server().await;
    let master = self::server().await;
    let store = store(&server).await;
    assert!(!is_revoked(&store, &token("a")).await);
    // Nothing is lost when the server becomes the replica of the new primary.
    master.replica_of(&server).await;
    master.promote().await;
    server.replica_of(&master).await;
    let error = failure(store.is_revoked(&token("a"))).await;
    assert!(error.contains("is a replica"), "{error}");
    failure(store.revoke(&Revocation::of_token(&token("a")))).await;
    server.promote().await;
    until("it is asked again", async || store.is_revoked(&token("a")).await.ok() == Some(false)).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn data_of_a_later_version_is_left_alone() {
    let server = server().await;
    server.cli(&["SET", "{later}:layout", "2"]).await;
    let error = failure(RedisStore::options().prefix("later").connect(&server.url())).await;
    assert!(error.contains("layout 2") && error.contains("later one"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn connecting_to_a_cluster_node_or_a_sentinel_names_the_right_function() {
    let node = server_with(&["--cluster-enabled", "yes"]).await;
    let error = failure(options().connect(&node.url())).await;
    assert!(error.contains("connect_cluster"), "{error}");
    let master = server().await;
    let sentinels = RedisSentinels::start(&master, "mymaster", 1, 1).await;
    let error = failure(options().connect(&sentinels.urls()[0])).await;
    assert!(error.contains("connect_sentinel"), "{error}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_user_without_access_to_info_is_an_error_with_the_remedy() {
    let server = server().await;
    server.cli(&["ACL", "SETUSER", "blind", "on", ">secret", "~*", "+@all", "-info"]).await;
    let error = failure(options().connect(&format!("redis://blind:secret@127.0.0.1:{}", server.port()))).await;
    assert!(error.contains("+info"), "{error}");
}

/// A proxy that replaces the reply to `INFO` and forwards everything else to the server.
async fn server_with_info(info: &'static str, server: &RedisServer) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let server = server.addr();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let server = tokio::net::TcpStream::connect(server).await.unwrap();
            tokio::spawn(answer(socket, server, info));
        }
    });
    url
}

async fn answer(mut socket: tokio::net::TcpStream, server: tokio::net::TcpStream, info: &'static str) {
    const INFO: &[u8] = b"*1\r\n$4\r\nINFO\r\n";
    let (mut from_client, mut to_client) = socket.split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut request, mut reply) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            Ok(n @ 1..) = from_client.read(&mut request) => {
                if &request[..n] == INFO {
                    to_client.write_all(format!("${}\r\n{info}\r\n", info.len()).as_bytes()).await.unwrap();
                } else {
                    to_server.write_all(&request[..n]).await.unwrap();
                }
            }
            Ok(n @ 1..) = from_server.read(&mut reply) => {
                if to_client.write_all(&reply[..n]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_reply_to_info_decides_whether_a_server_is_used() {
    let server = server().await;
    for (info, refusal) in [
        ("redis_version:6.2.0\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", None),
        ("redis_version:8.0.1\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", None),
        ("redis_version:7.2.4\r\nvalkey_version:8.1.3\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", None),
        ("redis_version:6.0.16\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n", Some("Redis 6.2 or later")),
        ("redis_version:7.0.15\r\nrole:slave\r\nmaxmemory_policy:noeviction\r\n", Some("is a replica")),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:volatile-ttl\r\n", None),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:volatile-lrm\r\n", None),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:allkeys-lfu\r\n", Some("allkeys-lfu")),
        ("redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:whatever\r\n", Some("whatever")),
        // The fields of Valkey 9.1.2.
        (
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\nserver_mode:standalone\r\n\
             role:master\r\nmaxmemory_policy:noeviction\r\n",
            None,
        ),
        ("redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nserver_mode:sentinel\r\n", Some("is a Sentinel")),
        // A field that is missing could have any value.
        ("redis_version:7.0.15\r\nrole:master\r\n", Some("does not report `maxmemory_policy` in `INFO`")),
        ("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n", Some("does not report `role` in `INFO`")),
        ("role:master\r\nmaxmemory_policy:noeviction\r\n", Some("does not report `redis_version` in `INFO`")),
    ] {
        let connected = options().connect(&server_with_info(info, &server).await).await;
        match (connected.map_err(|error| chain(&error)), refusal) {
            (Ok(_), None) => {}
            (Err(error), Some(refusal)) if error.contains(refusal) => {}
            (connected, _) => panic!("{info:?}: {connected:?}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn another_database_is_another_store() {
    let server = server().await;
    let store = async |database: u8| RedisStore::connect(&format!("{}/{database}", server.url())).await.unwrap();
    let (first, second) = (store(0).await, store(3).await);
    revoke(&second, &Revocation::of_token(&token("a"))).await;
    assert!(is_revoked(&second, &token("a")).await);
    assert!(!is_revoked(&first, &token("a")).await);
    let replica = Replica::start(second);
    replica.ready().await.unwrap();
    assert!(is_revoked(&replica, &token("a")).await);
}

#[tokio::test]
async fn invalid_options_are_rejected() {
    for prefix in ["", "a{b}", "new\nline"] {
        let error = failure(RedisStore::options().prefix(prefix).connect("redis://127.0.0.1:1")).await;
        assert!(error.contains("the prefix must have"), "{error}");
    }
    for url in ["", "127.0.0.1", "http://127.0.0.1", "redis://127.0.0.1/first", "rediss://127.0.0.1/#insecure"] {
        let error = failure(options().connect(url)).await;
        assert!(error.contains("failed to open"), "{error}");
    }
    let error = failure(options().timeout(Duration::ZERO).connect("redis://127.0.0.1:1")).await;
    assert!(error.contains("timeout must not be zero"), "{error}");
    let none: [&str; 0] = [];
    assert!(failure(options().connect_cluster(none)).await.contains("no address is given"));
    assert!(failure(options().connect_sentinel(none, "redis://mymaster")).await.contains("no address is given"));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_password_is_used_and_never_shown() {
    let password = Some("hunter2@:/%".to_owned());
    let server = RedisServer::start(RedisOptions { password, ..RedisOptions::default() }).await;
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    let right = url("hunter2%40%3A%2F%25");
    let store = options().connect(&right).await.unwrap();
    revoke(&store, &Revocation::of_token(&token("a"))).await;
    assert!(!format!("{store:?} {:?}", options()).contains("hunter2"));
    for (user, wrong) in [("", "hunter3"), ("nobody", "hunter2%40%3A%2F%25")] {
        let url = url(wrong).replace("://:", &format!("://{user}:"));
        let error = failure(options().connect(&url)).await;
        assert!(error.contains("password") && !error.contains("hunter"), "{error}");
    }
    // Also after a connection fails later.
    server.kill();
    let error = failure(store.is_revoked(&token("a"))).await + &failure(store.is_revoked(&token("a"))).await;
    assert!(!error.contains("hunter"), "{error}");
}
