//! The cost of a check while forged messages arrive at a receiver of the same `Logout`.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use http::{Request, StatusCode, header::CONTENT_TYPE};
use serde_json::json;
use tower::{Layer, ServiceExt};
use tower_logout::{
    Claims, JwtVerifier, Logout, MemoryStore,
    token::jwt::{Issuer, KeySet},
};

use crate::{
    issuers::{Signer, name, time},
    median,
};

/// The median and the 99th percentile of checking a known token while 10,000 forged logout tokens
/// arrive in a second: at the same `Logout`, and at another one.
pub(super) fn during_a_flood() {
    let signer = Signer::new(0);
    let logout = || -> Logout<Claims> {
        let keys = KeySet::jwks(&signer.key_set()).unwrap();
        Logout::new(JwtVerifier::issuers([Issuer::keys(name(0), keys)]).build().unwrap(), MemoryStore::new())
    };
    let (own, other) = (logout(), logout());
    let mut service = own.layer().layer(bare::Bare);
    let request = crate::request(&signer.token(&name(0), &signer.kid, 0));
    let forged: Vec<_> = (0..4096).map(|number| forged(&signer, number)).collect();
    let mut times = |flooded: Option<&Logout>| {
        let (done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            if let Some(flooded) = flooded {
                scope.spawn(|| flood(flooded, &forged, &done, &sent));
            }
            let start = Instant::now();
            let mut times: Vec<_> =
                (0..20_000).map(|_| time(16, || drop(black_box(crate::call(&mut service, &request))))).collect();
            let rate = sent.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
            done.store(true, Ordering::Relaxed);
            times.sort_by(f64::total_cmp);
            [times[times.len() / 2], times[times.len() * 99 / 100], rate]
        })
    };
    let turns: Vec<_> = (0..21).map(|_| [times(None), times(Some(&other)), times(Some(&own))]).collect();
    let ratio =
        |of: usize, to: usize, what: usize| median(turns.iter().map(|turn| turn[of][what] / turn[to][what]).collect());
    println!(
        "a known token during {:.0} forged logout tokens a second: median {:.3}, p99 {:.3} of that without; median {:.3}, \
         p99 {:.3} of that during the same flood of another `Logout`",
        median(turns.iter().map(|turn| turn[2][2]).collect()),
        ratio(2, 0, 0),
        ratio(2, 0, 1),
        ratio(2, 1, 0),
        ratio(2, 1, 1),
    );
}

/// A form with a logout token whose signature is that of another text.
fn forged(signer: &Signer, number: usize) -> String {
    let now = jsonwebtoken::get_current_timestamp();
    let token = signer.sign(
        &signer.kid,
        &json!({
            "iss": name(0), "aud": "shop", "iat": now, "exp": now + 120, "jti": number.to_string(), "sub": "usr_123",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        }),
    );
    let (input, _) = token.rsplit_once('.').unwrap();
    let other = signer.token(&name(0), &signer.kid, number);
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("logout_token={input}.{signature}")
}

fn flood(logout: &Logout, forged: &[String], done: &AtomicBool, sent: &AtomicUsize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let endpoint = logout.backchannel("shop").build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        for form in forged.iter().cycle() {
            if done.load(Ordering::Relaxed) {
                return;
            }
            let due = Duration::from_micros(100) * u32::try_from(sent.load(Ordering::Relaxed)).unwrap();
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            let request = Request::post("/").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            let answer = endpoint.clone().oneshot(request.body(form.clone()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
            sent.fetch_add(1, Ordering::Relaxed);
        }
    });
}
