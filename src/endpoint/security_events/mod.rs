//! Security events of a transmitter (Shared Signals Framework 1.0, CAEP 1.0, RISC 1.0):
//! [`SecurityEvents`].
//!
//! An identity provider reports that a session has ended, an account was disabled or a password has
//! changed. What that ends here is refused on every node from then on, and its streams end.
//! [`Logout::security_events`](crate::Logout::security_events) receives the events of one
//! transmitter. They are pushed to a service (RFC 8935), or fetched by a [poller](SecurityEventPoller)
//! (RFC 8936). [`SsfStream`] creates the stream at the transmitter, if no one else does.
//!
//! # Which event ends what
//!
//! [`SecurityEvent::default_decision`] has the table, and
//! [`decide`](SecurityEventsBuilder::decide) changes it. Events that end nothing are acknowledged.
//! If a token has several names for one event, each is decided about, and what any of them ends is
//! revoked.
//!
//! # Whom an event is about
//!
//! | subject | ends tokens with |
//! |---|---|
//! | `iss_sub`, of an issuer that the verifier accepts | that `iss` and `sub` |
//! | `opaque`, as the user | that `sub`, of the issuer of [`subjects_of`](SecurityEventsBuilder::subjects_of) |
//! | `opaque` or `iss_sub`, as the member `session` | that `sid` |
//! | `opaque` without a role, in `session-revoked` | that `sid`, or that `sub` |
//! | `jwt_id`, of an issuer that the verifier accepts | that `iss` and `jti` |
//! | `email`, `phone_number` | that claim, if it is a [revocable claim](crate::token::jwt::JwtVerifierBuilder::revocable_claim) of the verifier |
//! | `aliases` | any of the names |
//! | anything else, such as a device or a tenant | the keys of [`resolve`](SecurityEventsBuilder::resolve) |
//!
//! Of a complex subject, `session-revoked` ends what it names most narrowly. An event whose subject
//! cannot be mapped ends nothing; it is acknowledged, counted as `ignored`, and reported at level
//! `WARN`, with the remedy.
//!
//! # When
//!
//! Tokens that were issued before the event arrived are revoked, and those issued later are not
//! affected. The date of the event itself counts only
//! [by choice](SecurityEventsBuilder::allow_tokens_issued_after_event), and never more than the
//! present, so that a transmitter that sends milliseconds for seconds does not revoke for ever. An
//! event that is delivered again changes nothing, on any node that shares the store.
//!
//! # Examples
//!
//! ```
//! # #[cfg(feature = "aws-lc-rs")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{
//!     JwtVerifier, Logout, MemoryStore,
//!     endpoint::security_events::{Decision, EventKind},
//!     token::jwt::Issuer,
//! };
//!
//! let verifier = JwtVerifier::hs256([7; 32]).issuer("https://idp.example").build()?;
//! let logout = Logout::new(verifier, MemoryStore::new());
//! let transmitter = Issuer::transmitter("https://idp.example").audience("https://api.example");
//! # let transmitter = transmitter.fetch_with(|_| async { Err::<http::Response<http_body_util::Empty<bytes::Bytes>>, _>("none") });
//! let events = logout
//!     .security_events(transmitter)
//!     .authorization("Bearer from-the-environment")
//!     .decide(|event| match event.kind() {
//!         EventKind::RiskLevelChange if event.member("current_level") == Some("HIGH") => Decision::User,
//!         _ => event.default_decision(),
//!     })
//!     .build()?;
//! // With axum: `Router::new().route_service("/security-events", events)`
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "aws-lc-rs"))]
//! # fn main() {}
//! ```

mod authorization;
mod builder;
mod credentials;
mod decision;
mod error;
mod event;
mod health;
mod kind;
mod mapping;
mod members;
mod poller;
mod push;
mod receiver;
mod refusal;
mod service;
mod stream;
mod subject;
mod token;
mod transmitter;
mod verification;

pub use builder::SecurityEventsBuilder;
pub use decision::Decision;
pub use error::{SecurityEventsError, TransmitterError};
pub use event::SecurityEvent;
pub use health::{StreamHealth, StreamStatus};
pub use kind::EventKind;
pub use mapping::UnmappedSubject;
pub use poller::{PollSource, PollerHealth, SecurityEventPoller, SecurityEventPollerBuilder};
pub use service::SecurityEvents;
pub use stream::{SsfStream, SsfStreamBuilder, StreamConfiguration};
pub use subject::{EventSubject, SubjectMember};
