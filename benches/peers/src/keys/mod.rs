//! What a rotation of keys and a flood of unknown ones cost, with keys that each crate fetches
//! itself from an identity provider in this process.

mod fetchers;

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_logout::token::jwt::{Algorithm, TestIssuer};

use crate::versions::Lock;
use fetchers::{Fetcher, all};

/// How long is waited for a new key, and how long the flood lasts.
pub(crate) struct Plan {
    pub(crate) rotations: usize,
    pub(crate) patience: Duration,
    pub(crate) flood: Duration,
}

/// The measurements of a crate.
struct Measured {
    name: String,
    /// For each rotation, the time until a token with the new key was accepted.
    rotations: Vec<Option<Duration>>,
    /// The requests for keys during the flood, and the tokens with unknown keys that were tried.
    fetches: usize,
    tried: usize,
    /// The share of tokens with a known key that were accepted meanwhile.
    accepted: f64,
}

/// Measures all crates side by side, and prints a table.
pub(crate) fn measure(plan: &Plan) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (rotations, patience, flood) = (plan.rotations, plan.patience, plan.flood);
    let mut measured = runtime.block_on(async {
        let mut running = JoinSet::new();
        for start in all(&Lock::read()) {
            running.spawn(async move {
                let issuer = TestIssuer::start().await;
                let fetcher = start(issuer.url().to_owned()).await;
                one(issuer, fetcher, rotations, patience, flood).await
            });
        }
        running.join_all().await
    });
    measured.sort_by(|one, other| one.name.cmp(&other.name));
    println!(
        "| crate | new key accepted after | requests in {} s of flood | tokens tried | known key accepted |",
        flood.as_secs()
    );
    println!("|---|---|---|---|---|");
    measured.iter().for_each(|measured| println!("{measured}"));
}

async fn one(issuer: TestIssuer, fetcher: Fetcher, rotations: usize, patience: Duration, flood: Duration) -> Measured {
    let Fetcher { name, accepts } = fetcher;
    let accepted = async |token: String| timeout(Duration::from_millis(250), accepts(token)).await.unwrap_or(false);
    // One of them fetches its first keys in the background.
    let first = timeout(Duration::from_secs(20), async {
        while !accepted(issuer.token(&json!({ "sub": "usr_1" }))).await {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(first.await.is_ok(), "{name} accepts a token of its issuer");
    let mut times = Vec::new();
    for _ in 0..rotations {
        // Not right after a fetch, which is when every cooldown is longest.
        sleep(Duration::from_secs(35)).await;
        issuer.rotate_to(Algorithm::ES256);
        let began = Instant::now();
        let found = timeout(patience, async {
            while !accepted(issuer.token(&json!({ "sub": "usr_1" }))).await {
                sleep(Duration::from_millis(50)).await;
            }
        });
        times.push(found.await.ok().map(|()| began.elapsed()));
    }
    let (before, began) = (issuer.requests(TestIssuer::KEYS), Instant::now());
    let (mut tried, mut known, mut good) = (0, 0, 0);
    while began.elapsed() < flood {
        let header = json!({ "alg": "ES256", "kid": format!("unknown-{tried}") });
        let claims = json!({ "iss": issuer.url(), "sub": "usr_1", "iat": 1, "exp": u32::MAX });
        assert!(!accepted(issuer.sign_exactly(&header, &claims)).await, "{name} knows no such key");
        tried += 1;
        if tried % 10 == 0 {
            known += 1;
            good += usize::from(accepted(issuer.token(&json!({ "sub": "usr_1" }))).await);
        }
        sleep(Duration::from_millis(5)).await;
    }
    let fetches = issuer.requests(TestIssuer::KEYS) - before;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let accepted = good as f64 / f64::from(u32::max(known, 1));
    Measured { name, rotations: times, fetches, tried, accepted }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rotations, fetches, tried, accepted } = self;
        let times: Vec<_> = rotations
            .iter()
            .map(|time| time.map_or_else(|| "not at all".to_owned(), |time| format!("{:.2} s", time.as_secs_f64())))
            .collect();
        write!(f, "| {name} | {} | {fetches} | {tried} | {:.0} % |", times.join(", "), accepted * 100.0)
    }
}
