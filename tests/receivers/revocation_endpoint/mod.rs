//! The token revocation endpoint of RFC 7009.

mod clients;
mod model;
mod outages;
mod requests;
mod support;
mod tokens;
