//! The user's guide: what applications need, with code to copy.
//!
//! Each chapter answers one question in its first lines, and explains afterwards. Read the first
//! two, and then what you need. All examples are compiled, and most of them run, with the tests of
//! this crate. The reference documentation of each item is linked where it is used.
//!
//! | chapter | question |
//! |---|---|
//! | [`first_logout`] | How is a service protected, from an empty folder to a logout that works? |
//! | [`claims_and_roles`] | How do handlers get the application's own claims, and how are roles enforced? |
//! | [`choosing_a_store`] | Where are revocations kept, and what does each store promise? |
//! | [`several_nodes`] | How do several nodes share revocations? |
//! | [`several_regions`] | How do regions share revocations, and how does a fleet move to another store? |
//! | [`identity_providers`] | How are tokens of an identity provider, or of several, accepted? |
//! | [`provider_settings`] | Which settings fit Keycloak, Auth0, Entra ID, Okta, Cognito, Google and Zitadel? |
//! | [`logout_at_the_provider`] | How does a logout at the identity provider end the tokens here? |
//! | [`security_events`] | How do security events of a provider, such as a disabled account, end the tokens here? |
//! | [`global_revocation`] | How does a provider, such as Okta, end all tokens of a user at once? |
//! | [`mcp_servers`] | How do clients that do not know the service, such as MCP's, find out where to get a token? |
//! | [`streams_and_websockets`] | What ends when a token is revoked, and what must a handler do? |
//! | [`sessions_and_devices`] | How are a session, a user, or all other devices logged out? |
//! | [`refresh_tokens`] | How do refresh tokens end with a logout, and how are they redeemed? |
//! | [`cookies_and_csrf`] | How does a browser application keep its token in a cookie? |
//! | [`frameworks`] | Where does the layer belong in a stack, and how is it used with hyper, gRPC and others? |
//! | [`testing`] | How does an application test its routes and its handlers? |
//! | [`own_verifier`] | How are tokens accepted that are not JWTs, or that another layer has verified? |
//! | [`own_store`] | How is a store written, and tested? |
//! | [`operating`] | What do a health endpoint, alerts and a clean shutdown look like? |
//! | [`limits`] | What can the crate not do? |

pub mod choosing_a_store;
pub mod claims_and_roles;
pub mod cookies_and_csrf;
pub mod first_logout;
pub mod frameworks;
pub mod global_revocation;
pub mod identity_providers;
pub mod limits;
pub mod logout_at_the_provider;
pub mod mcp_servers;
pub mod operating;
pub mod own_store;
pub mod own_verifier;
pub mod provider_settings;
pub mod refresh_tokens;
pub mod security_events;
pub mod sessions_and_devices;
pub mod several_nodes;
pub mod several_regions;
pub mod streams_and_websockets;
pub mod testing;
