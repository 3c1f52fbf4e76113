//! [`Address`]: an address that requests may be sent to.

use std::fmt;

use http::{Uri, uri::Scheme};

use crate::{fetch::FetchError, loopback::is_loopback};

/// An `https` URL, or an `http` URL of this machine if that is allowed.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Address(Uri);

impl Address {
    /// # Errors
    ///
    /// If the text is no such URL.
    pub(crate) fn parse(text: &str, allow_http_on_loopback: bool) -> Result<Self, FetchError> {
        let error = |reason| FetchError::Address { address: printable(text), reason };
        let uri: Uri = text.parse().map_err(|_| error("it is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(error("it is not an absolute URL, such as `https://idp.example`"));
        };
        if authority.as_str().contains('@') {
            return Err(error("it contains a user name; remove it, and pass credentials as settings"));
        }
        // `Uri` drops fragments without an error.
        if text.contains('#') {
            return Err(error("it contains a fragment; remove it"));
        }
        if *scheme == Scheme::HTTPS {
            return Ok(Self(uri));
        }
        if *scheme != Scheme::HTTP {
            return Err(error("its scheme is not `https`"));
        }
        match (is_loopback(authority.host()), allow_http_on_loopback) {
            (true, true) => Ok(Self(uri)),
            (true, false) => {
                Err(error("its scheme is not `https`; for a server on this machine, call allow_http_on_loopback()"))
            }
            (false, _) => Err(error("its scheme is not `https`, so whoever is on the way could replace the answer")),
        }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }
}

/// The same address without what may be secret.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0.to_string()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Removes user information, query and fragment.
fn printable(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = text.find("://").map_or(("", text), |end| text.split_at(end + "://".len()));
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_by_choice_http_on_this_machine_is_an_address() {
        let ok = |text: &str, loopback| Address::parse(text, loopback).is_ok();
        for text in ["https://idp.example", "https://idp.example:8443/a?b=c", "https://127.0.0.1", "https://[::1]/"] {
            assert!(ok(text, false) && ok(text, true), "{text}");
        }
        for text in
            ["http://127.0.0.1:80/a", "http://localhost", "http://LOCALHOST/", "http://[::1]:8080", "http://127.9.9.9"]
        {
            assert!(!ok(text, false) && ok(text, true), "{text}");
        }
        for text in [
            "",
            "/jwks",
            "idp.example/jwks",
            "file:///etc/passwd",
            "ftp://idp.example",
            "http://idp.example",
            "http://169.254.169.254/",
            "http://0.0.0.0/",
            "http://localhost.example/",
            "https://user:secret@idp.example/",
            "https://idp.example/#a",
            "https:///jwks",
            "https://",
            "http://127.0.0.1@idp.example/",
            "http://128.0.0.1",
            "https://idp.example /",
            "data:application/json,{}",
        ] {
            assert!(!ok(text, false) && !ok(text, true), "{text}");
        }
    }

    #[test]
    fn no_secret_of_an_address_is_shown() {
        for (text, shown) in [
            ("https://user:secret@idp.example/a?key=secret#secret", "https://idp.example/a"),
            ("user:secret@idp.example/a", "idp.example/a"),
            ("https://secret@idp.example", "https://idp.example"),
        ] {
            let error = Address::parse(text, false).expect_err("it is no address");
            assert!(matches!(&error, FetchError::Address { address, .. } if address == shown), "{error:?}");
        }
    }
}
