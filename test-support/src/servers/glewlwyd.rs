//! Glewlwyd, a small identity provider of Debian.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, header::SET_COOKIE};
use reqwest::{RequestBuilder, Response, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PORT_TAKEN, Process, Wait, directory_of, free_port, log_of, new_directory, not_installed, tail};
use crate::visitor::{FORM, form};

fn program() -> PathBuf {
    directory_of("glewlwyd").unwrap_or_else(|| not_installed("glewlwyd")).join("glewlwyd")
}

/// A Glewlwyd for a test, with the user `ann` and the client `app`, which may also introspect.
pub struct Glewlwyd {
    port: u16,
    _process: Process,
    directory: TempDir,
}

/// A session of `ann` at the provider.
pub struct GlewlwydSession {
    pub access_token: String,
    sid: String,
    user: Agent,
}

impl Glewlwyd {
    /// Starts a provider with an empty database and configures it.
    pub async fn start() -> Self {
        let directory = new_directory();
        create_database(directory.path());
        let wait = Wait::until("started");
        loop {
            let port = free_port();
            fs::write(directory.path().join(CONFIGURATION), configuration(port, directory.path())).unwrap();
            match Process::start(command(directory.path()), &directory, READY).await {
                Ok(process) => {
                    let provider = Self { port, _process: process, directory };
                    provider.configure().await;
                    return provider;
                }
                Err(log) => wait.a_moment_if(&[PORT_TAKEN, "MHD_start_daemon"], &log).await,
            }
        }
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}/api/oidc", self.port)
    }

    /// Signs `ann` in and returns her session at the client `app`. The audience of the access token
    /// is `openid orders`.
    pub async fn sign_in(&self) -> GlewlwydSession {
        let user = self.agent();
        user.json(Method::POST, "/auth/", &json!({ "username": "ann", "password": PASSWORD })).await;
        user.json(Method::PUT, "/auth/grant/app", &json!({ "scope": SCOPE })).await;
        let query = form(&[
            ("response_type", "code"),
            ("client_id", Self::CLIENT),
            ("redirect_uri", REDIRECT),
            ("nonce", "n"),
            ("scope", SCOPE),
        ]);
        let answer = user.send(user.request(Method::GET, &format!("/oidc/auth?g_continue&{query}"))).await;
        let to = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let code = to.query_pairs().find(|(name, _)| name == "code").unwrap_or_else(|| panic!("no code: {to}")).1;
        let fields = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
        let request =
            self.agent().request(Method::POST, "/oidc/token").body(form(&fields)).header("content-type", FORM);
        let answer = request.basic_auth(Self::CLIENT, Some(Self::SECRET)).send().await.unwrap();
        let answer: Value = answer.error_for_status().unwrap().json().await.unwrap();
        let sid = claims(answer["id_token"].as_str().unwrap())["sid"].as_str().unwrap().to_owned();
        GlewlwydSession { access_token: answer["access_token"].as_str().unwrap().to_owned(), sid, user }
    }

    async fn configure(&self) {
        let admin = self.agent();
        admin.json(Method::POST, "/auth/", &json!({ "username": "admin", "password": "password" })).await;
        let plugin = json!({
            "module": "oidc",
            "name": "oidc",
            "display_name": "oidc",
            "enabled": true,
            "parameters": {
                "iss": self.issuer(),
                "jwt-type": "rsa",
                "jwt-key-size": "256",
                "key": include_str!("../../../tests/jwt/key_files/rsa-private.pem"),
                "cert": include_str!("../../../tests/jwt/key_files/rsa.pem"),
                "jwks-show": true,
                "access-token-duration": HOUR,
                "refresh-token-duration": HOUR,
                "code-duration": HOUR,
                "refresh-token-rolling": true,
                "allow-non-oidc": true,
                "auth-type-code-enabled": true,
                "auth-type-client-enabled": true,
                "auth-type-refresh-enabled": true,
                "auth-type-token-enabled": false,
                "auth-type-implicit-enabled": false,
                "auth-type-password-enabled": false,
                "request-parameter-allow": false,
                "session-management-allowed": true,
                "back-channel-logout-allowed": true,
                "front-channel-logout-allowed": false,
                "session-cookie-name": "GLEWLWYD2_OIDC_SID",
                "session-cookie-expiration": HOUR,
                "introspection-revocation-allowed": true,
                "introspection-revocation-allow-target-client": true,
            },
        });
        admin.json(Method::POST, "/mod/plugin/", &plugin).await;
        let scope = json!({ "name": "orders", "display_name": "orders", "password_required": false, "scheme": {} });
        admin.json(Method::POST, "/scope/", &scope).await;
        let user = json!({
            "username": "ann",
            "password": PASSWORD,
            "enabled": true,
            "scope": ["openid", "orders"],
        });
        admin.json(Method::POST, "/user/?source=database", &user).await;
        admin.json(Method::POST, "/client/?source=database", &app()).await;
    }

    /// Sends the logouts of the client to this address from now on.
    pub async fn notifies(&self, uri: &str) {
        let admin = self.agent();
        admin.json(Method::POST, "/auth/", &json!({ "username": "admin", "password": "password" })).await;
        let mut client = app();
        client["backchannel_logout_uri"] = uri.into();
        client["backchannel_logout_session_required"] = "1".into();
        admin.json(Method::PUT, &format!("/client/{}?source=database", Self::CLIENT), &client).await;
    }

    fn agent(&self) -> Agent {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(PATIENCE).build().unwrap();
        Agent { api: format!("http://127.0.0.1:{}/api", self.port), client, cookies: Mutex::default() }
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        tail(&fs::read_to_string(log_of(&self.directory)).unwrap())
    }

    /// The client of all tokens, which may also introspect them.
    pub const CLIENT: &str = "app";

    /// Its secret.
    pub const SECRET: &str = "a-secret-of-the-tests";

    /// The audience of access tokens, which is their scope in one string.
    pub const AUDIENCE: &str = SCOPE;
}

impl GlewlwydSession {
    /// Ends the session at the provider.
    pub async fn end(&self) {
        let request = self.user.request(Method::DELETE, &format!("/oidc/session/{}/", self.sid));
        let status = self.user.send(request).await.status();
        assert!(status.is_success(), "{status}");
    }
}

/// The client `app`.
fn app() -> Value {
    json!({
        "client_id": Glewlwyd::CLIENT,
        "client_secret": Glewlwyd::SECRET,
        "name": "app",
        "enabled": true,
        "confidential": true,
        "redirect_uri": [REDIRECT],
        "authorization_type": ["code", "client_credentials"],
        "token_endpoint_auth_method": ["client_secret_basic"],
        "scope": ["orders"],
    })
}

/// A client of the provider's own interface that keeps cookies.
struct Agent {
    api: String,
    client: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Agent {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.api))
    }

    async fn json(&self, method: Method, path: &str, body: &Value) {
        let answer = self.send(self.request(method, path).json(body)).await;
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap_or_default());
    }

    async fn send(&self, request: RequestBuilder) -> Response {
        let cookies: Vec<_> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for set in answer.headers().get_all(SET_COOKIE) {
            let set = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = set.split_once('=').unwrap();
            self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

/// Creates the tables and the administrator.
fn create_database(place: &Path) {
    let tables = fs::File::open(TABLES).unwrap_or_else(|_| not_installed("glewlwyd with dbconfig-sqlite3"));
    let program = directory_of("sqlite3").unwrap_or_else(|| not_installed("sqlite3")).join("sqlite3");
    let mut sqlite = Command::new(program);
    sqlite.arg(place.join("glewlwyd.db")).stdin(tables).stdout(Stdio::null());
    assert!(sqlite.status().unwrap().success(), "the database cannot be created");
    fs::create_dir(place.join("middleware")).unwrap();
}

fn command(place: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg(format!("--config-file={}", place.join(CONFIGURATION).display())).current_dir(place);
    command
}

fn configuration(port: u16, place: &Path) -> String {
    let place = place.display();
    // Without TLS, the names of its files are read nevertheless.
    format!(
        r#"
        port={port}
        bind_address="127.0.0.1"
        external_url="http://127.0.0.1:{port}"
        login_url="login.html"
        api_prefix="api"
        static_files_path="/usr/share/glewlwyd/webapp/"
        log_mode="console"
        log_level="INFO"
        cookie_domain="127.0.0.1"
        cookie_secure=0
        session_key="GLEWLWYD2_SESSION_ID"
        admin_scope="g_admin"
        profile_scope="g_profile"
        user_module_path="{MODULES}/user"
        user_middleware_module_path="{place}/middleware"
        client_module_path="{MODULES}/client"
        user_auth_scheme_module_path="{MODULES}/scheme"
        plugin_module_path="{MODULES}/plugin"
        use_secure_connection=false
        secure_connection_key_file="{place}/none.key"
        secure_connection_pem_file="{place}/none.pem"
        secure_connection_ca_file="{place}/none.ca"
        hash_algorithm="SHA512"
        database = {{ type = "sqlite3" path = "{place}/glewlwyd.db" }};
        "#
    )
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

const CONFIGURATION: &str = "glewlwyd.conf";
const TABLES: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
const MODULES: &str = "/usr/lib/glewlwyd";
const READY: &str = "Glewlwyd started";
const PASSWORD: &str = "password of ann";
const SCOPE: &str = "openid orders";
const REDIRECT: &str = "http://127.0.0.1:9/callback";
const HOUR: u32 = 3600;
const PATIENCE: Duration = Duration::from_secs(30);
