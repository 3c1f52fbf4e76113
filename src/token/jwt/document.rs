//! The claims of a token, read in one pass for two readers: the application's type, and what the verifier judges.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, IntoDeserializer, MapAccess, Visitor,
        value::SeqDeserializer,
    },
    forward_to_deserialize_any,
};

use crate::{
    clock::Timestamp,
    token::jwt::{
        InvalidToken,
        claims::{REGISTERED, Registered},
        misfit,
        text::{OneOrMore, Subject, Text, object},
    },
};

/// Reads the claims as the registered ones, and as the application's type.
///
/// That type reads the document; the registered claims are noted as they come by. Where that does not do (a fraction in a date, a type that asks for
/// the raw text, claims that do not fit), the document is read once for each, which also tells what is wrong.
pub(super) fn read<C: DeserializeOwned>(json: &str) -> Result<(Registered<'_>, C), InvalidToken> {
    read_once(json).map_or_else(|| read_twice(json), Ok)
}

fn read_once<C: DeserializeOwned>(json: &str) -> Option<(Registered<'_>, C)> {
    let mut noted = Noted::default();
    let mut document = serde_json::Deserializer::from_str(json);
    // What is no object fails here, and is told so by the second way.
    let claims = C::deserialize(Witness { document: &mut document, noted: &mut noted }).ok()?;
    document.end().ok()?;
    Some((noted.registered()?, claims))
}

fn read_twice<C: DeserializeOwned>(json: &str) -> Result<(Registered<'_>, C), InvalidToken> {
    let registered = object(json).map_err(|_| InvalidToken::Claims)?;
    let claims = serde_json::from_str(json).or_else(|misfit| C::deserialize(NoClaims).map_err(|_| misfit));
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

/// The registered claims that have come by, in the order of their names.
#[derive(Default)]
struct Noted<'de>([Option<Simple<'de>>; REGISTERED.len()]);

/// What a registered claim commonly is.
enum Simple<'de> {
    Null,
    Text(Text<'de>),
    Whole(u64),
    List(Vec<Simple<'de>>),
}

impl<'de> Noted<'de> {
    /// `None` if one of them is not what it should be.
    fn registered(self) -> Option<Registered<'de>> {
        let [iss, sub, aud, exp, nbf, iat, jti, sid, client_id, azp, cnf] = self.0;
        Some(Registered {
            iss: optional(iss, Simple::text)?,
            sub: optional(sub, Simple::subject)?,
            aud: optional(aud, Simple::one_or_more)?,
            exp: exp?.date()?,
            nbf: optional(nbf, Simple::date)?,
            iat: optional(iat, Simple::date)?,
            jti: optional(jti, Simple::text)?,
            sid: optional(sid, Simple::text)?,
            client_id: optional(client_id, Simple::text)?,
            azp: optional(azp, Simple::text)?,
            cnf: optional(cnf, |_| Some(IgnoredAny))?,
        })
    }
}

/// `Some(None)` for what is absent or `null`, `None` for what is something else.
#[expect(clippy::option_option, reason = "it is unwrapped at once")]
fn optional<'de, T>(value: Option<Simple<'de>>, convert: fn(Simple<'de>) -> Option<T>) -> Option<Option<T>> {
    match value {
        None | Some(Simple::Null) => Some(None),
        Some(value) => convert(value).map(Some),
    }
}

impl<'de> Simple<'de> {
    fn text(self) -> Option<Text<'de>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Whole(_) | Self::List(_) => None,
        }
    }

    fn subject(self) -> Option<Subject<'de>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Whole(number) => Some(Subject::integer(number)),
            Self::Null | Self::List(_) => None,
        }
    }

    fn date(self) -> Option<Timestamp> {
        match self {
            Self::Whole(seconds) => Some(Timestamp::from_unix_seconds(seconds)),
            Self::Null | Self::Text(_) | Self::List(_) => None,
        }
    }

    fn one_or_more(self) -> Option<OneOrMore<Text<'de>>> {
        match self {
            Self::Text(text) => Some(OneOrMore::One(text)),
            Self::List(texts) => texts.into_iter().map(Self::text).collect::<Option<_>>().map(OneOrMore::More),
            Self::Null | Self::Whole(_) => None,
        }
    }
}

/// The document, under the eyes of [`Noted`].
struct Witness<'a, D, N> {
    document: D,
    noted: &'a mut N,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Witness<'_, D, Noted<'de>> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.document.deserialize_map(Witness { document: visitor, noted: self.noted })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A type without claims takes none of them.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(IgnoredAny)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple tuple_struct map
        struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Witness<'_, V, Noted<'de>> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.document.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.document.visit_map(Members { map: members, noted: self.noted, at: None })
    }
}

struct Members<'a, 'de, A> {
    map: A,
    noted: &'a mut Noted<'de>,
    /// Which registered claim the next value is of.
    at: Option<usize>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.map.next_key::<Text<'de>>()? else { return Ok(None) };
        self.at = position(&name);
        seed.deserialize(Replay(&Simple::Text(name), PhantomData)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let Some(at) = self.at else { return self.map.next_value_seed(seed) };
        if self.noted.0[at].is_some() {
            return Err(A::Error::custom("a registered claim is there twice"));
        }
        let value = self.noted.0[at].insert(self.map.next_value()?);
        seed.deserialize(Replay(value, PhantomData))
    }

    fn size_hint(&self) -> Option<usize> {
        self.map.size_hint()
    }
}

/// Where a name stands in [`REGISTERED`]. Most have three letters; searching the list would compare each.
fn position(name: &str) -> Option<usize> {
    Some(match name {
        "iss" => 0,
        "sub" => 1,
        "aud" => 2,
        "exp" => 3,
        "nbf" => 4,
        "iat" => 5,
        "jti" => 6,
        "sid" => 7,
        "client_id" => 8,
        "azp" => 9,
        "cnf" => 10,
        _ => return None,
    })
}

impl<'de> Deserialize<'de> for Simple<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfClaim;
        impl<'de> Visitor<'de> for OfClaim {
            type Value = Simple<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a string, a list of strings or a whole number")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Simple::Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Simple::Text(text.to_owned().into()))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Simple::Null)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Simple::Whole(number))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(Simple::Text(text));
                }
                Ok(Simple::List(texts))
            }
        }
        deserializer.deserialize_any(OfClaim)
    }
}

/// A value that was noted, shown to the application's type as the document would show it.
struct Replay<'a, 'de, E>(&'a Simple<'de>, PhantomData<E>);

impl<'de, E: de::Error> Deserializer<'de> for Replay<'_, 'de, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Simple::Null => visitor.visit_unit(),
            Simple::Text(text) => match text.borrowed() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => visitor.visit_str(text),
            },
            Simple::Whole(number) => visitor.visit_u64(*number),
            Simple::List(texts) => {
                let mut items = SeqDeserializer::new(texts.iter().map(|text| Replay(text, PhantomData)));
                let value = visitor.visit_seq(&mut items)?;
                // A tuple reads no further than it is long.
                items.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Simple::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        match self.0 {
            Simple::Text(text) => visitor.visit_enum((**text).into_deserializer()),
            Simple::Null | Simple::Whole(_) | Simple::List(_) => Err(E::custom("no variant")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

impl<'de, E: de::Error> IntoDeserializer<'de, E> for Replay<'_, 'de, E> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests;
