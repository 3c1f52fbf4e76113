//! What ends when a token is revoked or expires, and what a handler must do for it.
//!
//! Responses that are still being sent end by themselves: event streams, downloads, gRPC streams.
//! The handler behind the layer needs nothing for it:
//!
//! ```rust
//! use std::{convert::Infallible, time::Duration};
//!
//! use axum::response::sse::{Event, KeepAlive, Sse};
//! use futures_util::stream::{self, Stream};
//!
//! async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
//!     let ticks = stream::unfold(0, async |tick: u64| {
//!         tokio::time::sleep(Duration::from_secs(1)).await;
//!         Some((Ok(Event::default().data(tick.to_string())), tick + 1))
//!     });
//!     Sse::new(ticks).keep_alive(KeepAlive::default())
//! }
//! # let _ = events;
//! ```
//!
//! Give server-sent events a last event, so that a browser knows not to connect again:
//!
//! ```rust
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, Logout, MemoryStore};
//!
//! let verifier = JwtVerifier::hs256([7; 32]).issuer("https://login.example").build()?;
//! let logout = Logout::new(verifier, MemoryStore::new()).last_event("logout");
//! # Ok(())
//! # }
//! ```
//!
//! ```js
//! const events = new EventSource("/api/v1/events");
//! events.addEventListener("logout", (event) => {
//!     if (event.data === "shutting_down") return; // it connects again, and finds the next server
//!     events.close(); // otherwise it connects again, for a 401
//!     console.log(event.data); // token_revoked
//! });
//! ```
//!
//! After an upgrade there is no body that the layer could end: a WebSocket handler awaits a
//! [`RevocationWatch`], which is an extractor.
//!
//! ```rust
//! use axum::{
//!     extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
//!     response::Response,
//! };
//! use tower_logout::RevocationWatch;
//!
//! async fn echo(watch: RevocationWatch, upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(|socket| serve(watch, socket))
//! }
//!
//! async fn serve(mut watch: RevocationWatch, mut socket: WebSocket) {
//!     let reason = loop {
//!         let message = tokio::select! {
//!             biased; // a client that never pauses must not outrun the logout
//!             reason = &mut watch => break reason,
//!             message = socket.recv() => message,
//!         };
//!         let Some(Ok(message)) = message else { return };
//!         if let Message::Text(_) = message {
//!             // A client that does not read keeps a send waiting, but not beyond the token's end.
//!             tokio::select! {
//!                 biased;
//!                 reason = &mut watch => break reason,
//!                 sent = socket.send(message) => if sent.is_err() { return },
//!             }
//!         }
//!     };
//!     let frame = CloseFrame { code: reason.close_code(), reason: reason.description().into() };
//!     let _ = socket.send(Message::Close(Some(frame))).await; // 1008, "The token has been revoked."
//! }
//! ```
//!
//! Browsers cannot set a header for an event stream or a WebSocket. They send a cookie: see
//! [`cookies_and_csrf`](super::cookies_and_csrf).
//!
//! # How each ends
//!
//! | what was open | how it ends |
//! |---|---|
//! | a response over HTTP | with an error: HTTP/1.1 leaves the chunked body unfinished and closes the connection, HTTP/2 resets the stream |
//! | server-sent events, with [`last_event("logout")`](crate::Logout::last_event) | with `event: logout` and `data: token_revoked`, then properly |
//! | a gRPC stream, whichever side sends | with `grpc-status` 16; 14 if the store cannot answer any more, or at shutdown |
//! | a request that is still being sent, of unknown length or at least 64 KiB | it is cut off, and rejected with 401 |
//! | a WebSocket, a background job | its code ends it, by a [`RevocationWatch`] |
//!
//! This holds on every node that shares the store, for a logout of any kind, and for the expiry of
//! the token. Bodies that are complete, or known to be shorter than 64 KiB, are not watched.
//! Handlers are not interrupted: a handler may revoke the very token it was called with, and what
//! is ready of its answer is sent.
//!
//! [`allow_streams_after_revocation`](crate::Logout::allow_streams_after_revocation) leaves all
//! bodies alone. Watches still resolve.
//!
//! # The watch
//!
//! [`RevocationWatch`] is a future that resolves to an [`EndReason`](crate::guard::EndReason). The
//! layer puts one into each request that it lets pass with a token. Without the feature `axum`,
//! take it from the request: `request.extensions().get::<RevocationWatch>()`. It is cheap to clone.
//!
//! A server that owns the WebSocket, and calls the application for each message or ping, has no
//! place to await a future. There, ask [`RevocationWatch::ended`] each time:
//!
//! ```rust
//! use tower_logout::RevocationWatch;
//!
//! /// Called by the server for each message of a client.
//! fn on_message(watch: &RevocationWatch, text: &str) -> Result<String, (u16, &'static str)> {
//!     match watch.ended() {
//!         Some(reason) => Err((reason.close_code(), reason.description())),
//!         None => Ok(text.to_uppercase()),
//!     }
//! }
//! ```
//!
//! Over a `RedisStore` or a `PostgresStore` without a `Replica`, which cannot answer at once, await
//! a clone of the watch on a task that closes the connection instead.
//!
//! Where there is no request, such as for a job that is started later, [`Logout::watch`] makes a
//! watch of a [`VerifiedToken`](crate::VerifiedToken):
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, Logout, MemoryStore, guard::EndReason, token::TokenVerifier};
//!
//! # let secret = "a secret of at least 32 bytes, and random";
//! let verifier = JwtVerifier::hs256(secret).issuer("https://login.example").build()?;
//! # let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! # let claims = serde_json::json!({ "iss": "https://login.example", "sub": "ann", "iat": now, "exp": now + 900 });
//! # let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! # let text = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
//! let logout = Logout::new(verifier.clone(), MemoryStore::new());
//! let token = verifier.verify(&text).await?;
//! let job = tokio::spawn(logout.watch(&token));
//! logout.revoker().token(token.identity()).await?;
//! assert_eq!(job.await?, EndReason::Revoked);
//! # Ok(())
//! # }
//! ```
//!
//! # When, and at what cost
//!
//! A `Replica` and the stores of one process notify: a revocation wakes the streams whose token it
//! concerns, however many are open. Each open stream costs 0.9 KiB. A `RedisStore` or a
//! `PostgresStore` that is used directly is asked again for each stream, every
//! [`recheck_interval`](crate::Logout::recheck_interval) (5 s).
//!
//! If the store cannot answer, or a `Replica`'s view has been too old for that long, streams end
//! with the reason [`Unavailable`](crate::guard::EndReason::Unavailable), unless
//! [`insecure_allow_on_store_failure`](crate::Logout::insecure_allow_on_store_failure) is set.
//!
//! # At shutdown
//!
//! A graceful shutdown would wait for streams that never end. [`Logout::drain`] ends them: see
//! [`operating`](super::operating#shutdown).
//!
//! [`RevocationWatch`]: crate::RevocationWatch
//! [`RevocationWatch::ended`]: crate::RevocationWatch::ended
//! [`Logout::watch`]: crate::Logout::watch
//! [`Logout::drain`]: crate::Logout::drain
