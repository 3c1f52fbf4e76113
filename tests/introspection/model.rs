//! Promise, under concurrency: no token is accepted for longer than the caching time after the
//! server has ended it, nor after a logout here; and no valid one is rejected.

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use test_support::{NOW, clock};
use tower_logout::{Logout, clock::Clock, respond::Rejection, token::TokenVerifier};

use super::support::{Server, active_with, check, inactive, ok};

/// What has happened to a token. Events are recorded after they have taken effect, and read before
/// a check begins.
#[derive(Default)]
struct Token {
    /// Whether the server says that it is not active.
    is_ended: AtomicBool,
    /// When it was ended at the server at the latest, in ms, or 0.
    ended_at: AtomicU64,
    logged_out: AtomicBool,
    /// Set before either of them.
    may_be_rejected: AtomicBool,
}

const TOKENS: usize = 12;
const CACHE_FOR: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn checks_agree_with_the_model() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let rejected = Arc::new(AtomicUsize::new(0));
    for round in 0..60 {
        let tokens: Arc<[Token; TOKENS]> = Arc::new(array::from_fn(|_| Token::default()));
        let clock = clock();
        let server = {
            let tokens = Arc::clone(&tokens);
            Server::new(move |token| {
                let is_ended = tokens[token.parse::<usize>().unwrap()].is_ended.load(SeqCst);
                ok(&if is_ended { inactive() } else { active_with(json!({ "jti": token, "exp": NOW + 86_400 })) })
            })
        };
        let verifier = server.builder(&clock).cache_for(CACHE_FOR).max_concurrent(3).build().unwrap();
        // With the guard's cache, and without.
        let logout = Logout::new(verifier, test_support::memory()).check_timeout(Duration::from_secs(60));
        let logout = if round % 2 == 0 { logout } else { logout.token_cache(0, 0) };
        let checking = (0..6).map(|_| {
            let (logout, tokens, clock) = (logout.clone(), Arc::clone(&tokens), clock.clone());
            let counts = [Arc::clone(&accepted), Arc::clone(&rejected)];
            tokio::spawn(async move {
                for _ in 0..150 {
                    let index = fastrand::usize(..TOKENS);
                    let token = &tokens[index];
                    let (logged_out, ended_at) = (token.logged_out.load(SeqCst), token.ended_at.load(SeqCst));
                    let began = clock.now().as_unix_millis();
                    let answer = check(&logout, &index.to_string()).await;
                    let is_over = ended_at > 0 && began >= ended_at + CACHE_FOR.as_secs() * 1000;
                    match answer {
                        Ok(()) => {
                            assert!(!logged_out, "accepted after a logout");
                            assert!(!is_over, "accepted {} ms after its end at the server", began - ended_at);
                            counts[0].fetch_add(1, SeqCst);
                        }
                        Err(Rejection::Invalid | Rejection::Revoked) => {
                            assert!(token.may_be_rejected.load(SeqCst), "{answer:?} of a valid token");
                            counts[1].fetch_add(1, SeqCst);
                        }
                        Err(other) => panic!("{other}"),
                    }
                    tokio::task::yield_now().await;
                }
            })
        });
        let happening = {
            let (logout, tokens, clock) = (logout.clone(), Arc::clone(&tokens), clock.clone());
            tokio::spawn(async move {
                for _ in 0..150 {
                    let index = fastrand::usize(..TOKENS);
                    let token = &tokens[index];
                    match fastrand::u8(..12) {
                        0 => {
                            token.may_be_rejected.store(true, SeqCst);
                            token.is_ended.store(true, SeqCst);
                            let now = clock.now().as_unix_millis();
                            let _ = token.ended_at.compare_exchange(0, now, SeqCst, SeqCst);
                        }
                        1 => {
                            if let Ok(verified) = logout.verifier().verify(&index.to_string()).await {
                                token.may_be_rejected.store(true, SeqCst);
                                let _ = logout.revoker().token(verified.identity()).await.unwrap();
                                token.logged_out.store(true, SeqCst);
                            }
                        }
                        _ => clock.advance(Duration::from_millis(fastrand::u64(..2000))),
                    }
                    tokio::task::yield_now().await;
                }
            })
        };
        for done in join_all(checking.chain([happening])).await {
            done.unwrap();
        }
    }
    let counts = [accepted.load(SeqCst), rejected.load(SeqCst)];
    assert!(counts.iter().all(|count| *count > 1000), "nothing is proven: {counts:?}");
}
