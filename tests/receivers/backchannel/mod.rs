//! Logout tokens of OpenID providers end sessions and users here.

mod configuration;
mod encrypted_tokens;
#[cfg(target_os = "linux")]
mod fleet;
mod keys;
mod logout_tokens;
mod model;
mod oidf_modules;
mod outages;
mod repeats;
mod reported;
mod requests;
mod support;
mod what_ends;
