//! [`Proxy`]: through which proxy a request is sent.

use std::{fmt, sync::Arc};

use http::{Uri, uri::Scheme};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::HttpClientError;
use crate::loopback::is_loopback;

/// The proxies of the environment, a given one, or none.
#[derive(Clone)]
pub(super) struct Proxy(Arc<Matcher>);

impl Proxy {
    pub(super) fn of_environment() -> Self {
        Self(Arc::new(Matcher::from_env()))
    }

    pub(super) fn at(url: &str) -> Result<Self, HttpClientError> {
        let proxy = Self(Arc::new(Matcher::builder().https(url).build()));
        match proxy.for_request(&Uri::from_static("https://idp.example"))? {
            Some(_) => Ok(proxy),
            None => Err(HttpClientError::Proxy),
        }
    }

    pub(super) fn none() -> Self {
        Self(Arc::new(Matcher::builder().build()))
    }

    /// # Errors
    ///
    /// If the request is to go through a proxy that is not an HTTP proxy.
    pub(super) fn for_request(&self, uri: &Uri) -> Result<Option<Intercept>, HttpClientError> {
        if uri.host().is_none_or(is_loopback) {
            return Ok(None);
        }
        let Some(proxy) = self.0.intercept(uri) else { return Ok(None) };
        if proxy.uri().scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) {
            Ok(Some(proxy))
        } else {
            Err(HttpClientError::Proxy)
        }
    }
}

/// `Matcher` omits user names and passwords.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
