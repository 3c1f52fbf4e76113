//! How a session, a user, or all other devices are logged out.
//!
//! As endpoints, for the user who is logged in:
//!
//! ```rust
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::Router;
//! use tower_logout::{JwtVerifier, Logout, LogoutScope, MemoryStore};
//!
//! let verifier = JwtVerifier::hs256([7; 32]).issuer("https://login.example").build()?;
//! let logout = Logout::new(verifier, MemoryStore::new());
//! let app: Router = Router::new()
//!     // All tokens of the login that this token belongs to (`sid`).
//!     .route_service("/api/v1/logout", logout.service().scope(LogoutScope::Session))
//!     // All tokens of the user (`sub`): "log out everywhere".
//!     .route_service("/api/v1/logout/everywhere", logout.service().scope(LogoutScope::Subject));
//! # Ok(())
//! # }
//! ```
//!
//! From application code, with a [`Revoker`](crate::Revoker), for instance after a change of
//! password, or for an administrator:
//!
//! ```rust
//! use tower_logout::{Revoker, revoker::RevokeError};
//!
//! /// `logout.revoker()` makes the revoker; it is cheap to clone.
//! async fn password_changed(revoker: &Revoker, user: &str) -> Result<(), RevokeError> {
//!     let receipt = revoker.user(user).await?; // `sub`, of the one issuer that the verifier accepts
//!     receipt.settled().await; // a token that is issued from now on is not affected
//!     Ok(())
//! }
//! ```
//!
//! | what ends | from a token | by name |
//! |---|---|---|
//! | one token | [`token`](crate::Revoker::token) | [`token_id`](crate::Revoker::token_id) (`jti`) |
//! | a session | [`session_of`](crate::Revoker::session_of) | [`session`](crate::Revoker::session) (`sid`) |
//! | all tokens of a user | [`subject_of`](crate::Revoker::subject_of) | [`user`](crate::Revoker::user), [`subject`](crate::Revoker::subject) (`sub`) |
//! | all tokens of a client | | [`client`](crate::Revoker::client) (`client_id` or `azp`) |
//! | all tokens with a value in a claim | | [`claim`](crate::Revoker::claim), see [`claims_and_roles`](super::claims_and_roles#roles-change-tokens-do-not) |
//! | all tokens of an issuer, or every token | | [`issuer`](crate::Revoker::issuer), [`everything`](crate::Revoker::everything) |
//!
//! A revocation by an issuer or a claim that no accepted token has is an error, which names those
//! that there are. Names of users and sessions are not known to this crate: the revocation of a
//! user who does not exist succeeds, with
//! [`Outcome::Newly`](crate::revocation::Outcome::Newly), and ends nothing.
//!
//! In a handler, an error of the store is a 503, which the client may repeat. The others are
//! mistakes in the code or its configuration, and are logged:
//!
//! ```rust
//! # mod program {
//! use axum::{
//!     extract::{Path, State},
//!     http::StatusCode,
//!     response::{IntoResponse, Response},
//! };
//! use tower_logout::{Logout, respond::Rejection, revoker::RevokeError};
//!
//! /// For administrators: `DELETE /api/v1/users/{user}/tokens`.
//! async fn end_all_tokens(State(logout): State<Logout>, Path(user): Path<String>) -> Response {
//!     match logout.revoker().user(&user).await {
//!         Ok(_) => StatusCode::NO_CONTENT.into_response(),
//!         Err(RevokeError::Store(_)) => Rejection::Unavailable.into_response(), // 503, safe to repeat
//!         Err(error) => {
//!             eprintln!("{error:?}"); // names what is accepted, and the remedy
//!             StatusCode::INTERNAL_SERVER_ERROR.into_response()
//!         }
//!     }
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use tower_logout::{JwtVerifier, MemoryStore, revocation::Outcome};
//! #     let logout = |issuers: &[&str]| -> Result<Logout, Box<dyn std::error::Error>> {
//! #         let verifier = JwtVerifier::hs256([7; 32]);
//! #         let verifier = issuers.iter().fold(verifier, |verifier, issuer| verifier.issuer(*issuer));
//! #         Ok(Logout::new(verifier.build()?, MemoryStore::new()))
//! #     };
//! #     let (single, none) = (logout(&["https://login.example"])?, logout(&[])?);
//! #     assert_eq!(single.revoker().user("nobody").await?.outcome(), Outcome::Newly);
//! #     assert_eq!(end_all_tokens(State(single), Path("ann".to_owned())).await.status(), 204);
//! #     assert_eq!(end_all_tokens(State(none), Path("ann".to_owned())).await.status(), 500);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! | [`RevokeError`](crate::revoker::RevokeError) | status | why |
//! |---|---|---|
//! | `Store` | 503 | it is not known whether the revocation is stored; repeating is safe |
//! | `NoSubject` | 400, as [`Rejection::NoSubject`](crate::respond::Rejection::NoSubject) | the caller's token has no `sub` |
//! | `NoSession` | 400, or revoke the token alone, as the endpoint does | the caller's token has no `sid` |
//! | `Empty` | 400 if the name is from the request | the name is empty |
//! | `UnknownIssuer`, `UnknownClaim`, `NoSingleIssuer` | 500 | the code names what the verifier does not accept |
//!
//! # Log out on all other devices
//!
//! There is no revocation of "all tokens but this one". There are two ways to get there.
//!
//! **Revoke all, and give the caller a new token.** It needs nothing but the user's name:
//!
//! ```rust
//! # mod program {
//! use axum::{
//!     extract::State,
//!     response::{IntoResponse, Response},
//! };
//! use tower_logout::{Claims, Logout, VerifiedToken, respond::Rejection, revoker::RevokeError};
//!
//! async fn log_out_elsewhere(State(logout): State<Logout>, token: VerifiedToken<Claims>) -> Response {
//!     match logout.revoker().subject_of(token.identity()).await {
//!         Ok(receipt) => receipt.settled().await, // a token that is issued sooner would end as well
//!         Err(RevokeError::NoSubject) => return Rejection::NoSubject.into_response(),
//!         Err(_) => return Rejection::Unavailable.into_response(),
//!     }
//!     issue_token(&token).into_response()
//! }
//!
//! /// Signs a token for the same user, as the application's login does.
//! fn issue_token(token: &VerifiedToken<Claims>) -> String {
//!     format!("a new token of {:?}, with a new `iat` and a new `jti`", token.sub)
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use tower_logout::{JwtVerifier, MemoryStore, token::TokenVerifier};
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let verifier = JwtVerifier::hs256(secret).issuer("https://login.example").build()?;
//! #     let logout = Logout::new(verifier.clone(), MemoryStore::new());
//! #     let sign = |jti: &str| -> Result<String, Box<dyn std::error::Error>> {
//! #         let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #         let claims = serde_json::json!({
//! #             "iss": "https://login.example", "sub": "ann", "jti": jti, "iat": now, "exp": now + 900
//! #         });
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
//! #     };
//! #     let (mine, other) = (verifier.verify(&sign("mine")?).await?, verifier.verify(&sign("other")?).await?);
//! #     assert_eq!(log_out_elsewhere(State(logout.clone()), mine.clone()).await.status(), 200);
//! #     let new = verifier.verify(&sign("new")?).await?;
//! #     assert!(logout.store().is_revoked(mine.identity()).await?);
//! #     assert!(logout.store().is_revoked(other.identity()).await?);
//! #     assert!(!logout.store().is_revoked(new.identity()).await?);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! If another service issues the tokens, answer without one, and let the client get it there. The
//! answer takes up to a second. The streams that the caller has open with the old token end as
//! well; the client opens them again with the new token.
//!
//! **Revoke the other sessions one by one.** The caller keeps token and streams. It needs a `sid`
//! in the tokens, and a list of the user's sessions, which the application keeps when it logs users
//! in:
//!
//! ```rust
//! # mod program {
//! use tower_logout::{Claims, Revoker, VerifiedToken, revoker::RevokeError};
//!
//! async fn log_out_elsewhere(
//!     revoker: &Revoker,
//!     token: &VerifiedToken<Claims>,
//!     sessions_of_user: &[String], // from the application's database
//! ) -> Result<(), RevokeError> {
//!     let own = token.sid.as_deref();
//!     for sid in sessions_of_user.iter().filter(|sid| Some(sid.as_str()) != own) {
//!         revoker.session(token.iss.as_deref(), sid).await?;
//!     }
//!     Ok(())
//! }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use tower_logout::{JwtVerifier, Logout, MemoryStore, token::TokenVerifier};
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let verifier = JwtVerifier::hs256(secret).issuer("https://login.example").build()?;
//! #     let logout = Logout::new(verifier.clone(), MemoryStore::new());
//! #     let mut tokens = Vec::new();
//! #     for sid in ["mine", "other"] {
//! #         let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #         let claims = serde_json::json!({
//! #             "iss": "https://login.example", "sub": "ann", "sid": sid, "iat": now, "exp": now + 900
//! #         });
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         let text = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
//! #         tokens.push(verifier.verify(&text).await?);
//! #     }
//! #     let sessions = ["mine".to_owned(), "other".to_owned()];
//! #     log_out_elsewhere(&logout.revoker(), &tokens[0], &sessions).await?;
//! #     assert!(!logout.store().is_revoked(tokens[0].identity()).await?);
//! #     assert!(logout.store().is_revoked(tokens[1].identity()).await?);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! # Why a login has to wait
//!
//! `iat` has one-second resolution, so a token that is issued in the same second as a revocation of
//! the user is rejected too. The endpoint therefore delays its answer until the next second, by at
//! most 2 s; a login after the answer is not affected. With a `Revoker`, await
//! [`settled`](crate::revoker::Receipt::settled) before you let the user log in.
//!
//! If an issuer's clock runs ahead, a token can be dated after the moment of "log out everywhere",
//! which then leaves it out. [`issuer_clock_ahead`](crate::Logout::issuer_clock_ahead) widens the
//! margin. A login is safe that much later, and the 200 says so with `Retry-After: <seconds>`; a
//! CORS layer must expose the header to scripts of other origins.
//! [`LogoutScope::Subject`](crate::LogoutScope::Subject) has the details.
//!
//! A `TimeoutLayer` or a proxy that waits for less than 5.25 s around this endpoint can answer with
//! an error although the logout takes effect. Leave the endpoint out of it.
//!
//! # Repeated logouts
//!
//! A second logout with the same token is answered with 401 `token_revoked`. If clients cannot tell
//! that from a failure, [`LogoutService::idempotent`](crate::LogoutService::idempotent) answers
//! 200.
//!
//! # What the issuer must do
//!
//! A revocation ends tokens that exist. The issuer must stop issuing new ones for the session, or
//! for a user who is locked out: [`refresh_tokens`](super::refresh_tokens).
