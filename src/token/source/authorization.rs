//! The `Authorization` header (RFC 9110, section 11.6.2).

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::token::source::token68::InvalidRequest;

/// Returns the bearer token of the header, unchecked. Credentials of other schemes are ignored.
#[inline]
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&[u8]>, InvalidRequest> {
    let mut values = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let Some(value) = values.next() else { return Ok(None) };
    match values.next() {
        None => bearer_of(value),
        Some(second) if [value, second].into_iter().chain(values).any(names_bearer) => Err(InvalidRequest),
        Some(_) => Ok(None),
    }
}

fn bearer_of(value: &[u8]) -> Result<Option<&[u8]>, InvalidRequest> {
    // The form that nearly all clients use.
    if let Some(token @ [first, ..]) = value.strip_prefix(b"Bearer ")
        && *first != b' '
    {
        return Ok(Some(token));
    }
    match after_scheme(value) {
        Some([b' ', rest @ ..]) => Ok(Some(&rest[rest.iter().take_while(|byte| **byte == b' ').count()..])),
        Some(_) => Err(InvalidRequest),
        None if names_bearer(value) => Err(InvalidRequest),
        None => Ok(None),
    }
}

/// Whether one of the credentials in a header has the scheme `Bearer`. A header should have only
/// one, but proxies join two headers with a comma.
fn names_bearer(value: &[u8]) -> bool {
    let is_bearer = |credentials: &[u8]| after_scheme(credentials.trim_ascii_start()).is_some();
    // Commas in quotes are not separators. A parameter of the same credentials may follow a comma,
    // too.
    let unquoted = value.split(|byte| *byte == b'"').step_by(2);
    let mut following = unquoted.flat_map(|text| text.split(|byte| *byte == b',').skip(1));
    let is_parameter = |text: &[u8]| {
        after_scheme(text.trim_ascii_start()).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    };
    is_bearer(value) || following.any(|text| is_bearer(text) && !is_parameter(text))
}

/// Returns the text after the scheme if that is `Bearer`, in any case, and not a prefix of another
/// name.
fn after_scheme(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = credentials.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME) && !rest.first().is_some_and(|byte| is_tchar(*byte));
    is_bearer.then_some(rest)
}

/// Whether the byte is a `tchar`, of which scheme names consist (RFC 9110, section 5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

const SCHEME: &[u8] = b"Bearer";
