//! How an MCP server, or any API whose clients do not know it beforehand, tells them where to get a
//! token.
//!
//! Name the resource by the URL that clients call, publish its metadata (RFC 9728), and require a
//! scope. A client that comes without a token then finds everything by itself:
//!
//! ```rust
//! # mod program {
//! use axum::{
//!     Router,
//!     http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE},
//!     routing::post,
//! };
//! use tower_http::cors::{Any, CorsLayer};
//! use tower_logout::{Claims, Logout, MemoryStore, VerifiedToken, scope, token::jwt::JwtVerifierBuilder};
//!
//! /// `verifier` has the keys of `https://login.example`; see the chapter on identity providers.
//! # pub
//! fn app(verifier: JwtVerifierBuilder) -> Result<Router, Box<dyn std::error::Error>> {
//!     // Only tokens that were issued for this server: the audience is the resource (RFC 8707).
//!     let verifier = verifier.audience("https://api.example/mcp").build()?;
//!     let logout = Logout::new(verifier, MemoryStore::new()).resource("https://api.example/mcp")?;
//!     let metadata = logout.protected_resource()?.scopes(["mcp:tools"]).name("Weather");
//!
//!     // Clients in browsers read the challenge only if it is exposed.
//!     let mcp = HeaderName::from_static("mcp-protocol-version");
//!     let cors = CorsLayer::new()
//!         .allow_origin(Any)
//!         .allow_methods(Any)
//!         .allow_headers([AUTHORIZATION, CONTENT_TYPE, mcp])
//!         .expose_headers([WWW_AUTHENTICATE]);
//!     Ok(Router::new()
//!         .route("/mcp", post(mcp_request))
//!         .layer(logout.axum_layer().require(scope("mcp:tools")))
//!         .layer(cors) // outside, because preflights carry no token
//!         .route_service(&metadata.path(), metadata)) // outside of both
//! }
//!
//! async fn mcp_request(token: VerifiedToken<Claims>) -> String {
//!     format!("tools for {}", token.sub.as_deref().unwrap_or_default())
//! }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     use axum::body::Body;
//! #     use http::Request;
//! #     use http_body_util::BodyExt;
//! #     use tower::ServiceExt;
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let app = program::app(tower_logout::JwtVerifier::hs256(secret).issuer("https://login.example"))?;
//! #     let rejected = app.clone().oneshot(Request::post("/mcp").header("origin", "https://a.example").body(Body::empty())?);
//! #     let rejected = rejected.await?;
//! #     let challenge = r#"Bearer scope="mcp:tools", resource_metadata="https://api.example/.well-known/oauth-protected-resource/mcp""#;
//! #     assert_eq!((rejected.status().as_u16(), &rejected.headers()["www-authenticate"]), (401, &challenge.parse()?));
//! #     assert_eq!(rejected.headers()["access-control-expose-headers"], "www-authenticate");
//! #     let preflight = Request::options("/mcp").header("origin", "https://a.example");
//! #     let preflight = preflight.header("access-control-request-method", "POST").body(Body::empty())?;
//! #     assert_eq!(app.clone().oneshot(preflight).await?.status(), 200);
//! #     let path = "/.well-known/oauth-protected-resource/mcp";
//! #     let document = app.clone().oneshot(Request::get(path).body(Body::empty())?).await?;
//! #     let document: serde_json::Value = serde_json::from_slice(&document.into_body().collect().await?.to_bytes())?;
//! #     assert_eq!(document, serde_json::json!({
//! #         "resource": "https://api.example/mcp",
//! #         "authorization_servers": ["https://login.example"],
//! #         "scopes_supported": ["mcp:tools"],
//! #         "bearer_methods_supported": ["header"],
//! #         "resource_name": "Weather",
//! #     }));
//! #     let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #     let mut statuses = Vec::new();
//! #     for scope in ["mcp:tools", "mcp:resources"] {
//! #         let claims = serde_json::json!({
//! #             "iss": "https://login.example", "aud": "https://api.example/mcp", "sub": "ann", "scope": scope,
//! #             "iat": now, "exp": now + 900,
//! #         });
//! #         let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #         let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
//! #         let request = Request::post("/mcp").header("authorization", format!("Bearer {token}")).body(Body::empty())?;
//! #         statuses.push(app.clone().oneshot(request).await?.status().as_u16());
//! #     }
//! #     assert_eq!(statuses, [200, 403]);
//! #     Ok(())
//! # }
//! ```
//!
//! # What a client does
//!
//! 1. It calls `https://api.example/mcp` without a token, and gets 401 with a challenge:
//!
//!    ```text
//!    WWW-Authenticate: Bearer scope="mcp:tools",
//!      resource_metadata="https://api.example/.well-known/oauth-protected-resource/mcp"
//!    ```
//!
//! 2. It fetches that URL, and compares the member `resource` with the URL that it has called. They
//!    must be equal byte for byte (RFC 9728, section 3.3), so give
//!    [`resource`](crate::Logout::resource) exactly that URL: the public one, if there is a proxy.
//! 3. It gets a token with that scope from one of the `authorization_servers`, and comes back with
//!    it.
//! 4. If a route requires more, it gets 403 with the scope that is missing, and asks for that.
//!
//! # Where the metadata is
//!
//! The well-known path is *inserted* between the host and the path of the resource; it is not at
//! the end of the URL. [`ProtectedResource::path`](crate::endpoint::ProtectedResource::path)
//! returns the path to mount the service at:
//!
//! | resource | path |
//! |---|---|
//! | `https://api.example` | `/.well-known/oauth-protected-resource` |
//! | `https://api.example/mcp` | `/.well-known/oauth-protected-resource/mcp` |
//!
//! A proxy that passes only `/mcp` on must pass this path on, too. Some clients ask at the first
//! path of the table if they have no challenge; mount the service there as well if yours do.
//!
//! # Which authorization servers
//!
//! They are the issuers of the verifier, if these are URLs. The member is left out if the verifier
//! accepts any issuer, and MCP requires it: name the issuers of the verifier, or set
//! [`authorization_servers`](crate::endpoint::ProtectedResource::authorization_servers). Set them
//! as well where the `iss` of the tokens is not the address of the provider's metadata.
//!
//! # Long streams
//!
//! MCP servers hold streams of server-sent events open for as long as a client works with them.
//! They end when the token expires or is revoked: see
//! [`streams_and_websockets`](super::streams_and_websockets).
