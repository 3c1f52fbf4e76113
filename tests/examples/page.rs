//! Promise: the page of the `axum` example shows in a real browser what a logout ends, and no
//! console shows an error.

use std::{env, error::Error, fs, ops::Deref, path::Path};

use fantoccini::{Locator, key::Key};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{
    browser::Browser,
    examples::{Running, TestResult},
};

macro_rules! in_browsers {
    ($($test:ident)*) => {$(
        #[tokio::test]
        #[ignore = "needs Chromium and ChromeDriver"]
        async fn $test() -> TestResult {
            pages::$test(Example::start().await?).await
        }
    )*};
}

in_browsers! {
    a_logout_in_one_tab_ends_what_is_live_in_the_other
    a_logout_everywhere_in_one_tab_ends_what_is_live_in_the_other
    a_logout_ends_only_its_own_session
    a_logout_everywhere_ends_the_sessions_of_all_browsers
    the_keyboard_alone_suffices_to_sign_in_and_log_out
    a_name_is_shown_as_it_was_typed
    it_fits_on_a_phone
    it_is_readable_in_both_colour_schemes
    a_lost_connection_is_shown_and_not_retried_endlessly
    errors_in_any_tab_are_detected
    screenshot_for_the_readme
}

mod pages {
    use super::*;

    pub(super) async fn a_logout_in_one_tab_ends_what_is_live_in_the_other(app: Example) -> TestResult {
        ends_what_is_live_in_another_tab(&app, "logout").await
    }

    pub(super) async fn a_logout_everywhere_in_one_tab_ends_what_is_live_in_the_other(app: Example) -> TestResult {
        ends_what_is_live_in_another_tab(&app, "everywhere").await
    }

    async fn ends_what_is_live_in_another_tab(app: &Example, button: &str) -> TestResult {
        let browser = Page::start().await?;
        let first = browser.client.window().await?;
        browser.sign_in(app, "ann").await?;
        let second = browser.new_tab(&app.running.url).await?; // is signed in already
        browser.is_live("ann").await?;

        browser.client.switch_to_window(first.clone()).await?;
        browser.click(button).await?;
        browser.shows("notice", "You have logged out").await?;
        browser.has_ended().await?;

        browser.client.switch_to_window(second).await?;
        browser.has_ended().await?;
        browser.shows("signed-out", "Sign in").await?;
        browser.shows("requests", "← event logout").await?;
        browser.shows("requests", "← close 1008").await?;

        browser.click("sign-in").await?;
        browser.is_live("ann").await?;
        browser.client.switch_to_window(first).await?;
        browser.is_live("ann").await?; // checked again: the browser has one cookie
        browser.close().await
    }

    pub(super) async fn a_logout_ends_only_its_own_session(app: Example) -> TestResult {
        let (one, other) = two_sessions_of_ann(&app).await?;
        one.click("logout").await?;
        one.has_ended().await?;
        other.is_live("ann").await?;
        one.close().await?;
        other.close().await
    }

    pub(super) async fn a_logout_everywhere_ends_the_sessions_of_all_browsers(app: Example) -> TestResult {
        let (one, other) = two_sessions_of_ann(&app).await?;
        one.click("everywhere").await?;
        other.has_ended().await?; // usually while the button is still busy
        other.click("sign-in").await?; // also in the second that "everywhere" affects
        one.shows("notice", "You have logged out everywhere.").await?;
        one.has_ended().await?;
        other.is_live("ann").await?;

        one.click("sign-in").await?;
        one.is_live("ann").await?;
        other.click("everywhere").await?;
        one.has_ended().await?;
        one.client.refresh().await?; // with a cookie whose token is revoked
        one.shows("signed-out", "Sign in").await?;
        one.close().await?;
        other.shows("notice", "You have logged out everywhere.").await?;
        other.close().await
    }

    pub(super) async fn the_keyboard_alone_suffices_to_sign_in_and_log_out(app: Example) -> TestResult {
        let browser = Page::start().await?;
        browser.client.goto(&app.running.url).await?;
        browser.shows("signed-out", "Sign in").await?;
        for button in ["logout", "everywhere"] {
            assert_eq!(browser.focus().await?, "name");
            browser.press(Key::Enter).await?;
            browser.is_live_beside("ann", "logout").await?;
            browser.tab_to(button).await?;
            browser.press(Key::Enter).await?;
            browser.shows("notice", "You have logged out").await?;
        }
        browser.tab_to("sign-in").await?;
        browser.press(Key::Enter).await?;
        browser.tab_to("text").await?;
        browser.client.active_element().await?.send_keys("typed").await?;
        browser.press(Key::Enter).await?;
        browser.shows("lines", "← typed").await?;
        assert_eq!(browser.focus().await?, "text");
        browser.close().await
    }

    pub(super) async fn a_name_is_shown_as_it_was_typed(app: Example) -> TestResult {
        let browser = Page::start().await?;
        let name = r#"<img src="x" onerror="console.error(1)"> Zoë"#;
        browser.sign_in(&app, name).await?;
        browser.says(name).await?;
        assert_eq!(browser.text("who").await?.as_deref(), Some(name));
        browser.close().await
    }

    pub(super) async fn it_fits_on_a_phone(app: Example) -> TestResult {
        let browser = Page::start().await?;
        browser.screen(390, 844, true).await?;
        browser.client.goto(&app.running.url).await?;
        browser.shows("signed-out", "Sign in").await?;
        browser.fits().await?;
        browser.sign_in(&app, &"a-name-without-a-space".repeat(2)).await?;
        browser.says(&"long".repeat(60)).await?;
        browser.fits().await?;
        browser.click("logout").await?;
        browser.has_ended().await?;
        browser.fits().await?;
        browser.close().await
    }

    pub(super) async fn it_is_readable_in_both_colour_schemes(app: Example) -> TestResult {
        let browser = Page::start().await?;
        browser.sign_in(&app, "ann").await?;
        browser.says("hello").await?;
        for (scheme, background) in [("dark", "rgb(16, 21, 26)"), ("light", "rgb(243, 245, 247)")] {
            browser.colours(scheme).await?;
            let script = "return getComputedStyle(document.body).backgroundColor";
            assert_eq!(browser.client.execute(script, vec![]).await?, background);
            browser.has_enough_contrast(scheme).await?;
        }
        browser.click("logout").await?;
        browser.has_ended().await?;
        for scheme in ["dark", "light"] {
            browser.colours(scheme).await?;
            browser.has_enough_contrast(scheme).await?;
        }
        browser.close().await
    }

    pub(super) async fn a_lost_connection_is_shown_and_not_retried_endlessly(app: Example) -> TestResult {
        let browser = Page::start().await?;
        browser.sign_in(&app, "ann").await?;
        let app = app.restart().await?; // before or after the page's next attempt
        for part in ["events", "echo"] {
            browser.shows(&format!("{part}-said"), "The connection was lost.").await?;
        }
        browser.click("reconnect").await?;
        browser.is_live("ann").await?;
        drop(app);
        drop(browser); // its console may report that the server was unreachable
        Ok(())
    }

    pub(super) async fn errors_in_any_tab_are_detected(app: Example) -> TestResult {
        let browser = Page::start().await?;
        let first = browser.client.window().await?;
        browser.sign_in(&app, "ann").await?;
        browser.new_tab(&app.running.url).await?;
        assert_eq!(browser.errors().await?, [] as [Value; 0]);
        browser.client.execute("setTimeout(() => { throw new Error('thrown') })", vec![]).await?;
        browser.client.execute("return fetch('/api/v1/login', { method: 'POST' }).then(() => 0)", vec![]).await?;
        browser.client.switch_to_window(first).await?;
        let errors = format!("{:?}", browser.errors().await?);
        assert!(errors.contains("thrown") && errors.contains("400"), "{errors}");
        browser.close().await
    }

    /// Writes the screenshot to the file that `TOWER_LOGOUT_SCREENSHOT` names; does nothing without
    /// it.
    pub(super) async fn screenshot_for_the_readme(app: Example) -> TestResult {
        let Some(file) = env::var_os("TOWER_LOGOUT_SCREENSHOT") else { return Ok(()) };
        let browser = Page::start().await?;
        let first = browser.client.window().await?;
        browser.sign_in(&app, "ann").await?;
        browser.new_tab(&app.running.url).await?;
        browser.screen(1100, 760, false).await?;
        browser.is_live_beside("ann", "logout").await?;
        browser.says("Is anybody there?").await?;
        browser.says("And now?").await?;
        let second = browser.client.window().await?;
        browser.client.switch_to_window(first).await?;
        browser.click("logout").await?;
        browser.client.switch_to_window(second).await?;
        browser.has_ended().await?;
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), browser.client.screenshot().await?)?;
        browser.close().await
    }
}

/// The example, with its own file.
struct Example {
    running: Running,
    dir: TempDir,
}

impl Example {
    async fn start() -> Result<Self, Box<dyn Error>> {
        let dir = tempfile::tempdir()?;
        Ok(Self { running: run(&dir, "127.0.0.1:0").await?, dir })
    }

    /// The same on the same port.
    async fn restart(self) -> Result<Self, Box<dyn Error>> {
        let address = self.running.url.trim_start_matches("http://").to_owned();
        self.running.stop("TERM").await?;
        Ok(Self { running: run(&self.dir, &address).await?, dir: self.dir })
    }
}

async fn run(dir: &TempDir, address: &str) -> Result<Running, Box<dyn Error>> {
    let file = dir.path().join("revocations.redb");
    Running::start("axum", &[("ADDR", address), ("REVOCATIONS", &file.to_string_lossy())]).await
}

async fn two_sessions_of_ann(app: &Example) -> Result<(Page, Page), Box<dyn Error>> {
    let (one, other) = (Page::start().await?, Page::start().await?);
    one.sign_in(app, "ann").await?;
    other.sign_in(app, "ann").await?;
    Ok((one, other))
}

/// The example's page in a browser.
struct Page(Browser);

impl Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.0
    }
}

impl Page {
    async fn start() -> Result<Self, Box<dyn Error>> {
        Ok(Self(Browser::start().await?))
    }

    /// Fails if a console has shown an error.
    async fn close(self) -> TestResult {
        self.0.close().await
    }

    async fn sign_in(&self, app: &Example, name: &str) -> TestResult {
        self.client.goto(&app.running.url).await?;
        self.shows("signed-out", "Sign in").await?;
        self.fill("name", name).await?;
        self.click("sign-in").await?;
        self.is_live_beside(name, "logout").await
    }

    /// Waits until both connections are open, and tests them: the clock advances and the echo
    /// answers.
    async fn is_live(&self, name: &str) -> TestResult {
        self.is_live_beside(name, "logout").await?;
        self.client.execute("document.getElementById('clock').textContent = ''", vec![]).await?;
        self.shows("clock", ":").await?;
        self.says("are you there?").await
    }

    async fn is_live_beside(&self, name: &str, button: &str) -> TestResult {
        self.shows("signed-in", name).await?;
        self.shows(button, "Log out").await?;
        self.shows("events-state", "live").await?;
        self.shows("echo-state", "live").await
    }

    async fn says(&self, text: &str) -> TestResult {
        self.fill("text", text).await?;
        self.client.find(Locator::Css("#send button")).await?.click().await?;
        self.shows("lines", &format!("← {text}")).await
    }

    async fn has_ended(&self) -> TestResult {
        for part in ["events", "echo"] {
            self.shows(&format!("{part}-state"), "ended").await?;
            self.shows(&format!("{part}-said"), "Logged out: the token has been revoked. ").await?;
        }
        self.shows("signed-out", "Sign in").await
    }

    /// Presses the Tab key until the element has the focus.
    async fn tab_to(&self, id: &str) -> TestResult {
        for _ in 0..10 {
            self.press(Key::Tab).await?;
            if self.focus().await? == id {
                return Ok(());
            }
        }
        Err(format!("ten times Tab does not lead to #{id}").into())
    }

    async fn fits(&self) -> TestResult {
        let script = "return [document.documentElement.scrollWidth, innerWidth]";
        let widths = self.client.execute(script, vec![]).await?;
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{widths}");
        assert_eq!(widths[1], 390);
        Ok(())
    }

    /// 4.5:1 for all text (WCAG 2.2, 1.4.3, level AA).
    async fn has_enough_contrast(&self, scheme: &str) -> TestResult {
        let poor = self.client.execute(CONTRAST, vec![json!(4.5)]).await?;
        assert_eq!(poor, json!([]), "in the {scheme} scheme");
        Ok(())
    }
}

/// Elements with less contrast than required, each with its ratio.
const CONTRAST: &str = r"
    const channels = colour => colour.match(/[\d.]+/g).map(Number);
    const linear = value => value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const background = element => {
        const colour = channels(getComputedStyle(element).backgroundColor);
        return colour[3] === 0 ? background(element.parentElement) : colour;
    };
    const hasText = element => [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const ratio = element => {
        const both = [channels(getComputedStyle(element).color), background(element)].map(luminance);
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    };
    const shown = [...document.body.querySelectorAll('*')].filter(element => element.checkVisibility());
    return shown.filter(element => (hasText(element) || element.matches('input')) && ratio(element) < arguments[0])
        .map(element => `${element.id || element.tagName} ${element.textContent.slice(0, 40)}: ${ratio(element)}`);
";
