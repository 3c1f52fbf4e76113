//! A Chromium with an empty profile, driven through its chromedriver.

use std::{error::Error, path::Path, process::Stdio, time::Duration};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    key::Key,
    wd::WindowHandle,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A running browser. Dropping it ends the browser and deletes its profile.
pub struct Browser {
    pub client: Client,
    driver: Driver,
    _profile: TempDir,
}

impl Browser {
    pub async fn start() -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("tower-logout-").tempdir()?;
        let driver = Driver::start(profile.path()).await?;
        let directory = format!("--user-data-dir={}", profile.path().join("profile").display());
        let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([&*directory]).collect();
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = timeout(PATIENCE, builder.capabilities(capabilities).connect(&driver.url)).await??;
        Ok(Self { client, driver, _profile: profile })
    }

    /// Waits until an element is visible and has this text.
    pub async fn shows(&self, id: &str, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.text(id).await?;
            if shown.as_deref().is_some_and(|shown| shown.contains(text)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let page = self.client.execute("return document.body.innerText", vec![]).await?;
                return Err(format!("#{id} does not show {text:?} but {shown:?}. The page: {page}").into());
            }
            sleep(POLL).await;
        }
    }

    /// The text of a visible element.
    pub async fn text(&self, id: &str) -> Result<Option<String>> {
        let script = "const found = document.getElementById(arguments[0]); return found.checkVisibility() ? found.innerText : null";
        Ok(self.client.execute(script, vec![json!(id)]).await?.as_str().map(str::to_owned))
    }

    pub async fn click(&self, id: &str) -> Result<()> {
        Ok(self.client.find(Locator::Id(id)).await?.click().await?)
    }

    /// Replaces the content of an input field.
    pub async fn fill(&self, id: &str, text: &str) -> Result<()> {
        let field = self.client.find(Locator::Id(id)).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Sends a key to the focused element.
    pub async fn press(&self, key: Key) -> Result<()> {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_owned());
        let keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        Ok(self.client.perform_actions(keys).await?)
    }

    /// The id of the focused element.
    pub async fn focus(&self) -> Result<String> {
        let id = self.client.execute("return document.activeElement.id", vec![]).await?;
        Ok(id.as_str().unwrap_or_default().to_owned())
    }

    /// Opens a second tab and switches to it.
    pub async fn new_tab(&self, url: &str) -> Result<WindowHandle> {
        let tab = self.client.new_window(true).await?.handle;
        self.client.switch_to_window(tab.clone()).await?;
        self.client.goto(url).await?;
        Ok(tab)
    }

    /// Shows the page on a screen of this size.
    pub async fn screen(&self, width: u32, height: u32, mobile: bool) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await
    }

    /// Emulates the preferred colour scheme, `light` or `dark`.
    pub async fn colours(&self, scheme: &str) -> Result<()> {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [feature] })).await
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Result<()> {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await.map(drop)
    }

    /// The errors that the consoles of all tabs have shown since the last call.
    pub async fn errors(&self) -> Result<Vec<Value>> {
        let entries = self.command("se/log", json!({ "type": "browser" })).await?;
        let entries = entries.as_array().ok_or("the log is a list")?;
        Ok(entries.iter().filter(|entry| entry["level"] == "SEVERE").cloned().collect())
    }

    /// A command of chromedriver outside the standard.
    async fn command(&self, path: &str, body: Value) -> Result<Value> {
        let session = self.client.session_id().await?.ok_or("there is a session")?;
        let url = format!("{}/session/{session}/{path}", self.driver.url);
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let mut answer: Value = client.post(url).json(&body).send().await?.error_for_status()?.json().await?;
        Ok(answer["value"].take())
    }

    /// Ends the browser; fails if any of its consoles has shown an error.
    pub async fn close(self) -> Result<()> {
        let errors = self.errors().await?;
        assert!(errors.is_empty(), "errors in the console: {errors:#?}");
        Ok(self.client.close().await?)
    }
}

/// A chromedriver in its own process group, with the browser that it starts.
struct Driver {
    url: String,
    group: u32,
    child: Child,
    /// Kept open, so that further output does not fail.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// Holds what chromedriver and the browser write.
    async fn start(directory: &Path) -> Result<Self> {
        let mut command = Command::new("chromedriver");
        command.env("HOME", directory).env("TMPDIR", directory);
        command.arg("--port=0").process_group(0).kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let group = child.id().ok_or("it has just been started")?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("stdout is piped")?).lines();
        let url = loop {
            let line = timeout(PATIENCE, lines.next_line()).await??.ok_or("chromedriver ended early")?;
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
            }
        };
        Ok(Self { url, group, child, _stdout: lines })
    }
}

impl Drop for Driver {
    /// A browser outlives a killed chromedriver. Until the process is waited for, no other group
    /// can have its id.
    fn drop(&mut self) {
        if self.child.id().is_some() {
            let group = format!("-{}", self.group);
            let _ = std::process::Command::new("sh").args(["-c", r#"kill -KILL "$1""#, "sh", &group]).status();
        }
    }
}

const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/// How long the tests wait at most.
const PATIENCE: Duration = Duration::from_secs(30);
/// The interval between two attempts.
const POLL: Duration = Duration::from_millis(20);
