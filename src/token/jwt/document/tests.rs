use std::{fmt::Debug, marker::PhantomData};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::*;
use crate::token::jwt::claims::REGISTERED;

#[derive(Debug, Deserialize, PartialEq)]
struct WithClaims {
    #[serde(flatten)]
    claims: crate::Claims,
    other: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Nothing;

#[test]
fn a_registered_claim_that_is_there_twice_is_refused_whatever_the_type_makes_of_it() {
    let verdict = |json: &str| read::<Value>(json).map(|_| ());
    for name in REGISTERED.into_iter().filter(|name| *name != "exp") {
        assert_eq!(verdict(&format!(r#"{{"exp":9,"{name}":null}}"#)), Ok(()), "{name}");
        assert_eq!(
            verdict(&format!(r#"{{"exp":9,"{name}":null,"{name}":null}}"#)),
            Err(InvalidToken::Claims),
            "{name}"
        );
    }
    assert_eq!(verdict(r#"{"exp":9,"exp":9}"#), Err(InvalidToken::Claims));
}

#[test]
fn a_type_that_takes_no_claims_gets_none_whatever_the_token_says() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped(Nothing);
    #[derive(Debug, Deserialize, PartialEq)]
    struct Other {
        tenant: String,
    }
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
