//! [`Expected`]: the value of `Authorization` that a transmitter must send.

use std::fmt;

use http::HeaderValue;

use crate::endpoint::secret::Secret;

/// The value that a transmitter must send, including its scheme.
#[derive(Clone)]
pub(super) struct Expected {
    secret: Secret,
    pub(super) header: HeaderValue,
}

impl Expected {
    /// Returns `None` if the text is empty, or no value of a header.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut header = HeaderValue::from_str(text).ok().filter(|_| !text.trim().is_empty())?;
        header.set_sensitive(true);
        Some(Self { secret: Secret::new(text), header })
    }

    /// Compares the whole value, in a time that does not depend on how much of it is right.
    pub(super) fn is(&self, value: &HeaderValue) -> bool {
        self.secret.is(value)
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expected")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_value_is_the_expected_one() {
        let expected = Expected::new("Bearer a-secret").expect("a value");
        for (value, is) in [
            ("Bearer a-secret", true),
            ("bearer a-secret", false),
            ("Bearer a-secre", false),
            ("Bearer a-secret2", false),
            ("a-secret", false),
            ("", false),
        ] {
            assert_eq!(expected.is(&HeaderValue::from_static(value)), is, "{value}");
        }
        assert!(!format!("{expected:?}").contains("secret"));
        assert!(Expected::new("").is_none() && Expected::new(" ").is_none() && Expected::new("a\nb").is_none());
    }
}
