//! [`Resource`]: the identifier of a protected resource, and where its metadata is.

use std::{ops::Range, sync::Arc};

use http::uri::Authority;

use crate::{chain::debug_as_chain, loopback::is_loopback};

/// The identifier of a protected resource (RFC 9728, section 1.2): an `https` URL without a
/// fragment, or an `http` URL of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    text: Arc<str>,
    /// Where the host and the port end.
    origin_end: usize,
}

/// Error of [`Logout::resource`](crate::Logout::resource) and
/// [`Logout::protected_resource`](crate::Logout::protected_resource).
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// The text is not the identifier of a resource.
    #[error(
        "`{resource}` is not the identifier of a protected resource: {reason}; use the https URL that clients call, \
         such as `https://api.example` or `https://api.example/mcp`"
    )]
    Invalid {
        /// The text, without what a URL may hold that is secret.
        resource: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The resource has no identifier, which its metadata must have.
    #[error("the metadata of a protected resource needs its identifier: call `Logout::resource` first")]
    NotSet,
}

debug_as_chain!(ResourceError);

impl Resource {
    pub(crate) fn parse(text: &str) -> Result<Self, ResourceError> {
        match origin(text) {
            Ok(origin) => Ok(Self { text: text.into(), origin_end: origin.end }),
            Err(reason) => Err(ResourceError::Invalid { resource: printable(text), reason }),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The path of the metadata, without the query that the identifier may have.
    pub(crate) fn metadata_path(&self) -> String {
        let path = self.path_and_query();
        format!("{WELL_KNOWN}{}", path.split('?').next().unwrap_or_default())
    }

    /// The URL of the metadata: the well-known path is inserted after the host (RFC 9728, section
    /// 3.1).
    pub(crate) fn metadata_url(&self) -> String {
        format!("{}{WELL_KNOWN}{}", &self.text[..self.origin_end], self.path_and_query())
    }

    /// What follows the host, without the slash if the path is nothing else.
    fn path_and_query(&self) -> &str {
        let path = &self.text[self.origin_end..];
        path.strip_prefix('/').filter(|rest| rest.is_empty() || rest.starts_with('?')).unwrap_or(path)
    }
}

/// Returns where scheme, host and port are in the text.
fn origin(text: &str) -> Result<Range<usize>, &'static str> {
    if text.contains('#') {
        return Err("it has a fragment");
    }
    if !is_url_text(text) {
        return Err("it has characters that a URL cannot have");
    }
    let (rest, is_secure) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Err("it does not start with `https://`"),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it has a user name");
    }
    let parsed: Authority = authority.parse().map_err(|_| "it has no host, or a malformed one")?;
    if parsed.host().is_empty() {
        return Err("it has no host");
    }
    if !is_secure && !is_loopback(parsed.host()) {
        return Err("its scheme is `http`, which only a host of this machine may have");
    }
    Ok(0..text.len() - rest.len() + authority.len())
}

/// Whether a text has only characters of a URL (RFC 3986, section 2). None of them needs an escape
/// in a header.
fn is_url_text(text: &str) -> bool {
    let is_url_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let mut parts = text.split('%');
    let is_hex = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    text.bytes().all(is_url_byte) && parts.next().is_some() && parts.all(is_hex)
}

/// Removes user information, query and fragment.
fn printable(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = text.find("://").map_or(("", text), |end| text.split_at(end + "://".len()));
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    format!("{scheme}{}{path}", authority.rsplit('@').next().unwrap_or_default())
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_metadata_is_between_host_and_path() {
        for (resource, path, url) in [
            ("https://api.example", "", "https://api.example{}"),
            ("https://api.example/", "", "https://api.example{}"),
            ("https://api.example:8443/mcp", "/mcp", "https://api.example:8443{}/mcp"),
            ("https://api.example/a/b/", "/a/b/", "https://api.example{}/a/b/"),
            ("https://api.example/a%2Fb?tenant=7", "/a%2Fb", "https://api.example{}/a%2Fb?tenant=7"),
            ("https://api.example?tenant=7", "", "https://api.example{}?tenant=7"),
            ("https://api.example/?tenant=7", "", "https://api.example{}?tenant=7"),
            ("http://127.0.0.1:3000/mcp", "/mcp", "http://127.0.0.1:3000{}/mcp"),
            ("http://[::1]:3000", "", "http://[::1]:3000{}"),
            ("http://localhost", "", "http://localhost{}"),
        ] {
            let parsed = Resource::parse(resource).expect(resource);
            assert_eq!(parsed.as_str(), resource, "clients compare it byte for byte");
            assert_eq!(parsed.metadata_path(), format!("{WELL_KNOWN}{path}"), "{resource}");
            assert_eq!(parsed.metadata_url(), url.replace("{}", WELL_KNOWN), "{resource}");
        }
    }

    #[test]
    fn what_is_no_identifier_of_a_resource_is_an_error_without_a_secret() {
        for text in [
            "",
            "/mcp",
            "api.example",
            "urn:example:api",
            "HTTPS://api.example",
            "ftp://api.example",
            "https://",
            "https:///mcp",
            "https://:443",
            "https://api.example/#secret",
            "https://user:secret@api.example",
            "http://api.example",
            "http://localhost.example",
            "http://169.254.169.254",
            "http://127.0.0.1@api.example",
            "https://api.example/a b",
            "https://api.example/\"",
            "https://api.example/\\",
            "https://api.example/\r\nset-cookie:a=b",
            "https://api.example/{id}",
            "https://api.example/ü",
            "https://api.example/%",
            "https://api.example/%2",
            "https://api.example/%zz",
        ] {
            let error = Resource::parse(text).expect_err(text).to_string();
            assert!(!error.contains("secret") && error.contains("https://api.example/mcp"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn the_url_of_the_metadata_is_a_url_that_a_quoted_string_can_carry(text in "https://[a-z.:@]{0,8}.{0,12}") {
            if let Ok(resource) = Resource::parse(&text) {
                let url = resource.metadata_url();
                prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'));
                prop_assert!(url.parse::<http::Uri>().is_ok(), "{}", url);
                prop_assert!(resource.metadata_path().starts_with(WELL_KNOWN));
            }
        }
    }
}
