//! What two nodes with a shared Redis or PostgreSQL guarantee, as the examples `redis` and
//! `postgres`.

use std::{
    error::Error,
    process::Output,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tokio::time::sleep;

use super::{Answer, LOGGED_OUT, PATIENCE, REVOKED, Running, TestResult, ok, output, unauthorized};
use crate::servers::{FaultProxy, PostgresOptions, PostgresServer, RedisOptions, RedisServer};

/// The server that all nodes share.
pub enum Backend {
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl Backend {
    /// A Redis that persists every acknowledged write.
    pub async fn redis() -> Self {
        let options = RedisOptions { persist: true, ..RedisOptions::default() };
        Self::Redis(RedisServer::start(options).await)
    }

    pub async fn postgres() -> Self {
        let options = PostgresOptions::default();
        Self::Postgres(PostgresServer::start(options).await)
    }

    /// The example that uses this server.
    fn example(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
        }
    }

    /// The environment variable with the server's URL.
    fn variable(&self) -> &'static str {
        match self {
            Self::Redis(_) => "REDIS_URL",
            Self::Postgres(_) => "DATABASE_URL",
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Redis(server) => server.port(),
            Self::Postgres(server) => server.port(),
        }
    }

    /// The URL for another user with a password, on another port.
    fn url_of(&self, user: &str, password: &str, port: u16) -> String {
        match self {
            Self::Redis(_) => format!("redis://{user}:{password}@127.0.0.1:{port}"),
            Self::Postgres(_) => format!("postgres://{user}:{password}@127.0.0.1:{port}/app"),
        }
    }

    fn kill(&self) {
        match self {
            Self::Redis(server) => server.kill(),
            Self::Postgres(server) => server.kill(),
        }
    }

    fn freeze(&self) {
        match self {
            Self::Redis(server) => server.freeze(),
            Self::Postgres(server) => server.freeze(),
        }
    }

    async fn restart(&self) {
        match self {
            Self::Redis(server) => server.restart().await,
            Self::Postgres(server) => server.restart().await,
        }
    }

    /// Creates a user with the rights that a node needs.
    async fn add_user(&self, name: &str, password: &str) {
        match self {
            Self::Redis(server) => {
                let user = ["ACL", "SETUSER", name, "on", &format!(">{password}"), "~*", "&*", "+@all"];
                server.cli(&user).await;
            }
            Self::Postgres(server) => {
                server.psql(&format!("create role {name} login password '{password}'")).await;
                server.psql(&format!("grant usage on schema tower_logout to {name}")).await;
                server.psql(&format!("grant all on all tables in schema tower_logout to {name}")).await;
            }
        }
    }

    /// Bytes of the request with which a node loads all revocations, and of no other request at its
    /// start.
    fn request_to_load(&self) -> &'static str {
        match self {
            Self::Redis(_) => "$1\r\n0\r\n$3\r\n999\r\n$3\r\nREV\r\n",
            Self::Postgres(_) => "to stdout (format binary)",
        }
    }

    async fn node_at(&self, url: &str) -> Result<Running, Box<dyn Error>> {
        Running::start(self.example(), &[("ADDR", "127.0.0.1:0"), (self.variable(), url)]).await
    }

    /// A node that has loaded.
    async fn node(&self) -> Result<Running, Box<dyn Error>> {
        let node = self.node_at(&self.url()).await?;
        node.until_health_is("fresh").await?;
        Ok(node)
    }

    /// How the example ends when it is started with this URL and cannot start.
    async fn failure(&self, url: &str) -> Result<String, Box<dyn Error>> {
        let settings = [("ADDR", "127.0.0.1:0"), ("JWT_SECRET", LONG_SECRET), (self.variable(), url)];
        let Output { status, stdout, stderr } = output(self.example(), &settings).await?;
        assert_eq!(status.code(), Some(1));
        assert_eq!(String::from_utf8(stdout)?, "");
        Ok(String::from_utf8(stderr)?)
    }
}

pub async fn a_logout_on_one_node_is_enforced_on_all(backend: Backend) -> TestResult {
    let (here, there) = (backend.node().await?, backend.node().await?);
    let token = here.log_in("ann").await?;
    for node in [&here, &there] {
        assert_eq!(node.me(&token).await?, ok(r#"{"sub":"ann"}"#));
    }
    assert_eq!(here.log_out(&token).await?, ok(LOGGED_OUT));
    let answered = Instant::now();
    assert_eq!(here.me(&token).await?, unauthorized(REVOKED));
    there.until_rejected(&token, answered).await?;
    for node in [&here, &there] {
        assert_eq!(node.log_out(&token).await?, unauthorized(REVOKED));
    }

    // The other node also knows that the second logout is not the first.
    let token = there.log_in("ann").await?;
    assert_eq!(there.log_out(&token).await?, ok(LOGGED_OUT));
    assert_eq!(here.log_out(&token).await?, unauthorized(REVOKED));
    here.stop("TERM").await?;
    there.stop("INT").await
}

pub async fn a_logout_everywhere_on_one_node_is_enforced_on_all(backend: Backend) -> TestResult {
    let (here, there) = (backend.node().await?, backend.node().await?);
    let (one, other, bob) = (here.log_in("ann").await?, there.log_in("ann").await?, there.log_in("bob").await?);
    assert_eq!(here.send(Method::POST, "/api/v1/logout/everywhere", &one).await?, ok(LOGGED_OUT));
    let answered = Instant::now();
    for token in [&one, &other] {
        assert_eq!(here.me(token).await?, unauthorized(REVOKED));
        there.until_rejected(token, answered).await?;
    }
    let later = there.log_in("ann").await?;
    for node in [&here, &there] {
        assert_eq!(node.me(&later).await?, ok(r#"{"sub":"ann"}"#));
        assert_eq!(node.me(&bob).await?, ok(r#"{"sub":"bob"}"#));
    }
    Ok(())
}

pub async fn one_of_many_parallel_logouts_over_all_nodes_is_the_first(backend: Backend) -> TestResult {
    let nodes = [backend.node().await?, backend.node().await?];
    for _ in 0..ROUNDS {
        let token = nodes[0].log_in("ann").await?;
        let answers = join_all(nodes.iter().cycle().take(PARALLEL).map(|node| node.log_out(&token))).await;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (first, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.0 == 200);
        assert_eq!(first, [ok(LOGGED_OUT)]);
        assert_eq!(others, vec![unauthorized(REVOKED); PARALLEL - 1]);
    }
    Ok(())
}

pub async fn a_restarted_node_knows_what_was_revoked(backend: Backend) -> TestResult {
    let (here, there) = (backend.node().await?, backend.node().await?);
    let (token, alive) = (there.log_in("ann").await?, there.log_in("ann").await?);
    there.stop("TERM").await?;
    assert_eq!(here.log_out(&token).await?, ok(LOGGED_OUT));
    here.stop("TERM").await?;

    let there = backend.node_at(&backend.url()).await?;
    // It may still be loading, and never accepts the token.
    let answer =
        until("an answer", async || Ok(Some(there.me(&token).await?).filter(|answer| answer.0 != 503))).await?;
    assert_eq!(answer, unauthorized(REVOKED));
    assert_eq!(there.log_out(&token).await?, unauthorized(REVOKED));
    assert_eq!(there.me(&alive).await?, ok(r#"{"sub":"ann"}"#));
    Ok(())
}

pub async fn a_loading_node_reports_it_and_rejects_requests(backend: Backend) -> TestResult {
    let node = backend.node().await?; // creates the tables
    let (user, password) = ("loader", "hunter2");
    backend.add_user(user, password).await;
    let proxy = FaultProxy::start(([127, 0, 0, 1], backend.port()).into()).await;
    proxy.cut_after_request_with(backend.request_to_load());
    let loading = backend.node_at(&backend.url_of(user, password, proxy.port())).await?;
    let token = loading.log_in("ann").await?;
    assert_eq!(loading.health().await?.0, 503);
    assert_eq!(loading.health().await?.1["state"], "loading");
    assert_eq!(node.me(&token).await?.0, 200);
    assert_unavailable(&loading.me(&token).await?)?;

    proxy.pass();
    loading.until_health_is("fresh").await?;
    assert_eq!(loading.me(&token).await?, ok(r#"{"sub":"ann"}"#));
    let printed = loading.end("TERM").await?;
    assert!(printed.contains("listening on") && printed.contains("WARNING: JWT_SECRET"), "{printed}");
    assert!(!printed.contains(password), "{printed}");
    Ok(())
}

pub async fn an_outage_is_503_and_loses_nothing(backend: Backend) -> TestResult {
    let nodes = [backend.node().await?, backend.node().await?];
    let [here, there] = &nodes;
    let (dead, alive) = (here.log_in("ann").await?, here.log_in("ann").await?);
    assert_eq!(here.log_out(&dead).await?, ok(LOGGED_OUT));
    there.until_rejected(&dead, Instant::now()).await?;

    backend.kill();
    for node in &nodes {
        assert_unavailable(&node.log_out(&alive).await?)?;
    }
    for node in &nodes {
        let stale_for = node.until_health_is("stale").await?;
        assert!(stale_for >= MAX_STALENESS, "{stale_for:?}");
        let grows = until("more", async || Ok(Some(node.until_health_is("stale").await?).filter(|&it| it > stale_for)));
        grows.await?;
        assert_unavailable(&node.me(&alive).await?)?;
        assert_unavailable(&node.log_out(&alive).await?)?;
        assert_eq!(node.me(&dead).await?, unauthorized(REVOKED));
    }

    backend.restart().await;
    for node in &nodes {
        assert!(node.until_health_is("fresh").await? <= MAX_STALENESS);
        assert_eq!(node.me(&dead).await?, unauthorized(REVOKED));
        assert_eq!(node.log_out(&dead).await?, unauthorized(REVOKED));
        // No logout that got a 503 during the outage was stored.
        assert_eq!(node.me(&alive).await?, ok(r#"{"sub":"ann"}"#));
    }
    assert_eq!(here.log_out(&alive).await?, ok(LOGGED_OUT));
    there.until_rejected(&alive, Instant::now()).await
}

pub async fn reports_in_one_line_why_it_does_not_start(backend: Backend) -> TestResult {
    let (user, password) = ("nobody", "hunter2");
    let url = backend.url_of(user, password, backend.port());
    backend.freeze();
    let began = Instant::now();
    let frozen = backend.failure(&url).await?;
    assert!(began.elapsed() < SOON, "{:?} to start and give up after a second", began.elapsed());
    backend.kill();
    let away = backend.failure(&url).await?;
    assert!(away.contains("refused"), "{away}");
    let no_url = backend.failure(&format!("{user}:{password}")).await?;
    let unset = backend.failure("").await?;
    for line in [frozen, away, no_url, unset] {
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.starts_with("error: ") && line.contains(backend.variable()), "{line}");
        assert!(!line.contains(password), "{line}");
    }
    Ok(())
}

impl Running {
    async fn me(&self, token: &str) -> Result<Answer, reqwest::Error> {
        self.send(Method::GET, "/api/v1/me", token).await
    }

    async fn log_out(&self, token: &str) -> Result<Answer, reqwest::Error> {
        self.send(Method::POST, "/api/v1/logout", token).await
    }

    async fn health(&self) -> Result<(u16, Value), Box<dyn Error>> {
        let (status, body) = self.get("/healthz").await?;
        Ok((status, serde_json::from_str(&body)?))
    }

    /// Waits for this state and returns the staleness.
    async fn until_health_is(&self, state: &str) -> Result<Duration, Box<dyn Error>> {
        until(state, async || {
            let (status, health) = self.health().await?;
            assert_eq!(status, if health["state"] == "fresh" { 200 } else { 503 }, "{health}");
            let staleness = health["staleness_ms"].as_u64().map(Duration::from_millis);
            Ok(staleness.filter(|_| health["state"] == state))
        })
        .await
    }

    /// Waits until a token that was logged out on another node is rejected. Fails if that takes too
    /// long or on any other response.
    async fn until_rejected(&self, token: &str, logged_out: Instant) -> TestResult {
        let answer = until("the refusal", async || {
            let asked = Instant::now();
            let answer = Some(self.me(token).await?).filter(|answer| answer.0 != 200);
            assert!(
                answer.is_some() || asked < logged_out + MAX_STALENESS,
                "a token that was logged out long ago passes"
            );
            Ok(answer)
        });
        assert_eq!(answer.await?, unauthorized(REVOKED));
        Ok(())
    }
}

/// Waits until the condition holds; fails after a deadline.
async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn assert_unavailable((status, body): &Answer) -> TestResult {
    assert_eq!(*status, 503, "{body}");
    assert_eq!(serde_json::from_str::<Value>(body)?["error"], "temporarily_unavailable");
    Ok(())
}

/// The default of a `Replica`.
const MAX_STALENESS: Duration = Duration::from_secs(5);
/// A second, and a margin for a busy machine.
const SOON: Duration = Duration::from_secs(10);
const LONG_SECRET: &str = "a secret that is long enough for HS256";
const PARALLEL: usize = 64;
const ROUNDS: usize = 5;
