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
//! # Rotation
//!
//! Each refresh token is good for one use, and is answered with a new one. The service that redeems
//! them asks the same store. [`Revoker::consume`](crate::Revoker::consume) decides which use is the
//! first: one of any number of concurrent calls, on any node. A second use means that somebody has
//! copied the token, and ends the family: all tokens of the login, which share its session (`sid`).
//!
//! ```rust
//! # mod program {
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, Revoker, VerifiedToken,
//!     clock::Timestamp,
//!     respond::Rejection,
//!     revocation::{KeyKind, TokenIdentity},
//!     revoker::{Consumed, RevokeError},
//!     token::{TokenVerifier, VerifyError},
//! };
//!
//! /// Returns whose tokens to issue, with the `sub` and the `sid` of the old ones. Take the time
//! /// for their `iat` before the call, so that a logout meanwhile ends them, too.
//! async fn redeem(
//!     logout: &Logout,
//!     refresh: &JwtVerifier,
//!     text: &str,
//! ) -> Result<VerifiedToken<Claims>, Rejection> {
//!     let token = verified(refresh, text).await?;
//!     let revoker = logout.revoker();
//!     // Asked first: from its use on, the token is revoked itself.
//!     let is_revoked = revoker.revoked(token.identity()).await.map_err(unavailable)?;
//!     match revoker.consume(token.identity()).await.map_err(unavailable)? {
//!         Consumed::First if !is_revoked => Ok(token),
//!         // The session or the user was logged out.
//!         Consumed::First => Err(Rejection::Revoked),
//!         Consumed::Again => {
//!             let revoker = revoker.because("refresh token used again");
//!             end_family(&revoker, token.identity()).await.map_err(unavailable)?;
//!             Err(Rejection::Revoked)
//!         }
//!     }
//! }
//!
//! async fn verified(
//!     refresh: &JwtVerifier,
//!     text: &str,
//! ) -> Result<VerifiedToken<Claims>, Rejection> {
//!     refresh.verify(text).await.map_err(|error| match error {
//!         VerifyError::Expired => Rejection::Expired,
//!         VerifyError::Unavailable(_) => Rejection::Unavailable,
//!         _ => Rejection::Invalid,
//!     })
//! }
//!
//! async fn end_family(revoker: &Revoker, token: &TokenIdentity) -> Result<(), RevokeError> {
//!     match token.key(KeyKind::Session) {
//!         // Not only up to now: another node may be issuing tokens of the family at the moment.
//!         // No login uses the session again, and the revoker limits the instant to now plus the
//!         // clock skew.
//!         Some(family) => revoker.revoke(family, Timestamp::MAX).await.map(drop),
//!         None => Ok(()),
//!     }
//! }
//!
//! fn unavailable(_: RevokeError) -> Rejection {
//!     Rejection::Unavailable
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use tower_logout::MemoryStore;
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let verifier = |audience: &str| JwtVerifier::hs256(secret).issuer("https://login.example").audience(audience).build();
//! #     let refresh = verifier("refresh")?;
//! #     let logout = Logout::new(verifier("access")?, MemoryStore::new()).refresh_tokens(refresh.clone());
//! #     let sign = |sid: &str, jti: &str, later: u64| -> Result<String, Box<dyn std::error::Error>> {
//! #         let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #         let claims = serde_json::json!({
//! #             "iss": "https://login.example", "aud": "refresh", "sub": "ann", "sid": sid, "jti": jti,
//! #             "iat": now + later, "exp": now + 900
//! #         });
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
//! #     };
//! #     let (first, second, other) = (sign("1", "1", 0)?, sign("1", "2", 0)?, sign("2", "3", 0)?);
//! #     assert!(redeem(&logout, &refresh, &first).await.is_ok());
//! #     assert!(redeem(&logout, &refresh, &second).await.is_ok());
//! #     assert_eq!(redeem(&logout, &refresh, &first).await.unwrap_err(), Rejection::Revoked);
//! #     // The whole family has ended, with what is issued a little later, and no other.
//! #     for (jti, later) in [("4", 0), ("5", 20)] {
//! #         assert_eq!(redeem(&logout, &refresh, &sign("1", jti, later)?).await.unwrap_err(), Rejection::Revoked);
//! #     }
//! #     assert!(redeem(&logout, &refresh, &other).await.is_ok());
//! #     let ended = sign("3", "6", 0)?;
//! #     let _ = logout.revoker().session("https://login.example", "3").await?;
//! #     assert_eq!(redeem(&logout, &refresh, &ended).await.unwrap_err(), Rejection::Revoked);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! An error is neither: after [`RevokeError::Store`](crate::revoker::RevokeError::Store), the token
//! may have been used. The client tries again, and if it was, it must log in again.
//!
//! # A grace period for parallel refreshes
//!
//! Two tabs of a browser share a refresh token and refresh at the same time. A client on a bad
//! connection does not receive the answer and tries again. With the rule above, both are logged
//! out. A grace period accepts the old token for some seconds after its first use; a thief has the
//! same seconds, so keep it short.
//!
//! The store does not know when a token was consumed. Instead of consuming it, remember the date of
//! its first use, under a key that no token carries (`verified`, `end_family` and `unavailable` are
//! those of above):
//!
//! ```rust
//! # mod program {
//! use std::time::Duration;
//!
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, VerifiedToken,
//!     clock::{Clock, SystemClock},
//!     respond::Rejection,
//!     revocation::RevocationKey,
//! };
//! # use tower_logout::{
//! #     Revoker, clock::Timestamp, revocation::{KeyKind, TokenIdentity}, revoker::RevokeError,
//! #     token::{TokenVerifier, VerifyError},
//! # };
//!
//! async fn redeem(
//!     logout: &Logout,
//!     refresh: &JwtVerifier,
//!     text: &str,
//!     grace: Duration, // such as ten seconds
//! ) -> Result<VerifiedToken<Claims>, Rejection> {
//!     let token = verified(refresh, text).await?;
//!     let revoker = logout.revoker();
//!     if revoker.revoked(token.identity()).await.map_err(unavailable)? {
//!         return Err(Rejection::Revoked);
//!     }
//!     let now = SystemClock.now();
//!     let own_key = token.identity().own_key().to_string();
//!     let first_use = RevocationKey::claim(None, "first_use", &own_key);
//!     match revoker.revocation(first_use).await.map_err(unavailable)? {
//!         None => {
//!             revoker.revoke(first_use, now).await.map_err(unavailable)?;
//!             Ok(token)
//!         }
//!         Some(first) if now < first.issued_through().saturating_add(grace) => Ok(token),
//!         Some(_) => {
//!             let revoker = revoker.because("refresh token used again");
//!             end_family(&revoker, token.identity()).await.map_err(unavailable)?;
//!             Err(Rejection::Revoked)
//!         }
//!     }
//! }
//! # async fn verified(refresh: &JwtVerifier, text: &str) -> Result<VerifiedToken<Claims>, Rejection> {
//! #     refresh.verify(text).await.map_err(|error| match error {
//! #         VerifyError::Expired => Rejection::Expired,
//! #         VerifyError::Unavailable(_) => Rejection::Unavailable,
//! #         _ => Rejection::Invalid,
//! #     })
//! # }
//! #
//! # async fn end_family(revoker: &Revoker, token: &TokenIdentity) -> Result<(), RevokeError> {
//! #     match token.key(KeyKind::Session) {
//! #         // Not only up to now: another node may be issuing tokens of the family at the moment. No
//! #         // login uses the session again, and the instant is limited to now plus the clock skew.
//! #         Some(family) => revoker.revoke(family, Timestamp::MAX).await.map(drop),
//! #         None => Ok(()),
//! #     }
//! # }
//! #
//! # fn unavailable(_: RevokeError) -> Rejection {
//! #     Rejection::Unavailable
//! # }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use tower_logout::MemoryStore;
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let verifier = |audience: &str| JwtVerifier::hs256(secret).issuer("https://login.example").audience(audience).build();
//! #     let refresh = verifier("refresh")?;
//! #     let logout = Logout::new(verifier("access")?, MemoryStore::new()).refresh_tokens(refresh.clone());
//! #     let sign = |sid: &str, jti: &str, later: u64| -> Result<String, Box<dyn std::error::Error>> {
//! #         let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #         let claims = serde_json::json!({
//! #             "iss": "https://login.example", "aud": "refresh", "sub": "ann", "sid": sid, "jti": jti,
//! #             "iat": now + later, "exp": now + 900
//! #         });
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
//! #     };
//! #     use std::time::Duration;
//! #     let long = Duration::from_secs(600);
//! #     let (tab, next) = (sign("4", "7", 0)?, sign("4", "8", 0)?);
//! #     for _ in 0..3 {
//! #         assert!(redeem(&logout, &refresh, &tab, long).await.is_ok());
//! #     }
//! #     assert!(redeem(&logout, &refresh, &next, Duration::ZERO).await.is_ok());
//! #     assert_eq!(redeem(&logout, &refresh, &tab, Duration::ZERO).await.unwrap_err(), Rejection::Revoked);
//! #     assert_eq!(redeem(&logout, &refresh, &next, long).await.unwrap_err(), Rejection::Revoked);
//! #     assert!(redeem(&logout, &refresh, &sign("5", "9", 0)?, long).await.is_ok());
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! [`Revoker::revocation`](crate::Revoker::revocation) asks the shared store itself, also behind a
//! [`Replica`](crate::Replica): a use on another node counts at once. Two concurrent first uses
//! both find nothing, and both are accepted, as is the purpose.
//!
//! With a replica, a logout on another node is seen within milliseconds as a rule.
//!
//! # Clients that revoke their tokens (RFC 7009)
//!
//! OAuth clients revoke a token without logging in with it: they authenticate as clients and post the
//! token. Libraries do so at the `revocation_endpoint` of the metadata.
//!
//! ```rust
//! use axum::Router;
//! use tower_logout::{Logout, endpoint::ClientRequest};
//!
//! # async fn secret_of(_: &str) -> Result<Option<String>, std::io::Error> { Ok(None) }
//! fn routes(logout: &Logout) -> Router {
//!     let endpoint = logout.revocation_endpoint(async |request: ClientRequest| {
//!         let credentials = request.credentials;
//!         let Some(id) = credentials.client_id() else { return Ok(None) };
//!         let secret = secret_of(id).await?;
//!         let is_client = secret.is_some_and(|secret| credentials.has_secret(&secret));
//!         Ok(is_client.then(|| id.to_owned()))
//!     });
//!     Router::new().route_service("/oauth/revoke", endpoint)
//! }
//! ```
//!
//! ```text
//! curl -X POST http://127.0.0.1:3000/oauth/revoke -u "$CLIENT_ID:$CLIENT_SECRET" \
//!     --data-urlencode "token=$REFRESH_TOKEN" -d token_type_hint=refresh_token
//! ```
//!
//! An access token ends alone. A refresh token ends with the access tokens of its session, or of its
//! user: [`refresh_token_ends`](crate::endpoint::RevocationEndpoint::refresh_token_ends). Tokens must
//! say in `client_id` or `azp` which client they were issued to, because a client ends its own only.
//! Unknown, expired and forged tokens get 200, as the standard demands, and end nothing. A refresh
//! token that was consumed before ends nothing either: a client revokes the last one it got. See
//! [`RevocationEndpoint`](crate::endpoint::RevocationEndpoint).
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
