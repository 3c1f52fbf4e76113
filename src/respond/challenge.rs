//! [`Challenge`]: the parameters of the `WWW-Authenticate` header.

use std::sync::Arc;

use http::HeaderValue;

use crate::respond::Rejection;

/// The parameters of the challenge in the header `WWW-Authenticate` (RFC 6750, section 3; RFC 9728,
/// section 5.1).
///
/// [`Logout::realm`](crate::Logout::realm), [`Logout::resource`](crate::Logout::resource) and the
/// [requirements](crate::guard::Requirement) of a route set them. Without these settings, there are
/// none.
#[derive(Clone, Debug, Default)]
pub struct Challenge {
    /// `None` if there are no parameters, so that nothing is allocated or counted.
    parameters: Option<Arc<Parameters>>,
}

#[derive(Clone, Debug, Default)]
struct Parameters {
    realm: Option<Box<str>>,
    scope: Option<Box<str>>,
    resource_metadata: Option<Box<str>>,
}

impl Challenge {
    pub(crate) const fn none() -> Self {
        Self { parameters: None }
    }

    /// The realm, as it was set and without the escapes of the header.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.parameters.as_ref()?.realm.as_deref()
    }

    /// The scope values that the route requires, separated by single spaces.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.parameters.as_ref()?.scope.as_deref()
    }

    /// The URL of the metadata of the protected resource.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.parameters.as_ref()?.resource_metadata.as_deref()
    }

    /// Returns the header for this reason: `Bearer`, the realm, the error with its description, the
    /// scope and the URL of the metadata. `None` if the reason is not about the client's token.
    #[must_use]
    pub fn header(&self, reason: Rejection) -> Option<HeaderValue> {
        let plain = plain(reason)?;
        let Some(parameters) = &self.parameters else { return Some(HeaderValue::from_static(plain)) };
        // Every parameter was checked when it was set, so the header is always valid.
        Some(parameters.write(plain).try_into().unwrap_or(HeaderValue::from_static(plain)))
    }

    /// Sets the realm, which consists of characters that a header can carry: see [`is_quotable`].
    pub(crate) fn with_realm(self, realm: &str) -> Self {
        self.with(|parameters| parameters.realm = Some(realm.into()))
    }

    /// Sets the URL, which consists of the characters of a URL.
    pub(crate) fn with_resource_metadata(self, url: &str) -> Self {
        self.with(|parameters| parameters.resource_metadata = Some(url.into()))
    }

    /// Adds those of the values, separated by spaces, that are scope values and not there yet.
    pub(crate) fn with_scope(self, scope: &str) -> Self {
        let mut values: Vec<_> = self.scope().into_iter().flat_map(|scope| scope.split(' ')).collect();
        for value in scope.split(' ').filter(|value| is_scope_value(value)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if values.is_empty() {
            return self;
        }
        let scope = values.join(" ").into();
        self.with(|parameters| parameters.scope = Some(scope))
    }

    pub(crate) fn without_scope(self) -> Self {
        if self.scope().is_none() { self } else { self.with(|parameters| parameters.scope = None) }
    }

    fn with(mut self, change: impl FnOnce(&mut Parameters)) -> Self {
        change(Arc::make_mut(self.parameters.get_or_insert_default()));
        self
    }
}

impl Parameters {
    fn write(&self, plain: &str) -> String {
        let error = plain.strip_prefix(BEARER).unwrap_or_default().trim_start();
        let mut header = BEARER.to_owned();
        let mut separator = " ";
        let mut parameter = |text: &str| {
            header.push_str(separator);
            header.push_str(text);
            separator = ", ";
        };
        if let Some(realm) = &self.realm {
            parameter(&quoted("realm", realm));
        }
        if !error.is_empty() {
            parameter(error);
        }
        if let Some(scope) = &self.scope {
            parameter(&quoted("scope", scope));
        }
        if let Some(url) = &self.resource_metadata {
            parameter(&quoted("resource_metadata", url));
        }
        header
    }
}

/// Writes a parameter as a quoted-string (RFC 9110, section 5.6.4).
fn quoted(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

/// Whether a quoted-string of a header can carry the text: printable ASCII and spaces.
pub(crate) fn is_quotable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether the text is one scope value (`scope-token`; RFC 6749, section 3.3).
pub(crate) fn is_scope_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~'))
}

/// The challenge without parameters.
const fn plain(reason: Rejection) -> Option<&'static str> {
    match reason {
        Rejection::Missing => Some(BEARER),
        Rejection::Invalid => Some(INVALID),
        Rejection::Expired => Some(EXPIRED),
        Rejection::Revoked => Some(REVOKED),
        Rejection::InsufficientScope => Some(INSUFFICIENT_SCOPE),
        Rejection::InvalidRequest => Some(INVALID_REQUEST),
        Rejection::NoSubject => Some(NO_SUBJECT),
        Rejection::InvalidRefreshToken => Some(INVALID_REFRESH_TOKEN),
        Rejection::Unavailable | Rejection::MethodNotAllowed => None,
    }
}

const BEARER: &str = "Bearer";
const INVALID_REQUEST: &str = r#"Bearer error="invalid_request", error_description="The request is malformed, or does not carry exactly one access token.""#;
const NO_SUBJECT: &str = r#"Bearer error="invalid_request", error_description="The access token has no subject (sub), so it cannot log out everywhere.""#;
const INVALID_REFRESH_TOKEN: &str = r#"Bearer error="invalid_request", error_description="The refresh token is invalid, or belongs to another subject.""#;
const INVALID: &str = r#"Bearer error="invalid_token", error_description="The token is invalid.""#;
const EXPIRED: &str = r#"Bearer error="invalid_token", error_description="The token has expired.""#;
const REVOKED: &str = r#"Bearer error="invalid_token", error_description="The token has been revoked.""#;
const INSUFFICIENT_SCOPE: &str = r#"Bearer error="insufficient_scope", error_description="The request requires higher privileges than the token has.""#;
