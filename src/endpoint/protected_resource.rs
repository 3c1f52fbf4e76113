use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::Service;

use crate::{
    endpoint::{
        metadata::{self, Document},
        resource::Resource,
    },
    respond::AnswerBody,
    revocation::Revocable,
};

/// Service that publishes the metadata of a protected resource (RFC 9728), so that clients find the
/// authorization servers whose tokens it accepts. Clients of MCP servers depend on it.
///
/// [`Logout::protected_resource`](crate::Logout::protected_resource) creates it. Mount it outside
/// the layer, because it is for clients without a token, at its [`path`](Self::path): with axum's
/// `route_service`, with hyper's `TowerToHyperService`, or beside tonic's routes. Challenges name
/// its URL (`resource_metadata`).
///
/// The response to `GET` is 200 with a JSON object of these members. A member that is unknown or
/// empty is left out (RFC 9728, section 3.2).
///
/// | member | value |
/// |---|---|
/// | `resource` | the identifier, byte for byte as it was [set](crate::Logout::resource) |
/// | `authorization_servers` | the [issuers](crate::revocation::Revocable::issuers) of the verifier that are URLs at the time of the request, or [those set here](Self::authorization_servers) |
/// | `scopes_supported` | the [scope values that are set](Self::scopes) |
/// | `bearer_methods_supported` | `["header"]` if tokens are read from the `Authorization` header; there is no value for cookies |
/// | `resource_name` | the [name](Self::name) |
///
/// The response can be cached for five minutes (`Cache-Control: public, max-age=300`). It is
/// public, and scripts of every origin may read it (`Access-Control-Allow-Origin: *`), because MCP
/// clients in browsers do; the preflight for their headers is answered, too. Scripts see the
/// challenge of a 401 only if the CORS layer of the guarded routes exposes it
/// (`Access-Control-Expose-Headers: WWW-Authenticate`). Methods other than `GET`, `HEAD` and
/// `OPTIONS` get 405.
///
/// # Examples
///
/// ```
/// # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))]
/// # mod app {
/// use axum::{Router, routing::post};
/// use tower_logout::{JwtVerifier, Logout, MemoryStore};
///
/// # pub
/// fn app(secret: &[u8]) -> Result<Router, Box<dyn std::error::Error>> {
///     let verifier = JwtVerifier::hs256(secret)
///         .issuer("https://login.example")
///         .audience("https://api.example/mcp")
///         .build()?;
///     let logout = Logout::new(verifier, MemoryStore::new()).resource("https://api.example/mcp")?;
///     let metadata = logout.protected_resource()?.scopes(["mcp:tools"]);
///     assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/mcp");
///     Ok(Router::new()
///         .route("/mcp", post(async || "…"))
///         .layer(logout.axum_layer())
///         .route_service(&metadata.path(), metadata))
/// }
/// # }
/// # #[cfg(all(feature = "axum", feature = "aws-lc-rs"))]
/// # app::app(&[7; 32]).unwrap();
/// ```
#[derive(Clone)]
#[must_use]
pub struct ProtectedResource {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    resource: Arc<Resource>,
    revocable: Arc<dyn Fn() -> Revocable + Send + Sync>,
    authorization_servers: Option<Vec<String>>,
    scopes: Vec<String>,
    bearer_methods: &'static [&'static str],
    name: Option<String>,
}

impl ProtectedResource {
    pub(crate) fn new(
        resource: Arc<Resource>,
        revocable: Arc<dyn Fn() -> Revocable + Send + Sync>,
        bearer_methods: &'static [&'static str],
    ) -> Self {
        let (authorization_servers, scopes, name) = (None, Vec::new(), None);
        let shared = Shared { resource, revocable, authorization_servers, scopes, bearer_methods, name };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the scope values that clients may ask for (`scopes_supported`). Default: none is
    /// published.
    pub fn scopes(self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.configure(|shared| shared.scopes = scopes.into_iter().map(Into::into).collect())
    }

    /// Sets the name of the resource for people (`resource_name`).
    pub fn name(self, name: impl Into<String>) -> Self {
        self.configure(|shared| shared.name = Some(name.into()))
    }

    /// Sets the issuer identifiers of the authorization servers. Default: the issuers of the
    /// verifier.
    ///
    /// Set them if the verifier does not know its issuers, or if the `iss` of the tokens is not the
    /// issuer identifier that the authorization server publishes about itself (RFC 8414).
    pub fn authorization_servers(self, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.configure(|shared| shared.authorization_servers = Some(servers.into_iter().map(Into::into).collect()))
    }

    /// Returns the path to mount the service at: `/.well-known/oauth-protected-resource`, followed
    /// by the path of the resource (RFC 9728, section 3.1).
    ///
    /// If a proxy serves the host, it must pass this path on.
    #[must_use]
    pub fn path(&self) -> String {
        self.shared.resource.metadata_path()
    }

    /// Returns the URL of the metadata, which challenges name.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.resource.metadata_url()
    }

    fn configure(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl Shared {
    /// Writes the document anew, because the issuers of a verifier can change.
    fn document(&self) -> String {
        let issuers = || (self.revocable)().issuers().map(<[String]>::to_vec).unwrap_or_default();
        let mut servers = self.authorization_servers.clone().unwrap_or_else(issuers);
        // An issuer identifier is a URL (RFC 8414, section 2); a token's `iss` can be any text.
        servers.retain(|server| server.starts_with("https://") || server.starts_with("http://"));
        let document = Document {
            resource: self.resource.as_str(),
            authorization_servers: &servers,
            scopes_supported: &self.scopes,
            bearer_methods_supported: self.bearer_methods,
            resource_name: self.name.as_deref(),
        };
        document.to_json()
    }
}

impl<B> Service<Request<B>> for ProtectedResource {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<AnswerBody>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(metadata::answer(request.method(), || self.shared.document())))
    }
}

impl fmt::Debug for ProtectedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResource")
            .field("resource", &self.shared.resource.as_str())
            .field("scopes", &self.shared.scopes)
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
