//! [`Metadata`]: what the metadata of a provider says about its keys.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    fetch::Address,
    token::jwt::{json::object, key_source::KeySourceError},
};

/// What the metadata of a provider says about its keys (OpenID Connect Discovery 1.0, section 3;
/// RFC 8414, section 2).
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) jwks_uri: Address,
    /// The members of complex subjects that a receiver of security events must not ignore (Shared
    /// Signals Framework 1.0, section 7.1).
    pub(super) critical_subject_members: Arc<[String]>,
}

impl Metadata {
    /// Reads the metadata of this issuer from a document.
    ///
    /// # Errors
    ///
    /// If it is no metadata, or that of another issuer. Names are compared byte for byte.
    pub(super) fn read(
        document: &[u8],
        issuer: &str,
        from: &Address,
        allow_http_on_loopback: bool,
    ) -> Result<Self, KeySourceError> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: Option<String>,
            #[serde(default)]
            critical_subject_members: Option<Vec<String>>,
        }
        let address = || from.to_string();
        let unusable = |reason| KeySourceError::Metadata { address: address(), reason };
        let text = str::from_utf8(document).map_err(|_| unusable("it is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Document { issuer: found, jwks_uri, critical_subject_members } =
            object(text).map_err(|_| unusable("it is not a JSON object with a member `issuer`"))?;
        if found != issuer {
            let found = found.chars().take(256).collect();
            return Err(KeySourceError::OtherIssuer { address: address(), expected: issuer.to_owned(), found });
        }
        let jwks_uri = jwks_uri.ok_or_else(|| unusable("it has no `jwks_uri`"))?;
        let jwks_uri = Address::parse(&jwks_uri, allow_http_on_loopback)
            .map_err(|source| KeySourceError::KeySetAddress { address: address(), source })?;
        Ok(Self { jwks_uri, critical_subject_members: critical_subject_members.unwrap_or_default().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str, issuer: &str) -> Result<String, KeySourceError> {
        let from = Address::parse("https://idp.example/.well-known/openid-configuration", false).expect("an address");
        Metadata::read(document.as_bytes(), issuer, &from, false).map(|metadata| metadata.jwks_uri.to_string())
    }

    #[test]
    fn metadata_of_another_issuer_is_an_error() {
        let document = r#"{"issuer":"https://idp.example/","jwks_uri":"https://keys.example/jwks"}"#;
        assert_eq!(read(document, "https://idp.example/").ok().as_deref(), Some("https://keys.example/jwks"));
        for other in
            ["https://idp.example", "https://IDP.example/", "https://idp.example//", "https://idp.example:443/"]
        {
            let error = read(document, other).expect_err("it is not the metadata of the issuer");
            assert!(matches!(error, KeySourceError::OtherIssuer { .. }), "{other}: {error:?}");
        }
    }

    #[test]
    fn what_is_no_metadata_is_an_error() {
        let issuer = "https://idp.example";
        for document in [
            "",
            "<html></html>",
            "[]",
            "null",
            "{}",
            r#"["https://idp.example","https://idp.example/jwks"]"#,
            r#"{"issuer":["https://idp.example"],"jwks_uri":"https://idp.example/jwks"}"#,
            r#"{"issuer":"https://idp.example"}"#,
            r#"{"issuer":"https://idp.example","jwks_uri":null}"#,
            r#"{"issuer":"https://idp.example","jwks_uri":7}"#,
            r#"{"issuer":"https://idp.example","issuer":"https://idp.example","jwks_uri":"https://idp.example/jwks"}"#,
        ] {
            let error = read(document, issuer).expect_err("it is not the metadata of the issuer");
            assert!(matches!(error, KeySourceError::Metadata { .. }), "{document}: {error:?}");
        }
        for uri in ["http://idp.example/jwks", "file:///etc/passwd", "/jwks", "http://127.0.0.1/jwks", ""] {
            let error = read(&format!(r#"{{"issuer":"{issuer}","jwks_uri":"{uri}"}}"#), issuer)
                .expect_err("it is not the metadata of the issuer");
            assert!(matches!(error, KeySourceError::KeySetAddress { .. }), "{uri}: {error:?}");
        }
    }
}
