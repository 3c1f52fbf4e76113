//! Subject identifiers of RFC 9493 and the Shared Signals Framework: whether a text is one, and what
//! it names, by a second reading of the rules.
//!
//! The input is the text.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;
use serde_json::{Value, json, value::RawValue};
use tower_logout::endpoint::{SubjectIdentifier, SubjectIdentifierError};
use tower_logout_fuzz::all_members;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let read = SubjectIdentifier::from_json(text);
    if let Ok(subject) = &read {
        assert_eq!(format!("{subject:?}"), format!("SubjectIdentifier {{ format: {:?}, .. }}", subject.format()));
        if let SubjectIdentifier::Email { email } = subject {
            let canonical = SubjectIdentifier::canonical_email(email);
            assert!(canonical.eq_ignore_ascii_case(email));
            assert_eq!(SubjectIdentifier::canonical_email(&canonical), canonical);
        }
    }
    let written = read.map(|subject| serde_json::to_value(subject).expect("it is JSON")).map_err(|error| match error {
        SubjectIdentifierError::Malformed => Wrong::Malformed,
        SubjectIdentifierError::UnknownFormat => Wrong::UnknownFormat,
        error => panic!("{error:?}"),
    });
    assert_eq!(written, expected(text, true));
});

#[derive(Debug, PartialEq)]
enum Wrong {
    Malformed,
    UnknownFormat,
}

/// The identifier in its canonical form.
fn expected(text: &str, may_be_aliases: bool) -> Result<Value, Wrong> {
    let members = all_members(text).ok_or(Wrong::Malformed)?;
    let all = |name: &str| members.iter().filter(|(own, _)| own == name).map(|(_, value)| value).collect::<Vec<_>>();
    let only = |name: &str| match all(name)[..] {
        [value] => Ok(value),
        _ => Err(Wrong::Malformed),
    };
    let format: String = string(only("format")?)?;
    let texts: &[&str] = match &*format {
        "account" | "uri" => &["uri"],
        "did" => &["url"],
        "email" => &["email"],
        "iss_sub" => &["iss", "sub"],
        "jwt_id" => &["iss", "jti"],
        "opaque" => &["id"],
        "phone_number" => &["phone_number"],
        "saml_assertion_id" => &["issuer", "assertion_id"],
        "aliases" if !may_be_aliases => return Err(Wrong::Malformed),
        "aliases" | "ip-addresses" => &[],
        _ => return Err(Wrong::UnknownFormat),
    };
    let mut found = json!({ "format": format });
    for name in texts {
        found[*name] = string(only(name)?)?.into();
    }
    if format == "ip-addresses" {
        let addresses: Vec<IpAddr> = parsed(only("ip-addresses")?)?;
        found["ip-addresses"] = addresses.iter().map(IpAddr::to_string).collect();
        if addresses.is_empty() {
            return Err(Wrong::Malformed);
        }
    }
    let mut has_known = true;
    if format == "aliases" {
        let identifiers: Vec<Box<RawValue>> = parsed(only("identifiers")?)?;
        if identifiers.is_empty() {
            return Err(Wrong::Malformed);
        }
        let mut known = Vec::new();
        for identifier in &identifiers {
            match expected(identifier.get(), false) {
                Ok(identifier) => known.push(identifier),
                Err(Wrong::UnknownFormat) => {}
                Err(Wrong::Malformed) => return Err(Wrong::Malformed),
            }
        }
        has_known = !known.is_empty();
        found["identifiers"] = known.into();
    }
    if !has_known {
        return Err(Wrong::UnknownFormat);
    }
    if members.len() == found.as_object().map_or(0, serde_json::Map::len) { Ok(found) } else { Err(Wrong::Malformed) }
}

fn parsed<T: DeserializeOwned>(value: &RawValue) -> Result<T, Wrong> {
    serde_json::from_str(value.get()).map_err(|_| Wrong::Malformed)
}

fn string(value: &RawValue) -> Result<String, Wrong> {
    parsed(value).and_then(|text: String| if text.is_empty() { Err(Wrong::Malformed) } else { Ok(text) })
}
