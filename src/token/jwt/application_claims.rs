//! Deserialization of the application's claims.

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, Error as _, Visitor},
    forward_to_deserialize_any,
};

/// Deserializes claims as the application's type. A type without content, such as `()`, accepts any
/// claims.
pub(super) fn read<C: DeserializeOwned>(json: &str) -> Result<C, serde_json::Error> {
    serde_json::from_str(json).or_else(|error| C::deserialize(NoClaims).map_err(|_| error))
}

/// A deserializer for types without content, such as `()`, and for no others.
struct NoClaims;

impl<'de> Deserializer<'de> for NoClaims {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("the type has content"))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple tuple_struct map
        struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Debug, marker::PhantomData};

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Nothing;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped(Nothing);

    #[derive(Debug, Deserialize, PartialEq)]
    struct Tenant {
        tenant: String,
    }

    #[test]
    fn a_type_that_takes_no_claims_accepts_any() {
        const JSON: &str = r#"{"exp":9.5,"sub":"s","any":[1]}"#;
        fn is_read<C: DeserializeOwned>() -> bool {
            read::<C>(JSON).is_ok()
        }
        assert!(is_read::<()>() && is_read::<Nothing>() && is_read::<Wrapped>() && is_read::<PhantomData<String>>());
        assert_eq!(read::<Option<Wrapped>>(JSON).ok(), Some(Some(Wrapped(Nothing))));
        assert!(!is_read::<Option<Tenant>>() && !is_read::<Option<String>>() && !is_read::<bool>());
    }

    #[test]
    fn a_type_that_asks_for_the_raw_text_gets_it() -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct Raw {
            exp: Box<RawValue>,
        }
        assert_eq!(read::<Raw>(r#"{"exp": 1e1}"#)?.exp.get(), "1e1");
        assert_eq!(read::<Box<RawValue>>(r#"{"exp": 1e1}"#)?.get(), r#"{"exp": 1e1}"#);
        Ok(())
    }
}
