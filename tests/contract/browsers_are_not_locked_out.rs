//! Promise: credentials that are no bearer token are ignored, cookies that a browser sends on its
//! own never lock its user out, and a logout revokes every token that the request carries. With
//! real HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, routing::get};
use serde_json::json;
use test_support::{
    ISSUER, NOW, SECRET, bearer, claims_with, clock,
    hand::{Act, HandStore},
    hs256,
    wire::{Answer, Server},
};
use tower::ServiceExt;
use tower_logout::{
    Claims, JwtVerifier, Logout, MemoryStore, RevocationStore, VerifiedToken,
    clock::{Clock, ManualClock},
    respond::Rejection,
    revocation::{Retention, Revocation},
    token::{TokenSource, TokenVerifier, VerifyError},
};

const COOKIE: &str = "token";

/// A verifier that answers later, and fails for some tokens.
struct Slow {
    verifier: JwtVerifier,
    unavailable: Option<String>,
}

#[async_trait]
impl TokenVerifier for Slow {
    type Claims = Claims;

    async fn verify(&self, token: &str) -> Result<VerifiedToken<Claims>, VerifyError> {
        tokio::task::yield_now().await;
        if self.unavailable.as_deref() == Some(token) {
            return Err(VerifyError::unavailable("the keys are on their way"));
        }
        self.verifier.verify(token).await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.verifier.clock()
    }

    fn retention(&self) -> Retention {
        self.verifier.retention()
    }
}

/// A server whose routes allow different requests without a token, and its store.
struct World {
    server: Server,
    clock: ManualClock,
}

async fn whoami(token: Option<VerifiedToken<Claims>>) -> String {
    token.and_then(|token| token.sub.clone()).unwrap_or_else(|| "nobody".to_owned())
}

impl World {
    async fn new(source: TokenSource) -> Self {
        let clock = clock();
        let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone()).build().unwrap();
        let logout = Logout::new(verifier, MemoryStore::new().clock(clock.clone())).token_source(source);
        let route = |logout: Logout| Router::new().route("/", get(whoami)).layer(logout.axum_layer());
        let app = Router::new()
            .nest("/guarded", route(logout.clone()))
            .nest("/anonymous", route(logout.clone().allow_anonymous()))
            .nest("/expired", route(logout.clone().allow_anonymous().allow_expired_as_anonymous()))
            .nest("/expired-alone", route(logout.clone().allow_expired_as_anonymous()))
            .nest("/expired-first", route(logout.clone().allow_expired_as_anonymous().allow_anonymous()))
            .route_service("/logout", logout.service())
            .route_service("/logout-7009", logout.service().idempotent());
        Self { server: Server::axum(app).await, clock }
    }

    async fn header_or_cookie() -> Self {
        Self::new(TokenSource::authorization().or(TokenSource::cookie(COOKIE))).await
    }

    async fn send(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let method = if path.starts_with("/logout") { "POST" } else { "GET" };
        self.server.send(method, path, headers, "").await
    }

    /// The status, and the accepted user or the reason for the rejection.
    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> String {
        said(&self.send(path, headers).await)
    }

    async fn revoke(&self, token: &str) {
        assert_eq!(self.ask("/logout", &[("authorization", &bearer(token))]).await, "200 logged out");
    }
}

fn said(answer: &Answer) -> String {
    let what = match serde_json::from_str::<serde_json::Value>(&answer.body) {
        Ok(body) if body["message"].is_string() => "logged out".to_owned(),
        Ok(body) => body["error"].as_str().unwrap().to_owned(),
        Err(_) => answer.body.clone(),
    };
    format!("{} {what}", answer.status)
}

fn token_of(sub: &str) -> String {
    hs256(&claims_with(&format!("token of {sub}"), json!({ "sub": sub, "sid": null })))
}

fn expired() -> String {
    hs256(&claims_with("expired", json!({ "sub": "late", "iat": NOW - 900, "exp": NOW - 1 })))
}

fn forged() -> String {
    let good = token_of("ann");
    let other = token_of("mallory");
    format!("{}.{}", good.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1)
}

#[tokio::test]
async fn credentials_that_are_no_bearer_token_are_ignored() {
    let world = World::header_or_cookie().await;
    let (ann, bob) = (bearer(&token_of("ann")), bearer(&token_of("bob")));
    let (basic, joined) = ("Basic dXNlcjpwYXNz", format!("Basic dXNlcjpwYXNz, {ann}"));
    let dpop = ann.replace("Bearer", "DPoP");
    let upper = ann.replace("Bearer", "BEARER");
    let (missing, malformed) = ("401 authorization_required", "400 invalid_request");
    // The values of `Authorization`, the response of a guarded route, and the response of a route
    // that allows requests without a token.
    let table: &[(&[&str], &str, &str)] = &[
        (&[], missing, "200 nobody"),
        (&[""], missing, "200 nobody"),
        (&[basic], missing, "200 nobody"),
        (&["Basic"], missing, "200 nobody"),
        (&["Digest username=\"a, Bearer b\""], missing, "200 nobody"),
        (&["Negotiate YII="], missing, "200 nobody"),
        (&["Any thing"], missing, "200 nobody"),
        (&["é"], missing, "200 nobody"),
        (&[&dpop], missing, "200 nobody"),
        (&[basic, "Digest a=b"], missing, "200 nobody"),
        (&["", ""], missing, "200 nobody"),
        (&[&ann], "200 ann", "200 ann"),
        (&[&upper], "200 ann", "200 ann"),
        (&["Bearer"], malformed, malformed),
        (&["Bearer  "], malformed, malformed),
        (&["Bearer:"], malformed, malformed),
        (&["Bearer a b"], malformed, malformed),
        (&["Bearer é"], malformed, malformed),
        (&[&ann, &ann], malformed, malformed),
        (&[&ann, &bob], malformed, malformed),
        (&[&ann, basic], malformed, malformed),
        (&[basic, &ann], malformed, malformed),
        (&[basic, "Bearer"], malformed, malformed),
        (&[&joined], malformed, malformed),
        (&["Bearer garbage"], "401 invalid_token", "401 invalid_token"),
    ];
    for (values, guarded, anonymous) in table {
        let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
        assert_eq!(world.ask("/guarded", &headers).await, *guarded, "{values:?}");
        assert_eq!(world.ask("/anonymous", &headers).await, *anonymous, "{values:?}");
        // Without a bearer token in the header, the other source is asked.
        let cookie = format!("{COOKIE}={}", token_of("carl"));
        let beside: Vec<_> = headers.iter().copied().chain([("cookie", &*cookie)]).collect();
        let with_cookie = if *guarded == missing { "200 carl" } else { *guarded };
        assert_eq!(world.ask("/guarded", &beside).await, with_cookie, "{values:?}");
        if *guarded != "200 ann" {
            assert_eq!(world.ask("/logout", &headers).await, *guarded, "{values:?}");
        }
    }
}

#[tokio::test]
async fn a_rejection_has_the_challenge_of_rfc_6750() {
    let world = World::header_or_cookie().await;
    for path in ["/guarded", "/logout"] {
        for credentials in ["Basic dXNlcjpwYXNz", "DPoP a.b.c", ""] {
            let answer = world.send(path, &[("authorization", credentials)]).await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{credentials}");
        }
        let answer = world.send(path, &[("authorization", "Bearer a b")]).await;
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(answer.status == 400 && challenge.starts_with("Bearer error=\"invalid_request\""), "{answer:?}");
    }
}

#[tokio::test]
async fn cookies_never_lock_their_user_out() {
    let world = World::header_or_cookie().await;
    let [ann, bob, gone] = ["ann", "bob", "gone"].map(token_of);
    let (expired, forged) = (expired(), forged());
    world.revoke(&gone).await;
    let (missing, invalid, over) = ("401 authorization_required", "401 invalid_token", "401 token_expired");
    let revoked = "401 token_revoked";
    let named = |values: &[&str]| {
        let cookies: Vec<_> = values.iter().map(|value| format!("{COOKIE}={value}")).collect();
        cookies.join("; ")
    };
    let quoted = format!("\"{ann}\"");
    // The cookies, and the responses of a guarded route, of one that allows requests without a
    // token, and of one that allows expired tokens as well.
    let table: &[(&[&str], [&str; 3])] = &[
        (&[&ann], ["200 ann"; 3]),
        (&[&quoted], ["200 ann"; 3]),
        (&[&ann, &ann], ["200 ann"; 3]),
        (&[&ann, &bob], ["200 ann"; 3]),
        (&[&bob, &ann], ["200 bob"; 3]),
        // No token at all.
        (&[""], [missing, "200 nobody", "200 nobody"]),
        (&["\"\""], [missing, "200 nobody", "200 nobody"]),
        (&["a b"], [missing, "200 nobody", "200 nobody"]),
        (&["é"], [missing, "200 nobody", "200 nobody"]),
        (&["%22a%22"], [missing, "200 nobody", "200 nobody"]),
        // A token with a foreign signature.
        (&["garbage"], [invalid, "200 nobody", "200 nobody"]),
        (&[&forged], [invalid, "200 nobody", "200 nobody"]),
        (&[&forged, "garbage", ""], [invalid, "200 nobody", "200 nobody"]),
        // A token that was valid once.
        (&[&expired], [over, over, "200 nobody"]),
        (&[&gone], [revoked; 3]),
        (&[&forged, &expired], [over, over, "200 nobody"]),
        (&[&expired, &gone], [revoked; 3]),
        (&[&gone, &expired], [revoked; 3]),
        // Cookies of other paths and domains with the same name do not hide a valid one.
        (&["", &ann], ["200 ann"; 3]),
        (&["garbage", &ann], ["200 ann"; 3]),
        (&[&ann, "garbage"], ["200 ann"; 3]),
        (&[&expired, &ann], ["200 ann"; 3]),
        (&[&gone, &ann], ["200 ann"; 3]),
        (&[&forged, &gone, &expired, "é", &ann], ["200 ann"; 3]),
    ];
    for (values, expected) in table {
        let cookies = named(values);
        let others = format!("é=ü; a=\"; {cookies}; =; b; c=d=e");
        for (path, expected) in ["/guarded", "/anonymous", "/expired"].into_iter().zip(expected) {
            assert_eq!(world.ask(path, &[("cookie", &cookies)]).await, *expected, "{path} {values:?}");
            assert_eq!(world.ask(path, &[("cookie", &others)]).await, *expected, "{path} {values:?}");
            // Split as HTTP/2 does.
            let split: Vec<_> = cookies.split("; ").map(|cookie| ("cookie", cookie)).collect();
            assert_eq!(world.ask(path, &split).await, *expected, "{path} {values:?}");
            // A header decides, whatever the cookies are.
            let carl = bearer(&token_of("carl"));
            let beside = [("cookie", &*cookies), ("authorization", &*carl)];
            assert_eq!(world.ask(path, &beside).await, "200 carl", "{path} {values:?}");
            let late = bearer(&expired_of_a_header());
            let beside = [("cookie", &*cookies), ("authorization", &*late)];
            let expected = if path == "/expired" { "200 nobody" } else { over };
            assert_eq!(world.ask(path, &beside).await, expected, "{path} {values:?}");
        }
    }
}

fn expired_of_a_header() -> String {
    hs256(&claims_with("of a header", json!({ "exp": NOW - 5, "iat": NOW - 900 })))
}

/// The same for a verifier, a store, or both, that answer later.
#[tokio::test]
async fn a_verdict_on_cookies_does_not_depend_on_delays() {
    let clock = clock();
    let verifier = || JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone()).build().unwrap();
    let slow = || Slow { verifier: verifier(), unavailable: None };
    let [ann, bob, gone] = ["ann", "bob", "gone"].map(token_of);
    let [now, polled] = [Act::Now, Act::Polls(2)].map(|act| HandStore::new().checks(act));
    for store in [&now, &polled] {
        let gone = verifier().verify(&gone).await.unwrap();
        let _ = store.revoke(&Revocation::of_token(gone.identity())).await.unwrap();
    }
    let values = [ann, bob, gone, expired(), forged(), "é".to_owned()];
    for choice in 0..3 {
        macro_rules! logout {
            ($verifier:expr, $store:expr) => {{
                let logout = Logout::new($verifier, $store.clone()).token_source(TokenSource::cookie(COOKIE));
                match choice {
                    0 => logout,
                    1 => logout.allow_anonymous(),
                    _ => logout.allow_expired_as_anonymous(),
                }
            }};
        }
        let quick = logout!(verifier(), now);
        let (slow_store, slow_verifier, both) =
            (logout!(verifier(), polled), logout!(slow(), now), logout!(slow(), polled));
        for n in 0..values.len().pow(3) {
            let at = |power: u32| &values[n / values.len().pow(power) % values.len()];
            let cookies = [0, 1, 2].map(|power| format!("{COOKIE}={}", at(power))).join("; ");
            let request = http::Request::get("/").header("cookie", &cookies).body(()).unwrap();
            let head = || (&request).into();
            let expected = verdict(quick.check(head()).await);
            assert_eq!(verdict(slow_store.check(head()).await), expected, "{cookies}");
            assert_eq!(verdict(slow_verifier.check(head()).await), expected, "{cookies}");
            assert_eq!(verdict(both.check(head()).await), expected, "{cookies}");
        }
    }
}

fn verdict(verdict: tower_logout::guard::Verdict<Claims>) -> Result<Option<String>, Rejection> {
    verdict.map(|token| token.map(|token| token.sub.clone().unwrap()))
}

#[tokio::test]
async fn a_cookie_that_cannot_be_verified_is_not_ignored() {
    let clock = clock();
    let verifier = || JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock.clone()).build().unwrap();
    let [ann, bob] = ["ann", "bob"].map(token_of);
    let cookies = |values: [&str; 2]| {
        let cookies = values.map(|value| format!("{COOKIE}={value}")).join("; ");
        http::Request::get("/").header("cookie", cookies).body(()).unwrap()
    };
    let slow = Slow { verifier: verifier(), unavailable: Some(ann.clone()) };
    let source = || TokenSource::cookie(COOKIE);
    let logout = Logout::new(slow, test_support::memory()).token_source(source()).allow_expired_as_anonymous();
    assert_eq!(verdict(logout.check((&cookies([&ann, &bob])).into()).await), Err(Rejection::Unavailable));
    assert_eq!(verdict(logout.check((&cookies([&forged(), &ann])).into()).await), Err(Rejection::Unavailable));
    assert_eq!(verdict(logout.check((&cookies([&bob, &ann])).into()).await), Ok(Some("bob".to_owned())));
    for act in [Act::Fail, Act::Hang] {
        let logout = || {
            let logout = Logout::new(verifier(), HandStore::new().checks(act)).token_source(source());
            logout.check_timeout(Duration::from_millis(10)).allow_anonymous()
        };
        let request = cookies([&forged(), &bob]);
        assert_eq!(verdict(logout().check((&request).into()).await), Err(Rejection::Unavailable));
        let insecure = logout().insecure_allow_on_store_failure();
        assert_eq!(verdict(insecure.check((&request).into()).await), Ok(Some("bob".to_owned())));
    }
}

#[tokio::test]
async fn a_good_cookie_is_found_among_seven_others_and_no_request_costs_more_than_eight_verifications() {
    let world = World::new(TokenSource::cookie(COOKIE)).await;
    let ann = format!("{COOKIE}={}", token_of("ann"));
    let stale = |count: usize| (0..count).map(|n| format!("{COOKIE}=stale{n}; ")).collect::<Vec<_>>().concat();
    assert_eq!(world.ask("/guarded", &[("cookie", &format!("{}{ann}", stale(7)))]).await, "200 ann");
    assert_eq!(world.ask("/guarded", &[("cookie", &format!("{}{ann}", stale(8)))]).await, "401 invalid_token");
    let no_tokens = format!("{COOKIE}=é; ").repeat(50);
    assert_eq!(world.ask("/guarded", &[("cookie", &format!("{no_tokens}{ann}"))]).await, "200 ann");
}

#[tokio::test]
async fn a_logout_revokes_every_token_that_the_request_carries() {
    for (path, first, second) in
        [("/logout", "200 logged out", "401 token_revoked"), ("/logout-7009", "200 logged out", "200 logged out")]
    {
        let tokens = || ["ann", "bob"].map(token_of);
        let cookies =
            |values: &[&str]| values.iter().map(|value| format!("{COOKIE}={value}")).collect::<Vec<_>>().join("; ");
        let [ann, bob] = tokens();
        let (expired, forged) = (expired(), forged());
        let [bearer_of_ann, bearer_of_bob] = [bearer(&ann), bearer(&bob)];
        let requests: [Vec<(&str, String)>; 4] = [
            vec![("cookie", cookies(&[&ann, &bob]))],
            vec![("cookie", cookies(&[&expired, "garbage", &bob, "é", &forged, &ann]))],
            vec![("authorization", bearer_of_ann.clone()), ("cookie", cookies(&[&forged, &bob]))],
            vec![("cookie", cookies(&[&ann])), ("authorization", bearer_of_bob.clone())],
        ];
        for request in requests {
            let world = World::header_or_cookie().await;
            let request: Vec<_> = request.iter().map(|(name, value)| (*name, &**value)).collect();
            assert_eq!(world.ask(path, &request).await, first, "{request:?}");
            for token in [&bearer_of_ann, &bearer_of_bob] {
                assert_eq!(
                    world.ask("/guarded", &[("authorization", token)]).await,
                    "401 token_revoked",
                    "{request:?}"
                );
            }
            assert_eq!(world.ask("/guarded", &request).await, "401 token_revoked", "{request:?}");
            assert_eq!(world.ask(path, &request).await, second, "{request:?}");
            // The user can log in again, whatever cookies the browser keeps.
            let again = cookies(&[&expired, &ann, &token_of("ann again")]);
            assert_eq!(world.ask("/guarded", &[("cookie", &again)]).await, "200 ann again");
        }
        // A revoked token in the header does not protect a valid one in a cookie.
        if path == "/logout-7009" {
            let world = World::header_or_cookie().await;
            world.revoke(&ann).await;
            let request = [("authorization", &*bearer_of_ann), ("cookie", &*cookies(&[&bob]))];
            assert_eq!(world.ask(path, &request).await, "200 logged out");
            assert_eq!(world.ask("/guarded", &[("authorization", &bearer_of_bob)]).await, "401 token_revoked");
        }
    }
}

/// Concurrent requests find the same token first, so that one of many logouts succeeds.
#[tokio::test]
async fn a_logout_revokes_the_effective_token_last() {
    let verifier = JwtVerifier::hs256(SECRET).issuer(ISSUER).clock(clock()).build().unwrap();
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(token_of);
    let counts = verifier.verify(&ann).await.unwrap().identity().own_key();
    let cookies = format!("{COOKIE}={}; {COOKIE}={ann}; {COOKIE}={bob}; {COOKIE}={carl}", forged());
    let (store, source) = (HandStore::new(), TokenSource::cookie(COOKIE));
    let logout = Logout::new(verifier, store.clone()).token_source(source);
    let request = http::Request::post("/logout").header("cookie", cookies).body(String::new()).unwrap();
    assert_eq!(logout.service().oneshot(request).await.unwrap().status(), 200);
    let revoked: Vec<_> = store.revocations().iter().map(Revocation::key).collect();
    assert_eq!((revoked.len(), revoked.last()), (3, Some(&counts)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_logouts_with_the_same_two_cookies_one_succeeds() {
    for _ in 0..20 {
        let world = World::header_or_cookie().await;
        let cookies = format!("{COOKIE}={}; {COOKIE}={}", token_of("ann"), token_of("bob"));
        let headers = [("cookie", &*cookies)];
        let logouts = (0..8).map(|_| world.ask("/logout", &headers));
        let mut answers = futures_util::future::join_all(logouts).await;
        answers.sort_unstable();
        let mut expected = vec!["401 token_revoked"; 8];
        expected[0] = "200 logged out";
        assert_eq!(answers, expected);
    }
}

#[tokio::test]
async fn an_expired_token_is_anonymous_only_if_configured_and_an_invalid_or_revoked_one_never() {
    let world = World::new(TokenSource::default()).await;
    let short = hs256(&claims_with("short", json!({ "exp": NOW + 10 })));
    let ended = hs256(&claims_with("ended", json!({ "exp": NOW + 10 })));
    world.revoke(&ended).await;
    let elsewhere = hs256(&claims_with("elsewhere", json!({ "iss": "https://other.example", "exp": NOW + 10 })));
    let no_token = hs256(&claims_with("no token", json!({ "exp": "soon" })));
    let choices = ["/expired", "/expired-alone", "/expired-first"];
    let ask = async |path: &str, token: &str| world.ask(path, &[("authorization", &bearer(token))]).await;
    for path in choices {
        assert_eq!(ask(path, &short).await, "200 usr_123");
        assert_eq!(ask(path, &ended).await, "401 token_revoked");
        assert_eq!(world.ask(path, &[]).await, "200 nobody");
    }
    world.clock.advance(Duration::from_secs(10));
    for path in choices {
        assert_eq!(ask(path, &short).await, "200 nobody", "{path}");
        // It has expired in the first place and has no rights left that a revocation could take.
        assert_eq!(ask(path, &ended).await, "200 nobody", "{path}");
        for invalid in [&*elsewhere, &no_token, &forged(), "garbage", "a.b.c"] {
            assert_eq!(ask(path, invalid).await, "401 invalid_token", "{path}");
        }
        assert_eq!(ask(path, "").await, "400 invalid_request", "{path}");
    }
    for path in ["/guarded", "/anonymous", "/logout"] {
        assert_eq!(ask(path, &short).await, "401 token_expired", "{path}");
    }
}

#[tokio::test]
async fn a_token_of_the_maximum_length_passes_and_logs_out() {
    let roles: Vec<_> = (0..2000).map(|n| format!("role-{n:06}")).collect();
    let long = hs256(&claims_with("long", json!({ "realm_access": { "roles": roles } })));
    assert!(long.len() > 30_000);
    for source in [TokenSource::authorization(), TokenSource::authorization().or(TokenSource::cookie(COOKIE))] {
        let (short, world) = (World::new(source.clone()).await, World::new(source.max_token_len(64 * 1024)).await);
        let headers = [("authorization", &*bearer(&long))];
        assert_eq!(short.ask("/guarded", &headers).await, "400 invalid_request");
        assert_eq!(world.ask("/guarded", &headers).await, "200 usr_123");
        assert_eq!(world.ask("/guarded", &headers).await, "200 usr_123");
        assert_eq!(world.ask("/logout", &headers).await, "200 logged out");
        assert_eq!(world.ask("/guarded", &headers).await, "401 token_revoked");
    }
}
