//! How security events of an identity provider (Shared Signals, CAEP, RISC) end tokens here.
//!
//! A provider that takes part in the Shared Signals Framework (SSF) reports more than logouts: a
//! session that an administrator has ended, an account that was disabled, a password that was
//! changed. A [`SecurityEvents`] receiver turns these events into revocations: the access tokens are
//! rejected on every node, and what they have opened ends.
//!
//! A stream delivers events to one receiver, in one of two ways:
//!
//! | delivery | needs | choose it if |
//! |---|---|---|
//! | [push](#push) (RFC 8935) | an address that the provider can reach | you can: it is the faster one |
//! | [poll](#poll) (RFC 8936) | requests from here to the provider | the service is not public |
//!
//! # Push
//!
//! Mount the receiver outside the layer, and create it from the same [`Logout`](crate::Logout) as the
//! layer. The audience is the `aud` that the stream has at the provider:
//!
//! ```rust
//! # mod program {
//! use axum::{Router, routing::get};
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken, token::jwt::Issuer,
//! };
//!
//! /// `authorization` is what the provider must send, such as `Bearer 6mVZ…`: choose it at random.
//! # pub
//! fn app(
//!     verifier: JwtVerifier,
//!     transmitter: Issuer, // Issuer::transmitter("https://idp.example").audience("https://api.example")
//!     authorization: &str,
//! ) -> Result<Router, Box<dyn std::error::Error>> {
//!     let logout = Logout::new(verifier, MemoryStore::new());
//!     let events = logout.security_events(transmitter).authorization(authorization).build()?;
//!     Ok(Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(logout.axum_layer())
//!         .route_service("/security-events", events))
//! }
//!
//! async fn me(token: VerifiedToken<Claims>) -> String {
//!     token.sub.clone().unwrap_or_default()
//! }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     use axum::body::Body;
//! #     use http::{Request, StatusCode, header::{AUTHORIZATION, CONTENT_TYPE}};
//! #     use serde_json::json;
//! #     use tower::ServiceExt;
//! #     use tower_logout::{JwtVerifier, token::jwt::{Issuer, TestIssuer}};
//! #     let issuer = TestIssuer::start().await;
//! #     let keys = || Issuer::keys(issuer.url(), issuer.key_set()).audience("https://api.example");
//! #     let app = program::app(JwtVerifier::issuers([keys()]).build()?, keys(), "Bearer of-the-stream")?;
//! #     let token = issuer.token(&json!({ "aud": "https://api.example", "sub": "ann" }));
//! #     let me = || Request::get("/api/v1/me").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
//! #     assert_eq!(app.clone().oneshot(me()?).await?.status(), StatusCode::OK);
//! #     let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #     let event = issuer.sign_exactly(
//! #         &json!({ "typ": "secevent+jwt", "alg": "ES256", "kid": issuer.kid() }),
//! #         &json!({
//! #             "iss": issuer.url(), "aud": "https://api.example", "iat": now, "jti": "1",
//! #             "sub_id": { "format": "iss_sub", "iss": issuer.url(), "sub": "ann" },
//! #             "events": { "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {} },
//! #         }),
//! #     );
//! #     let post = Request::post("/security-events").header(CONTENT_TYPE, "application/secevent+jwt");
//! #     let post = post.header(AUTHORIZATION, "Bearer of-the-stream").body(Body::from(event))?;
//! #     assert_eq!(app.clone().oneshot(post).await?.status(), StatusCode::ACCEPTED);
//! #     assert_eq!(app.oneshot(me()?).await?.status(), StatusCode::UNAUTHORIZED);
//! #     Ok(())
//! # }
//! ```
//!
//! At the provider, register the public address, such as `https://api.example/security-events`, and
//! the value of [`authorization`](crate::endpoint::security_events::SecurityEventsBuilder::authorization). Or let the service do it:
//! [below](#who-creates-the-stream).
//!
//! # Poll
//!
//! Keep the poller for as long as events are to be fetched: it stops when it is dropped, and
//! [`stop`](crate::endpoint::security_events::SecurityEventPoller::stop) acknowledges first what was taken. Every node may poll the same
//! stream.
//!
//! ```rust,no_run
//! use tower_logout::{
//!     Logout,
//!     endpoint::security_events::{SecurityEventPoller, SecurityEventsError},
//!     token::jwt::Issuer,
//! };
//!
//! fn poll(logout: &Logout, token: &str) -> Result<SecurityEventPoller, SecurityEventsError> {
//!     let transmitter = Issuer::transmitter("https://idp.example").audience("https://api.example");
//!     let events = logout.security_events(transmitter).build()?;
//!     events
//!         .poller("https://idp.example/ssf/poll/4f2a") // as the provider has told
//!         .authorization(format!("Bearer {token}"))
//!         .start()
//! }
//! ```
//!
//! A provider that answers every poll at once, as Keycloak does, is asked every 2 to 16 seconds: that
//! is how late a logout can be. [`interval`](crate::endpoint::security_events::SecurityEventPollerBuilder::interval) changes it.
//!
//! # Who creates the stream
//!
//! Often an operator does, at the provider. Otherwise, call
//! [`ensure`](crate::endpoint::security_events::SsfStreamBuilder::ensure) at each start, from each node: it creates the stream, or finds
//! it, and enables it.
//!
//! ```rust,no_run
//! use tower_logout::endpoint::security_events::{SecurityEventPoller, SecurityEvents};
//!
//! # async fn token() -> std::io::Result<String> { Ok(String::new()) }
//! async fn poll(events: &SecurityEvents) -> Result<SecurityEventPoller, Box<dyn std::error::Error>> {
//!     // `token` gets an access token by client credentials, and keeps it until it expires.
//!     let credentials = || async { token().await.map(|token| format!("Bearer {token}")) };
//!     let stream = events.stream().authorization_by(credentials).by_polling().ensure().await?;
//!     Ok(events.poller(&stream).start()?)
//! }
//! ```
//!
//! With push, `push_to(url)` takes the place of `by_polling()`; call it when the service listens, or
//! the verification event arrives too early. [`verify`](crate::endpoint::security_events::SsfStream::verify) shows that events arrive, at
//! whichever node.
//!
//! Some providers send events about a user only after the user was added to the stream (Keycloak:
//! `default_subjects` is `NONE`). That is done at the provider.
//!
//! # What ends
//!
//! [`SecurityEvent::default_decision`] has the table. In short: an ended session ends its tokens; a
//! disabled or deleted account, a credential that was revoked or is compromised, and a changed
//! password end all tokens of the user. Levels of risk, assurance and compliance end nothing unless
//! [`decide`](crate::endpoint::security_events::SecurityEventsBuilder::decide) says so:
//!
//! ```rust
//! use tower_logout::endpoint::security_events::{Decision, EventKind, SecurityEvent};
//!
//! fn decide(event: &SecurityEvent) -> Decision {
//!     match event.kind() {
//!         EventKind::RiskLevelChange if event.member("current_level") == Some("HIGH") => Decision::User,
//!         EventKind::DeviceComplianceChange
//!             if event.member("current_status") == Some("not-compliant") => Decision::Narrowest,
//!         _ => event.default_decision(),
//!     }
//! }
//! ```
//!
//! Nothing that was revoked is ever allowed again: after `account-enabled`, the user signs in anew.
//!
//! # Whom an event is about
//!
//! Tokens name a user by `iss` and `sub`, and a session by `sid`. **An event that names the user in
//! another way, such as by email address, ends nothing by itself**; it is acknowledged, and the event
//! `security event ends nothing` (`WARN`) says so. Map it:
//!
//! ```rust
//! use tower_logout::{
//!     endpoint::{SubjectIdentifier, security_events::{SecurityEventsBuilder, UnmappedSubject}},
//!     revocation::RevocationKey,
//! };
//!
//! # async fn user_by_email(_: &str) -> std::io::Result<Option<String>> { Ok(None) }
//! fn with_directory(builder: SecurityEventsBuilder) -> SecurityEventsBuilder {
//!     builder.resolve(|subject: UnmappedSubject| async move {
//!         let SubjectIdentifier::Email { email } = subject.identifier else { return Ok(Vec::new()) };
//!         let user = user_by_email(&SubjectIdentifier::canonical_email(&email)).await?;
//!         let key = user.map(|sub| RevocationKey::subject("https://idp.example", &sub));
//!         Ok::<_, std::io::Error>(key.into_iter().collect())
//!     })
//! }
//! ```
//!
//! If the tokens carry the email address, make it a
//! [revocable claim](crate::token::jwt::JwtVerifierBuilder::revocable_claim) instead; nothing else is
//! needed then. An identifier without an issuer (`opaque`) is one of the verifier's issuer; if it has
//! several, name the one with [`subjects_of`](crate::endpoint::security_events::SecurityEventsBuilder::subjects_of).
//!
//! If the access tokens have no `sid` and the events name sessions, decide `Decision::User` about
//! `session-revoked`.
//!
//! # When something does not answer
//!
//! An event is acknowledged (202, or in the next poll) only after the store has what it reports. If
//! the store, the provider's keys or the closure of `resolve` is unavailable, it comes again. What
//! came before changes nothing, on any node, also if the user has signed in again since.
//!
//! A stream that the provider pauses or disables delivers nothing, which looks like a quiet day:
//! alert on the event `stream of security events has stopped`, and show
//! [`SecurityEvents::health`] and [`SecurityEventPoller::health`] at your health endpoint.
//!
//! # Providers
//!
//! | provider | sends | note |
//! |---|---|---|
//! | Okta | `session-revoked`, `credential-change` | |
//! | Google (RISC) | the older forms: `subject` in the event, `subject_type` | pushed; accepted |
//! | Authentik (Enterprise) | `subject` in the event: a session, and the user by email address | tokens must carry that session as `sid`; otherwise use `resolve` |
//! | Keycloak (from 26.7, experimental) | `session-revoked` on logout, `credential-change` | polls are answered at once; nothing is sent when a token is revoked |
//!
//! The rows are from the documentation and the source of the providers, and were not run.
//!
//! [`SecurityEvents`]: crate::endpoint::security_events::SecurityEvents
//! [`SecurityEvents::health`]: crate::endpoint::security_events::SecurityEvents::health
//! [`SecurityEventPoller::health`]: crate::endpoint::security_events::SecurityEventPoller::health
//! [`SecurityEvent::default_decision`]: crate::endpoint::security_events::SecurityEvent::default_decision
