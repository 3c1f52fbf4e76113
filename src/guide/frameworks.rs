//! Where the layer belongs in a stack, and how it is used with hyper, gRPC, other frameworks, and
//! behind a proxy.
//!
//! In axum, with other layers in one `ServiceBuilder`: outside of the layer what must also see
//! rejected requests (tracing, CORS), inside what is expensive or needs to know whose request it is
//! (rate limits, body buffering):
//!
//! ```rust
//! # mod program {
//! use axum::{Router, extract::Request, middleware::{Next, from_fn}, response::Response, routing::get};
//! use tower::ServiceBuilder;
//! use tower_http::{cors::CorsLayer, limit::RequestBodyLimitLayer, trace::TraceLayer};
//! use tower_logout::{Claims, Logout, VerifiedToken};
//!
//! fn routes(logout: &Logout) -> Router {
//!     let cors = CorsLayer::permissive();
//!     let stack = ServiceBuilder::new() // the first layer is the outermost
//!         .layer(TraceLayer::new_for_http())
//!         .layer(cors.clone()) // outside: preflights carry no token
//!         .layer(logout.axum_layer())
//!         .layer(from_fn(with_subject)) // inside: only requests with a valid token
//!         .layer(RequestBodyLimitLayer::new(64 * 1024));
//!     Router::new()
//!         .route("/api/v1/me", get(async || "me"))
//!         .layer(stack)
//!         .merge(Router::new().route_service("/api/v1/logout", logout.service()).layer(cors))
//! }
//!
//! async fn with_subject(token: VerifiedToken<Claims>, request: Request, next: Next) -> Response {
//!     println!("{:?} asks for {}", token.sub, request.uri());
//!     next.run(request).await
//! }
//! # pub fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     let verifier = tower_logout::JwtVerifier::hs256([7; 32]).build()?;
//! #     let _ = routes(&Logout::new(verifier, tower_logout::MemoryStore::new()));
//! #     Ok(())
//! # }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check()
//! # }
//! ```
//!
//! [`axum_layer`](crate::Logout::axum_layer) keeps axum's body type in both directions, so it
//! composes with `from_fn` and other layers in any order.
//!
//! # Any Tower service
//!
//! [`layer`](crate::Logout::layer) takes any bodies and any service error: a rejection is a
//! response, and the errors of the service pass unchanged. The inner service gets a
//! [`RequestBody<B>`](crate::middleware::RequestBody), and responses have a
//! [`ResponseBody<B>`](crate::middleware::ResponseBody). The token is in the request's extensions:
//!
//! ```rust
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken, middleware::RequestBody};
//!
//! async fn me(request: Request<RequestBody<String>>) -> Result<Response<String>, Infallible> {
//!     let sub = request.extensions().get::<VerifiedToken<Claims>>().and_then(|token| token.sub.clone());
//!     Ok(Response::new(sub.unwrap_or_default()))
//! }
//!
//! let logout = Logout::new(JwtVerifier::hs256([7; 32]).build()?, MemoryStore::new());
//! let guarded = logout.layer().layer(service_fn(me));
//! let response = guarded.oneshot(Request::new(String::new())).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! With hyper, `hyper_util::service::TowerToHyperService` takes such a service, and
//! [`Logout::service`](crate::Logout::service) beside it.
//!
//! # gRPC
//!
//! Put the layer around tonic's routes; the logout endpoint shares their port:
//!
//! ```rust
//! use tower_logout::Logout;
//!
//! /// `services` is `tonic::service::Routes::into_axum_router()`.
//! fn app(services: axum::Router, logout: &Logout) -> axum::Router {
//!     services
//!         .layer(logout.axum_layer()) // guards the gRPC services
//!         .route_service("/api/v1/logout", logout.service())
//! }
//! ```
//!
//! In a service, `request.extensions().get::<VerifiedToken<Claims>>()` is the verified token.
//!
//! A request that can be gRPC (`POST`, HTTP/2 or later, `content-type` `application/grpc`, alone or
//! followed by `+` or `;`) is rejected as a gRPC server rejects: HTTP 200, trailers only, with
//! `grpc-status` 16 (unauthenticated) for the 401s, 3 (invalid argument) for the 400 and 14
//! (unavailable) for the 503. Every other request gets the HTTP status. The logout endpoint is an
//! HTTP endpoint: its success is JSON for gRPC requests, too.
//!
//! **gRPC-Web**: put the layer inside of the one that translates. It ends streams with trailers,
//! which only that one can turn into frames; outside of it they end with an error. Over HTTP/1.1 a
//! request is no gRPC, also when it was translated: it is rejected with the HTTP status, which
//! gRPC-Web clients understand, and its streams end with an error.
//!
//! # Other frameworks
//!
//! Each is tested, in a few lines to copy, in `tests/frameworks` of the repository:
//!
//! | framework | how |
//! |---|---|
//! | axum | `axum_layer()`, also in one `ServiceBuilder` with `from_fn` and the layers of tower-http |
//! | tonic | a layer around the server, or around one service, with health and reflection outside |
//! | warp | a layer around `warp::service` |
//! | salvo | a layer by salvo's `tower-compat`, with conversions of bodies |
//! | jsonrpsee | a layer as the server's HTTP middleware |
//! | lambda_http | a layer around the function |
//! | async-graphql | over axum; a subscription ends with its token |
//! | poem | by hand, with [`check`](crate::Logout::check), [`reject`](crate::Logout::reject) and [`ResponseBody::watched`](crate::middleware::ResponseBody::watched) |
//!
//! # Behind a proxy that asks
//!
//! nginx (`auth_request`), Traefik (`forwardAuth`) and Envoy (`ext_authz` over HTTP) can ask a
//! service whether a request may pass. They forward headers of the client and look at nothing but
//! the HTTP status of the answer. Guard the endpoint that they ask with a layer that never answers
//! as gRPC: then no header of a client makes HTTP 200 of a rejection, whichever method and version
//! of HTTP the proxy uses.
//!
//! ```rust
//! use axum::{Router, routing::any};
//! use tower_logout::{Logout, respond::JsonResponder};
//!
//! fn for_the_proxy(logout: &Logout) -> Router {
//!     let http_only = logout.clone().respond(JsonResponder);
//!     Router::new().route("/auth", any(async || ())).layer(http_only.axum_layer())
//! }
//! ```
//!
//! nginx takes 401 and 403 as they are, and answers its client with 500 for every other rejection.
//!
//! # Nested layers
//!
//! Layers of several `Logout`s can be nested around one route; each keeps its whole promise. See
//! [`RevocationLayer`](crate::RevocationLayer#nested-layers).
