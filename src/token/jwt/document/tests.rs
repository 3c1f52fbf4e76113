use std::{collections::HashMap, fmt::Debug};

use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use super::*;

#[test]
fn every_registered_claim_is_found_at_its_place() {
    assert!(REGISTERED.iter().enumerate().all(|(at, name)| position(name) == Some(at)));
    assert_eq!(position("scope"), None);
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Issuer {
    A,
    B,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Seconds(f64);

#[derive(Debug, Deserialize, PartialEq)]
struct Typed {
    iss: Option<Issuer>,
    #[serde(default)]
    sub: String,
    exp: Seconds,
    iat: Option<i32>,
    aud: Option<Vec<String>>,
    tenant: Option<u8>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Flattened {
    jti: Option<String>,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct All(HashMap<String, Value>);

#[derive(Debug, Deserialize, PartialEq)]
struct WithClaims {
    #[serde(flatten)]
    claims: crate::Claims,
    other: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Nothing;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Untagged {
    Number { sub: u64 },
    Text { sub: String },
    Neither {},
}

/// One pass, where it does, says what two passes say; and where it does not, they are asked.
fn agrees<C: DeserializeOwned + Debug + PartialEq>(json: &str) -> bool {
    let show = |(registered, claims): (Registered<'_>, C)| {
        let Registered { exp, nbf, iat, .. } = registered;
        let text = |text: Option<Text<'_>>| text.map(|text| text.to_string());
        let aud = registered.aud.map(|aud| aud.as_slice().iter().map(|aud| aud.to_string()).collect::<Vec<_>>());
        let sub = registered.sub.map(|sub| (sub.text.to_string(), sub.is_integer));
        let texts = [registered.iss, registered.jti, registered.sid, registered.client_id, registered.azp].map(text);
        (sub, texts, aud, [Some(exp), nbf, iat], registered.cnf.is_some(), claims)
    };
    let twice = read_twice::<C>(json).map(show);
    read_once::<C>(json).is_none_or(|once| Ok(show(once)) == twice) && read::<C>(json).map(show) == twice
}

fn all_agree(json: &str) {
    assert!(agrees::<Value>(json), "{json}");
    assert!(agrees::<HashMap<String, Value>>(json), "{json}");
    assert!(agrees::<All>(json), "{json}");
    assert!(agrees::<Typed>(json), "{json}");
    assert!(agrees::<Flattened>(json), "{json}");
    assert!(agrees::<Untagged>(json), "{json}");
    assert!(agrees::<Option<Typed>>(json), "{json}");
    assert!(agrees::<crate::Claims>(json), "{json}");
    assert!(agrees::<WithClaims>(json), "{json}");
    assert!(agrees::<()>(json), "{json}");
    assert!(agrees::<Nothing>(json), "{json}");
    assert!(agrees::<Option<Box<Nothing>>>(json), "{json}");
    assert!(agrees::<PhantomData<u8>>(json), "{json}");
    assert!(agrees::<Vec<Value>>(json), "{json}");
}

#[test]
fn common_claims_are_read_once() {
    let json = json!({ "iss": "a", "sub": "s", "aud": ["x", "y"], "exp": 10, "iat": 1, "jti": "j", "other": [1] });
    let json = json.to_string();
    assert!(read_once::<Typed>(&json).is_some());
    assert!(read_once::<Flattened>(&json).is_some());
    assert!(read_once::<Value>(&json).is_some());
    all_agree(&json);
}

#[test]
fn a_type_that_takes_no_claims_gets_none_whatever_the_token_says() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped(Nothing);
    #[derive(Debug, Deserialize, PartialEq)]
    struct Other {
        tenant: String,
    }
    // The second cannot be read in one pass.
    for json in [r#"{"exp":9,"sub":"s","any":[1]}"#, r#"{"exp":9.5,"sub":"s","any":[1]}"#] {
        assert!(read::<()>(json).is_ok());
        assert!(read::<Nothing>(json).is_ok());
        assert!(read::<Wrapped>(json).is_ok());
        assert!(read::<PhantomData<String>>(json).is_ok());
        assert_eq!(read::<Option<Wrapped>>(json).map(|(_, claims)| claims), Ok(Some(Wrapped(Nothing))));
        assert_eq!(read::<Option<Other>>(json).map(|(_, claims)| claims), Err(InvalidToken::OwnClaims));
        assert_eq!(read::<Option<String>>(json).map(|(_, claims)| claims), Err(InvalidToken::OwnClaims));
        assert_eq!(read::<bool>(json).map(|(_, claims)| claims), Err(InvalidToken::OwnClaims));
    }
    for json in ["", "{}", "null", "[]", r#"{"exp":9,"exp":9}"#, r#"{"exp":9}{}"#, r#"{"exp":null}"#] {
        assert_eq!(read::<()>(json).map(|(_, claims)| claims), Err(InvalidToken::Claims), "{json}");
    }
}

#[test]
fn a_type_that_asks_for_the_raw_text_gets_it() {
    #[derive(Deserialize)]
    struct Raw {
        exp: Box<RawValue>,
    }
    let (_, claims) = read::<Raw>(r#"{"exp": 1e1}"#).unwrap_or_else(|error| unreachable!("{error}"));
    assert_eq!(claims.exp.get(), "1e1");
    let (_, claims) = read::<Box<RawValue>>(r#"{"exp": 1e1}"#).unwrap_or_else(|error| unreachable!("{error}"));
    assert_eq!(claims.get(), r#"{"exp": 1e1}"#);
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null"),
        Just("true"),
        Just("0"),
        Just("7"),
        Just("-7"),
        Just("1.5"),
        Just("1e3"),
        Just("18446744073709551615"),
        Just("18446744073709551616"),
        Just("\"a\""),
        Just("\"\\u0061\""),
        Just("\"text\""),
        Just("[]"),
        Just("[\"a\",\"b\"]"),
        Just("[1]"),
        Just("[null]"),
        Just("[\"a\",[\"b\"]]"),
        Just("{}"),
        Just("{\"a\":1}"),
    ]
    .prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(&REGISTERED[..]),
        proptest::sample::select(&["exp", "e\\u0078p", "scope", "tenant", "other", ""][..]),
    ]
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn one_pass_and_two_agree(
        members in proptest::collection::vec((name(), value()), 0..6), good in any::<bool>(), tail in "[ ,}x]{0,2}",
    ) {
        let exp = if good { vec![("exp".to_owned(), "9".to_owned())] } else { Vec::new() };
        let members: Vec<_> =
            exp.iter().chain(&members).map(|(name, value)| format!("\"{name}\":{value}")).collect();
        all_agree(&format!("{{{}}}", members.join(",")));
        all_agree(&format!("{{{}}}{tail}", members.join(" , ")));
        all_agree(&format!("[{}]", members.len()));
    }

    /// A claim that is not judged decides nothing, and `Claims` in a type of the application's takes what it takes alone.
    #[test]
    fn what_is_judged_decides_alone(members in proptest::collection::vec((name(), value()), 0..6), exp in value()) {
        let scopes = members.iter().filter(|(name, _)| name == "scope").count();
        let members: Vec<_> = members.iter().map(|(name, value)| format!(r#","{name}":{value}"#)).collect();
        let json = format!(r#"{{"exp":{exp}{}}}"#, members.concat());
        let alone = read::<crate::Claims>(&json).map(|(_, claims)| claims);
        let among_others = read::<WithClaims>(&json).map(|(_, among)| among.claims);
        // Twice the same name in one struct is serde's to refuse.
        if scopes < 2 {
            prop_assert_eq!(alone.is_ok(), read::<()>(&json).is_ok(), "{}", json);
            let twice_other = json.matches("\"other\"").count() > 1;
            prop_assert!(twice_other || among_others == alone, "{}", json);
        }
    }
}
