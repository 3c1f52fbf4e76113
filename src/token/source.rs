//! Where the token is in a request.

mod authorization;
mod cookie;
mod found;
mod head;
mod token68;

use std::{borrow::Cow, fmt, sync::Arc};

pub(crate) use found::{Candidate, Found};
pub use head::RequestHead;
pub use token68::InvalidRequest;
use token68::token68;

/// Says where in a request the bearer token is.
///
/// By default it is in the `Authorization` header (RFC 6750, section 2.1). Whatever the source, a token consists of `token68`
/// characters (RFC 9110, section 11.2) and is at most [8 KiB](Self::max_token_len) long.
///
/// # What counts
///
/// A header is what the sender of a request has put there on purpose; so is what a closure finds. Cookies are sent by the browser on
/// its own, stale ones included, and its user can do nothing about them. So a header decides what becomes of the request, and a
/// cookie never keeps its user out:
///
/// | the request has | what counts |
/// |---|---|
/// | one `Authorization: Bearer` with a token | that token, whatever cookies there are |
/// | `Bearer` without a token, or with something that is none; two `Authorization` headers, or several credentials in one, of which one is `Bearer` | nothing: it is an [invalid request](InvalidRequest), answered with 400 |
/// | `Authorization` of other schemes only (`Basic`, `DPoP`, …), or an empty one | no token: as if the header were not there |
/// | several tokens in headers and closures | one token, if they are the same; otherwise it is an invalid request |
/// | one cookie of the name | its value, with or without quotes; no token if it cannot be one |
/// | several cookies of the name, as browsers send them for other paths and domains | of the first eight tokens in them, the first that is accepted; if none is, the reason is that of a revoked one, else of an expired one, else of an invalid one |
///
/// Where requests without a token are allowed, one whose cookies hold nothing but invalid tokens counts as such a request. An expired
/// or a revoked token is rejected there too, unless
/// [`allow_expired_as_anonymous`](crate::Logout::allow_expired_as_anonymous) says otherwise for expired ones. Serve the login
/// outside the layer, so that a browser with such a cookie can get a new one.
///
/// The logout endpoint ends the token that counts and all others that the request carries, so that the browser is logged out.
///
/// # Examples
///
/// Browsers cannot set a header on a WebSocket or an event stream, so those come with a cookie:
///
/// ```
/// use tower_logout::token::TokenSource;
///
/// let source = TokenSource::authorization().or(TokenSource::cookie("access_token"));
/// ```
#[derive(Clone)]
pub struct TokenSource {
    location: Location,
    max_token_len: usize,
}

type Closure = dyn Fn(&RequestHead<'_>) -> Result<Option<String>, InvalidRequest> + Send + Sync;

#[derive(Clone)]
enum Location {
    Authorization,
    Cookie(Arc<str>),
    Closure(Arc<Closure>),
    Either(Arc<[TokenSource; 2]>),
}

impl TokenSource {
    /// The length in bytes that a token may have by default: 8 KiB.
    pub const DEFAULT_MAX_TOKEN_LEN: usize = 8 * 1024;

    /// The `Authorization` header, with the scheme `Bearer` in any case and one token.
    ///
    /// Credentials of another scheme are no token. A token in the query or the body of a request is never looked at.
    #[must_use]
    pub const fn authorization() -> Self {
        Self::new(Location::Authorization)
    }

    /// The cookie of this name.
    ///
    /// Browsers send a cookie by themselves, also on requests that another site makes. Set it with `HttpOnly`, `Secure` and
    /// `SameSite=Strict`, or check the `Origin` of each request. With a name that begins with `__Host-`, no other host of the domain
    /// can set it.
    #[must_use]
    pub fn cookie(name: impl Into<Arc<str>>) -> Self {
        Self::new(Location::Cookie(name.into()))
    }

    /// Wherever the closure finds it. `Ok(None)` is a request without a token.
    ///
    /// What it finds counts as a header does. A closure that reads what a browser sends on its own returns `Ok(None)` for what is no
    /// token.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::token::{InvalidRequest, TokenSource};
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
        Self::new(Location::Closure(Arc::new(find)))
    }

    /// This source and the other one. The section [What counts](Self#what-counts) says which token does if both have one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let max_token_len = self.max_token_len.max(other.max_token_len);
        Self { max_token_len, ..Self::new(Location::Either(Arc::new([self, other]))) }
    }

    /// Sets how many bytes long a token may be. Default: [8 KiB](Self::DEFAULT_MAX_TOKEN_LEN).
    ///
    /// Some issuers write longer ones, such as Keycloak for a user with hundreds of roles. A longer token in a header is an invalid
    /// request, in a cookie it is none. Of two sources, the longer length holds for both.
    ///
    /// The HTTP server has a limit of its own: hyper takes 16 KiB of headers over HTTP/2 (`max_header_list_size`). A cache of verified
    /// tokens leaves out those that are longer than
    /// [its share of bytes](crate::Logout::token_cache) for eight tokens: with 64 KiB for a token and room
    /// for 16,384 tokens, give it 128 MiB.
    #[must_use]
    pub fn max_token_len(self, max_token_len: usize) -> Self {
        Self { max_token_len, ..self }
    }

    /// The token of a request, if it has one. Of several in cookies, it is the first.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`] if there is more than one token, or something else in its place.
    pub fn token<'a>(&self, head: &RequestHead<'a>) -> Result<Option<Cow<'a, str>>, InvalidRequest> {
        self.find(head)?.into_counting().next().map(Candidate::into_token).transpose()
    }

    /// All tokens of a request. One that is known by its text need not be looked at character by character.
    pub(crate) fn find<'a>(&self, head: &RequestHead<'a>) -> Result<Found<'a>, InvalidRequest> {
        let mut found = Found::default();
        self.location.find(head, self.max_token_len, &mut found)?;
        Ok(found)
    }

    pub(crate) const fn longest_token(&self) -> usize {
        self.max_token_len
    }

    const fn new(location: Location) -> Self {
        Self { location, max_token_len: Self::DEFAULT_MAX_TOKEN_LEN }
    }
}

impl Location {
    fn find<'a>(&self, head: &RequestHead<'a>, max_len: usize, found: &mut Found<'a>) -> Result<(), InvalidRequest> {
        match self {
            Self::Authorization => match authorization::bearer(head.headers)? {
                Some(text) => found.give(Candidate::Unchecked(text), max_len),
                None => Ok(()),
            },
            Self::Cookie(name) => {
                cookie::tokens(head.headers, name, max_len, found.cookies());
                Ok(())
            }
            Self::Closure(find) => match find(head)? {
                Some(token) if !is_token68(&token) => Err(InvalidRequest),
                Some(token) => found.give(Candidate::Token(Cow::Owned(token)), max_len),
                None => Ok(()),
            },
            Self::Either(sources) => sources.iter().try_for_each(|source| source.location.find(head, max_len, found)),
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
        match &self.location {
            Location::Authorization => f.write_str("Authorization"),
            Location::Cookie(name) => f.debug_tuple("Cookie").field(name).finish(),
            Location::Closure(_) => f.write_str("Closure"),
            Location::Either(sources) => f.debug_list().entries(&**sources).finish(),
        }
    }
}

fn is_token68(token: &str) -> bool {
    token68(token.as_bytes()).is_ok()
}
