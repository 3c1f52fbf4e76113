//! [`Location`]: where the keys of an issuer are published.

use http::Uri;

use crate::{
    fetch::{Address, FetchError},
    token::jwt::ConfigError,
};

/// Where the keys of an issuer are published.
#[derive(Clone, Debug)]
pub(in crate::token::jwt) enum Location {
    /// At this address.
    KeySet(String),
    /// Where the metadata of this issuer says.
    Metadata { issuer: String },
    /// Where the metadata of this transmitter of security events says.
    #[cfg(feature = "receivers")]
    Transmitter { issuer: String },
}

/// The addresses at which the metadata of an issuer can be, in the order in which they are tried.
#[derive(Debug)]
pub(super) struct MetadataAddresses(pub(super) Vec<Address>);

impl MetadataAddresses {
    /// OpenID Connect Discovery, section 4, appends its path to the issuer; RFC 8414, section 3.1,
    /// inserts one between the host and the path, and section 5 allows that for the older document
    /// as well.
    pub(super) fn of(issuer: &str, allow_http_on_loopback: bool) -> Result<Self, ConfigError> {
        Self::at(issuer, allow_http_on_loopback, |origin, path| {
            let appended = format!("{origin}{path}/.well-known/openid-configuration");
            let inserted = ["openid-configuration", "oauth-authorization-server"]
                .map(|name| format!("{origin}/.well-known/{name}{path}"));
            [appended].into_iter().chain(inserted).collect()
        })
    }

    /// The Shared Signals Framework 1.0, section 7.2, inserts its path between the host and the
    /// path. Some transmitters append it, and older ones have the name that it had in drafts.
    #[cfg(feature = "receivers")]
    pub(super) fn of_transmitter(issuer: &str, allow_http_on_loopback: bool) -> Result<Self, ConfigError> {
        Self::at(issuer, allow_http_on_loopback, |origin, path| {
            let at_both = |name: &str| {
                [format!("{origin}/.well-known/{name}{path}"), format!("{origin}{path}/.well-known/{name}")]
            };
            ["ssf-configuration", "risc-configuration"].into_iter().flat_map(at_both).collect()
        })
    }

    fn at(
        issuer: &str,
        allow_http_on_loopback: bool,
        texts: impl FnOnce(&str, &str) -> Vec<String>,
    ) -> Result<Self, ConfigError> {
        let address = Address::parse(issuer, allow_http_on_loopback)?;
        let uri = address.uri();
        if uri.query().is_some() {
            let reason = "an issuer has no query (RFC 8414, section 2)";
            return Err(FetchError::Address { address: address.to_string(), reason }.into());
        }
        let mut all: Vec<Address> = Vec::new();
        for text in texts(&origin(uri), uri.path().trim_end_matches('/')) {
            let address = Address::parse(&text, allow_http_on_loopback)?;
            if !all.contains(&address) {
                all.push(address);
            }
        }
        Ok(Self(all))
    }
}

/// The addresses at which the metadata of a transmitter of security events can be, in the order in
/// which they are tried.
#[cfg(feature = "receivers")]
pub(crate) fn transmitter_metadata(issuer: &str, allow_http_on_loopback: bool) -> Result<Vec<Address>, ConfigError> {
    MetadataAddresses::of_transmitter(issuer, allow_http_on_loopback).map(|MetadataAddresses(all)| all)
}

fn origin(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |authority| authority.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_at_all_places_of_both_specifications() {
        let of = |issuer: &str| {
            let addresses = MetadataAddresses::of(issuer, false).map(|MetadataAddresses(all)| all);
            addresses.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap_or_default()
        };
        let at_root = [
            "https://idp.example/.well-known/openid-configuration",
            "https://idp.example/.well-known/oauth-authorization-server",
        ];
        for issuer in ["https://idp.example", "https://idp.example/"] {
            assert_eq!(of(issuer), at_root);
        }
        for issuer in ["https://idp.example:8443/realms/a", "https://idp.example:8443/realms/a/"] {
            assert_eq!(
                of(issuer),
                [
                    "https://idp.example:8443/realms/a/.well-known/openid-configuration",
                    "https://idp.example:8443/.well-known/openid-configuration/realms/a",
                    "https://idp.example:8443/.well-known/oauth-authorization-server/realms/a",
                ]
            );
        }
        for issuer in ["https://idp.example/?a=b", "idp.example", "https://idp.example/#a", ""] {
            assert_eq!(of(issuer), [""; 0], "{issuer}");
        }
    }

    #[cfg(feature = "receivers")]
    #[test]
    fn metadata_of_a_transmitter_is_looked_for_where_old_and_new_ones_have_it() {
        let of = |issuer: &str| {
            let all = transmitter_metadata(issuer, false).unwrap_or_default();
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for issuer in ["https://idp.example", "https://idp.example/"] {
            assert_eq!(
                of(issuer),
                [
                    "https://idp.example/.well-known/ssf-configuration",
                    "https://idp.example/.well-known/risc-configuration",
                ]
            );
        }
        assert_eq!(
            of("https://idp.example/realms/a"),
            [
                "https://idp.example/.well-known/ssf-configuration/realms/a",
                "https://idp.example/realms/a/.well-known/ssf-configuration",
                "https://idp.example/.well-known/risc-configuration/realms/a",
                "https://idp.example/realms/a/.well-known/risc-configuration",
            ]
        );
        assert_eq!(of("http://idp.example"), [""; 0]);
    }
}
