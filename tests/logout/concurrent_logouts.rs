//! Promise: of any number of parallel logouts with one token exactly one gets a 200, and no request
//! that starts after it passes.

use http::{Request, Response, StatusCode};
use test_support::{bearer, clock, token, verifier};
use tower::{Layer, ServiceExt, service_fn};
use tower_logout::{Logout, MemoryStore, middleware::RequestBody};

const ROUNDS: usize = 1000;
const CALLERS: usize = 64;

async fn log_out(logout: Logout, token: String) -> StatusCode {
    let request = Request::post("/").header("authorization", bearer(&token)).body(String::new()).unwrap();
    let status = logout.service().oneshot(request).await.unwrap().status();
    let inner =
        service_fn(async |_: Request<RequestBody<String>>| Ok::<_, std::io::Error>(Response::new(String::new())));
    let request = Request::get("/").header("authorization", bearer(&token)).body(String::new()).unwrap();
    let visit = logout.layer().layer(inner).oneshot(request).await.unwrap().status();
    assert_eq!(visit, StatusCode::UNAUTHORIZED, "whatever the answer was, the token is dead when it has come");
    status
}

async fn exactly_one_succeeds(logout: Logout) {
    for round in 0..ROUNDS {
        let token = token(&round.to_string());
        let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(log_out(logout.clone(), token.clone()))).collect();
        let mut done = 0;
        for caller in callers {
            match caller.await.unwrap() {
                StatusCode::OK => done += 1,
                status => assert_eq!(status, StatusCode::UNAUTHORIZED),
            }
        }
        assert_eq!(done, 1, "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_a_memory_store() {
    let clock = clock();
    let logout = Logout::new(verifier(&clock), MemoryStore::new().clock(clock.clone()));
    exactly_one_succeeds(logout).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_a_redb_store() {
    let clock = clock();
    let folder = tempfile::tempdir().unwrap();
    let store =
        tower_logout::RedbStore::options().clock(clock.clone()).open(folder.path().join("revocations.redb")).unwrap();
    exactly_one_succeeds(Logout::new(verifier(&clock), store)).await;
}
