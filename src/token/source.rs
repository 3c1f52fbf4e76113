//! [`TokenSource`]: where the token is in a request.

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

/// Finds the bearer token of a request.
///
/// By default, it is in the `Authorization` header (RFC 6750, section 2.1). Whatever the source, a
/// token consists of `token68` characters (RFC 9110, section 11.2) and is at most [8
/// KiB](Self::max_token_len) long.
///
/// # What counts
///
/// A client sets a header deliberately, and a token found by a closure counts as one. Browsers send
/// cookies by themselves, including stale ones that the user cannot remove. Therefore a header
/// takes precedence over cookies, and a stale cookie never locks its user out:
///
/// * One `Authorization: Bearer` with a token: that token, whatever cookies there are.
/// * `Bearer` without a token or with a malformed one; or two `Authorization` headers, or several
///   credentials in one header, one of which is `Bearer`: the request is [invalid](InvalidRequest),
///   and gets the response 400.
/// * An empty `Authorization` header, or only other schemes (`Basic`, `DPoP`, …): no token, as if
///   the header were absent.
/// * Several tokens in headers and from closures: the token if they are all equal. Otherwise, the
///   request is invalid.
/// * One cookie with the name: its value, with or without quotes. No token if the value does not
///   have the form of one.
/// * Several cookies with the name, which browsers send for different paths and domains: the first
///   accepted one of the first eight tokens. If none is accepted, the request is rejected as
///   revoked if one of them is revoked, otherwise as expired if one is expired, otherwise as
///   invalid.
///
/// If requests without a token are allowed, a request whose cookies hold only invalid tokens counts
/// as a request without a token. An expired or revoked token is still rejected, unless
/// [`allow_expired_as_anonymous`](crate::Logout::allow_expired_as_anonymous) is set for expired
/// ones. Mount the login outside the layer, so that a browser with such a cookie can get a new one.
///
/// The logout endpoint revokes the token that counts and all other tokens of the request, so that
/// the browser is logged out.
///
/// # Examples
///
/// Browsers cannot set a header for a WebSocket or an event stream, so these send a cookie:
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
    /// The default maximum length of a token in bytes: 8 KiB.
    pub const DEFAULT_MAX_TOKEN_LEN: usize = 8 * 1024;

    /// Reads the `Authorization` header with the scheme `Bearer`, in any case, and one token.
    ///
    /// Credentials of another scheme are ignored. A token in the query or the body of a request is
    /// never used.
    #[must_use]
    pub const fn authorization() -> Self {
        Self::new(Location::Authorization)
    }

    /// Reads the cookie of this name.
    ///
    /// Browsers send cookies by themselves, also with requests that another site makes. Set the
    /// cookie with `HttpOnly`, `Secure` and `SameSite=Strict`, or check the `Origin` of each
    /// request. If its name begins with `__Host-`, no other host of the domain can set it.
    #[must_use]
    pub fn cookie(name: impl Into<Arc<str>>) -> Self {
        Self::new(Location::Cookie(name.into()))
    }

    /// Uses a closure to find the token. `Ok(None)` is a request without a token.
    ///
    /// Its result counts as a header. A closure that reads what browsers send by themselves should
    /// return `Ok(None)` for anything that is not a token.
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
    #[must_use]
    pub fn closure<F>(find: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> Result<Option<String>, InvalidRequest> + Send + Sync + 'static,
    {
        Self::new(Location::Closure(Arc::new(find)))
    }

    /// Combines this source with another one. [What counts](Self#what-counts) applies if both find
    /// a token.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let max_token_len = self.max_token_len.max(other.max_token_len);
        Self { max_token_len, ..Self::new(Location::Either(Arc::new([self, other]))) }
    }

    /// Sets the maximum length of a token in bytes. Default: [8 KiB](Self::DEFAULT_MAX_TOKEN_LEN).
    ///
    /// Some issuers write longer tokens, such as Keycloak for a user with hundreds of roles. A
    /// longer token is an invalid request in a header, and ignored in a cookie. If two sources are
    /// combined, the larger maximum applies to both.
    ///
    /// The HTTP server has its own limit: hyper accepts 16 KiB of headers over HTTP/2
    /// (`max_header_list_size`). The cache of verified tokens does not hold tokens that are longer
    /// than [its share of bytes](crate::Logout::token_cache) for eight tokens: with 64 KiB for a
    /// token and room for 16,384 tokens, give it 128 MiB.
    #[must_use]
    pub fn max_token_len(self, max_token_len: usize) -> Self {
        Self { max_token_len, ..self }
    }

    /// Returns the token of a request, if it has one. Of several cookies, the first one with a
    /// token is used.
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`] if there is more than one token, or something other than a token in its
    /// place.
    pub fn token<'a>(&self, head: &RequestHead<'a>) -> Result<Option<Cow<'a, str>>, InvalidRequest> {
        self.find(head)?.into_counting().next().map(Candidate::into_token).transpose()
    }

    /// Returns all tokens of a request. The characters of a candidate are not checked yet, which is
    /// unnecessary for a cached token.
    pub(crate) fn find<'a>(&self, head: &RequestHead<'a>) -> Result<Found<'a>, InvalidRequest> {
        let mut found = Found::default();
        self.location.find(head, self.max_token_len, &mut found)?;
        Ok(found)
    }

    /// Returns the methods of RFC 6750, section 2, by which this source is known to take tokens.
    pub(crate) fn bearer_methods(&self) -> &'static [&'static str] {
        if self.location.is_authorization() { &["header"] } else { &[] }
    }

    pub(crate) const fn longest_token(&self) -> usize {
        self.max_token_len
    }

    const fn new(location: Location) -> Self {
        Self { location, max_token_len: Self::DEFAULT_MAX_TOKEN_LEN }
    }
}

impl Location {
    /// Whether the `Authorization` header is read, alone or among others.
    fn is_authorization(&self) -> bool {
        match self {
            Self::Authorization => true,
            Self::Cookie(_) | Self::Closure(_) => false,
            Self::Either(sources) => sources.iter().any(|source| source.location.is_authorization()),
        }
    }

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
