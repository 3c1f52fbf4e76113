//! How an identity provider ends all tokens of a user at once: Global Token Revocation, which Okta
//! calls Universal Logout.
//!
//! An administrator disables a user, or the provider notices that an account was taken over. It then
//! calls an endpoint of each application, with the user, and every access token of that user is
//! rejected, on every node. It is a draft (`draft-parecki-oauth-global-token-revocation`), which Okta
//! and Auth0 have deployed.
//!
//! Mount the endpoint outside the layer, and say how the provider authenticates:
//!
//! ```rust
//! # mod program {
//! use axum::{Router, routing::get};
//! use tower_logout::{
//!     Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken, endpoint::GlobalRevocationAuth,
//! };
//!
//! # pub
//! fn app(verifier: JwtVerifier, secret: &str) -> Result<Router, Box<dyn std::error::Error>> {
//!     let logout = Logout::new(verifier, MemoryStore::new());
//!     let from_provider = logout.global_revocation(GlobalRevocationAuth::bearer(secret)).build()?;
//!     Ok(Router::new()
//!         .route("/api/v1/me", get(me))
//!         .layer(logout.axum_layer())
//!         .route_service("/global-token-revocation", from_provider))
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
//! #     let app = program::app(JwtVerifier::issuers([keys]).build()?, "5d0b4a3a6c1f4e2d")?;
//! #     let token = issuer.token(&json!({ "aud": "https://api.example", "sub": "ann" }));
//! #     let me = || Request::get("/api/v1/me").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
//! #     assert_eq!(app.clone().oneshot(me()?).await?.status(), StatusCode::OK);
//! #     let user = json!({ "sub_id": { "format": "iss_sub", "iss": issuer.url(), "sub": "ann" } });
//! #     let post = Request::post("/global-token-revocation").header(CONTENT_TYPE, "application/json");
//! #     let post = post.header(AUTHORIZATION, "Bearer 5d0b4a3a6c1f4e2d").body(Body::from(user.to_string()))?;
//! #     assert_eq!(app.clone().oneshot(post).await?.status(), StatusCode::NO_CONTENT);
//! #     assert_eq!(app.oneshot(me()?).await?.status(), StatusCode::UNAUTHORIZED);
//! #     Ok(())
//! # }
//! ```
//!
//! ```text
//! curl -X POST http://127.0.0.1:3000/global-token-revocation -H "Authorization: Bearer $GTR_BEARER" \
//!     -H 'content-type: application/json' \
//!     -d '{"sub_id":{"format":"iss_sub","iss":"https://idp.example","sub":"usr_123"}}'
//! ```
//!
//! 204 means that the store has the revocation. [`GlobalRevocation`] has the other answers.
//!
//! # Okta
//!
//! Okta signs a token for each request, with the keys of the organization:
//!
//! ```rust
//! # fn app(logout: &tower_logout::Logout) -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{endpoint::GlobalRevocationAuth, token::jwt::Issuer};
//!
//! let okta = GlobalRevocationAuth::signed_jwt(
//!     Issuer::jwks("https://acme.okta.com", "https://acme.okta.com/oauth2/v1/keys"),
//!     "0oa1b2c3",                                        // the client identifier of the application
//!     "https://api.example/global-token-revocation",     // this endpoint, as Okta calls it
//! );
//! let endpoint = logout.global_revocation(okta).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! In the settings of the application at Okta, under Universal Logout: the URL of the endpoint, as
//! authentication a signed JWT, and as subject format *Issuer and subject identifier* or *Email
//! address*.
//!
//! * **The issuer of the signed token is the organization**, `https://acme.okta.com` or its own
//!   domain, without a slash. That is often not the issuer of access tokens, which is an
//!   authorization server such as `https://acme.okta.com/oauth2/default`.
//! * **So is the issuer of the user** (`iss_sub`). If it is not one of the verifier's, the answer is
//!   403. Map the user with a closure, as below.
//! * **In access tokens of Okta, `sub` is the login of the user, and `uid` the identifier** that
//!   `iss_sub` has. Read the subject from `uid` with
//!   [`subject_claim`](crate::token::jwt::JwtVerifierBuilder::subject_claim).
//!
//! What Okta sends is taken from its documentation, and was not tried with an account there.
//!
//! # Users that tokens do not name
//!
//! Providers name a user by an email address, or as another issuer knows them. A closure says which
//! tokens are meant, and is asked whenever the request does not say it by itself:
//!
//! ```rust
//! # fn app(logout: &tower_logout::Logout, okta: tower_logout::endpoint::GlobalRevocationAuth) -> Result<(), Box<dyn std::error::Error>> {
//! # async fn user_of(_: &str) -> Result<Option<String>, std::io::Error> { Ok(None) }
//! use tower_logout::{endpoint::SubjectIdentifier, revocation::RevocationKey};
//!
//! const TOKENS: &str = "https://acme.okta.com/oauth2/default"; // the issuer of access tokens
//!
//! let endpoint = logout
//!     .global_revocation(okta)
//!     .resolve(async |subject| {
//!         let user = match subject {
//!             SubjectIdentifier::IssSub { iss, sub } if iss == "https://acme.okta.com" => Some(sub),
//!             SubjectIdentifier::Email { email } => {
//!                 user_of(&SubjectIdentifier::canonical_email(&email)).await?
//!             }
//!             _ => None,
//!         };
//!         // None: the user is unknown, which is answered with 404.
//!         Ok(user.map(|user| RevocationKey::subject(TOKENS, &user)).into_iter().collect())
//!     })
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! If access tokens contain the address, no closure is needed: make the claim revocable
//! ([`revocable_claim`](crate::token::jwt::JwtVerifierBuilder::revocable_claim)), and name it with
//! [`email_claim`](crate::endpoint::GlobalRevocationBuilder::email_claim). Addresses are compared as
//! they are written, except for the case of the domain.
//!
//! A 404 tells the provider who has an account here. If it must not know,
//! [`unknown_as_success`](crate::endpoint::GlobalRevocationBuilder::unknown_as_success) makes it a 204.
//!
//! # Several tenants
//!
//! A credential can end the tokens of everybody whom the endpoint knows. If each tenant has a
//! provider of its own, mount an endpoint for each, under a path of its own, with its credential and
//! with [`issuers`](crate::endpoint::GlobalRevocationBuilder::issuers): a user of another issuer is
//! then answered with 403.
//!
//! # Why nothing happens
//!
//! * **401.** The event `message refused by the configuration` (`WARN`) or `message refused` (`DEBUG`)
//!   has the reason, such as `audience`: the URL here and at the provider differ, as by a slash.
//! * **400.** The body is malformed, or names the user in a way that nothing maps: set a closure.
//! * **204, and tokens are still accepted.** Tokens name another subject than the request: decode one
//!   and compare.
//!
//! [`GlobalRevocation`]: crate::endpoint::GlobalRevocation
