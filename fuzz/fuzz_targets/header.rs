//! The token of a request: `TokenSource` compared with a direct implementation of its documented
//! rules.
//!
//! The input is text with a header on each line. The first byte of a line selects the header, the
//! rest is its value; the first zero byte in it stands for as many letters as bring the token close
//! to the maximum length.
#![no_main]

use std::iter;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use libfuzzer_sys::fuzz_target;
use tower_logout::token::{InvalidRequest, RequestHead, TokenSource};

type Found = Result<Option<String>, InvalidRequest>;

fuzz_target!(|input: &[u8]| {
    let mut request = Request::new(());
    *request.headers_mut() = headers(input);
    let headers = request.headers();
    let expected = [authorization(headers), cookie(headers), closure(headers)];

    let [one, other, third] = expected.clone();
    check(&request, &TokenSource::authorization(), &one);
    check(&request, &TokenSource::cookie(COOKIE), &other);
    check(&request, &by_closure(), &third);
    check(&request, &TokenSource::authorization().or(TokenSource::cookie(COOKIE)), &or_cookie(&one, &other));
    let any = by_closure().or(TokenSource::cookie(COOKIE).or(TokenSource::authorization()));
    check(&request, &any, &or_cookie(&either(&third, &one), &other));
});

fn check(request: &Request<()>, source: &TokenSource, expected: &Found) {
    let found = source.token(&RequestHead::from(request)).map(|token| token.map(String::from));
    assert_eq!(found, *expected, "{source:?}");
}

fn by_closure() -> TokenSource {
    TokenSource::closure(|head| match head.headers.get(OWN_HEADER) {
        None => Ok(None),
        Some(value) => value.to_str().map(|token| Some(token.to_owned())).map_err(|_| InvalidRequest),
    })
}

fn headers(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(MAX_HEADERS) {
        let name = match line.first() {
            Some(b'a') => header::AUTHORIZATION,
            Some(b'c') => header::COOKIE,
            Some(b'x') => HeaderName::from_static(OWN_HEADER),
            Some(b'p') => header::PROXY_AUTHORIZATION,
            _ => continue,
        };
        let mut value = line[1..].to_vec();
        if let Some(at) = value.iter().position(|byte| *byte == 0) {
            value.splice(at..=at, iter::repeat_n(b'a', NEARLY_THE_LONGEST));
        }
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Exactly one header: the scheme in any case, spaces, a token. Without that scheme there is no
/// token.
fn authorization(headers: &HeaderMap) -> Found {
    let values: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    if !values.iter().any(|value| names_bearer(value)) {
        return Ok(None);
    }
    let [value] = values[..] else { return Err(InvalidRequest) };
    let value = str::from_utf8(value).map_err(|_| InvalidRequest)?;
    let (scheme, token) = value.split_once(' ').ok_or(InvalidRequest)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(InvalidRequest);
    }
    token68(token.trim_start_matches(' ')).map(Some)
}

/// Whether the value, or a part of it after an unquoted comma, has the scheme `Bearer` and is no
/// parameter of that name.
fn names_bearer(value: &[u8]) -> bool {
    let mut elements = vec![String::new()];
    let mut is_quoted = false;
    for byte in value {
        is_quoted ^= *byte == b'"';
        match byte {
            b',' if !is_quoted => elements.push(String::new()),
            // Each byte becomes some character, and none becomes one of ASCII.
            _ => elements.last_mut().unwrap().push(char::from(*byte)),
        }
    }
    elements.iter().enumerate().any(|(at, element)| {
        let element = element.trim_matches([' ', '\t']);
        let end = element.find(|letter| !is_of_token(letter)).unwrap_or(element.len());
        let (scheme, rest) = element.split_at(end);
        let is_parameter = at > 0 && rest.trim_start_matches([' ', '\t']).starts_with('=');
        scheme.eq_ignore_ascii_case("bearer") && !is_parameter
    })
}

/// RFC 9110, section 5.6.2.
fn is_of_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter)
}

/// The first cookie of that name that is a token, with or without quotes, in any of the headers.
#[allow(clippy::unnecessary_wraps, reason = "all places of a token answer alike")]
fn cookie(headers: &HeaderMap) -> Found {
    for header in headers.get_all(header::COOKIE) {
        // Bytes that are no text become a character that no token has.
        for pair in String::from_utf8_lossy(header.as_bytes()).split(';') {
            let Some((COOKIE, value)) = pair.trim_matches([' ', '\t']).split_once('=') else { continue };
            let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            if let Ok(token) = token68(unquoted.unwrap_or(value)) {
                return Ok(Some(token));
            }
        }
    }
    Ok(None)
}

fn closure(headers: &HeaderMap) -> Found {
    headers.get(OWN_HEADER).map(|value| token68(&String::from_utf8_lossy(value.as_bytes()))).transpose()
}

fn either(one: &Found, other: &Found) -> Found {
    match (one.clone()?, other.clone()?) {
        (None, token) | (token, None) => Ok(token),
        (Some(one), Some(other)) if one == other => Ok(Some(one)),
        _ => Err(InvalidRequest),
    }
}

/// A header decides.
fn or_cookie(header: &Found, cookie: &Found) -> Found {
    match header {
        Ok(None) => cookie.clone(),
        decided => decided.clone(),
    }
}

/// RFC 9110, section 11.2, and at most 8 KiB.
fn token68(text: &str) -> Result<String, InvalidRequest> {
    let body = text.trim_end_matches('=');
    let allowed = |letter| matches!(letter, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' | '+' | '/');
    let is_token = !body.is_empty() && body.chars().all(allowed) && text.len() <= 8192;
    is_token.then(|| text.to_owned()).ok_or(InvalidRequest)
}

const COOKIE: &str = "token";
const OWN_HEADER: &str = "x-token";
const NEARLY_THE_LONGEST: usize = 8192 - 8;
const MAX_HEADERS: usize = 8;
