//! How refresh tokens end with a logout, and how they are redeemed.
//!
//! Tell the `Logout` which verifier refresh tokens have. The client sends its refresh token along
//! when it logs out, and both tokens end:
//!
//! ```rust
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use tower_logout::{JwtVerifier, Logout, MemoryStore};
//!
//! # let secret = "a secret of at least 32 bytes, and random";
//! let access = JwtVerifier::hs256(secret)
//!     .issuer("https://login.example")
//!     .audience("https://api.example")
//!     .max_lifetime(Duration::from_secs(15 * 60))
//!     .build()?;
//! // Another audience: an access token is not accepted as a refresh token, nor the reverse.
//! let refresh = JwtVerifier::hs256(secret)
//!     .issuer("https://login.example")
//!     .audience("https://login.example/refresh")
//!     .max_lifetime(Duration::from_secs(30 * 24 * 60 * 60))
//!     .build()?;
//! let logout = Logout::new(access, MemoryStore::new()).refresh_tokens(refresh.clone());
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! curl -X POST http://127.0.0.1:3000/api/v1/logout -H "Authorization: Bearer $ACCESS_TOKEN" \
//!     -H 'content-type: application/json' -d '{"refresh_token":"…"}'
//! ```
//!
//! An empty body is a logout of the access token alone. An expired refresh token is nothing to end.
//! If the refresh token is invalid, or belongs to another subject, the answer is 400 and nothing
//! ends.
//!
//! Where refresh tokens share the `sid` of the access token, use
//! [`LogoutScope::Session`](crate::LogoutScope::Session): one revocation ends both, and the client
//! need not send the refresh token. `refresh_tokens` is needed then, too: it makes the endpoint and
//! the [`Revoker`](crate::Revoker) remember revocations of a session or a user for as long as
//! refresh tokens live.
//!
//! # Redeem a refresh token
//!
//! The service that redeems refresh tokens must ask the same store. Each refresh token is good for
//! one use; a second use means that somebody has copied it, and ends the session:
//!
//! ```rust
//! # mod program {
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, VerifiedToken, respond::Rejection, revocation::Outcome,
//!     token::{TokenVerifier, VerifyError},
//! };
//!
//! /// Returns whose tokens to issue, with the `sub` and the `sid` of the old ones.
//! async fn redeem(logout: &Logout, refresh: &JwtVerifier, text: &str) -> Result<VerifiedToken<Claims>, Rejection> {
//!     let token = refresh.verify(text).await.map_err(|error| match error {
//!         VerifyError::Expired => Rejection::Expired,
//!         VerifyError::Unavailable(_) => Rejection::Unavailable,
//!         _ => Rejection::Invalid,
//!     })?;
//!     // By any of its keys: the token itself, the session, the user, …
//!     let is_revoked = logout.store().is_revoked(token.identity()).await.map_err(|_| Rejection::Unavailable)?;
//!     // One use: of concurrent callers, one gets `Newly`.
//!     let revoker = logout.revoker();
//!     let used = revoker.token(token.identity()).await.map_err(|_| Rejection::Unavailable)?;
//!     if is_revoked || used.outcome() == Outcome::Already {
//!         let _ = revoker.session_of(token.identity()).await;
//!         return Err(Rejection::Revoked);
//!     }
//!     Ok(token)
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use tower_logout::MemoryStore;
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let verifier = |audience: &str| JwtVerifier::hs256(secret).issuer("https://login.example").audience(audience).build();
//! #     let refresh = verifier("refresh")?;
//! #     let logout = Logout::new(verifier("access")?, MemoryStore::new()).refresh_tokens(refresh.clone());
//! #     let sign = |jti: &str| -> Result<String, Box<dyn std::error::Error>> {
//! #         let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #         let claims = serde_json::json!({
//! #             "iss": "https://login.example", "aud": "refresh", "sub": "ann", "sid": "1", "jti": jti,
//! #             "iat": now, "exp": now + 900
//! #         });
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
//! #     };
//! #     let (first, second) = (sign("1")?, sign("2")?);
//! #     assert!(redeem(&logout, &refresh, &first).await.is_ok());
//! #     assert_eq!(redeem(&logout, &refresh, &first).await.unwrap_err(), Rejection::Revoked);
//! #     assert_eq!(redeem(&logout, &refresh, &second).await.unwrap_err(), Rejection::Revoked);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! A client that did not receive the answer tries again, and is logged out by this. If that happens
//! too often, accept the old token for some seconds, in the application.
//!
//! With a [`Replica`](crate::Replica), a logout on another node is seen within milliseconds as a
//! rule. That a token is used once is decided by the server, without delay.
//!
//! # Refresh tokens of another service
//!
//! If an identity provider issues the refresh tokens, it redeems them, too: end them there. This
//! crate ends refresh tokens only where the endpoint is told to accept them, and only for services
//! that ask the store.
//!
//! If another verifier shares the store without being named to the `Logout`, give its revoker the
//! longest of all lifetimes: [`Revoker::retention`](crate::Revoker::retention) with
//! [`Retention::join`](crate::revocation::Retention::join).
