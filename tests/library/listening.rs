//! Promise of `test-support`: a test that listens to events receives those of its thread, whichever
//! thread reaches a call site first.

use std::thread;

use test_support::events::Events;

fn report() {
    tracing::info!("reached");
}

#[test]
fn an_event_is_received_even_if_another_thread_has_reached_its_call_site_first() {
    let (events, everywhere) = (Events::of_this_thread(), Events::of_all_threads());
    thread::spawn(report).join().unwrap();
    assert!(events.named("reached").is_empty(), "that was another thread");
    report();
    assert_eq!(events.named("reached").len(), 1);
    assert_eq!(everywhere.named("reached").len(), 2);
}

#[test]
fn an_event_without_a_message_is_no_error() {
    let events = Events::of_this_thread();
    tracing::info!(size = 7);
    report();
    assert_eq!(events.named("reached").len(), 1);
}
