//! The `oidc` example signs users in at a provider, and ends their tokens.

use std::{error::Error, path::Path, process::Output};

use reqwest::Method;
use serde_json::json;
use test_support::{
    browser::Browser,
    examples::{LOGGED_OUT, PATIENCE, REVOKED, Running, TestResult, ok, output, unauthorized},
    servers::OidcProvider,
    visitor::{Page, Visitor},
};
use tower_logout::token::jwt::TestIssuer;

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn oidc_signs_in_at_the_provider_and_logs_out() -> TestResult {
    let (provider, dir) = (OidcProvider::start("ES256").await, tempfile::tempdir()?);
    let file = dir.path().join("revocations.redb");
    let app = start(&provider, &file, "app").await?;
    let mut visitor = Visitor::new();
    let page = sign_in(&app, &mut visitor, "ann").await;
    assert_eq!((page.status, page.url.path()), (200, "/"));
    let cookie = format!("access_token={}", visitor.cookie(&app.url, "access_token").ok_or("no cookie")?);
    let me = async |app: &Running| app.with_cookie(Method::GET, "/api/v1/me", &cookie, "").await;
    assert_eq!(me(&app).await?, (200, String::new(), r#"{"sub":"ann"}"#.to_owned()));

    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let events = client.get(format!("{}/api/v1/events", app.url)).header("cookie", &cookie).send().await?;
    let logout = app.with_cookie(Method::POST, "/api/v1/logout", &cookie, "").await?;
    assert_eq!((logout.0, &*logout.2), (200, LOGGED_OUT));
    let read = events.text().await?; // to the end
    assert!(read.ends_with("event: logout\ndata: token_revoked\n\n"), "{read}");
    app.stop("TERM").await?;

    let app = start(&provider, &file, "app").await?;
    let revoked = me(&app).await?;
    assert_eq!((revoked.0, &*revoked.2), (401, REVOKED));
    app.stop("TERM").await
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn oidc_introspects_opaque_tokens_as_a_client_with_a_secret() -> TestResult {
    let (provider, dir) = (OidcProvider::start("ES256").await, tempfile::tempdir()?);
    for audience in [API, "https://api.example/opaque"] {
        let file = dir.path().join("revocations.redb");
        let app = start_for(audience, &provider, &file, "web").await?;
        let mut visitor = Visitor::new();
        let page = sign_in(&app, &mut visitor, "ann").await;
        assert_eq!(page.status, 200, "{}", page.html);
        let token = visitor.cookie(&app.url, "access_token").ok_or("no cookie")?;
        assert_eq!(token.contains('.'), audience == API, "an opaque token has no parts");
        assert_eq!(app.send(Method::GET, "/api/v1/me", token).await?, ok(r#"{"sub":"ann"}"#));
        assert_eq!(app.send(Method::POST, "/api/v1/logout", token).await?, ok(LOGGED_OUT));
        assert_eq!(app.send(Method::GET, "/api/v1/me", token).await?, unauthorized(REVOKED));
        app.stop("TERM").await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn oidc_completes_only_the_sign_in_that_this_browser_has_begun() -> TestResult {
    let (provider, dir) = (OidcProvider::start("ES256").await, tempfile::tempdir()?);
    let app = start(&provider, &dir.path().join("revocations.redb"), "app").await?;
    for (part, expected) in [
        (Some("state"), "this is the answer to another sign-in"),
        (Some("nonce"), "the provider has not issued usable tokens"),
        (Some("verifier"), "the provider has not issued usable tokens"),
        (None, "this browser has not begun to sign in"),
    ] {
        let mut visitor = Visitor::new();
        let callback = come_back(&app, &mut visitor, "ann").await;
        let begun = visitor.cookie(&app.url, "sign_in").ok_or("no cookie")?;
        let begun: Vec<_> = begun.split('.').zip(["state", "nonce", "verifier"]).collect();
        assert!(begun.iter().all(|(value, _)| value.len() == 64), "{begun:?}");
        let wrong = "0".repeat(64);
        let values: Vec<_> = begun.iter().map(|&(own, name)| if part == Some(name) { &*wrong } else { own }).collect();
        let cookie = part.map(|_| format!("sign_in={}", values.join("."))).unwrap_or_default();
        let path = format!("/callback?{}", callback.url.query().unwrap_or_default());
        let (status, set, body) = app.with_cookie(Method::GET, &path, &cookie, "").await?;
        assert!(status >= 400 && set.is_empty() && body.contains(expected), "{part:?}: {status} {set} {body}");
    }
    let refused = app.with_cookie(Method::GET, "/callback?state=a&error=access_denied", "sign_in=a.b.c", "").await?;
    assert_eq!(refused.2, "Not signed in: the provider says \"access_denied\".\n");
    let other = app.with_cookie(Method::GET, "/callback?state=a&code=b&iss=https://a.example", "sign_in=a.b.c", "");
    assert_eq!(other.await?.2, "Not signed in: this is the answer of another provider.\n");
    app.stop("TERM").await
}

#[tokio::test]
#[ignore = "needs Node.js, the npm package oidc-provider, Chromium and ChromeDriver"]
async fn oidc_ends_what_is_live_on_its_page() -> TestResult {
    let (provider, dir) = (OidcProvider::start("ES256").await, tempfile::tempdir()?);
    let app = start(&provider, &dir.path().join("revocations.redb"), "app").await?;
    let browser = Browser::start().await?;
    let first = browser.client.window().await?;
    browser.client.goto(&app.url).await?;
    browser.shows("signed-out", &provider.issuer()).await?;
    browser.click("sign-in").await?;
    sign_in_by_hand(&browser, "ann").await?;
    browser.shows("who", "ann").await?;
    browser.errors().await?; // the provider's pages have no icon
    let second = browser.new_tab(&app.url).await?;
    for tab in [first.clone(), second] {
        browser.client.switch_to_window(tab).await?;
        browser.shows("events-state", "live").await?;
        browser.shows("echo-state", "live").await?;
    }
    browser.click("logout").await?;
    browser.shows("notice", "You have logged out").await?;
    browser.client.switch_to_window(first).await?;
    for part in ["events", "echo"] {
        browser.shows(&format!("{part}-state"), "ended").await?;
        browser.shows(&format!("{part}-said"), "Logged out: the token has been revoked. ").await?;
    }
    browser.shows("signed-out", "Sign in").await?;
    browser.close().await
}

#[tokio::test]
#[ignore = "needs Node.js, the npm package oidc-provider, Chromium and ChromeDriver"]
async fn oidc_ends_what_is_live_on_its_page_when_the_user_logs_out_at_the_provider() -> TestResult {
    use fantoccini::Locator;

    let (provider, dir) = (OidcProvider::start("ES256").await, tempfile::tempdir()?);
    let app = start(&provider, &dir.path().join("revocations.redb"), "app,plain").await?;
    provider.notifies(&format!("{}/backchannel-logout", app.url)).await;
    let browser = Browser::start().await?;
    let page = browser.client.window().await?;
    browser.client.goto(&app.url).await?;
    browser.click("sign-in").await?;
    sign_in_by_hand(&browser, "ann").await?;
    browser.shows("events-state", "live").await?;
    browser.shows("echo-state", "live").await?;
    // Another browser of the same user.
    let mut elsewhere = Visitor::new();
    assert_eq!(sign_in(&app, &mut elsewhere, "ann").await.status, 200);
    let other = elsewhere.cookie(&app.url, "access_token").ok_or("no cookie")?;
    browser.errors().await?; // the provider's pages have no icon

    let tab = browser.client.new_window(true).await?.handle;
    browser.client.switch_to_window(tab).await?;
    browser.client.goto(&format!("{}/session/end", provider.issuer())).await?;
    browser.client.find(Locator::Css("button[name=logout][value=yes]")).await?.click().await?;
    browser.client.switch_to_window(page).await?;
    for part in ["events", "echo"] {
        browser.shows(&format!("{part}-state"), "ended").await?;
        browser.shows(&format!("{part}-said"), "Logged out: the token has been revoked. ").await?;
    }
    browser.shows("signed-out", "Sign in").await?;
    assert_eq!(app.send(Method::GET, "/api/v1/me", other).await?, ok(r#"{"sub":"ann"}"#));
    // The provider's pages load a font, which may still fail.
    let errors = browser.errors().await?;
    let is_own = |error: &serde_json::Value| error["message"].as_str().is_some_and(|text| text.starts_with(&app.url));
    assert!(!errors.iter().any(is_own), "{errors:?}");
    Ok(browser.client.clone().close().await?)
}

#[tokio::test]
#[ignore = "needs Node.js and the npm package oidc-provider"]
async fn oidc_takes_the_logouts_of_each_of_its_clients_and_no_others() -> TestResult {
    for (client, expected) in [("app", 401), ("plain", 401), ("web", 200)] {
        let (provider, dir) = (OidcProvider::start("ES256").await, tempfile::tempdir()?);
        let app = start(&provider, &dir.path().join("revocations.redb"), "app, plain").await?;
        provider.notifies(&format!("{}/backchannel-logout", app.url)).await;
        let mut visitor = Visitor::new();
        let signed_in = provider.sign_in_at(client, &mut visitor, "ann", API).await;
        assert_eq!(app.send(Method::GET, "/api/v1/me", &signed_in.access_token).await?.0, 200, "{client}");
        provider.end_session(&mut visitor, &signed_in.id_token).await;
        // The provider has told the clients before its page was there.
        let after = app.send(Method::GET, "/api/v1/me", &signed_in.access_token).await?;
        assert_eq!(after.0, expected, "{client}: {}", provider.log());
        app.stop("TERM").await?;
    }
    Ok(())
}

#[tokio::test]
async fn oidc_accepts_tokens_of_all_its_issuers_and_no_others() -> TestResult {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("revocations.redb");
    let [one, two, foreign] = [TestIssuer::start().await, TestIssuer::start().await, TestIssuer::start().await];
    let issuers = format!("{},{}", one.url(), two.url());
    let settings = [("ISSUER", &*issuers), ("AUDIENCE", API), ("REVOCATIONS", &*file.to_string_lossy())];
    let app = Running::start("oidc", &[&[("ADDR", "127.0.0.1:0")], &settings[..]].concat()).await?;
    let token = |issuer: &TestIssuer| issuer.token(&json!({ "sub": "ann", "aud": API }));
    for issuer in [&one, &two] {
        let token = token(issuer);
        assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, ok(r#"{"sub":"ann"}"#));
        assert_eq!(app.send(Method::POST, "/api/v1/logout", &token).await?, ok(LOGGED_OUT));
        assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, unauthorized(REVOKED));
    }
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token(&foreign)).await?.0, 401);
    let for_another = one.token(&json!({ "sub": "ann", "aud": "https://other.example" }));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &for_another).await?.0, 401);
    assert_eq!(app.get("/api/v1/login").await?.0, 404, "it is no client");
    assert_eq!(app.post("/backchannel-logout", "").await?.0, 404, "it is no client");
    app.stop("TERM").await
}

#[tokio::test]
async fn oidc_ends_what_a_transmitter_of_security_events_reports() -> TestResult {
    let (issuer, dir) = (TestIssuer::start().await, tempfile::tempdir()?);
    let file = dir.path().join("revocations.redb");
    let metadata = json!({ "issuer": issuer.url(), "jwks_uri": format!("{}{}", issuer.url(), TestIssuer::KEYS) });
    issuer.answer_with("/.well-known/ssf-configuration", http::Response::new(metadata.to_string()));
    let settings = [
        ("ADDR", "127.0.0.1:0"),
        ("ISSUER", issuer.url()),
        ("AUDIENCE", API),
        ("REVOCATIONS", &*file.to_string_lossy()),
        ("SSF_ISSUER", issuer.url()),
        ("SSF_AUDIENCE", "https://api.example/events"),
        ("SSF_AUTHORIZATION", "Bearer of-the-stream"),
    ];
    let app = Running::start("oidc", &settings).await?;
    let token = issuer.token(&json!({ "sub": "ann", "aud": API }));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, ok(r#"{"sub":"ann"}"#));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let event = issuer.sign_exactly(
        &json!({ "typ": "secevent+jwt", "alg": "ES256", "kid": issuer.kid() }),
        &json!({
            "iss": issuer.url(),
            "aud": "https://api.example/events",
            "iat": now,
            "jti": "1",
            "sub_id": { "format": "iss_sub", "iss": issuer.url(), "sub": "ann" },
            "events": { "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {} },
        }),
    );
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    for (authorization, status) in [("Bearer wrong", 400), ("Bearer of-the-stream", 202)] {
        let request = client.post(format!("{}/security-events", app.url)).header("authorization", authorization);
        let request = request.header("content-type", "application/secevent+jwt").body(event.clone());
        assert_eq!(request.send().await?.status(), status);
    }
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, unauthorized(REVOKED));
    app.stop("TERM").await
}

#[tokio::test]
async fn oidc_ends_the_tokens_of_a_user_by_a_global_revocation() -> TestResult {
    let (issuer, dir) = (TestIssuer::start().await, tempfile::tempdir()?);
    let file = dir.path().join("revocations.redb");
    let settings = [
        ("ADDR", "127.0.0.1:0"),
        ("ISSUER", issuer.url()),
        ("AUDIENCE", API),
        ("REVOCATIONS", &*file.to_string_lossy()),
        ("GTR_BEARER", "5d0b4a3a6c1f4e2d"),
    ];
    let app = Running::start("oidc", &settings).await?;
    let token = issuer.token(&json!({ "sub": "ann", "aud": API }));
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, ok(r#"{"sub":"ann"}"#));
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let post = async |secret: &str| {
        let request = client.post(format!("{}/global-token-revocation", app.url)).bearer_auth(secret);
        let user = json!({ "format": "iss_sub", "iss": issuer.url(), "sub": "ann" });
        request.json(&json!({ "sub_id": user })).send().await.map(|response| response.status().as_u16())
    };
    assert_eq!(post("5d0b4a3a6c1f4e2e").await?, 401);
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?.0, 200);
    assert_eq!(post("5d0b4a3a6c1f4e2d").await?, 204);
    assert_eq!(app.send(Method::GET, "/api/v1/me", &token).await?, unauthorized(REVOKED));
    app.stop("TERM").await
}

#[tokio::test]
async fn oidc_reports_in_one_line_why_it_does_not_start() -> TestResult {
    let (issuer, dir) = (TestIssuer::start().await, tempfile::tempdir()?);
    let file = dir.path().join("revocations.redb");
    let file = file.to_string_lossy();
    let slash = format!("{}/", issuer.url());
    let good = [("ADDR", "127.0.0.1:0"), ("ISSUER", issuer.url()), ("AUDIENCE", API), ("REVOCATIONS", &*file)];
    for (change, reason) in [
        (("ISSUER", ""), "ISSUER"),
        (("ISSUER", "https://a.example,"), "ISSUER"),
        (("ISSUER", "http://a.example"), "https"),
        (("ISSUER", &*slash), "set ISSUER to exactly that"),
        (("ISSUER", "http://127.0.0.1:9"), "does not answer"),
        (("AUDIENCE", ""), "AUDIENCE"),
        (("CLIENT_SECRET", "secret"), "CLIENT_ID"),
        (("CLIENT_ID", "app,"), "CLIENT_ID has an empty entry"),
        (("SSF_ISSUER", issuer.url()), "SSF_AUDIENCE"),
        (("SSF_AUTHORIZATION", "Bearer a"), "SSF_ISSUER"),
        (("REDIS_URL", "redis://127.0.0.1:9"), "REVOCATIONS or REDIS_URL"),
        (("GTR_BEARER", "short"), "at least 16 characters"),
    ] {
        let Output { status, stdout, stderr } = output("oidc", &[&good[..], &[change]].concat()).await?;
        let (stdout, stderr) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
        assert_eq!((status.code(), &*stdout), (Some(1), ""), "{change:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(reason), "{change:?}: {stderr}");
    }
    Ok(())
}

/// The example as this client of the provider.
async fn start(provider: &OidcProvider, file: &Path, client: &str) -> Result<Running, Box<dyn Error>> {
    start_for(API, provider, file, client).await
}

async fn start_for(
    audience: &str,
    provider: &OidcProvider,
    file: &Path,
    client: &str,
) -> Result<Running, Box<dyn Error>> {
    let (issuer, file) = (provider.issuer(), file.to_string_lossy());
    let mut settings = vec![
        ("ADDR", "127.0.0.1:0"),
        ("ISSUER", &issuer),
        ("AUDIENCE", audience),
        ("CLIENT_ID", client),
        ("SCOPE", "openid orders:read"),
        ("REVOCATIONS", &file),
    ];
    if client == "web" {
        settings.push(("CLIENT_SECRET", OidcProvider::SECRET));
    }
    Running::start("oidc", &settings).await
}

async fn sign_in(app: &Running, visitor: &mut Visitor, user: &str) -> Page {
    let callback = come_back(app, visitor, user).await;
    visitor.visit(callback.url.as_str(), "").await
}

/// Signs in at the provider, up to its redirect to the example.
async fn come_back(app: &Running, visitor: &mut Visitor, user: &str) -> Page {
    let callback = format!("{}/callback", app.url);
    let page = visitor.visit(&format!("{}/api/v1/login", app.url), &callback).await;
    OidcProvider::fill_in(visitor, page, user, &callback).await
}

/// Fills in the provider's forms in a browser.
async fn sign_in_by_hand(browser: &Browser, user: &str) -> TestResult {
    use fantoccini::Locator;

    let wait = || browser.client.wait().at_most(PATIENCE);
    wait().for_element(Locator::Css("input[name=login]")).await?.send_keys(user).await?;
    browser.client.find(Locator::Css("input[name=password]")).await?.send_keys("any").await?;
    browser.client.find(Locator::Css("button[type=submit]")).await?.click().await?;
    wait().for_element(Locator::Css("input[name=prompt][value=consent]")).await?;
    browser.client.find(Locator::Css("button[type=submit]")).await?.click().await?;
    wait().for_element(Locator::Id("who")).await?;
    Ok(())
}

const API: &str = "https://api.example";
