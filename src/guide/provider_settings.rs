//! What Keycloak, Auth0, Entra ID, Okta, Cognito, Google and Zitadel write into their tokens, and
//! which settings fit.
//!
//! **None of these providers was tried with this crate.** What follows is from their documentation
//! and issue trackers, read in 2026; what is only reported by users says so. (The providers that the
//! tests of this crate run are `oidc-provider` and Glewlwyd.) Before you rely on it, decode one of
//! your tokens and compare: `iss`, `aud`, `typ`, `jti`, `sid`, and how far `exp` is from `iat`.
//!
//! | provider | `iss` ends in | `typ` | `jti` | session | subject | [`rfc9068`] |
//! |---|---|---|---|---|---|---|
//! | [Keycloak](#keycloak) | the realm, no slash | `JWT`, or `at+jwt` by choice | yes | `sid` | `sub` | with a mapper |
//! | [Auth0](#auth0) | **`/`** | `JWT`, or `at+jwt` by choice | by choice | a claim of your own | `sub` | by choice |
//! | [Entra ID](#entra-id) | `/v2.0` | `JWT` | no (`uti`) | optional | `oid` | no |
//! | [Okta](#okta) | the server's name, no slash | `JWT` | yes | no | `uid` | no |
//! | [Cognito](#cognito) | the pool, no slash | none | yes | `origin_jti` | `sub` | no |
//! | [Google](#google) | the host, no slash | `JWT` | – | no | `sub` | no |
//! | [Zitadel](#zitadel) | the host, no slash | not documented | yes | no | `sub` | – |
//!
//! Two rules hold for all of them:
//!
//! * **Use the issuer as the provider writes it.** The verifier compares it with `iss` and with the
//!   metadata, character by character. If they differ, the error of [`start`] shows both.
//! * **Set [`max_lifetime`] to the longest lifetime that the provider is configured for.** A
//!   revocation of a session or a user is kept that long, and a token that lives longer is rejected.
//!   The default of 366 days is safe, and keeps revocations that nobody needs.
//!
//! # Keycloak
//!
//! ```rust,no_run
//! # use std::time::Duration;
//! # use tower_logout::JwtVerifier;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = JwtVerifier::discover("https://sso.example/realms/main")
//!     .audience("https://api.example")
//!     .require_jti()
//!     .max_lifetime(Duration::from_secs(3600))
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! * **`aud`** has your service only if a mapper adds it: *Client scopes*, *Audience* mapper,
//!   *Included Custom Audience*. The client that asked for the token is in `azp`.
//! * **`sid`** is in the tokens of user sessions, so [`LogoutScope::Session`] works. Tokens of
//!   client credentials have none.
//! * **`sub`** is missing if the client scope `basic` was removed.
//! * **`typ`** is `JWT`. Since 26.2, each client has the option *Use "at+jwt" as access token header
//!   type*. It changes the header alone: for [`rfc9068`], a mapper must add `client_id` as well.
//!   Without one, `.typ("at+jwt").require_jti()` excludes ID tokens.
//! * **`alg`** is a setting of each client. With [`algorithms`], list all that are used.
//! * The key set has a key for encryption (`RSA-OAEP`), which is skipped and reported once.
//!
//! # Auth0
//!
//! ```rust,no_run
//! # use std::time::Duration;
//! # use tower_logout::JwtVerifier;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = JwtVerifier::discover("https://example.eu.auth0.com/") // with the slash
//!     .audience("https://api.example") // the identifier of the API
//!     .rfc9068()
//!     .session_claim("https://api.example/sid")
//!     .max_lifetime(Duration::from_secs(24 * 3600))
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! * **Ask for the audience** when you request a token; otherwise the token is opaque, for Auth0
//!   itself. `aud` can be a list that also has the address of `userinfo`.
//! * **`jti`, `client_id` and `at+jwt`** are written if the API uses the token profile RFC 9068
//!   (`rfc9068_profile`). The default profile has none of them, but `azp`: leave out [`rfc9068`],
//!   and each token is identified by its signed part.
//! * **`sid`** is not in access tokens, and is one of the names that an Action cannot set. An Action
//!   can add it under a name of your own, which [`session_claim`] reads:
//!   `api.accessToken.setCustomClaim("https://api.example/sid", event.session?.id)`.
//! * With a custom domain, `iss` is that domain, for tokens that were requested there.
//! * A token for a custom API lives 24 hours unless the API sets another lifetime.
//!
//! # Entra ID
//!
//! ```rust,no_run
//! # use std::time::Duration;
//! # use tower_logout::JwtVerifier;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let tenant = "11111111-2222-3333-4444-555555555555";
//! let verifier = JwtVerifier::discover(format!("https://login.microsoftonline.com/{tenant}/v2.0"))
//!     .audience("66666666-7777-8888-9999-000000000000") // the client ID of the API
//!     .subject_claim("oid")
//!     .max_lifetime(Duration::from_secs(2 * 3600))
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! * **Use tokens of version 2**: set `requestedAccessTokenVersion` to 2 in the manifest of the API.
//!   Tokens of version 1 have another issuer (`https://sts.windows.net/{tenant}/`) and audience.
//! * **Name the tenant.** The addresses with `common` and `organizations` have metadata whose issuer
//!   is a template, which [`start`] rejects. For several tenants, see
//!   [tenants](super::identity_providers#tenants).
//! * **`sub`** is different for each application; **`oid`** is one for the user in the tenant, and is
//!   what Microsoft Graph calls `id`. It is written if the client has asked for the scope `profile`.
//! * **`jti`** is absent: each token is identified by its signed part. **`sid`** is an optional claim
//!   that the API's registration can add.
//! * The client is in **`azp`**; in version 1 it is in `appid`, which
//!   [`revocable_claim`] makes revocable.
//! * **`iat`** is reported to lie five minutes before the token was issued (AppAuth-iOS#264,
//!   oidc-spa#162). After a revocation of the user, tokens of a new login are therefore rejected as
//!   revoked until five minutes have passed. A logout of the token alone has no such effect.
//! * Tokens live 60 to 90 minutes; with continuous access evaluation, up to 28 hours.
//!
//! # Okta
//!
//! ```rust,no_run
//! # use std::time::Duration;
//! # use tower_logout::JwtVerifier;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = JwtVerifier::discover("https://example.okta.com/oauth2/default")
//!     .audience("api://default")
//!     .require_jti()
//!     .subject_claim("uid")
//!     .revocable_claim("cid")
//!     .max_lifetime(Duration::from_secs(24 * 3600))
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! * **Use a custom authorization server**, such as `default`. Tokens of the organisation's own
//!   server (`https://example.okta.com`) are for Okta alone, which asks others to treat them as
//!   opaque; their `typ` is `application/okta-internal-at+jwt`, which is rejected.
//! * **`sub`** is the user's login name, which can change; **`uid`** is the identifier. Tokens of
//!   client credentials have no `uid`.
//! * The client is in **`cid`**: [`Revoker::claim`](crate::Revoker::claim) revokes by it.
//! * **`sid`** is not written.
//! * **`scp`** is a list: read it in a claims type of your own, since `scope` is absent.
//! * An access policy sets the lifetime, from five minutes to 24 hours.
//!
//! # Cognito
//!
//! ```rust,no_run
//! # use std::time::Duration;
//! # use tower_logout::JwtVerifier;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = JwtVerifier::discover("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI")
//!     .audience("https://api.example") // tokens that are bound to this resource
//!     .require_jti()
//!     .session_claim("origin_jti")
//!     .max_lifetime(Duration::from_secs(24 * 3600))
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! * **`aud`** is in an access token only if the client has asked for one with the parameter
//!   `resource`. If yours do not, leave out `audience`: tokens without `aud` are then accepted, and
//!   ID tokens, which have one, are still rejected. Compare `client_id` with your clients in that
//!   case, because tokens of every client of the pool are accepted.
//! * **`origin_jti`** is the same in all tokens of one sign-in, so it serves as the session. It and
//!   `jti` are written if token revocation is enabled, as it is for new clients.
//! * **`typ`** is absent; `token_use` tells `access` from `id`. With an audience configured, require
//!   `access` in a claims type of your own.
//! * Keys for access tokens and ID tokens differ, and are in one set.
//! * The client sets the lifetime, from five minutes to a day.
//!
//! # Google
//!
//! Google's access tokens are opaque and meant for Google. What a service can verify is the **ID
//! token** of a user who has signed in:
//!
//! ```rust,no_run
//! # use std::time::Duration;
//! # use tower_logout::JwtVerifier;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = JwtVerifier::discover("https://accounts.google.com")
//!     .audience("123-abc.apps.googleusercontent.com") // your client ID
//!     .max_lifetime(Duration::from_secs(2 * 3600))
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! * An ID token tells your client who the user is. Google recommends to verify it once and then to
//!   begin a session of your own; tokens of that session are the ones to log out.
//! * **`sub`** is the user's identifier; `email` can change. There is no session in the token.
//! * ID tokens live an hour and are not refreshed without the user's session at Google.
//!
//! # Zitadel
//!
//! ```rust,no_run
//! # use std::time::Duration;
//! # use tower_logout::JwtVerifier;
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = JwtVerifier::discover("https://example.zitadel.cloud")
//!     .audience("69234237810729019") // the ID of the project
//!     .require_jti()
//!     .max_lifetime(Duration::from_secs(12 * 3600))
//!     .start()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! * Access tokens are **opaque** unless the application's token settings say *JWT*.
//! * **`aud`** has the IDs of the project and of all its clients. With the project's ID as the
//!   audience, tokens of each of these clients are accepted, and so are their ID tokens: require
//!   `jti`, which ID tokens do not have.
//! * The documentation lists `jti`, `azp` and `sub` for access tokens, and neither `sid` nor
//!   `client_id`, so [`rfc9068`] does not fit.
//!
//! [`rfc9068`]: crate::token::jwt::JwtVerifierBuilder::rfc9068
//! [`start`]: crate::token::jwt::JwtVerifierBuilder::start
//! [`max_lifetime`]: crate::token::jwt::JwtVerifierBuilder::max_lifetime
//! [`algorithms`]: crate::token::jwt::JwtVerifierBuilder::algorithms
//! [`session_claim`]: crate::token::jwt::JwtVerifierBuilder::session_claim
//! [`revocable_claim`]: crate::token::jwt::JwtVerifierBuilder::revocable_claim
//! [`LogoutScope::Session`]: crate::LogoutScope::Session
