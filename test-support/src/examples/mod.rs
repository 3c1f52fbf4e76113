//! Examples as processes, and their responses.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::target;

pub mod fleet;

pub type TestResult = Result<(), Box<dyn Error>>;

/// A running example, which is killed when dropped.
pub struct Running {
    child: Child,
    pub url: String,
    /// The token that it has printed, if any.
    pub token: String,
    client: reqwest::Client,
    /// The output so far.
    printed: String,
    /// Kept open, so that further output does not fail.
    stdout: Lines<BufReader<ChildStdout>>,
}

pub type Answer = (u16, String);

impl Running {
    pub async fn start(name: &str, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let mut child = command(name, settings)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let (mut url, mut token, mut printed) = (None, String::new(), String::new());
        // The instructions come in one piece, followed by an empty line.
        loop {
            let line = timeout(PATIENCE, lines.next_line()).await??.ok_or("the example ended early")?;
            printed += &line;
            if let Some(printed) = line.strip_prefix("listening on ") {
                url = Some(printed.to_owned());
            } else if let Some(printed) = line.strip_prefix("  TOKEN=") {
                printed.clone_into(&mut token);
            } else if line.is_empty() && !token.is_empty() {
                break;
            }
        }
        let url = url.ok_or("the example does not print where it listens")?;
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { child, url, token, client, printed, stdout: lines })
    }

    pub async fn log_in(&self, username: &str) -> Result<String, Box<dyn Error>> {
        let (status, body) = self.post("/api/v1/login", &json!({ "username": username }).to_string()).await?;
        assert_eq!(status, 200, "{body}");
        let token = serde_json::from_str::<Value>(&body)?["access_token"].as_str().ok_or("no access_token")?.to_owned();
        assert_eq!(body, format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":900}}"#));
        Ok(token)
    }

    pub async fn logs_out_ann(&self) -> TestResult {
        assert_eq!(self.send(Method::GET, "/api/v1/me", &self.token).await?, ok(r#"{"sub":"ann"}"#));
        assert_eq!(self.send(Method::POST, "/api/v1/logout", &self.token).await?, ok(LOGGED_OUT));
        assert_eq!(self.send(Method::GET, "/api/v1/me", &self.token).await?, unauthorized(REVOKED));
        assert_eq!(self.send(Method::POST, "/api/v1/logout", &self.token).await?, unauthorized(REVOKED));
        Ok(())
    }

    pub async fn send(&self, method: Method, path: &str, token: &str) -> Result<Answer, reqwest::Error> {
        answer(self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token)).await
    }

    pub async fn get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        answer(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Result<Answer, reqwest::Error> {
        answer(self.client.post(format!("{}{path}", self.url)).body(body.to_owned())).await
    }

    /// Status, `Set-Cookie` and body of the response to a request with a cookie.
    pub async fn with_cookie(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        body: &str,
    ) -> Result<(u16, String, String), Box<dyn Error>> {
        let request = self.client.request(method, format!("{}{path}", self.url)).body(body.to_owned());
        let answer = request.header("cookie", cookie).send().await?;
        let set = answer.headers().get("set-cookie").map_or(Ok(""), |value| value.to_str())?.to_owned();
        Ok((answer.status().as_u16(), set, answer.text().await?))
    }

    /// Stops the process, which ends cleanly.
    pub async fn stop(self, signal: &str) -> TestResult {
        self.end(signal).await.map(drop)
    }

    /// Stops the process and returns all its output.
    pub async fn end(mut self, signal: &str) -> Result<String, Box<dyn Error>> {
        let id = self.child.id().ok_or("the example has ended by itself")?.to_string();
        let sent = Command::new("sh").args(["-c", r#"kill -"$1" "$2""#, "sh", signal, &id]).status().await?;
        assert!(sent.success());
        assert_eq!(timeout(PATIENCE, self.child.wait()).await??.code(), Some(0));
        let mut stdout = self.stdout.into_inner();
        timeout(PATIENCE, stdout.read_to_string(&mut self.printed)).await??;
        let mut stderr = self.child.stderr.take().ok_or("stderr is piped")?;
        timeout(PATIENCE, stderr.read_to_string(&mut self.printed)).await??;
        Ok(self.printed)
    }
}

pub async fn output(name: &str, settings: &[(&str, &str)]) -> Result<Output, Box<dyn Error>> {
    Ok(timeout(PATIENCE, command(name, settings)?.output()).await??)
}

pub fn command(name: &str, settings: &[(&str, &str)]) -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(example(name)?);
    for inherited in INHERITED {
        command.env_remove(inherited);
    }
    command.envs(settings.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// Builds all examples, once per test binary, and returns the path of this one.
fn example(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    static BUILT: OnceLock<bool> = OnceLock::new();
    if !*BUILT.get_or_init(build_all) {
        return Err("the examples cannot be built".into());
    }
    Ok(target::profile().join(format!("example-{name}")))
}

/// In one call, so that common dependencies are compiled once.
fn build_all() -> bool {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut build = std::process::Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--quiet", "--target-dir"]).arg(target::directory()).current_dir(workspace);
    if target::profile().ends_with("release") {
        build.arg("--release");
    }
    for example in fs::read_dir(workspace.join("examples")).expect("examples").filter_map(Result::ok) {
        build.args(["--package", &format!("example-{}", example.file_name().display())]);
    }
    build.status().is_ok_and(|status| status.success())
}

pub async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

pub fn ok(body: &str) -> Answer {
    (200, body.to_owned())
}

pub fn unauthorized(body: &str) -> Answer {
    (401, body.to_owned())
}

/// Settings of the examples, which the tests' own environment may have.
const INHERITED: [&str; 12] = [
    "ADDR",
    "AUDIENCE",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "DATABASE_URL",
    "ISSUER",
    "JWT_AUDIENCE",
    "JWT_ISSUER",
    "JWT_SECRET",
    "REDIS_URL",
    "REVOCATIONS",
    "SCOPE",
];

pub const LOGGED_OUT: &str = r#"{"message":"Successfully logged out"}"#;
pub const REVOKED: &str = r#"{"description":"The token has been revoked.","error":"token_revoked"}"#;
pub const PATIENCE: Duration = Duration::from_secs(30);
