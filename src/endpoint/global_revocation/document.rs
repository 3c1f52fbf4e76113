//! [`subject`]: the document that a request posts.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::refused::Refused;
use crate::{
    endpoint::{SubjectIdentifier, SubjectIdentifierError},
    token::jwt::{object, present},
};

/// The name of the member was `subject` up to draft -02, which Auth0 follows, and Okta in some
/// editions of its documentation.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    sub_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    subject: Option<&'a RawValue>,
}

/// Returns whom the document names. Other members than these are ignored.
pub(super) fn subject(body: &[u8]) -> Result<SubjectIdentifier, Refused> {
    let json = str::from_utf8(body).map_err(|_| Refused::Document)?;
    let Document { sub_id, subject } = object(json).map_err(|_| Refused::Document)?;
    let read = |json: &RawValue| {
        SubjectIdentifier::from_json(json.get()).map_err(|error| match error {
            SubjectIdentifierError::Malformed => Refused::Subject,
            SubjectIdentifierError::UnknownFormat => Refused::UnknownFormat,
        })
    };
    match (sub_id.map(read).transpose()?, subject.map(read).transpose()?) {
        (Some(one), Some(other)) if one != other => Err(Refused::TwoSubjects),
        (Some(subject), _) | (None, Some(subject)) => Ok(subject),
        (None, None) => Err(Refused::Document),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = r#"{"format":"email","email":"ann@example.com"}"#;
    const BOB: &str = r#"{"format":"email","email":"bob@example.com"}"#;

    #[test]
    fn either_name_is_read_and_both_must_agree() {
        for (document, expected) in [
            (format!(r#"{{"sub_id":{ANN}}}"#), Ok(())),
            (format!(r#"{{"subject":{ANN}}}"#), Ok(())),
            (format!(r#" {{"other":{BOB},"sub_id":{ANN},"more":[null]}} "#), Ok(())),
            (format!(r#"{{"subject":{ANN},"sub_id":{ANN}}}"#), Ok(())),
            (format!(r#"{{"subject":{BOB},"sub_id":{ANN}}}"#), Err(Refused::TwoSubjects)),
            (format!(r#"{{"subject":null,"sub_id":{ANN}}}"#), Err(Refused::Subject)),
            (format!(r#"{{"subject":{ANN},"sub_id":null}}"#), Err(Refused::Subject)),
            (format!(r#"{{"sub_id":{ANN},"sub_id":{ANN}}}"#), Err(Refused::Document)),
            (format!(r#"{{"Sub_id":{ANN}}}"#), Err(Refused::Document)),
            (format!("[{ANN}]"), Err(Refused::Document)),
            (ANN.to_owned(), Err(Refused::Document)),
            (format!(r#"{{"sub_id":{ANN}}}x"#), Err(Refused::Document)),
            (String::new(), Err(Refused::Document)),
            (r#"{"sub_id":"ann"}"#.to_owned(), Err(Refused::Subject)),
            (r#"{"sub_id":{"format":"badge","n":1}}"#.to_owned(), Err(Refused::UnknownFormat)),
        ] {
            let read = subject(document.as_bytes());
            let ann = SubjectIdentifier::Email { email: "ann@example.com".to_owned() };
            assert_eq!(read, expected.map(|()| ann), "{document}");
        }
        assert_eq!(subject(b"{\"sub_id\":\"\xff\"}"), Err(Refused::Document));
    }
}
