//! [`Form`]: the form that a request posts.

use http::HeaderMap;

use crate::respond::media_type;

/// A form (`application/x-www-form-urlencoded`).
pub(super) struct Form<'a>(&'a [u8]);

/// A parameter is missing, or present more than once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotOnce;

impl<'a> Form<'a> {
    /// Whether the headers say that the body is a form, with any parameters of the media type.
    pub(super) fn is_announced(headers: &HeaderMap) -> bool {
        media_type(headers).is_some_and(|essence| essence.eq_ignore_ascii_case(MEDIA_TYPE))
    }

    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// Returns the value of a parameter that must be present exactly once.
    pub(super) fn only(&self, name: &str) -> Result<String, NotOnce> {
        let mut values = form_urlencoded::parse(self.0).filter(|(own, _)| own == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value.into_owned()),
            _ => Err(NotOnce),
        }
    }

    /// Returns the value of a parameter that may be present once. One without a value counts as
    /// absent (RFC 6749, section 3.2).
    pub(super) fn at_most_once(&self, name: &str) -> Result<Option<String>, NotOnce> {
        match self.only(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(NotOnce) if form_urlencoded::parse(self.0).any(|(own, _)| own == name) => Err(NotOnce),
            Err(NotOnce) => Ok(None),
        }
    }
}

const MEDIA_TYPE: &[u8] = b"application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CONTENT_TYPE};

    use super::*;

    #[test]
    fn a_parameter_is_decoded_and_others_are_ignored() {
        for (body, value) in [
            ("t=a", Ok("a")),
            ("x=1&t=a.b-c_d&y", Ok("a.b-c_d")),
            ("t=%61%2Eb", Ok("a.b")),
            ("%74=a", Ok("a")),
            ("t=a+b", Ok("a b")),
            ("t=", Ok("")),
            ("t", Ok("")),
            ("t=a=b", Ok("a=b")),
            ("", Err(NotOnce)),
            ("T=a", Err(NotOnce)),
            ("t=a&t=a", Err(NotOnce)),
            ("t=a&%74=b", Err(NotOnce)),
            ("t[]=a", Err(NotOnce)),
        ] {
            assert_eq!(Form::new(body.as_bytes()).only("t").as_deref(), value.as_ref().copied(), "{body}");
        }
    }

    #[test]
    fn a_parameter_without_a_value_counts_as_absent_and_must_not_be_repeated() {
        for (body, value) in [
            ("t=a", Ok(Some("a"))),
            ("", Ok(None)),
            ("t", Ok(None)),
            ("x=1&t=", Ok(None)),
            ("t=&t=a", Err(NotOnce)),
            ("t=a&t=a", Err(NotOnce)),
        ] {
            let found = Form::new(body.as_bytes()).at_most_once("t");
            assert_eq!(found.as_ref().map(Option::as_deref).map_err(|error| *error), value, "{body}");
        }
    }

    #[test]
    fn the_media_type_may_have_parameters_and_is_compared_without_case() {
        const FORM: &str = "application/x-www-form-urlencoded";
        let headers = |values: &[&'static str]| -> HeaderMap {
            values.iter().map(|value| (CONTENT_TYPE, HeaderValue::from_static(value))).collect()
        };
        for accepted in [FORM, "application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-URLEncoded"]
        {
            assert!(Form::is_announced(&headers(&[accepted])), "{accepted}");
        }
        for refused in [&[][..], &["application/json"], &["multipart/form-data"], &["text/plain"], &[FORM, FORM]] {
            assert!(!Form::is_announced(&headers(refused)), "{refused:?}");
        }
    }
}
