//! How a logout at the identity provider reaches this service, so that the access tokens end.
//!
//! A logout here ends the tokens here, and a logout at the provider ends the session there. The
//! access tokens of that session stay valid at every API until they expire, unless the provider
//! tells the API. There are standards for it, and a receiver for each:
//!
//! | the provider offers | receiver | section |
//! |---|---|---|
//! | OpenID Connect Back-Channel Logout 1.0 | [`Logout::backchannel`](crate::Logout::backchannel) | [below](#back-channel-logout) |
//! | security events: Shared Signals Framework 1.0, CAEP, RISC | [`Logout::security_events`](crate::Logout::security_events) | [its own chapter](super::security_events) |
//! | Global Token Revocation, such as Okta's Universal Logout | [`Logout::global_revocation`](crate::Logout::global_revocation) | [its own chapter](super::global_revocation) |
//!
//! All of them revoke in the store of the [`Logout`](crate::Logout): the tokens are rejected on
//! every node, and what they have opened ends.
//!
//! # What your provider can send, and what it ends here
//!
//! | provider | sends | ends here | settings |
//! |---|---|---|---|
//! | Keycloak | logout tokens with `sub` and `sid`, when a user logs out or an administrator ends a session | the session: its access tokens have `sid` | leave the algorithms alone: Keycloak may sign with that of another client. "Sign out all active sessions" of a realm and a disabled user send nothing |
//! | `oidc-provider` (tried: 8.8.1) | logout tokens with `sub`, and with `sid` if the client has `backchannel_logout_session_required` | the session, if `extraTokenClaims` writes `sid` into access tokens; otherwise the user | without `sid` in access tokens: [`always_end_subject`] |
//! | Glewlwyd (tried: 2.7.5) | logout tokens with `sub` and `sid`, without `exp` | the user: its access tokens have no `sid` | [`allow_missing_expiry`], [`always_end_subject`] |
//! | Ory Hydra | logout tokens with `sid`, without `sub` and `exp` | the session, if the consent application writes `sid` into access tokens; otherwise nothing | [`allow_missing_expiry`] |
//! | Auth0 (Enterprise) | logout tokens with `sub` and `sid`, to public `https` addresses | the session, if an Action writes `event.session.id` into a claim that [`session_claim`] names; otherwise the user | without such a claim: [`always_end_subject`] |
//! | Duende `IdentityServer` | logout tokens with `sub` and `sid` | the session: access tokens of interactive flows have `sid` | |
//! | Authentik | logout tokens | the session or the user, as access tokens name it | |
//! | Okta | no logout tokens; [security events](super::security_events); [global revocations](super::global_revocation) (Universal Logout) | the session or the user; global revocations, the user | tokens name the user by `uid`: [`subject_claim`] |
//! | Entra ID | no logout tokens, only front-channel requests, which do not name the issuer | | |
//! | Google | no logout tokens; [security events](super::security_events) (RISC) | the user | |
//!
//! The rows without "tried" are from the documentation, the source or the issues of the providers,
//! and were not run. [The chapter on their settings](super::provider_settings) says what their access
//! tokens contain.
//!
//! # Back-channel logout
//!
//! Mount the endpoint outside the layer, because the provider sends no bearer token, and from the
//! same [`Logout`](crate::Logout) as the layer:
//!
//! ```rust
//! # mod program {
//! use axum::{Router, routing::get};
//! use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken};
//!
//! /// `verifier` has the keys of the provider; see the chapter on identity providers.
//! # pub
//! fn app(verifier: JwtVerifier) -> Result<Router, Box<dyn std::error::Error>> {
//!     let logout = Logout::new(verifier, MemoryStore::new());
//!     let from_provider = logout.backchannel("shop").build()?; // the client at which users sign in
//!     Ok(Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(logout.axum_layer())
//!         .route_service("/backchannel-logout", from_provider))
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
//! #     let keys = Issuer::keys(issuer.url(), issuer.key_set()).audience("https://api.example");
//! #     let app = program::app(JwtVerifier::issuers([keys]).build()?)?;
//! #     let token = issuer.token(&json!({ "aud": "https://api.example", "sub": "ann", "sid": "one" }));
//! #     let me = || Request::get("/api/v1/me").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
//! #     assert_eq!(app.clone().oneshot(me()?).await?.status(), StatusCode::OK);
//! #     let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #     let logout_token = issuer.sign_exactly(
//! #         &json!({ "typ": "logout+jwt", "alg": "ES256", "kid": issuer.kid() }),
//! #         &json!({
//! #             "iss": issuer.url(), "aud": "shop", "iat": now, "exp": now + 120, "jti": "1", "sid": "one",
//! #             "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
//! #         }),
//! #     );
//! #     let post = Request::post("/backchannel-logout").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
//! #     let post = post.body(Body::from(format!("logout_token={logout_token}")))?;
//! #     assert_eq!(app.clone().oneshot(post).await?.status(), StatusCode::OK);
//! #     assert_eq!(app.oneshot(me()?).await?.status(), StatusCode::UNAUTHORIZED);
//! #     Ok(())
//! # }
//! ```
//!
//! At the provider, set for the client:
//!
//! * **`backchannel_logout_uri`**: the public address of the endpoint, such as
//!   `https://api.example/backchannel-logout`. The provider must reach it; an address of this machine
//!   is often refused.
//! * **`backchannel_logout_session_required`**: yes, so that a logout ends one session and not all of
//!   the user.
//!
//! The client is the application at which users sign in, and not the API: its identifier is the
//! audience of the logout token. If users of several applications call the API, each of them
//! registers the address, and each identifier is added with
//! [`client`](crate::endpoint::BackchannelLogoutBuilder::client).
//!
//! ## What ends
//!
//! A logout token with `sid` ends that session: the access tokens with the same `sid`, or the claim
//! that [`session_claim`] names. A token with `sub` alone ends all sessions of the user. So access
//! tokens must have what logout tokens name: decode one of each. **If your access tokens have no
//! `sid` and the logout tokens do, the endpoint answers 200 and nothing ends**, because it cannot
//! know the tokens of all sessions: set [`always_end_subject`].
//!
//! What was issued up to the delivery ends, and nothing that is issued later. If the user has granted
//! `offline_access`, the application may get a new access token by its refresh token, with the same
//! `sid`: that is what offline access means, and the provider ends it elsewhere.
//!
//! If the tokens name the user in another claim ([`subject_claim`], such as `oid`), that claim is read
//! from the logout token as well. Without it, a logout of the user is refused, and the event `message
//! refused by the configuration` says so.
//!
//! ## When something does not answer
//!
//! 200 means that the store has the revocation. If the store or the provider's keys are unavailable,
//! the answer is 503 with `Retry-After`. Some providers deliver again, and some do not:
//! `oidc-provider` logs an error and goes on. So watch `tower_logout_messages_total` with the outcome
//! `unavailable`, and keep access tokens short-lived: they are the second line.
//!
//! Providers wait for seconds only (`oidc-provider` 2.5, better-auth 5, Hydra 30). The answer waits
//! for the store, and never for other nodes.
//!
//! ## Several nodes
//!
//! The provider delivers to one of them, and all others learn of it as of any logout: see
//! [`several_nodes`](super::several_nodes). A repeated delivery changes nothing, on whichever node it
//! arrives, also after a restart, and also if the user has signed in again since.
//!
//! ## Who may call it
//!
//! Everybody: the signature is the authentication. A forged logout token costs a signature check at
//! most, one with an unknown key at most one request for keys in 30 seconds
//! ([`KeyFetching::cooldown`](crate::token::jwt::KeyFetching::cooldown)), and neither leaves anything
//! in memory. A body has 64 KiB at most and five seconds to arrive. If the provider's addresses are
//! known, a firewall may admit only these.
//!
//! ## Encrypted logout tokens
//!
//! A client that is registered with `id_token_encrypted_response_alg` gets encrypted logout tokens.
//! Pass a closure that decrypts them, with the library of your choice, to
//! [`decrypt`](crate::endpoint::BackchannelLogoutBuilder::decrypt).
//!
//! ## Opaque access tokens
//!
//! An [`Introspection`](crate::token::introspection::Introspection) has no keys, so name the provider:
//! `logout.backchannel("shop").issuer(Issuer::discover("https://idp.example")).build()?`. The answers
//! about tokens must contain what logout tokens name.
//!
//! ## Why nothing happens
//!
//! * **The provider logs 400.** The event `message refused by the configuration` (`WARN`) or `message
//!   refused` (`DEBUG`) has the reason.
//! * **The provider logs 200, and the token is accepted.** It names another session than the access
//!   token: compare both.
//! * **Nothing arrives.** Not every logout is announced: see the table above.
//!
//! ## Testing
//!
//! [`TestIssuer`](crate::token::jwt::TestIssuer) signs logout tokens with
//! [`sign_exactly`](crate::token::jwt::TestIssuer::sign_exactly). With a provider of your own, the
//! example `oidc` shows the whole way.
//!
//! [`allow_missing_expiry`]: crate::endpoint::BackchannelLogoutBuilder::allow_missing_expiry
//! [`always_end_subject`]: crate::endpoint::BackchannelLogoutBuilder::always_end_subject
//! [`session_claim`]: crate::token::jwt::JwtVerifierBuilder::session_claim
//! [`subject_claim`]: crate::token::jwt::JwtVerifierBuilder::subject_claim
