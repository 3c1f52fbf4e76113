//! What the crate cannot do, and what to do about it.
//!
//! # Tokens
//!
//! * **Several issuers** need keys of their own:
//!   [`JwtVerifier::issuers`](crate::JwtVerifier::issuers). Over one pool of keys and without
//!   `issuer`, whoever has one of the keys can sign tokens of any issuer.
//! * **A key that an identity provider has removed** is accepted until the next refresh, an hour at
//!   most: [`KeyFetching::refresh_between`](crate::token::jwt::KeyFetching::refresh_between). Call
//!   [`purge_keys_of`](crate::JwtVerifier::purge_keys_of) in an emergency.
//! * **A key that is used at the moment it is published** may be unknown for up to 30 seconds, for
//!   which its tokens are rejected:
//!   [`KeyFetching::cooldown`](crate::token::jwt::KeyFetching::cooldown).
//! * **Encrypted tokens** (JWE) and tokens that are bound to a key of their client (DPoP, mutual
//!   TLS) are rejected.
//! * **Tokens without `jti`** are known by what their signature covers. If an issuer signs the same
//!   claims twice in one second, both are one token.
//! * **Tokens without `iat`** count as older than every revocation. After "log out everywhere" was
//!   used for a user, all tokens of that user without `iat` are rejected, new ones too.
//!   [`require_iat`](crate::token::jwt::JwtVerifierBuilder::require_iat) rejects them from the
//!   start. Of their lifetime, only what is left can be compared with `max_lifetime`.
//! * **`max_lifetime`** is 366 days unless you set it, and a revocation of a user or a session is
//!   remembered for that long. Set it to what your issuer gives. If refresh tokens or other
//!   verifiers share the store, see [`refresh_tokens`](super::refresh_tokens).
//! * **Refresh tokens** end only where the endpoint is told to accept them. Whoever redeems them
//!   must ask the same store.
//! * **Tokens are in memory**, up to the room of the cache, for as long as nothing displaces them:
//!   a dump of the process shows them. `token_cache(0, 0)` keeps none.
//! * **Cookies** are sent by browsers on their own: [`cookies_and_csrf`](super::cookies_and_csrf).
//!
//! # Requests and streams
//!
//! * **Handlers are not interrupted.** A request that is being worked on when its token is revoked
//!   is finished, and what is ready of its answer is sent. What it would still wait for is cut off.
//! * **A client that does not read**: a body is only polled when the server can write. Nothing more
//!   is sent to such a client, but its connection stays until the server's write timeout.
//! * **Downloads over HTTP/1.0**: nginx speaks it to the service unless `proxy_http_version 1.1` is
//!   set, and a download without a `content-length` that is cut off then looks complete to the
//!   client. Set that.
//! * **A large upload with a bad token** is rejected before it is read. Over HTTP/1.1 the client
//!   can see a broken pipe in place of the 401; `Expect: 100-continue` or HTTP/2 shows it.
//! * **A `TimeoutLayer`** around "log out everywhere" that waits for less than 5.25 s can answer
//!   with an error although the logout takes effect. Leave the endpoint out of it.
//! * **Body types**: on axum, use [`axum_layer`](crate::Logout::axum_layer). With
//!   [`layer`](crate::Logout::layer), the inner service gets a `RequestBody<B>` and responses have
//!   a `ResponseBody<B>`.
//! * **CORS** layers belong outside of this one, **gRPC-Web** layers as well:
//!   [`frameworks`](super::frameworks).
//!
//! # Clocks
//!
//! * **Nodes and servers** may differ by up to `clock_skew` (30 s).
//! * **A clock that leaps ahead** makes a store forget what then looks expired. When it is set
//!   right again, tokens as old as what was forgotten are rejected, revoked or not: the store
//!   cannot tell them apart. If a revocation of a user was forgotten, that can last until its
//!   `max_lifetime` is over. Open streams notice a leap within a minute, as far as their expiry is
//!   concerned.
//! * **A server whose clock leaps ahead** deletes what then looks expired, for all nodes that start
//!   later. Those tokens are rejected by them, revoked or not.
//! * **An issuer whose clock runs ahead** can date a token after the moment of a "log out
//!   everywhere", which then leaves it out:
//!   [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead). Logging out with the token itself
//!   is not affected.
//! * **An issuer whose clock runs behind** dates a login after the answer before it: that login is
//!   rejected, for as long as the clocks differ.
//! * **A suspended machine**: staleness is judged by the monotonic clock, which on Linux stands
//!   still meanwhile. For up to `max_staleness` after it wakes, a node answers from before its
//!   sleep.
//!
//! # Stores
//!
//! * **One process** has a `MemoryStore` or a `RedbStore`. Several nodes share a Redis or a
//!   PostgreSQL.
//! * **The file of a `RedbStore`** belongs on a local disk that really syncs; a network file system
//!   often does not lock or sync. The file is read whole at start, and all live revocations are in
//!   memory. Copy it only while the store is closed. A rollback of the whole file to an older copy
//!   is not detected.
//! * **`ulimit -f`** ends the process of a `RedbStore` whose file would exceed it. Leave it
//!   unlimited, and set the capacity.
//! * **A node whose server came back changed** (restarted, emptied, trimmed, failed over) re-sends
//!   the revocations that are missing, and waits at least two seconds for the other nodes before it
//!   trusts the server again. Until then it answers from what it knew, and with 503 once that is
//!   older than `max_staleness`.
//! * **A node that starts in that time** cannot know what is missing: after the loss of a whole
//!   server, start new nodes when the old ones are fresh. What no living node knew is lost.
//! * **Redis confirms before its replicas have it.** A failover can lose the last logouts that were
//!   answered 200. Every node that knew them re-sends them to the new primary;
//!   [`wait_replicas`](crate::store::RedisStoreOptions::wait_replicas) makes it unlikely that this
//!   is needed. Between two primaries of a partition, Sentinels decide.
//! * **A primary that was replaced and lives on** must be fenced: a node that stays connected to it
//!   goes on trusting it. With Sentinels the store asks who the primary is; without them nobody
//!   tells it.
//!
//! # Runtime
//!
//! * **Tokio** is required: logouts run on a task of their own, and timeouts use its timer.
//! * **A runtime that is blocked** ends streams late, and lets a `Replica` become stale, which is
//!   503. Move what computes for long or does not await to `spawn_blocking`.
