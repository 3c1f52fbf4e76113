//! How tokens of an identity provider, or of several, are accepted.
//!
//! Give the verifier the provider's public keys, its issuer, and the audience that stands for your
//! service:
//!
//! ```rust
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_logout::{JwtVerifier, token::jwt::KeySet};
//!
//! // The document at the provider's `jwks_uri`, saved to a file or fetched by the application.
//! # let jwks = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
//! # const _: &str = stringify!(
//! let jwks = std::fs::read_to_string("jwks.json")?;
//! # );
//! let verifier = JwtVerifier::with_keys(KeySet::jwks(&jwks)?)
//!     .issuer("https://idp.example/") // compared exactly: the slash counts
//!     .audience("https://api.example")
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! The verifier does not fetch keys. The application reads them where it finds them, and replaces
//! them while the service runs:
//!
//! ```rust
//! use tower_logout::{JwtVerifier, token::jwt::KeySet};
//!
//! /// Called by a timer of the application, with the document that it has fetched. Takes effect in
//! /// every clone of the verifier, also in the one that was given to the `Logout`.
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
//! Over one pool of keys and without [`issuer`], whoever has one of the keys can sign tokens of any
//! issuer.
//!
//! # What providers write
//!
//! * **`aud`**: many providers issue tokens for several services. Name yours; with
//!   [`allow_any_audience`], a token for another service is good for this one.
//! * **`typ`**: `JWT`, `at+jwt` and no type are accepted; [`typ`] narrows or widens that.
//! * **`jti`**, **`sid`**: not all providers write them. [What the tokens
//!   need](super::first_logout#what-the-tokens-need) says what each makes possible.
//! * **`client_id`** or **`azp`**: the client, which [`Revoker::client`](crate::Revoker::client)
//!   revokes by.
//! * **Long tokens**, such as those with hundreds of roles: raise
//!   [`TokenSource::max_token_len`](crate::token::TokenSource::max_token_len) from 8 KiB.
//! * **`cnf`**: a token that is bound to a key of its client (DPoP, mutual TLS) is rejected, unless
//!   a proxy verifies the binding and [`allow_unverified_binding`] says so.
//! * **An integer as `sub`**: [`allow_integer_subject`].
//! * **Opaque tokens**, which only the provider can read: write [a verifier](super::own_verifier).
//!
//! # What a logout here does not do
//!
//! It revokes tokens for your services. The session at the provider goes on: a user who is sent
//! there may come back with a new token, without a password. Send the browser to the provider's
//! logout as well, and end the session's refresh tokens there.
//!
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
