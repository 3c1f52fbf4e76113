//! Promise: an error shows its causes and the remedy, each text once, whether `main`, `unwrap` or a
//! logger that follows `source` prints it.

use std::{error::Error, fmt::Debug, io, iter};

use tower_logout::{
    clock::Timestamp,
    guard::EndReason,
    middleware::MissingToken,
    respond::Rejection,
    revocation::{InvalidRevocationKey, Revocation, RevocationKey},
    set::{AtCapacity, RevocationSet},
    store::{FollowError, StoreError, StoreErrorKind},
    token::InvalidRequest,
};

#[derive(Debug, thiserror::Error)]
#[error("no connection to {server}; is it running?")]
struct NoConnection {
    server: &'static str,
    source: Handshake,
}

#[derive(Debug, thiserror::Error)]
#[error("the handshake failed")]
struct Handshake(#[source] io::Error);

/// Like the errors of several libraries: the text contains the cause, and `source` returns it too.
#[derive(Debug, thiserror::Error)]
#[error("no connection: {0}")]
struct Repeating(#[source] io::Error);

fn connection_refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused")
}

fn three() -> StoreError {
    StoreError::new("check", NoConnection { server: "db:5432", source: Handshake(connection_refused()) })
}

const CHAIN: &str = "the revocation store failed to check: no connection to db:5432; is it running?: \
                     the handshake failed: connection refused";

/// The output of `anyhow`, `eyre` and most loggers.
fn as_loggers_print(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// The output of `main` and `unwrap`.
fn as_main_prints(error: &impl Debug) -> String {
    format!("{error:?}")
}

#[test]
fn a_store_error_shows_each_cause_once() {
    let error = three();
    assert_eq!(error.to_string(), "the revocation store failed to check: no connection to db:5432; is it running?");
    assert_eq!(as_loggers_print(&error), CHAIN);
    assert_eq!(as_main_prints(&error), CHAIN);
    assert_eq!(as_main_prints(&Err::<(), _>(error)), format!("Err({CHAIN})"));
}

#[test]
fn a_follow_error_is_the_store_error_in_it() {
    let error = FollowError::from(three());
    assert_eq!((as_loggers_print(&error), as_main_prints(&error)), (CHAIN.to_owned(), CHAIN.to_owned()));

    let lost = FollowError::CursorLost("it was trimmed");
    assert_eq!(
        as_loggers_print(&lost),
        "the log no longer reaches back to the cursor (it was trimmed); read a new snapshot"
    );
    assert_eq!(as_main_prints(&lost), as_loggers_print(&lost));
}

#[test]
fn causes_that_repeat_themselves_are_shown_once() {
    let error = StoreError::new("check", Repeating(connection_refused()));
    let expected = "the revocation store failed to check: no connection: connection refused";
    assert_eq!((&*as_loggers_print(&error), &*as_main_prints(&error)), (expected, expected));
    let wrapped = StoreError::new("check", io::Error::other(Repeating(connection_refused())));
    assert_eq!((&*as_loggers_print(&wrapped), &*as_main_prints(&wrapped)), (expected, expected));
}

#[test]
fn a_store_error_without_a_deeper_cause_ends_with_its_text() {
    let error = StoreError::new("revoke", "the disk is on fire");
    assert!(error.source().is_none());
    assert_eq!(as_main_prints(&error), "the revocation store failed to revoke: the disk is on fire");
}

#[test]
fn the_cause_of_a_store_error_can_be_downcast() {
    let error = three();
    assert_eq!(error.cause().downcast_ref::<NoConnection>().unwrap().server, "db:5432");
    assert!(error.source().unwrap().is::<Handshake>());
    assert!(error.clone().cause().is::<NoConnection>(), "clones share it");
}

#[test]
fn a_store_error_has_a_kind() {
    assert_eq!(three().kind(), StoreErrorKind::Other);
    let error = three().with_kind(StoreErrorKind::Misconfigured);
    assert_eq!((error.kind(), error.operation()), (StoreErrorKind::Misconfigured, "check"));
    assert_eq!(as_main_prints(&error), CHAIN);
}

#[test]
fn other_errors_print_their_remedy_as_main_shows_it() {
    let full: AtCapacity = {
        let set = RevocationSet::with_capacity(1);
        let of = |jti| Revocation::new(RevocationKey::token_id(None, jti), Timestamp::MAX, Timestamp::MAX);
        set.join(&of("1")).unwrap();
        set.join(&of("2")).unwrap_err()
    };
    assert!(as_main_prints(&full).contains("raise its capacity"), "{full:?}");
    assert_eq!(as_main_prints(&full), full.to_string());
    for reason in [EndReason::Revoked, EndReason::Expired, EndReason::Unavailable, EndReason::ShuttingDown] {
        assert_eq!(as_main_prints(&reason), reason.to_string());
    }
    for error in [&Rejection::Revoked as &dyn Error, &InvalidRequest, &InvalidRevocationKey::UnknownKind] {
        assert_eq!(as_main_prints(&error), error.to_string());
    }
    assert_eq!(as_main_prints(&MissingToken::NotGuarded), MissingToken::NotGuarded.to_string());
}
