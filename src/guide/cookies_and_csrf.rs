//! How a browser application keeps its token in a cookie, safely.
//!
//! Accept the header for programs and the cookie for browsers, take the cookie away with the
//! logout, and refuse requests that another site makes:
//!
//! ```rust
//! # mod program {
//! use axum::{
//!     Json, Router,
//!     extract::Request,
//!     http::{HeaderValue, StatusCode, header},
//!     middleware::{Next, from_fn, map_response},
//!     response::{IntoResponse, Response},
//!     routing::{get, post},
//! };
//! use serde_json::{Value, json};
//! use tower_logout::{Claims, JwtVerifier, Logout, MemoryStore, VerifiedToken, token::TokenSource};
//!
//! /// The prefix `__Host-` keeps other hosts of the domain from setting the cookie.
//! const COOKIE: &str = "__Host-access_token";
//! const NO_COOKIE: HeaderValue =
//!     HeaderValue::from_static("__Host-access_token=; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=0");
//! const ORIGIN: &str = "https://app.example";
//!
//! fn app(verifier: JwtVerifier) -> Router {
//!     let logout = Logout::new(verifier, MemoryStore::new())
//!         .token_source(TokenSource::authorization().or(TokenSource::cookie(COOKIE)))
//!         .last_event("logout");
//!     let log_out = Router::new()
//!         .route_service("/api/v1/logout", logout.service())
//!         .route_layer(map_response(clear_cookie));
//!     Router::new()
//!         .route("/api/v1/notes", post(async || "noted"))
//!         .layer(logout.axum_layer())
//!         .route("/api/v1/session", get(session).layer(logout.clone().allow_anonymous().axum_layer()))
//!         .route("/api/v1/login", post(login)) // not guarded: a stale cookie must not keep anybody out
//!         .merge(log_out)
//!         .layer(from_fn(same_origin))
//! }
//!
//! async fn login() -> impl IntoResponse {
//!     let token = issue_token();
//!     let cookie = format!("{COOKIE}={token}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=900");
//!     ([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())], StatusCode::NO_CONTENT)
//! }
//!
//! /// Who is signed in, for a page that is shown to everybody.
//! async fn session(token: Option<VerifiedToken<Claims>>) -> Json<Value> {
//!     Json(json!({ "sub": token.and_then(|token| token.sub.clone()) }))
//! }
//!
//! /// With a logout that succeeded, and with one whose token was no longer good.
//! async fn clear_cookie(mut response: Response) -> Response {
//!     if matches!(response.status(), StatusCode::OK | StatusCode::UNAUTHORIZED) {
//!         response.headers_mut().insert(header::SET_COOKIE, NO_COOKIE);
//!     }
//!     response
//! }
//!
//! /// Refuses what another site's page asks for. Other clients than browsers send no `Origin`.
//! async fn same_origin(request: Request, next: Next) -> Response {
//!     match request.headers().get(header::ORIGIN) {
//!         Some(origin) if origin != ORIGIN => StatusCode::FORBIDDEN.into_response(),
//!         _ => next.run(request).await,
//!     }
//! }
//! # fn issue_token() -> String { "a.b.c".to_owned() }
//! # pub async fn check() -> Result<(), Box<dyn std::error::Error>> {
//! #     use axum::body::Body;
//! #     use tower::ServiceExt;
//! #     let secret = "a secret of at least 32 bytes, and random";
//! #     let app = app(JwtVerifier::hs256(secret).issuer("https://login.example").build()?);
//! #     let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! #     let claims = json!({ "iss": "https://login.example", "sub": "ann", "iat": now, "exp": now + 900 });
//! #     let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes())?;
//! #     let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?;
//! #     let send = |method: &str, path: &str, origin: &str, cookie: bool| {
//! #         let mut request = Request::builder().method(method).uri(path).header("origin", origin);
//! #         if cookie {
//! #             request = request.header("cookie", format!("{COOKIE}={token}"));
//! #         }
//! #         let response = request.body(Body::empty()).map(|request| app.clone().oneshot(request));
//! #         async { Ok::<_, Box<dyn std::error::Error>>(response?.await?) }
//! #     };
//! #     assert_eq!(send("POST", "/api/v1/notes", ORIGIN, true).await?.status(), 200);
//! #     assert_eq!(send("POST", "/api/v1/notes", "https://evil.example", true).await?.status(), 403);
//! #     assert_eq!(send("GET", "/api/v1/session", ORIGIN, false).await?.status(), 200);
//! #     assert_eq!(send("POST", "/api/v1/login", ORIGIN, true).await?.status(), 204);
//! #     let out = send("POST", "/api/v1/logout", ORIGIN, true).await?;
//! #     assert_eq!(out.status(), 200);
//! #     assert_eq!(out.headers().get("set-cookie"), Some(&NO_COOKIE));
//! #     assert_eq!(send("POST", "/api/v1/notes", ORIGIN, true).await?.status(), 401);
//! #     Ok(())
//! # }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     program::check().await
//! # }
//! ```
//!
//! `Secure` and the prefix `__Host-` need HTTPS; leave both out on a development machine without
//! it.
//!
//! # Cross-site requests
//!
//! Browsers send cookies on their own, also with requests that another site's page makes. The
//! service must defend itself; the layer does not. Do both:
//!
//! * **`SameSite=Strict`** keeps browsers from sending the cookie with what other sites ask for. A
//!   host of the same domain counts as the same site.
//! * **Check `Origin`**, as above. It matters for every request that changes something, and for
//!   every WebSocket: a browser lets any page open one.
//!
//! The logout endpoint accepts `POST` only, so that a link or an image cannot log a user out.
//!
//! # Which token counts
//!
//! * One bearer token in the `Authorization` header counts, whatever cookies there are.
//! * Of several cookies with the name, which browsers send for different paths and domains, the
//!   first that is accepted counts.
//! * Where requests without a token are [allowed](crate::Logout::allow_anonymous), a cookie with an
//!   invalid token counts as none. An expired or revoked one is rejected, unless
//!   [`allow_expired_as_anonymous`](crate::Logout::allow_expired_as_anonymous) is set for expired
//!   ones.
//! * A logout revokes all tokens of the request.
//!
//! [`TokenSource`](crate::token::TokenSource#what-counts) has all rules. A token in the query or
//! the body of a request is never used. For another header, there is
//! [`TokenSource::closure`](crate::token::TokenSource::closure).
//!
//! # CORS
//!
//! Put the CORS layer outside of this one (in axum: add it later), because preflights carry no
//! token: see [`frameworks`](super::frameworks).
