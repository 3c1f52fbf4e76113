use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use SubjectIdentifierError::{Malformed, UnknownFormat};

fn read(json: &Value) -> Result<SubjectIdentifier, SubjectIdentifierError> {
    SubjectIdentifier::from_json(&json.to_string())
}

/// The examples of RFC 9493, section 3.2, and of the Shared Signals Framework 1.0, section 3.5.
fn examples() -> Vec<(Value, SubjectIdentifier)> {
    let text = str::to_owned;
    let email = SubjectIdentifier::Email { email: text("user@example.com") };
    let phone_number = SubjectIdentifier::PhoneNumber { phone_number: text("+12065550100") };
    vec![
        (
            json!({ "format": "account", "uri": "acct:example.user@service.example.com" }),
            SubjectIdentifier::Account { uri: text("acct:example.user@service.example.com") },
        ),
        (json!({ "format": "email", "email": "user@example.com" }), email.clone()),
        (
            json!({ "format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573" }),
            SubjectIdentifier::IssSub { iss: text("https://issuer.example.com/"), sub: text("145234573") },
        ),
        (
            json!({ "format": "opaque", "id": "11112222333344445555" }),
            SubjectIdentifier::Opaque { id: text("11112222333344445555") },
        ),
        (json!({ "format": "phone_number", "phone_number": "+12065550100" }), phone_number.clone()),
        (
            json!({ "format": "did", "url": "did:example:123456/did/url/path?versionId=1" }),
            SubjectIdentifier::Did { url: text("did:example:123456/did/url/path?versionId=1") },
        ),
        (
            json!({ "format": "uri", "uri": "https://user.example.com/" }),
            SubjectIdentifier::Uri { uri: text("https://user.example.com/") },
        ),
        (
            json!({ "format": "aliases", "identifiers": [
                { "format": "email", "email": "user@example.com" },
                { "format": "phone_number", "phone_number": "+12065550100" },
            ] }),
            SubjectIdentifier::Aliases { identifiers: vec![email, phone_number] },
        ),
        (
            json!({ "format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70BA622-9515-4353" }),
            SubjectIdentifier::JwtId {
                iss: text("https://idp.example.com/123456789/"),
                jti: text("B70BA622-9515-4353"),
            },
        ),
        (
            json!({ "format": "saml_assertion_id", "issuer": "https://idp.example.com/", "assertion_id": "_8e8dc5f6" }),
            SubjectIdentifier::SamlAssertionId {
                issuer: text("https://idp.example.com/"),
                assertion_id: text("_8e8dc5f6"),
            },
        ),
        (
            json!({ "format": "ip-addresses", "ip-addresses": ["10.29.37.75", "2001:0db8:0000:0000:0000:8a2e:0370:7334"] }),
            SubjectIdentifier::IpAddresses {
                addresses: vec![[10, 29, 37, 75].into(), [0x2001, 0xdb8, 0, 0, 0, 0x8a2e, 0x370, 0x7334].into()],
            },
        ),
    ]
}

#[test]
fn the_examples_of_the_specifications_are_read() {
    for (json, subject) in examples() {
        assert_eq!(subject.format(), json["format"]);
        let written = serde_json::to_value(&subject).expect("it is JSON");
        assert!(read(&written).as_ref() == Ok(&subject), "{written}");
        assert!(read(&json) == Ok(subject), "{json}");
    }
}

#[test]
fn every_member_is_needed_and_no_other_is_allowed() {
    for (json, _) in examples() {
        let members = json.as_object().expect("it is an object");
        for name in members.keys() {
            let with = |value: Value| {
                let mut members = members.clone();
                members.insert(name.clone(), value);
                Value::Object(members)
            };
            let without = members.iter().filter(|(own, _)| *own != name);
            let without: Map<String, Value> = without.map(|(name, value)| (name.clone(), value.clone())).collect();
            assert_eq!(read(&Value::Object(without)), Err(Malformed), "{json} without {name}");
            for value in [json!(null), json!(""), json!([]), json!({}), json!(1), json!([""]), json!([null])] {
                assert_eq!(read(&with(value)), Err(Malformed), "{json}: {name}");
            }
            let twice = format!(r#"{{"{name}":{},{}"#, members[name], &json.to_string()[1..]);
            assert_eq!(SubjectIdentifier::from_json(&twice), Err(Malformed), "{twice}");
        }
        let mut more = members.clone();
        more.insert("hint".to_owned(), json!("x"));
        assert_eq!(read(&Value::Object(more)), Err(Malformed), "{json} and another member");
    }
}

#[test]
fn a_text_that_is_no_object_is_malformed() {
    for text in ["", " ", "null", "1", "\"email\"", "[]", r#"["email","a@b.example"]"#, "{}", "{", "{}{}", "\u{feff}{}"]
    {
        assert_eq!(SubjectIdentifier::from_json(text), Err(Malformed), "{text}");
    }
    let followed = r#"{"format":"email","email":"a@b.example"} x"#;
    assert_eq!(SubjectIdentifier::from_json(followed), Err(Malformed));
}

#[test]
fn an_unknown_format_is_told_from_a_malformed_identifier() {
    for format in ["Email", "iss-sub", "complex", "email "] {
        assert_eq!(read(&json!({ "format": format, "email": "a@b.example" })), Err(UnknownFormat), "{format}");
    }
    let twice = r#"{"format":"x","format":"x"}"#;
    assert_eq!(SubjectIdentifier::from_json(twice), Err(Malformed));
}

#[test]
fn aliases_are_not_nested_and_may_have_unknown_formats_beside_a_known_one() {
    let aliases = |identifiers: Value| json!({ "format": "aliases", "identifiers": identifiers });
    let email = json!({ "format": "email", "email": "a@b.example" });
    let unknown = json!({ "format": "badge", "number": 7 });
    assert_eq!(read(&aliases(json!([aliases(json!([email]))]))), Err(Malformed));
    assert_eq!(read(&aliases(json!([email, aliases(json!([]))]))), Err(Malformed));
    assert_eq!(read(&aliases(json!([email, { "format": "email" }]))), Err(Malformed));
    assert_eq!(read(&aliases(json!([email, "a@b.example"]))), Err(Malformed));
    assert_eq!(read(&aliases(json!([unknown]))), Err(UnknownFormat));
    let known = SubjectIdentifier::Email { email: "a@b.example".to_owned() };
    assert_eq!(read(&aliases(json!([unknown, email]))), Ok(SubjectIdentifier::Aliases { identifiers: vec![known] }));
    let deep = format!("{}{}", r#"{"format":"aliases","identifiers":["#.repeat(10_000), "]}".repeat(10_000));
    assert_eq!(SubjectIdentifier::from_json(&deep), Err(Malformed));
}

#[test]
fn the_name_of_the_format_in_drafts_is_only_accepted_where_it_is_asked_for() {
    let old = r#"{"subject_type":"iss-sub","iss":"https://accounts.google.com/","sub":"7375626A656374"}"#;
    let subject =
        SubjectIdentifier::IssSub { iss: "https://accounts.google.com/".to_owned(), sub: "7375626A656374".to_owned() };
    let lenient = |json: &str| SubjectIdentifier::from_json_with(json, FormatMember::FormatOrSubjectType);
    assert_eq!(SubjectIdentifier::from_json(old), Err(Malformed));
    assert_eq!(lenient(old), Ok(subject.clone()));
    assert_eq!(lenient(&old.replace("subject_type", "format").replace('-', "_")), Ok(subject));
    assert_eq!(lenient(&old.replace("subject_type", "format")), Err(UnknownFormat));
    let both = r#"{"subject_type":"email","format":"email","email":"a@b.example"}"#;
    assert_eq!(lenient(both), Err(Malformed));
    assert_eq!(lenient(r#"{"subject_type":"x","subject_type":"x"}"#), Err(Malformed));
}

#[test]
fn the_domain_of_an_address_is_compared_without_case_and_the_rest_with() {
    for (address, canonical) in [
        ("Ann.Lee@EXAMPLE.com", "Ann.Lee@example.com"),
        (r#""A@B"@C.Example"#, r#""A@B"@c.example"#),
        ("Ann", "Ann"),
        ("ANN@", "ANN@"),
        ("@", "@"),
        ("É@É.EXAMPLE", "É@É.example"),
        ("", ""),
    ] {
        assert_eq!(SubjectIdentifier::canonical_email(address), canonical);
    }
}

#[test]
fn debug_shows_the_format_and_no_value() {
    for (json, subject) in examples() {
        let debug = format!("{subject:?}");
        assert_eq!(debug, format!("SubjectIdentifier {{ format: {}, .. }}", json["format"]));
    }
}

proptest! {
    #[test]
    fn any_values_are_read_as_they_were_written(first in ".{1,12}", second in ".{1,12}") {
        for (json, subject) in [
            (
                json!({ "sub": second, "iss": first, "format": "iss_sub" }),
                SubjectIdentifier::IssSub { iss: first.clone(), sub: second.clone() },
            ),
            (json!({ "id": first, "format": "opaque" }), SubjectIdentifier::Opaque { id: first.clone() }),
        ] {
            prop_assert_eq!(read(&json), Ok(subject));
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in r#"[\[\]{}:,"a-z_ \\u0-9-]{0,40}"#) {
        let _ = SubjectIdentifier::from_json(&text);
        let _ = SubjectIdentifier::from_json_with(&text, FormatMember::FormatOrSubjectType);
    }

    #[test]
    fn a_canonical_address_stays_and_only_its_case_differs(address in "[a-zA-Z@.é]{0,20}") {
        let canonical = SubjectIdentifier::canonical_email(&address);
        prop_assert!(canonical.eq_ignore_ascii_case(&address));
        prop_assert_eq!(SubjectIdentifier::canonical_email(&canonical), canonical);
    }
}
