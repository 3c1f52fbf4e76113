//! The claims of a token, read twice from one text: as the registered claims, and as the application's type.

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, Error as _, Visitor},
    forward_to_deserialize_any,
};

use crate::token::jwt::{InvalidToken, claims::Registered, misfit, text::object};

/// Reads the claims as the registered ones, and as the application's type.
pub(super) fn read<C: DeserializeOwned>(json: &str) -> Result<(Registered<'_>, C), InvalidToken> {
    let registered = object(json).map_err(|_| InvalidToken::Claims)?;
    let claims = serde_json::from_str(json).or_else(|_| C::deserialize(NoClaims));
    Ok((registered, claims.map_err(|_| InvalidToken::OwnClaims)?))
}

/// Why the claims cannot be read, without a value of theirs, if they cannot.
pub(super) fn explain<C: DeserializeOwned>(json: &str) -> Option<String> {
    let misfit = match object::<Registered<'_>>(json) {
        Err(misfit) => misfit,
        Ok(_) => serde_json::from_str::<C>(json).err()?,
    };
    Some(misfit::describe(&misfit))
}

/// Makes the types that take no claims, such as `()`, and no others.
struct NoClaims;

impl<'de> Deserializer<'de> for NoClaims {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("the type takes claims"))
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
mod tests;
