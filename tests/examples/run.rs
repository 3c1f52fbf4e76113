//! Every example behaves as documented, as its own process and with real HTTP.

use std::{
    error::Error,
    path::Path,
    process::Output,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::examples::{LOGGED_OUT, PATIENCE, REVOKED, Running, TestResult, ok, output, unauthorized};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

#[allow(clippy::pedantic, missing_docs, unreachable_pub, rust_2018_idioms, dead_code)]
mod greeter {
    include!("../../examples/tonic/src/greeter.rs");
}

#[tokio::test]
async fn axum_logs_out_and_keeps_it_after_a_restart() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("revocations.redb");
    let app = start_axum(&file, &[]).await?;
    let token = app.log_in("ann").await?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, ok(r#"{"sub":"ann"}"#));
    assert_eq!(app.send(Method::POST, "/api/v1/logout", &token).await?, ok(LOGGED_OUT));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, unauthorized(REVOKED));
    assert_eq!(app.send(Method::POST, "/api/v1/logout", &token).await?, unauthorized(REVOKED));
    app.stop("TERM").await?;

    let app = start_axum(&file, &[]).await?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, unauthorized(REVOKED));
    assert_eq!(app.send(Method::POST, "/api/v1/logout", &token).await?, unauthorized(REVOKED));
    let fresh = app.log_in("ann").await?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", &fresh).await?, ok(r#"{"sub":"ann"}"#));
    app.stop("INT").await
}

#[tokio::test]
async fn axum_logs_out_everywhere() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[]).await?;
    let (one, other, bob) = (app.log_in("ann").await?, app.log_in("ann").await?, app.log_in("bob").await?);
    assert_eq!(app.send(Method::POST, "/api/v1/logout/everywhere", &one).await?, ok(LOGGED_OUT));
    let later = app.log_in("ann").await?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", &one).await?, unauthorized(REVOKED));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &other).await?, unauthorized(REVOKED));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &later).await?, ok(r#"{"sub":"ann"}"#));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &bob).await?, ok(r#"{"sub":"bob"}"#));
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_keeps_the_token_in_a_cookie_until_the_logout() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[]).await?;
    for logout in ["/api/v1/logout", "/api/v1/logout/everywhere"] {
        let (status, set, _) = app.with_cookie(Method::POST, "/api/v1/login", "", r#"{"username":"ann"}"#).await?;
        assert_eq!(status, 200);
        let (cookie, attributes) = set.split_once("; ").ok_or("a cookie has attributes")?;
        assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/; Max-Age=900");
        let signed_in = (200, String::new(), r#"{"signed_in":true,"sub":"ann"}"#.to_owned());
        assert_eq!(app.with_cookie(Method::GET, "/api/v1/session", cookie, "").await?, signed_in);
        let logged_out = (200, NO_COOKIE.to_owned(), LOGGED_OUT.to_owned());
        assert_eq!(app.with_cookie(Method::POST, logout, cookie, "").await?, logged_out);
        let revoked = (401, NO_COOKIE.to_owned(), REVOKED.to_owned());
        assert_eq!(app.with_cookie(Method::POST, logout, cookie, "").await?, revoked);
        let signed_out = (200, NO_COOKIE.to_owned(), r#"{"error":"token_revoked","signed_in":false}"#.to_owned());
        assert_eq!(app.with_cookie(Method::GET, "/api/v1/session", cookie, "").await?, signed_out);
        assert_eq!(app.with_cookie(Method::GET, "/api/v1/me", cookie, "").await?.0, 401);
    }
    assert_eq!(app.get("/api/v1/session").await?, ok(r#"{"signed_in":false}"#));
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_ends_events_with_a_last_one() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[]).await?;
    assert_eq!(app.get("/api/v1/events").await?.0, 401);
    for header in ["authorization", "cookie"] {
        let token = app.log_in("ann").await?;
        let value = if header == "cookie" { format!("access_token={token}") } else { format!("Bearer {token}") };
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let mut events = client.get(format!("{}/api/v1/events", app.url)).header(header, value).send().await?;
        assert_eq!((events.status().as_u16(), &events.headers()["content-type"]), (200, &"text/event-stream".parse()?));
        let first = events.chunk().await?.ok_or("there is an event at once")?;
        assert!(first.starts_with(b"event: time\ndata: "), "{first:?}");
        assert_eq!(app.send(Method::POST, "/api/v1/logout", &token).await?, ok(LOGGED_OUT));
        let rest = events.text().await?; // to the end, which is a proper one
        assert!(rest.ends_with("event: logout\ndata: token_revoked\n\n"), "{rest}");
    }
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_closes_the_websocket() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[]).await?;
    assert!(socket(&app, "cookie", "").await.is_err_and(|error| error.to_string().contains("401")));
    for header in ["authorization", "cookie"] {
        let token = app.log_in("ann").await?;
        let value = if header == "cookie" { format!("access_token={token}") } else { format!("Bearer {token}") };
        let mut socket = socket(&app, header, &value).await?;
        socket.send(Message::text("hello")).await?;
        assert_eq!(timeout(PATIENCE, socket.next()).await?.ok_or("it is open")??, Message::text("hello"));
        assert_eq!(app.send(Method::POST, "/api/v1/logout", &token).await?, ok(LOGGED_OUT));
        let last = timeout(PATIENCE, socket.next()).await?.ok_or("it ends with a frame")??;
        let close = CloseFrame { code: CloseCode::Policy, reason: "The token has been revoked.".into() };
        assert_eq!(last, Message::Close(Some(close)));
        assert!(timeout(PATIENCE, socket.next()).await?.is_none());
    }
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_stops_at_once_with_streams_open() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[]).await?;
    let token = app.log_in("ann").await?;
    let mut socket = socket(&app, "authorization", &format!("Bearer {token}")).await?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let events = client.get(format!("{}/api/v1/events", app.url)).bearer_auth(&token).send().await?;
    let read = async { Ok::<_, Box<dyn Error>>((events.text().await?, socket.next().await.ok_or("a frame")??)) };
    let (stopped, read) = tokio::join!(app.stop("TERM"), timeout(PATIENCE, read));
    let (events, last) = read??;
    assert!(events.ends_with("event: logout\ndata: shutting_down\n\n"), "{events}");
    assert!(matches!(last, Message::Close(Some(CloseFrame { code: CloseCode::Away, .. }))), "{last}");
    stopped
}

#[tokio::test]
async fn axum_rejects_other_origins() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[]).await?;
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let own = app.url.clone();
    for (origin, status) in [(&*own, 200), ("http://127.0.0.1:1", 403), ("https://a.example", 403), ("null", 403)] {
        let answer = client.get(format!("{own}/api/v1/session")).header("origin", origin).send().await?;
        assert_eq!(answer.status(), status, "{origin}");
    }
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_answers_without_a_token() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[]).await?;
    let missing = r#"{"description":"Request does not contain an access token.","error":"authorization_required"}"#;
    assert_eq!(app.get("/healthz").await?.0, 200);
    assert_eq!(app.get("/api/v1/me").await?, unauthorized(missing));
    assert_eq!(app.get("/api/v1/logout").await?.0, 405);
    for body in ["", "ann", "{}", r#"{"username":7}"#, r#"{"username":""}"#, r#"{"username":"  "}"#] {
        let (status, answer) = app.post("/api/v1/login", body).await?;
        assert_eq!(status, 400, "{body}");
        assert_eq!(serde_json::from_str::<Value>(&answer)?["error"], "invalid_request", "{body}");
    }
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_accepts_sample_tokens_signed_with_any_secret() -> TestResult {
    let dir = tempfile::tempdir()?;
    let app = start_axum(&dir.path().join("revocations.redb"), &[("JWT_SECRET", "short")]).await?;
    let token = sample("short")?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, ok(r#"{"sub":"usr_123"}"#));
    assert_eq!(app.send(Method::POST, "/api/v1/logout", &token).await?, ok(LOGGED_OUT));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, unauthorized(REVOKED));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &sample("other")?).await?, unauthorized(INVALID));
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_requires_the_configured_issuer_and_audience() -> TestResult {
    let dir = tempfile::tempdir()?;
    let settings = [("JWT_SECRET", "short"), ("JWT_ISSUER", "https://a.example"), ("JWT_AUDIENCE", "b")];
    let app = start_axum(&dir.path().join("revocations.redb"), &settings).await?;
    let own = app.log_in("ann").await?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", &own).await?, ok(r#"{"sub":"ann"}"#));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &sample("short")?).await?, unauthorized(INVALID));
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_reports_in_one_line_why_it_does_not_start() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("revocations.redb");
    let app = start_axum(&file, &[]).await?;
    let addr = app.url.strip_prefix("http://").ok_or("the address is not printed as a URL")?;
    let free = dir.path().join("other.redb");
    let (free, file) = (free.to_string_lossy(), file.to_string_lossy());
    for (reason, settings) in [
        ("in use", [("ADDR", "127.0.0.1:0"), ("REVOCATIONS", &*file), ("JWT_SECRET", LONG_SECRET)]),
        ("ADDR", [("ADDR", addr), ("REVOCATIONS", &*free), ("JWT_SECRET", LONG_SECRET)]),
        ("JWT_SECRET", [("ADDR", "127.0.0.1:0"), ("REVOCATIONS", &*free), ("JWT_SECRET", "")]),
    ] {
        let Output { status, stdout, stderr } = output("axum", &settings).await?;
        let (stdout, stderr) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert_eq!(stdout, "");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(reason), "{stderr}");
    }
    app.stop("TERM").await
}

#[tokio::test]
async fn axum_stack_has_every_layer_where_it_belongs() -> TestResult {
    let app = Running::start("axum-stack", &[("ADDR", "127.0.0.1:0")]).await?;
    // The server closes a connection after it has rejected a body, perhaps while the next request is sent.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE).build()?;
    let ask = |method, path| client.request(method, format!("{}{path}", app.url)).header("origin", "https://a.example");
    let with_token = |method, path| ask(method, path).bearer_auth(&app.token);

    let preflight = ask(Method::OPTIONS, "/api/v1/me").header("access-control-request-method", "GET").send().await?;
    assert_eq!(preflight.status(), 200, "it carries no token");
    let rejected = ask(Method::GET, "/api/v1/me").send().await?;
    assert_eq!(rejected.status(), 401);
    assert_eq!(rejected.headers()["access-control-allow-origin"], "*");
    assert!(rejected.headers().contains_key("x-request-id"), "what is outside sees what is rejected");

    let note = |text: String| with_token(Method::POST, "/api/v1/notes").body(text).send();
    assert_eq!(note("short".to_owned()).await?.text().await?, "short");
    assert_eq!(note("long".repeat(16 * 1024)).await?.status(), 413);
    let report = with_token(Method::GET, "/api/v1/report").header("accept-encoding", "gzip").send().await?;
    assert_eq!(report.headers()["content-encoding"], "gzip");
    assert_eq!(with_token(Method::GET, "/api/v1/panic").send().await?.status(), 500);
    app.logs_out_ann().await
}

#[tokio::test]
async fn hyper_logs_out() -> TestResult {
    let app = Running::start("hyper", &[("ADDR", "127.0.0.1:0")]).await?;
    app.logs_out_ann().await?;
    assert_eq!(app.get("/").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn behind_verifier_logs_out_and_accepts_no_foreign_token() -> TestResult {
    let app = Running::start("behind-verifier", &[("ADDR", "127.0.0.1:0")]).await?;
    app.logs_out_ann().await?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", &sample(LONG_SECRET)?).await?.0, 401);
    assert_eq!(app.get("/api/v1/me").await?.0, 401);
    Ok(())
}

#[tokio::test]
async fn tonic_logs_out_over_http_and_rejects_over_grpc() -> TestResult {
    use greeter::{GreetRequest, greeter_client::GreeterClient};

    let app = Running::start("tonic", &[("ADDR", "127.0.0.1:0")]).await?;
    let mut client = GreeterClient::connect(app.url.clone()).await?;
    let request = || -> Result<_, Box<dyn Error>> {
        let mut request = tonic::Request::new(GreetRequest { greeting: "Hello".to_owned() });
        request.metadata_mut().insert("authorization", format!("Bearer {}", app.token).parse()?);
        Ok(request)
    };
    assert_eq!(client.greet(request()?).await?.into_inner().message, "Hello, ann!");
    assert_eq!(app.send(Method::POST, "/api/v1/logout", &app.token).await?, ok(LOGGED_OUT));
    let refused = client.greet(request()?).await.expect_err("the token was revoked");
    assert_eq!((refused.code(), refused.message()), (tonic::Code::Unauthenticated, "The token has been revoked."));
    Ok(())
}

#[tokio::test]
async fn custom_store_prints_a_logout() -> TestResult {
    let Output { status, stdout, stderr } = output("custom-store", &[]).await?;
    assert!(status.success(), "{}", String::from_utf8(stderr)?);
    let expired = r#"{"description":"The token has expired.","error":"token_expired"}"#;
    let expected = [
        "GET /hello            200 hello",
        &format!("POST /logout          200 {LOGGED_OUT}"),
        &format!("GET /hello            401 {REVOKED}"),
        &format!("POST /logout          401 {REVOKED}"),
        "revocations           1",
        "revocations, purged   0",
        &format!("GET /hello            401 {expired}"),
        "",
    ];
    assert_eq!(String::from_utf8(stdout)?, expected.join("\n"));
    Ok(())
}

/// Two processes of an example and the server that they share.
macro_rules! fleet {
    ($backend:ident, $needs:literal) => {
        mod $backend {
            use test_support::examples::{TestResult, fleet};

            fleet! { $backend, $needs:
                a_logout_on_one_node_is_enforced_on_all
                a_logout_everywhere_on_one_node_is_enforced_on_all
                one_of_many_parallel_logouts_over_all_nodes_is_the_first
                a_restarted_node_knows_what_was_revoked
                a_loading_node_reports_it_and_rejects_requests
                an_outage_is_503_and_loses_nothing
                reports_in_one_line_why_it_does_not_start
            }
        }
    };
    ($backend:ident, $needs:literal: $($test:ident)*) => {$(
        #[tokio::test]
        #[ignore = $needs]
        async fn $test() -> TestResult {
            fleet::$test(fleet::Backend::$backend().await).await
        }
    )*};
}

fleet!(redis, "needs redis-server");
fleet!(postgres, "needs PostgreSQL");

async fn start_axum(file: &Path, settings: &[(&str, &str)]) -> Result<Running, Box<dyn Error>> {
    let file = file.to_string_lossy();
    let fixed = [("ADDR", "127.0.0.1:0"), ("REVOCATIONS", &*file)];
    Running::start("axum", &[&fixed, settings].concat()).await
}

async fn socket(
    app: &Running,
    header: &'static str,
    value: &str,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Box<dyn Error>> {
    let mut request = format!("{}/api/v1/echo", app.url.replacen("http", "ws", 1)).into_client_request()?;
    request.headers_mut().insert(header, value.parse()?);
    Ok(timeout(PATIENCE, connect_async(request)).await??.0)
}

/// A token with the claims of Matar's documentation, at another time.
fn sample(secret: &str) -> Result<String, Box<dyn Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = json!({
        "iss": "https://example.auth0.com/",
        "aud": "https://api.example.com/calandar/v1/",
        "sub": "usr_123",
        "iat": now,
        "exp": now + 86400,
    });
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())?)?)
}

const INVALID: &str = r#"{"description":"The token is invalid.","error":"invalid_token"}"#;
const NO_COOKIE: &str = "access_token=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0";
const LONG_SECRET: &str = "a secret that is long enough for HS256";
