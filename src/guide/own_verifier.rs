//! How tokens are accepted that are not JWTs, or that another layer has verified.
//!
//! Implement [`TokenVerifier`](crate::token::TokenVerifier). It turns the text of a token into
//! claims, and into the [`TokenIdentity`](crate::revocation::TokenIdentity) by which the token can
//! be revoked. For opaque tokens of an authorization server, there is one already: see [opaque
//! tokens](super::identity_providers#opaque-tokens). Here, tokens that the application has issued
//! itself:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{collections::HashMap, time::Duration};
//!
//! use async_trait::async_trait;
//! use tower_logout::{
//!     Logout, MemoryStore, VerifiedToken,
//!     clock::{Clock, SystemClock, Timestamp},
//!     revocation::{Retention, RevocationKey, TokenIdentity},
//!     token::{TokenVerifier, VerifyError},
//! };
//!
//! const ISSUER: &str = "https://login.example";
//!
//! #[derive(Clone)]
//! struct Session {
//!     user: String,
//!     issued_at: Timestamp,
//!     expires_at: Timestamp,
//! }
//!
//! /// Yours asks a table of a database.
//! struct Sessions(HashMap<String, Session>);
//!
//! #[async_trait]
//! impl TokenVerifier for Sessions {
//!     type Claims = Session;
//!
//!     async fn verify(&self, token: &str) -> Result<VerifiedToken<Session>, VerifyError> {
//!         let session = self.0.get(token).ok_or_else(|| VerifyError::invalid("unknown token"))?;
//!         let retention = self.retention();
//!         if !retention.accepts_lifetime(session.issued_at, session.expires_at) {
//!             return Err(VerifyError::invalid("it lives longer than revocations are remembered"));
//!         }
//!         if !retention.accepts_expiry(session.expires_at, SystemClock.now()) {
//!             return Err(VerifyError::Expired);
//!         }
//!         // An opaque token is identified by its whole text, of which the key is a hash.
//!         let own = RevocationKey::signing_input(token);
//!         let identity = TokenIdentity::new(own, session.issued_at, session.expires_at, &retention)
//!             .carries(RevocationKey::subject(ISSUER, &session.user)); // for "log out everywhere"
//!         Ok(VerifiedToken::new(identity, session.clone()))
//!     }
//!
//!     /// Bounds what is accepted above, and says how long revocations are remembered.
//!     fn retention(&self) -> Retention {
//!         Retention::new().with_max_lifetime(Duration::from_secs(60 * 60))
//!     }
//! }
//!
//! # let now = SystemClock.now();
//! # let expires_at = now.saturating_add(Duration::from_secs(900));
//! # let session = Session { user: "ann".to_owned(), issued_at: now, expires_at };
//! # let sessions = Sessions(HashMap::from([("opaque".to_owned(), session)]));
//! let logout = Logout::new(sessions, MemoryStore::new()); // a `Logout<Session>`
//! # let request = http::Request::get("/").header("authorization", "Bearer opaque").body(())?;
//! # let token = logout.check((&request).into()).await?.ok_or("a token")?;
//! # assert_eq!(token.user, "ann");
//! # logout.revoker().subject(ISSUER, "ann").await?;
//! # assert!(logout.check((&request).into()).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # The contract
//!
//! * A token is accepted only within the bounds of [`retention`], judged by [`clock`]. The store
//!   forgets a revocation by the same bounds: a token that is accepted for longer outlives its
//!   revocation.
//! * The same token has the same identity each time. Identify a JWT by its `jti`, or by
//!   `header.payload` as signed, and never by its whole text: anybody can re-spell an ECDSA
//!   signature.
//! * Every key that the token [carries](crate::revocation::TokenIdentity::carries) can be revoked.
//! * Whether it was revoked is not the verifier's question.
//! * No error quotes the token.
//!
//! # If an answer takes long
//!
//! A check may take 250 ms ([`check_timeout`](crate::Logout::check_timeout)), and is dropped then.
//! Put what can take longer, such as asking a server (RFC 7662) or fetching keys, into a
//! [`SingleFlight`](crate::token::SingleFlight): requests wait for it until the timeout, and it
//! goes on after that, once for all who want it. If the server cannot be asked, return
//! [`VerifyError::unavailable`](crate::token::VerifyError::unavailable), which is 503.
//!
//! # Caching
//!
//! [`caching`] says how long an accepted token need not be verified again:
//!
//! | value | for a verifier |
//! |---|---|
//! | [`Caching::Never`](crate::token::Caching::Never), the default | that needs a fresh answer on each request |
//! | [`Caching::For(duration)`](crate::token::Caching::For) | whose answer may be that old |
//! | [`Caching::UntilExpiry`](crate::token::Caching::UntilExpiry) | whose answer depends only on the token, the clock and its [`revision`] |
//!
//! The store is asked on each request in any case.
//!
//! # Another layer has verified the token
//!
//! Let that layer leave a proof in the request's extensions, of a type that nobody else can make,
//! and take the token from that proof and from nowhere else. If the other layer is missing, there
//! is no token, and every request is rejected:
//!
//! ```rust
//! use tower_logout::token::TokenSource;
//!
//! /// Only the layer that verifies can make one.
//! #[derive(Clone)]
//! pub struct Proof(String);
//!
//! fn source() -> TokenSource {
//!     TokenSource::closure(|head| Ok(head.extensions.get().map(|Proof(token)| token.clone())))
//! }
//! ```
//!
//! The verifier then reads the claims without verifying the signature again. Its [`retention`] must
//! have the leeway of the other layer, and the longest lifetime that it accepts. The example
//! `behind_verifier` is the whole program.
//!
//! # Revocations by name
//!
//! [`revocable`] tells the [`Revoker`](crate::Revoker) which issuers and claims there are, so that
//! a revocation that can end nothing is an error. Without it, nothing is checked.
//!
//! [`retention`]: crate::token::TokenVerifier::retention
//! [`clock`]: crate::token::TokenVerifier::clock
//! [`caching`]: crate::token::TokenVerifier::caching
//! [`revision`]: crate::token::TokenVerifier::revision
//! [`revocable`]: crate::token::TokenVerifier::revocable
