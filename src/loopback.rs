//! Whether a host is this machine.

use std::net::IpAddr;

/// Whether a host of a URL is this machine, by its name alone: nothing is resolved.
pub(crate) fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}
