//! How tokens of an identity provider, or of several, are accepted.
//!
//! Name the provider and the audience that stands for your service. The verifier finds the keys by
//! the provider's metadata, and follows their rotation:
//!
//! ```rust,no_run
//! use tower_logout::{JwtVerifier, Logout, MemoryStore};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Once for the process: the TLS library needs a crypto provider.
//!     let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
//!
//!     let verifier = JwtVerifier::discover("https://idp.example/") // as in `iss`: the slash counts
//!         .audience("https://api.example")
//!         .start()
//!         .await?;
//!     let logout = Logout::new(verifier, MemoryStore::new());
//! #   let _ = logout;
//!     Ok(())
//! }
//! ```
//!
//! This needs the feature `oidc` for its HTTP client, and `rustls` as a dependency of the
//! application, in the version that `cargo tree` shows.
//!
//! [`start`] is an error if the keys cannot be fetched, which says why and what to do.
//! [`start_lazily`] does not wait: the service comes up before its provider, and answers 503 until
//! the keys are there. Both fetch in the background from then on. [`JwtVerifier::health`] has the
//! state of the keys for a readiness probe.
//!
//! # How keys are followed
//!
//! * A token with a known key never waits, and never causes a request to the provider.
//! * A token with an unknown key (`kid`) waits for one attempt to fetch the keys, which all requests
//!   share. There is at most one in 30 seconds, however many such tokens arrive; between attempts,
//!   they are rejected at once. If an attempt takes longer than the check may wait, the request gets
//!   503, the attempt goes on, and a later request finds the key.
//! * Keys are refreshed as the provider's `Cache-Control` says, after a minute at the earliest and an
//!   hour at the latest. A key that is no longer published is rejected from then on, also for tokens
//!   that were accepted before.
//! * During an outage of the provider the last keys are used, for up to 24 hours. After that, its
//!   tokens are answered with 503. An empty key set counts as an outage.
//! * Entries that cannot be used, such as keys for encryption or of a type that is not supported, are
//!   skipped and reported.
//! * Only `https` is used, redirects are not followed, and responses are limited to 512 KiB and five
//!   seconds. Addresses in a token are never used.
//!
//! [`KeyFetching`] changes the durations:
//!
//! ```rust,no_run
//! use std::time::Duration;
//! use tower_logout::{JwtVerifier, token::jwt::KeyFetching};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let fetching = KeyFetching::new().refresh_between(Duration::from_secs(60), Duration::from_secs(300));
//! let verifier = JwtVerifier::discover("https://idp.example/")
//!     .audience("https://api.example")
//!     .key_fetching(fetching)
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! A provider without metadata has a key set all the same: [`JwtVerifier::jwks`] takes its address.
//! A provider on this machine, for development, may be reached by `http` if
//! [`allow_http_on_loopback`] is set.
//!
//! # Keys that the application has
//!
//! [`JwtVerifier::with_keys`] takes them, and [`replace_keys`] replaces them while the service runs:
//!
//! ```rust
//! use tower_logout::{JwtVerifier, token::jwt::KeySet};
//!
//! /// Takes effect in every clone of the verifier, also in the one that was given to the `Logout`.
//! fn rotate(verifier: &JwtVerifier, jwks: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     verifier.replace_keys(KeySet::jwks(jwks)?)?; // on an error, the old keys stay
//!     Ok(())
//! }
//! #
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let verifier = JwtVerifier::hs256([7; 32]).build()?;
//! #     assert!(rotate(&verifier, "no key set").is_err());
//! #     rotate(&verifier, r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#)
//! # }
//! ```
//!
//! Keep the old key in the set until the last of its tokens has expired. A token with a `kid` is
//! checked with the keys of that `kid` or without one. [`KeySet::skipped`] lists the keys of a
//! document that cannot be used.
//!
//! Keys in other forms: [`Key::pem`], [`Key::der`], [`Key::jwk`], and [`KeySet::pem`] for several.
//! A `Key` is of one family of algorithms, so the `alg` of a token cannot turn a public key into an
//! HMAC secret. A private key is refused.
//!
//! # Several issuers
//!
//! Each issuer has its own keys, and its tokens are verified with these only:
//!
//! ```rust
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, token::jwt::{Algorithm, Issuer, Key}};
//!
//! let customers = Key::secret(Algorithm::HS256, "the secret of the customers' login")?;
//! let staff = Key::secret(Algorithm::HS256, "another secret, of the staff's login")?;
//! let verifier = JwtVerifier::issuers([
//!     Issuer::keys("https://customers.example", customers).audience("shop"),
//!     Issuer::keys("https://staff.example", staff).audience("office").require_jti(),
//! ])
//! .build()?;
//!
//! let new_key = Key::secret(Algorithm::HS256, "a third secret, also for the staff")?;
//! verifier.replace_keys_of("https://staff.example", new_key)?;
//! # Ok(())
//! # }
//! ```
//!
//! Keys can be fetched for some of them and given for others: `Issuer::discover`, `Issuer::jwks`
//! and `Issuer::keys` go together in one list. Over one pool of keys and without [`issuer`], whoever
//! has one of the keys can sign tokens of any issuer.
//!
//! # Tenants
//!
//! If the issuers are not known at the start, a closure decides about them. It gets the `iss` of a
//! token, which **nobody has verified yet**: compare it with what you know, and never derive trust
//! from its form, such as the end of its host name.
//!
//! ```rust,no_run
//! use std::{collections::HashMap, sync::{Arc, RwLock}};
//! use tower_logout::{JwtVerifier, token::jwt::Issuer};
//!
//! /// The audience of each issuer, kept up to date by the application.
//! type Tenants = Arc<RwLock<HashMap<String, String>>>;
//!
//! fn verifier(tenants: Tenants) -> Result<JwtVerifier, Box<dyn std::error::Error>> {
//!     let allow = move |issuer: &str| {
//!         let audience = tenants.read().ok()?.get(issuer)?.clone();
//!         Some(Issuer::discover(issuer).audience(audience))
//!     };
//!     Ok(JwtVerifier::issuers_by(allow).start_lazily()?)
//! }
//! ```
//!
//! The first token of an issuer waits for its keys. When a tenant leaves, call [`forget_issuer`],
//! and [`Revoker::issuer`](crate::Revoker::issuer) to end its live streams as well.
//!
//! # The HTTP client
//!
//! Keys are fetched with an [`HttpClient`], with the feature `oidc`. It verifies certificates with
//! `rustls`, and leaves the choice of the cryptographic library to the application, which installs
//! it at the start of `main`. Without it, `start` is an error that says so; an error of the following
//! line means that there is one already:
//!
//! ```rust
//! // Cargo.toml: rustls = { version = "0.23", default-features = false, features = ["aws_lc_rs", "std"] }
//! let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
//! # assert!(installed.is_ok());
//! ```
//!
//! * **Proxies** are those of the environment: `HTTPS_PROXY`, or else `ALL_PROXY`, and `NO_PROXY`
//!   with the hosts that are reached directly. [`HttpClient::proxy`] sets one in code.
//! * **A company's CA**, which signs the certificate of the provider or of a proxy that decrypts:
//!   install it in the system or in the container image, name its file in `SSL_CERT_FILE`, or give
//!   it to the client. In an image without any certificates, copy
//!   `/etc/ssl/certs/ca-certificates.crt` from another one.
//!
//! ```no_run
//! use tower_logout::{JwtVerifier, fetch::HttpClient};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = HttpClient::new()
//!     .root_certificates(std::fs::read("company-ca.pem")?)?
//!     .proxy("http://proxy.example:3128")?;
//! let verifier = JwtVerifier::discover("https://idp.example")
//!     .audience("https://api.example")
//!     .fetch_with(client)
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Any other client is a closure, which needs no feature: for mutual TLS, a SOCKS proxy, or metrics
//! of the application's requests. It must not follow redirects. With `reqwest`:
//!
//! ```no_run
//! use bytes::Bytes;
//! use tower_logout::JwtVerifier;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = reqwest::Client::builder()
//!     .redirect(reqwest::redirect::Policy::none())
//!     .build()?;
//! let fetch = move |request: http::Request<Bytes>| {
//!     let client = client.clone();
//!     async move {
//!         let response = client.execute(request.try_into()?).await?;
//!         Ok::<http::Response<reqwest::Body>, reqwest::Error>(response.into())
//!     }
//! };
//! let verifier = JwtVerifier::discover("https://idp.example")
//!     .audience("https://api.example")
//!     .fetch_with(fetch)
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What providers write
//!
//! [The next chapter](super::provider_settings) has a section each for Keycloak, Auth0, Entra ID,
//! Okta, Cognito, Google and Zitadel. For any provider:
//!
//! * **`aud`**: many providers issue tokens for several services. Name yours; with
//!   [`allow_any_audience`], a token for another service is good for this one.
//! * **`typ`**: `JWT`, `at+jwt` and no type are accepted; [`typ`] narrows or widens that. An ID
//!   token often has the type `JWT`, too. If your provider follows RFC 9068, [`rfc9068`] excludes
//!   ID tokens and requires the claims that revocations need.
//! * **`jti`**, **`sid`**: not all providers write them. [What the tokens
//!   need](super::first_logout#what-the-tokens-need) says what each makes possible.
//! * **A session or a user in another claim**: [`session_claim`] and [`subject_claim`] name it. The
//!   values of these claims are then what [`Revoker::session`](crate::Revoker::session) and
//!   [`Revoker::subject`](crate::Revoker::subject) take, and what a logout ends.
//! * **`alg`**: the keys decide; [`algorithms`] narrows that to a list.
//! * **`client_id`** or **`azp`**: the client, which [`Revoker::client`](crate::Revoker::client)
//!   revokes by.
//! * **Long tokens**, such as those with hundreds of roles: raise
//!   [`TokenSource::max_token_len`](crate::token::TokenSource::max_token_len) from 8 KiB.
//! * **`cnf`**: a token that is bound to a key of its client (DPoP, mutual TLS) is rejected, unless
//!   a proxy verifies the binding and [`allow_unverified_binding`] says so.
//! * **An integer as `sub`**: [`allow_integer_subject`].
//! * **Opaque tokens**, which only the provider can read: see [below](#opaque-tokens).
//!
//! # Opaque tokens
//!
//! Some providers issue tokens that only they can read. With the feature `oidc`, [`Introspection`]
//! asks the provider about them (RFC 7662). It needs the address of the provider's
//! `introspection_endpoint`, the issuer, and credentials of this service: register it at the
//! provider as a client that may introspect.
//!
//! ```rust
//! # fn run(secret: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{Logout, MemoryStore, token::introspection::Introspection};
//!
//! let verifier = Introspection::at("https://idp.example/oauth2/introspect", "https://idp.example/")
//!     .client_secret_basic("orders", secret) // or client_secret_post, bearer_token
//!     .audience("https://api.example") // if the answers have `aud`
//!     .build()?;
//! let logout = Logout::new(verifier, MemoryStore::new());
//! # Ok(())
//! # }
//! # fn main() {
//! #     run("geheim").unwrap();
//! # }
//! ```
//!
//! * **A logout here takes effect at once.** An answer is cached for 15 seconds ([`cache_for`]), but
//!   the revocation store is asked on every request. What is revoked only at the provider is
//!   noticed when the answer is too old. So a long caching time costs nothing if users log out
//!   here, and a provider that is slow or down for a while is not noticed by those whose tokens are
//!   known.
//! * **401 or 503.** A token is rejected only if the provider says `"active": false`. If it does not
//!   answer, rejects this service's credentials, or answers with anything else, requests get 503,
//!   and clients keep their tokens. The event `introspection failed` has the remedy.
//! * **What it is revoked by** is read from the answer: `jti`, `sid`, `sub`, `client_id`. Many
//!   providers leave out `sid`, and some leave out `jti`; the token's text then stands for it. A
//!   token without `iat` counts as older than every revocation of its subject.
//! * **Claims** come from the answer into the application's type, as for JWTs.
//! * **Signed answers** (RFC 9701): pass the provider's keys to [`signed_answers`].
//!
//! A provider that issues JWTs as well does not always introspect them, and need not: with
//! [`or_opaque`], JWTs are verified by their signatures, and only other tokens are asked about.
//!
//! ```rust
//! # fn run(secret: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, Logout, MemoryStore, token::introspection::Introspection};
//!
//! # let jwks = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
//! # let keys = tower_logout::token::jwt::KeySet::jwks(jwks)?;
//! let opaque = Introspection::at("https://idp.example/oauth2/introspect", "https://idp.example/")
//!     .client_secret_basic("orders", secret)
//!     .audience("https://api.example")
//!     .build()?;
//! let verifier = JwtVerifier::with_keys(keys)
//!     .issuer("https://idp.example/")
//!     .audience("https://api.example")
//!     .build()?
//!     .or_opaque(opaque);
//! let logout = Logout::new(verifier, MemoryStore::new());
//! # Ok(())
//! # }
//! # fn main() {
//! #     run("geheim").unwrap();
//! # }
//! ```
//!
//! # What a logout here does not do
//!
//! It revokes tokens for your services. The session at the provider goes on: a user who is sent
//! there may come back with a new token, without a password. Send the browser to the provider's
//! logout as well, and end the session's refresh tokens there. For the other direction, see
//! [`logout_at_the_provider`](super::logout_at_the_provider).
//!
//! [`HttpClient`]: crate::fetch::HttpClient
//! [`HttpClient::proxy`]: crate::fetch::HttpClient::proxy
//! [`Introspection`]: crate::token::introspection::Introspection
//! [`cache_for`]: crate::token::introspection::IntrospectionBuilder::cache_for
//! [`signed_answers`]: crate::token::introspection::IntrospectionBuilder::signed_answers
//! [`or_opaque`]: crate::JwtVerifier::or_opaque
//! [`Key::pem`]: crate::token::jwt::Key::pem
//! [`Key::der`]: crate::token::jwt::Key::der
//! [`Key::jwk`]: crate::token::jwt::Key::jwk
//! [`KeySet::pem`]: crate::token::jwt::KeySet::pem
//! [`KeySet::skipped`]: crate::token::jwt::KeySet::skipped
//! [`issuer`]: crate::token::jwt::JwtVerifierBuilder::issuer
//! [`typ`]: crate::token::jwt::JwtVerifierBuilder::typ
//! [`allow_any_audience`]: crate::token::jwt::JwtVerifierBuilder::allow_any_audience
//! [`allow_unverified_binding`]: crate::token::jwt::JwtVerifierBuilder::allow_unverified_binding
//! [`allow_integer_subject`]: crate::token::jwt::JwtVerifierBuilder::allow_integer_subject
//! [`rfc9068`]: crate::token::jwt::JwtVerifierBuilder::rfc9068
//! [`session_claim`]: crate::token::jwt::JwtVerifierBuilder::session_claim
//! [`subject_claim`]: crate::token::jwt::JwtVerifierBuilder::subject_claim
//! [`algorithms`]: crate::token::jwt::JwtVerifierBuilder::algorithms
//! [`start`]: crate::token::jwt::JwtVerifierBuilder::start
//! [`start_lazily`]: crate::token::jwt::JwtVerifierBuilder::start_lazily
//! [`allow_http_on_loopback`]: crate::token::jwt::JwtVerifierBuilder::allow_http_on_loopback
//! [`JwtVerifier::health`]: crate::JwtVerifier::health
//! [`JwtVerifier::jwks`]: crate::JwtVerifier::jwks
//! [`JwtVerifier::with_keys`]: crate::JwtVerifier::with_keys
//! [`KeyFetching`]: crate::token::jwt::KeyFetching
//! [`forget_issuer`]: crate::JwtVerifier::forget_issuer
//! [`replace_keys`]: crate::JwtVerifier::replace_keys
