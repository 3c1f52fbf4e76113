//! Promise: staff can end sessions with the `admin` example, by its endpoint and its page, and
//! nobody else can.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{
    browser::Browser,
    examples::{PATIENCE, Running, TestResult, answer},
    servers::{RedisOptions, RedisServer},
};

struct Service {
    running: Running,
    _revocations: TempDir,
}

impl Service {
    async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let revocations = tempfile::tempdir()?;
        let file = revocations.path().join("revocations.redb");
        let running = start(&[("REVOCATIONS", file.to_str().ok_or("a path in UTF-8")?)]).await?;
        Ok(Self { running, _revocations: revocations })
    }
}

async fn start(settings: &[(&str, &str)]) -> Result<Running, Box<dyn std::error::Error>> {
    Running::start("admin", &[&[("ADDR", "127.0.0.1:0")], settings].concat()).await
}

async fn staff(service: &Running) -> Result<String, Box<dyn std::error::Error>> {
    let (_, body) = service.post("/api/v1/login", r#"{"username":"mia","staff":true}"#).await?;
    let body: Value = serde_json::from_str(&body)?;
    Ok(body["access_token"].as_str().ok_or("no token")?.to_owned())
}

async fn end(service: &Running, token: &str, what: Value) -> Result<u16, Box<dyn std::error::Error>> {
    let mut body = json!({ "reason": "a test" });
    body.as_object_mut().ok_or("an object")?.extend(what.as_object().cloned().unwrap_or_default());
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let request = client.post(format!("{}/api/v1/staff/revocations", service.url)).bearer_auth(token);
    Ok(answer(request.body(body.to_string())).await?.0)
}

async fn me(service: &Running, token: &str) -> Result<u16, Box<dyn std::error::Error>> {
    Ok(service.send(Method::GET, "/api/v1/me", token).await?.0)
}

fn session_of(token: &str) -> Result<String, Box<dyn std::error::Error>> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).ok_or("a JWT")?)?)?;
    Ok(claims["sid"].as_str().ok_or("no sid")?.to_owned())
}

#[tokio::test]
async fn staff_ends_a_session_a_user_a_client_an_issuer_and_everything() -> TestResult {
    let service = Service::start().await?;
    let service = &service.running;
    let (one, other, bob) = (service.log_in("ann").await?, service.log_in("ann").await?, service.log_in("bob").await?);
    let mia = staff(service).await?;
    let all = async || -> Result<_, Box<dyn std::error::Error>> {
        Ok([me(service, &one).await?, me(service, &other).await?, me(service, &bob).await?])
    };
    assert_eq!(end(service, &mia, json!({ "what": "session", "name": session_of(&one)? })).await?, 200);
    assert_eq!(all().await?, [401, 200, 200]);
    assert_eq!(end(service, &mia, json!({ "what": "user", "name": "ann" })).await?, 200);
    assert_eq!(all().await?, [401, 401, 200]);
    assert_eq!(me(service, &mia).await?, 200);
    for what in [
        json!({ "what": "client", "name": "web" }),
        json!({ "what": "issuer", "name": "https://login.example" }),
        json!({ "what": "everything" }),
    ] {
        // `iat` has whole seconds: sign in until a token is later than the last revocation.
        let (mia, bob) = loop {
            let (mia, bob) = (staff(service).await?, service.log_in("bob").await?);
            if (me(service, &mia).await?, me(service, &bob).await?) == (200, 200) {
                break (mia, bob);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        assert_eq!(end(service, &mia, what.clone()).await?, 200, "{what}");
        assert_eq!((me(service, &mia).await?, me(service, &bob).await?), (401, 401), "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_else_can_and_what_would_end_nothing_is_an_error() -> TestResult {
    let service = Service::start().await?;
    let service = &service.running;
    let (ann, mia) = (service.log_in("ann").await?, staff(service).await?);
    let user = || json!({ "what": "user", "name": "ann" });
    assert_eq!(end(service, &ann, user()).await?, 403);
    assert_eq!(end(service, "no.such.token", user()).await?, 401);
    assert_eq!(service.send(Method::GET, "/api/v1/staff/state", &ann).await?.0, 403);
    for what in [
        json!({ "what": "issuer", "name": "https://other.example" }),
        json!({ "what": "user", "name": "" }),
        json!({ "what": "user" }),
        json!({ "what": "nobody", "name": "ann" }),
        json!({ "what": "user", "name": "ann", "reason": " " }),
    ] {
        assert_eq!(end(service, &mia, what.clone()).await?, 400, "{what}");
    }
    assert_eq!(me(service, &ann).await?, 200);
    Ok(())
}

#[tokio::test]
async fn the_state_shows_the_fleet_who_has_ended_what_and_the_ended_streams() -> TestResult {
    let redis = RedisServer::start(RedisOptions::default()).await;
    let url = redis.url();
    let (one, other) = (start(&[("REDIS_URL", &url)]).await?, start(&[("REDIS_URL", &url)]).await?);
    let (ann, mia) = (one.log_in("ann").await?, staff(&one).await?);
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let stream = client.get(format!("{}/api/v1/events", one.url)).bearer_auth(&ann).send().await?;
    assert_eq!(end(&other, &mia, json!({ "what": "user", "name": "ann", "reason": "lost phone" })).await?, 200);
    assert!(stream.text().await?.ends_with("event: logout\ndata: token_revoked\n\n"));

    let state = async |service: &Running| -> Result<Value, Box<dyn std::error::Error>> {
        Ok(serde_json::from_str(&service.send(Method::GET, "/api/v1/staff/state", &mia).await?.1)?)
    };
    let here = loop {
        let here = state(&one).await?;
        if here["streams"]["open"] == 0 {
            break here; // the server drops the body shortly after its end was sent
        }
    };
    let there = state(&other).await?;
    assert_eq!(here["streams"]["ended"], 1);
    assert_eq!((&here["store"]["kind"], &here["store"]["is_ready"]), (&json!("replica"), &json!(true)));
    assert_eq!(here["revocations"]["last"], json!([]), "it was made on the other node");
    let last = &there["revocations"]["last"][0];
    assert_eq!(
        [&last["source"], &last["kind"], &last["actor"], &last["reason"]],
        ["code", "subject", "mia", "lost phone"]
    );
    assert_eq!(there["revocations"]["by_source"], json!({ "code": 1 }));
    assert!(!there.to_string().contains("ann"), "the name of the user is not kept");
    Ok(())
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn the_page_ends_a_user_and_shows_it_and_then_everybody() -> TestResult {
    let service = Service::start().await?;
    let service = &service.running;
    let ann = service.log_in("ann").await?;
    let browser = Browser::start().await?;
    browser.client.goto(&service.url).await?;
    browser.shows("signed-out", "Sign in as staff").await?;
    browser.click("sign-in").await?;
    browser.shows("store", "file, ready").await?;
    browser.fill("name", "ann").await?;
    browser.fill("reason", "<b>lost</b> phone").await?;
    browser.click("revoke").await?;
    browser.shows("said", "Ended. Key 04").await?;
    browser.shows("last", "<b>lost</b> phone").await?;
    browser.shows("sources", "code: 1").await?;
    assert_eq!(me(service, &ann).await?, 401);

    browser.choose("what", "everything").await?;
    browser.click("revoke").await?;
    browser.shows("sure-label", "Everybody must sign in again").await?;
    browser.shows("sources", "code: 1").await?; // the browser asks for the checkbox first
    browser.click("sure").await?;
    browser.click("revoke").await?;
    browser.shows("notice", "Your session was ended.").await?;
    browser.close().await
}
