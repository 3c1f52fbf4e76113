//! Promise: a revocation that a store writes is read back unchanged, and what is no revocation is
//! an error.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_logout::{
    clock::Timestamp,
    revocation::{InvalidRevocationKey, KeyKind, Outcome, Retention, RevocationKey},
    set::RevocationSet,
};

const ISSUER: &str = "https://matar.app";

fn key() -> RevocationKey {
    RevocationKey::session(ISSUER, "ses_1")
}

#[test]
fn a_key_is_the_same_after_a_round_trip_through_text_and_bytes() {
    let keys = [
        RevocationKey::token_id(ISSUER, "1"),
        RevocationKey::signing_input("header.payload"),
        key(),
        RevocationKey::subject(ISSUER, "usr_123"),
        RevocationKey::client(ISSUER, "app"),
        RevocationKey::issuer(ISSUER),
        RevocationKey::everything(),
        RevocationKey::claim(ISSUER, "tenant", "7"),
    ];
    assert!(keys.iter().map(RevocationKey::kind).eq(KeyKind::all()), "every kind is tested");
    for key in keys {
        let text = key.to_string();
        assert_eq!((text.parse(), text.to_uppercase().parse()), (Ok(key), Ok(key)));
        assert_eq!(RevocationKey::try_from(*key.as_bytes()), Ok(key));
        assert_eq!(RevocationKey::from_bytes(*key.as_bytes()), Some(key));
    }
}

#[test]
fn a_malformed_text_is_no_key() {
    let text = key().to_string();
    let plus = format!("+{}", &text[1..]);
    let spaced = format!(" {text}");
    let wide = format!("{}é", &text[2..]);
    for wrong in ["", &text[1..], &text[..31], &format!("{text}0"), &plus, &spaced, &wide, &text.replace('0', "g")] {
        assert_eq!(wrong.parse::<RevocationKey>(), Err(InvalidRevocationKey::Form), "{wrong}");
    }
}

#[test]
fn a_key_of_an_unknown_kind_is_an_error() {
    for first in [0, 9, 255] {
        let mut bytes = *key().as_bytes();
        bytes[0] = first;
        assert_eq!(RevocationKey::try_from(bytes), Err(InvalidRevocationKey::UnknownKind));
        let text = format!("{:032x}", u128::from_be_bytes(bytes));
        assert_eq!(text.parse::<RevocationKey>(), Err(InvalidRevocationKey::UnknownKind));
        assert_eq!(KeyKind::try_from(first), Err(InvalidRevocationKey::UnknownKind));
    }
}

#[test]
fn a_kind_is_the_same_after_a_round_trip_through_its_name_and_its_byte() {
    for kind in KeyKind::all() {
        assert_eq!(kind.to_string(), kind.name());
        assert_eq!((kind.name().parse(), KeyKind::try_from(kind as u8)), (Ok(kind), Ok(kind)));
    }
    for wrong in ["", "Session", "token", "session "] {
        assert_eq!(wrong.parse::<KeyKind>(), Err(InvalidRevocationKey::UnknownKind), "{wrong}");
    }
}

#[test]
fn instants_convert_to_those_of_the_standard_library_and_back() {
    for millis in [0, 1, 1500, 1_458_786_000_123] {
        let at = Timestamp::from_unix_millis(millis);
        assert_eq!(at.to_system_time(), Some(UNIX_EPOCH + Duration::from_millis(millis)));
        assert_eq!(at.to_system_time().map(Timestamp::from), Some(at));
    }
    assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::from_micros(1999)), Timestamp::from_unix_millis(1));
    assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::MIN);
    assert!(Timestamp::from(SystemTime::now()) > Timestamp::MIN);
}

#[test]
fn the_settings_of_a_value_can_be_read() {
    let [a, b, c] = [1, 2, 3].map(Duration::from_secs);
    let retention = Retention::new().with_max_lifetime(a).with_leeway(b).with_clock_skew(c);
    assert_eq!((retention.max_lifetime(), retention.leeway(), retention.clock_skew()), (a, b, c));
    assert_eq!(Retention::new(), Retention::default());
    assert_eq!(RevocationSet::with_capacity(7).capacity(), 7);
    assert_eq!(RevocationSet::new().capacity(), usize::MAX);
    assert_eq!([Outcome::Newly, Outcome::Already].map(Outcome::name), ["newly", "already"]);
}

mod serialised {
    use std::fmt::Debug;

    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::{Value, json};
    use tower_logout::revocation::Revocation;

    use super::*;

    fn revocation() -> Revocation {
        Revocation::new(key(), Timestamp::from_unix_millis(1500), Timestamp::MAX)
    }

    fn to_cbor(value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
        ciborium::from_reader(bytes).ok()
    }

    /// Through JSON if it is `json`, and through CBOR if it is `cbor`.
    fn round_trip<T>(value: &T, json: &Value, cbor: &[u8])
    where
        T: Serialize + DeserializeOwned + Debug + PartialEq,
    {
        assert_eq!(&serde_json::to_value(value).unwrap(), json);
        assert_eq!(&serde_json::from_str::<T>(&json.to_string()).unwrap(), value);
        assert_eq!(to_cbor(value), cbor);
        assert_eq!(from_cbor::<T>(cbor).as_ref(), Some(value));
    }

    #[test]
    fn each_type_is_the_same_after_a_round_trip() {
        let millis = 1_458_786_000_123;
        round_trip(&Timestamp::from_unix_millis(millis), &json!(millis), &to_cbor(&millis));
        // A byte string of 16 bytes (RFC 8949, section 3.1).
        let bytes = [&[0x50][..], key().as_bytes()].concat();
        round_trip(&key(), &json!(key().to_string()), &bytes);
        for kind in KeyKind::all() {
            round_trip(&kind, &json!(kind.name()), &to_cbor(&(kind as u8)));
        }
        for outcome in [Outcome::Newly, Outcome::Already] {
            round_trip(&outcome, &json!(outcome.name()), &to_cbor(&outcome.name()));
        }
        let json = json!({ "key": key().to_string(), "issued_through": 1500, "retain_until": u64::MAX });
        round_trip(&revocation(), &json, &to_cbor(&revocation()));
    }

    #[test]
    fn malformed_revocations_are_an_error() {
        fn assert_rejects<T: DeserializeOwned + Debug>(values: &[Value]) {
            for value in values {
                assert!(serde_json::from_value::<T>(value.clone()).is_err(), "{value}");
                assert!(from_cbor::<T>(&to_cbor(value)).is_none(), "{value}");
            }
        }
        let text = key().to_string();
        let unknown = format!("09{}", &text[2..]);
        assert_rejects::<Timestamp>(&[json!(-1), json!(1.5), json!("1500"), json!(null)]);
        assert_rejects::<RevocationKey>(&[json!(""), json!(text[1..]), json!(unknown), json!(7), json!(null)]);
        assert_rejects::<KeyKind>(&[json!("token"), json!(0), json!(9), json!(256), json!(null)]);
        assert_rejects::<Outcome>(&[json!("newer"), json!(0), json!(null)]);
        assert_rejects::<Revocation>(&[
            json!({ "key": text, "issued_through": 1500 }),
            json!({ "key": unknown, "issued_through": 1500, "retain_until": 2000 }),
        ]);
    }

    #[test]
    fn bytes_of_another_length_or_an_unknown_kind_are_no_key() {
        let bytes = key().as_bytes().to_vec();
        let unknown = [&[9], &bytes[1..]].concat();
        for wrong in [&bytes[1..], &[&bytes[..], &[0]].concat(), &[], &unknown] {
            let mut cbor = vec![0x40 | u8::try_from(wrong.len()).unwrap()];
            cbor.extend(wrong);
            assert_eq!(from_cbor::<RevocationKey>(&cbor), None, "{wrong:?}");
        }
    }
}
