//! Where the token is in a request.

use std::{borrow::Cow, fmt, sync::Arc};

use http::{
    Extensions, HeaderMap, Method, Request, Uri,
    header::{AUTHORIZATION, COOKIE},
    request::Parts,
};

/// Says where in a request the bearer token is.
///
/// By default in the `Authorization` header (RFC 6750, section 2.1). Whatever the source, a token has to be of `token68` characters (RFC
/// 9110, section 11.2) and at most 8 KiB long.
///
/// # Examples
///
/// Browsers cannot set a header on a WebSocket or an event stream, so those come with a cookie:
///
/// ```
/// use tower_logout::TokenSource;
///
/// let source = TokenSource::authorization().or(TokenSource::cookie("access_token"));
/// ```
#[derive(Clone)]
pub struct TokenSource(Source);

type Closure = dyn Fn(&RequestHead<'_>) -> Result<Option<String>, InvalidRequest> + Send + Sync;

#[derive(Clone)]
enum Source {
    Authorization,
    Cookie(Arc<str>),
    Closure(Arc<Closure>),
    Either(Arc<[TokenSource; 2]>),
}

/// What stands where a token belongs, and may not be of the characters of one.
pub(crate) enum Candidate<'a> {
    Unchecked(&'a [u8]),
    Token(Cow<'a, str>),
}

/// A request carries more than one token, or something in the place of the token that is none. Answered with 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the request does not carry exactly one bearer token in the form of RFC 6750, section 2.1")]
pub struct InvalidRequest;

/// A request without its body: what a [`TokenSource`] may look at. Its `Debug` shows the method alone: the rest may hold the token.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What other layers have added.
    pub extensions: &'a Extensions,
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("method", self.method).finish_non_exhaustive()
    }
}

impl<'a> From<&'a Parts> for RequestHead<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: &parts.headers, extensions: &parts.extensions }
    }
}

impl TokenSource {
    /// The `Authorization` header: exactly one, with the scheme `Bearer` in any case and one token.
    ///
    /// Another scheme, a second header or several credentials in one are an invalid request. A token in the query or the body of a
    /// request is never looked at.
    #[must_use]
    pub const fn authorization() -> Self {
        Self(Source::Authorization)
    }

    /// The cookie of this name.
    ///
    /// Browsers send a cookie by themselves, also on requests that another site makes. Set it with `HttpOnly`, `Secure` and
    /// `SameSite=Strict`, or check the `Origin` of each request.
    #[must_use]
    pub fn cookie(name: impl Into<Arc<str>>) -> Self {
        Self(Source::Cookie(name.into()))
    }

    /// Wherever the closure finds it. `Ok(None)` is a request without a token.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::{InvalidRequest, TokenSource};
    ///
    /// let source = TokenSource::closure(|head| {
    ///     let Some(value) = head.headers.get("x-access-token") else { return Ok(None) };
    ///     value.to_str().map(|token| Some(token.to_owned())).map_err(|_| InvalidRequest)
    /// });
    /// ```
    pub fn closure<F>(find: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> Result<Option<String>, InvalidRequest> + Send + Sync + 'static,
    {
        Self(Source::Closure(Arc::new(find)))
    }

    /// This source or, if it has no token, the other one. Two different tokens are an invalid request.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Source::Either(Arc::new([self, other])))
    }

    /// The token of a request, if it has one.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`] if there is more than one token, or something else in its place.
    pub fn token<'a>(&self, head: &RequestHead<'a>) -> Result<Option<Cow<'a, str>>, InvalidRequest> {
        self.candidate(head)?.map(Candidate::into_token).transpose()
    }

    /// The same, but a token that is known by its text need not be looked at character by character.
    pub(crate) fn candidate<'a>(&self, head: &RequestHead<'a>) -> Result<Option<Candidate<'a>>, InvalidRequest> {
        let token = match &self.0 {
            Source::Authorization => return Ok(authorization(head.headers)?.map(Candidate::Unchecked)),
            Source::Cookie(name) => return Ok(cookie(head.headers, name)?.map(Candidate::Unchecked)),
            Source::Closure(find) => match find(head)? {
                Some(token) if !is_token68(&token) => return Err(InvalidRequest),
                token => token.map(Cow::Owned),
            },
            Source::Either(sources) => match (sources[0].token(head)?, sources[1].token(head)?) {
                (Some(one), Some(other)) if one != other => return Err(InvalidRequest),
                (one, other) => one.or(other),
            },
        };
        Ok(token.map(Candidate::Token))
    }
}

impl<'a> Candidate<'a> {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Unchecked(text) => text,
            Self::Token(token) => token.as_bytes(),
        }
    }

    pub(crate) fn into_token(self) -> Result<Cow<'a, str>, InvalidRequest> {
        match self {
            Self::Unchecked(text) => token68(text).map(Cow::Borrowed),
            Self::Token(token) => Ok(token),
        }
    }
}

impl Default for TokenSource {
    fn default() -> Self {
        Self::authorization()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Authorization => f.write_str("Authorization"),
            Source::Cookie(name) => f.debug_tuple("Cookie").field(name).finish(),
            Source::Closure(_) => f.write_str("Closure"),
            Source::Either(sources) => f.debug_list().entries(&**sources).finish(),
        }
    }
}

fn authorization(headers: &HeaderMap) -> Result<Option<&[u8]>, InvalidRequest> {
    let Some(value) = only(headers.get_all(AUTHORIZATION).iter())? else { return Ok(None) };
    let value = value.as_bytes();
    // As nearly all clients write it.
    if let Some(token @ [first, ..]) = value.strip_prefix(b"Bearer ")
        && *first != b' '
    {
        return Ok(Some(token));
    }
    let (scheme, rest) = value.split_at_checked(SCHEME.len()).ok_or(InvalidRequest)?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    if !scheme.eq_ignore_ascii_case(SCHEME) || spaces == 0 {
        return Err(InvalidRequest);
    }
    Ok(Some(&rest[spaces..]))
}

/// The cookie's one value. HTTP/2 may split the header (RFC 9113, section 8.2.3), so all of them count.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, InvalidRequest> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let named = |pair: &'a [u8]| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        // One that was emptied is no token: browsers keep it until it expires.
        (&pair[..equals] == name.as_bytes() && equals + 1 < pair.len()).then(|| &pair[equals + 1..])
    };
    only(pairs.filter_map(named))
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Result<Option<T>, InvalidRequest> {
    let first = items.next();
    if items.next().is_some() { Err(InvalidRequest) } else { Ok(first) }
}

pub(super) fn is_token68(token: &str) -> bool {
    token68(token.as_bytes()).is_ok()
}

/// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn token68(token: &[u8]) -> Result<&str, InvalidRequest> {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    // All bytes are looked at, also after a bad one: without branches the loop is vectorised.
    let is_well_formed = body.iter().fold(true, |so_far, byte| so_far & is_of_token68(*byte));
    if body.is_empty() || token.len() > MAX_TOKEN_LEN || !is_well_formed {
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

const SCHEME: &[u8] = b"Bearer";
const MAX_TOKEN_LEN: usize = 8 * 1024;
