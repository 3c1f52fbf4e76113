//! Security events: pushed and polled.

mod dates;
mod decisions;
mod model;
mod outages;
mod poller;
mod push;
mod refusals;
mod reports;
mod ssf_modules;
mod stream;
mod subjects;
mod support;
mod transmitter;
mod verification;
