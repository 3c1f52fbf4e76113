//! Promise: the metadata of a protected resource (RFC 9728) says what is true of the `Logout`, and
//! clients of every origin can read it, on axum, hyper and tonic.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{Router, routing::get};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use test_support::{
    ISSUER, SECRET, clock, token, verifier,
    wire::{Answer, Server},
};
use tonic::transport::server::TcpIncoming;
use tower::ServiceExt;
use tower_http::cors::{Any, CorsLayer};
use tower_logout::{
    Claims, JwtVerifier, Logout, VerifiedToken,
    endpoint::ProtectedResource,
    revocation::Revocable,
    token::{
        TokenSource, TokenVerifier, VerifyError,
        jwt::{Algorithm, Issuer, Key},
    },
};

const PATH: &str = "/.well-known/oauth-protected-resource";

fn logout() -> Logout {
    Logout::new(verifier(&clock()), test_support::memory()).resource("https://api.example").unwrap()
}

fn metadata() -> ProtectedResource {
    logout().protected_resource().unwrap()
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Answer::new(status, headers, body.to_owned())
}

async fn document(service: ProtectedResource) -> Value {
    use http_body_util::BodyExt;
    let response = service.oneshot(http::Request::new(())).await.unwrap();
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// The service on each kind of server.
async fn servers() -> [(&'static str, Server); 3] {
    let axum = Server::axum(Router::new().route_service(PATH, metadata())).await;
    let hyper = Server::start(|listener| async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(metadata());
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await
            });
        }
    })
    .await;
    let tonic = Server::start(|listener| async {
        let routes = tonic::service::Routes::default().into_axum_router().route_service(PATH, metadata());
        let server = tonic::transport::Server::builder().accept_http1(true).add_routes(routes.into());
        server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    })
    .await;
    [("axum", axum), ("hyper", hyper), ("tonic", tonic)]
}

#[tokio::test]
async fn the_document_is_the_same_on_every_server() {
    let body = r#"{"resource":"https://api.example","authorization_servers":["https://issuer.example"],"bearer_methods_supported":["header"]}"#;
    let length = body.len().to_string();
    let headers = [
        ("access-control-allow-origin", "*"),
        ("cache-control", "public, max-age=300"),
        ("content-length", &length),
        ("content-type", "application/json"),
    ];
    for (name, server) in servers().await {
        assert_eq!(server.send("GET", PATH, &[], "").await, answer(200, &headers, body), "{name}");
        assert_eq!(server.send("HEAD", PATH, &[], "").await, answer(200, &headers, ""), "{name}");
        // Nothing in a request changes it.
        let odd = [("authorization", "Bearer x y"), ("origin", "https://evil.example"), ("host", "evil.example")];
        assert_eq!(server.send("GET", &format!("{PATH}?a=b"), &odd, "").await, answer(200, &headers, body), "{name}");
    }
}

#[tokio::test]
async fn a_preflight_of_a_browser_passes() {
    let asks = [
        ("origin", "https://inspector.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "mcp-protocol-version"),
    ];
    for (name, server) in servers().await {
        let preflight = server.send("OPTIONS", PATH, &asks, "").await;
        let headers = [
            ("access-control-allow-headers", "*, Authorization"),
            ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
            ("access-control-allow-origin", "*"),
            ("allow", "GET, HEAD, OPTIONS"),
        ];
        let mut seen = preflight.clone();
        seen.headers.retain(|(name, _)| name != "content-length");
        assert_eq!(seen, answer(204, &headers, ""), "{name}");
    }
}

#[tokio::test]
async fn other_methods_are_405() {
    let body =
        r#"{"description":"The resource metadata requires the method GET or HEAD.","error":"method_not_allowed"}"#;
    let length = body.len().to_string();
    let headers = [
        ("allow", "GET, HEAD, OPTIONS"),
        ("cache-control", "no-store"),
        ("content-length", &length),
        ("content-type", "application/json"),
    ];
    for (name, server) in servers().await {
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            assert_eq!(server.send(method, PATH, &[], "").await, answer(405, &headers, body), "{method} at {name}");
        }
    }
}

#[tokio::test]
async fn a_cors_layer_of_the_application_does_not_double_the_header() {
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
    let server = Server::axum(Router::new().route_service(PATH, metadata()).layer(cors)).await;
    let answer = server.send("GET", PATH, &[("origin", "https://app.example")], "").await;
    let origins = answer.headers.iter().filter(|(name, _)| name == "access-control-allow-origin");
    assert_eq!(origins.map(|(_, value)| &**value).collect::<Vec<_>>(), ["*"], "{answer:?}");
}

#[tokio::test]
async fn members_are_those_of_the_settings_and_no_others() {
    let service = metadata().scopes(["orders:read", "orders:write"]).name("Orders \"EU\" · été");
    let expected = json!({
        "resource": "https://api.example",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["orders:read", "orders:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders \"EU\" · été",
    });
    assert_eq!(document(service.clone()).await, expected);
    let servers = service.authorization_servers(["https://login.example"]);
    assert_eq!(document(servers).await["authorization_servers"], json!(["https://login.example"]));
}

#[tokio::test]
async fn bearer_methods_are_what_the_token_source_reads() {
    let header = TokenSource::authorization;
    let cookie = || TokenSource::cookie("token");
    let closure = || TokenSource::closure(|_| Ok(None));
    for (source, methods) in [
        (header(), json!(["header"])),
        (header().or(cookie()), json!(["header"])),
        (cookie().or(closure()).or(header()), json!(["header"])),
        (cookie(), Value::Null),
        (closure(), Value::Null),
        (cookie().or(closure()), Value::Null),
    ] {
        let service = logout().token_source(source.clone()).protected_resource().unwrap();
        assert_eq!(document(service).await["bearer_methods_supported"], methods, "{source:?}");
    }
}

#[tokio::test]
async fn every_issuer_of_the_verifier_is_an_authorization_server() {
    let key = || Key::secret(Algorithm::HS256, SECRET).unwrap();
    let several = JwtVerifier::issuers([
        Issuer::keys("https://one.example", key()),
        Issuer::keys("https://two.example/tenant", key()),
        Issuer::keys("legacy", key()),
    ]);
    let any = JwtVerifier::hs256(SECRET);
    for (verifier, servers) in
        [(several, json!(["https://one.example", "https://two.example/tenant"])), (any, Value::Null)]
    {
        let logout = Logout::new(verifier.build().unwrap(), test_support::memory());
        let service = logout.resource("https://api.example").unwrap().protected_resource().unwrap();
        assert_eq!(document(service).await["authorization_servers"], servers);
    }
}

/// A verifier whose issuers are not known from the start.
#[derive(Clone, Default)]
struct Tenants(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl TokenVerifier for Tenants {
    type Claims = Claims;

    async fn verify(&self, _: &str) -> Result<VerifiedToken, VerifyError> {
        Err(VerifyError::Expired)
    }

    fn revocable(&self) -> Revocable {
        Revocable::unknown().with_issuers(self.0.lock().unwrap().clone())
    }
}

#[tokio::test]
async fn an_issuer_that_is_added_later_is_published() {
    let tenants = Tenants::default();
    let logout = Logout::new(tenants.clone(), test_support::memory()).resource("https://api.example").unwrap();
    let service = logout.protected_resource().unwrap();
    assert_eq!(document(service.clone()).await["authorization_servers"], Value::Null);
    tenants.0.lock().unwrap().push("https://new.example".to_owned());
    assert_eq!(document(service).await["authorization_servers"], json!(["https://new.example"]));
}

#[tokio::test]
async fn a_client_finds_the_authorization_server_from_a_401() {
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listening).unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let logout = Logout::new(verifier(&clock()), test_support::memory()).resource(&resource).unwrap();
    let metadata = logout.protected_resource().unwrap();
    assert_eq!(metadata.path(), format!("{PATH}/mcp"));
    let app = Router::new()
        .route("/mcp", get(async || "tools"))
        .layer(logout.axum_layer())
        .route_service(&metadata.path(), metadata.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let client = reqwest::Client::new();
    let rejected = client.get(&resource).send().await.unwrap();
    assert_eq!(rejected.status(), 401);
    let challenge = rejected.headers()["www-authenticate"].to_str().unwrap();
    let url = challenge.strip_prefix("Bearer resource_metadata=\"").and_then(|rest| rest.strip_suffix('"')).unwrap();
    assert_eq!(url, metadata.url());
    let found: Value = client.get(url).send().await.unwrap().json().await.unwrap();
    // What a client must compare (RFC 9728, section 3.3).
    assert_eq!(found["resource"], resource);
    assert_eq!(found["authorization_servers"], json!([ISSUER]));
    let with_token = client.get(&resource).bearer_auth(token("found")).send().await.unwrap();
    assert_eq!(with_token.status(), 200);
    serving.abort();
}
