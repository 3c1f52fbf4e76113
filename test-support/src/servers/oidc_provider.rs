//! `oidc-provider`, an identity provider of the OpenID Foundation's conformance tests, by Node.js.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    NOT_YET_GONE, PORT_TAKEN, Process, Slot, Wait, directory_of, free_port, log_of, new_directory, not_installed, tail,
};
use crate::visitor::{FORM, Page, Visitor, form};

/// The directory with the script and the packages that `scripts/setup.sh` installs.
fn directory() -> &'static Path {
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/providers"));
    if !directory.join("node_modules/oidc-provider").is_dir() {
        not_installed("the npm package oidc-provider");
    }
    directory
}

fn node() -> PathBuf {
    directory_of("node").unwrap_or_else(|| not_installed("Node.js")).join("node")
}

/// An identity provider for a test.
pub struct OidcProvider {
    port: u16,
    algorithm: &'static str,
    process: Slot,
    directory: TempDir,
    client: reqwest::Client,
}

/// What a user gets who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub access_token: String,
    pub id_token: String,
}

impl OidcProvider {
    /// Starts a provider that signs with this algorithm: `RS256`, `PS256`, `ES256` or `EdDSA`.
    pub async fn start(algorithm: &'static str) -> Self {
        let directory = new_directory();
        let wait = Wait::until("started");
        loop {
            let port = free_port();
            match Process::start(command(port, algorithm, &directory), &directory, READY).await {
                Ok(process) => {
                    let process = Slot::new(process);
                    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
                    return Self { port, algorithm, process, directory, client };
                }
                Err(log) => wait.a_moment_if(&[PORT_TAKEN], &log).await,
            }
        }
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A JWT of the client `service`, for this audience. Audiences that end in `/opaque` get an
    /// opaque token.
    pub async fn token_for(&self, audience: &str) -> String {
        let fields = [("grant_type", "client_credentials"), ("resource", audience), ("scope", "orders:read")];
        text(&self.post("/token", &fields, Some("service")).await, "access_token")
    }

    /// Signs a user in at the client `app`, in a session of its own.
    pub async fn sign_in(&self, user: &str, audience: &str) -> SignedIn {
        self.sign_in_at("app", &mut Visitor::new(), user, audience).await
    }

    /// Signs a user in at a client by authorization code with PKCE, in the session of this browser if
    /// it has one.
    pub async fn sign_in_at(&self, client: &str, visitor: &mut Visitor, user: &str, audience: &str) -> SignedIn {
        const VERIFIER: &str = "a verifier of the tests, in the alphabet: 0123456789";
        let verifier = URL_SAFE_NO_PAD.encode(VERIFIER);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let query = form(&[
            ("client_id", client),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "openid orders:read"),
            ("resource", audience),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let page = visitor.visit(&format!("{}/auth?{query}", self.issuer()), REDIRECT).await;
        let page = Self::fill_in(visitor, page, user, REDIRECT).await;
        let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {}", page.url));
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", &verifier),
            ("resource", audience),
        ];
        let has_secret = client == "web";
        let (fields, client) = if has_secret { (without_client(&fields), Some(client)) } else { (fields.into(), None) };
        let answer = self.post("/token", &fields, client).await;
        SignedIn { access_token: text(&answer, "access_token"), id_token: text(&answer, "id_token") }
    }

    /// Ends the session of a browser at the provider, which then tells the clients.
    pub async fn end_session(&self, visitor: &mut Visitor, id_token: &str) {
        let query = form(&[("id_token_hint", id_token), ("post_logout_redirect_uri", AFTER_LOGOUT)]);
        let page = visitor.visit(&format!("{}/session/end?{query}", self.issuer()), AFTER_LOGOUT).await;
        let page = visitor.submit(&page, &[("logout", "yes")], AFTER_LOGOUT).await;
        assert!(page.url.as_str().starts_with(AFTER_LOGOUT), "{} {}\n{}", page.status, page.html, self.log());
    }

    /// Sends the logouts of all clients to this address from now on.
    pub async fn notifies(&self, uri: &str) {
        self.post(&format!("/test/notify?{}", form(&[("uri", uri)])), &[], None).await;
    }

    /// Fills in the provider's forms, from the first one, until it redirects to this address.
    pub async fn fill_in(visitor: &mut Visitor, mut page: Page, user: &str, until: &str) -> Page {
        while page.url.path().starts_with("/interaction/") {
            let is_login = page.html.contains("name=\"login\"");
            let fields: &[_] = if is_login { &[("login", user), ("password", "any")] } else { &[] };
            page = visitor.submit(&page, fields, until).await;
        }
        page
    }

    /// Revokes an opaque token of the client `service` (RFC 7009).
    pub async fn revoke(&self, token: &str) {
        self.post("/token/revocation", &[("token", token)], Some("service")).await;
    }

    /// Signs with a new key. The old ones stay published, or are removed.
    pub async fn rotate(&self, overlap: bool) {
        self.post(&format!("/test/rotate?overlap={overlap}"), &[], None).await;
    }

    /// The number of requests for this path since the process started.
    pub async fn requests(&self, path: &str) -> usize {
        let answer = self.client.get(format!("{}/test/requests", self.issuer())).send().await.unwrap();
        let counts: HashMap<String, usize> = answer.json().await.unwrap();
        counts.get(path).copied().unwrap_or_default()
    }

    /// Kills the process. Its port refuses connections until [`restart`](Self::restart).
    pub fn kill(&self) {
        drop(self.process.take());
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and with the same keys. It has
    /// forgotten sessions and opaque tokens.
    pub async fn restart(&self) {
        let wait = Wait::until("started again");
        loop {
            match Process::start(command(self.port, self.algorithm, &self.directory), &self.directory, READY).await {
                Ok(process) => return self.process.put(process),
                Err(log) => wait.a_moment_if(&NOT_YET_GONE, &log).await,
            }
        }
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], client: Option<&str>) -> Value {
        let mut request = self.client.post(format!("{}{path}", self.issuer())).header("content-type", FORM);
        if let Some(client) = client {
            // RFC 6749, section 2.3.1: encoded as in a form.
            let encoded = form(&[("", Self::SECRET)]);
            let credentials = format!("{client}{}", encoded.replacen('=', ":", 1));
            request = request.header("authorization", format!("Basic {}", STANDARD.encode(credentials)));
        }
        let answer = request.body(form(fields)).send().await.unwrap();
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {body}\n{}", self.log());
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        tail(&fs::read_to_string(log_of(&self.directory)).unwrap())
    }

    /// The client that may introspect tokens.
    pub const INTROSPECTING: &str = "api";

    /// The secret of all clients that have one.
    pub const SECRET: &str = "a secret of the tests, 32 bytes long";
}

fn command(port: u16, algorithm: &str, place: &TempDir) -> Command {
    let settings = json!({ "port": port, "alg": algorithm, "keys": place.path().join("keys.json") });
    let mut command = Command::new(node());
    command.arg(directory().join("oidc-provider.mjs")).arg(settings.to_string()).current_dir(place.path());
    command
}

/// The fields of a client that authenticates in a header.
fn without_client<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    fields.iter().filter(|(name, _)| *name != "client_id").copied().collect()
}

fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member}: {answer}")).to_owned()
}

const REDIRECT: &str = "http://127.0.0.1/callback";
/// Where the provider sends browsers after a logout.
const AFTER_LOGOUT: &str = "http://127.0.0.1/";
const READY: &str = "listening";
const PATIENCE: Duration = Duration::from_secs(30);
