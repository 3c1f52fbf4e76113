//! The form of a token (RFC 9110, section 11.2), and the error of a request without that form
//! ([`InvalidRequest`]).

use crate::chain::debug_as_chain;

/// Error of a request that has more than one token, or something other than a token in its place.
/// The response is 400.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
#[error("the request does not carry exactly one bearer token in the form of RFC 6750, section 2.1")]
pub struct InvalidRequest;

debug_as_chain!(InvalidRequest);

/// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
pub(super) fn token68(token: &[u8]) -> Result<&str, InvalidRequest> {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    // Continues after an invalid byte, because the loop is vectorised if it has no branches.
    let is_well_formed = body.iter().fold(true, |so_far, byte| so_far & is_of_token68(*byte));
    if body.is_empty() || !is_well_formed {
        return Err(InvalidRequest);
    }
    str::from_utf8(token).map_err(|_| InvalidRequest)
}

#[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch")]
const fn is_of_token68(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits follow one another.
    let is_middle = byte.wrapping_sub(b'-') < 13;
    is_letter | is_middle | (byte == b'_') | (byte == b'~') | (byte == b'+')
}
