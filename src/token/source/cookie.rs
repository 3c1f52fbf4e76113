//! Cookies (RFC 6265).

use http::{HeaderMap, header::COOKIE};

use crate::token::source::token68::token68;

/// Collects the distinct tokens in cookies of this name, in the order of the request. Values that
/// are not tokens are skipped.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &str, max_len: usize, tokens: &mut Vec<&'a str>) {
    // HTTP/2 may split the header (RFC 9113, section 8.2.3).
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    for value in pairs.filter_map(|pair| value_of(pair, name)) {
        if tokens.len() == MAX_TOKENS {
            return;
        }
        if value.len() <= max_len
            && let Ok(token) = token68(value)
            && !tokens.contains(&token)
        {
            tokens.push(token);
        }
    }
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}

/// A browser may send several cookies of the same name, one for each path and domain. Each of them
/// costs a verification.
const MAX_TOKENS: usize = 8;
