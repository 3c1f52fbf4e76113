//! A JSON Web Signature in compact form (RFC 7515, section 7.1), taken apart but not believed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::memchr_iter;
use serde::{Deserialize, de::IgnoredAny};

use crate::token::jwt::{
    Algorithm, InvalidToken,
    text::{Text, object, present},
};

/// The parts of a token that has three.
pub(super) struct Jws<'a> {
    /// `header.payload`, exactly as signed.
    pub(super) signing_input: &'a str,
    /// The first part, still encoded.
    pub(super) header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// The JOSE header. `jku`, `jwk`, `x5u` and `x5c` are ignored: a token does not choose the key it is verified with.
///
/// `typ` and `kid` may be `null`, which counts as absent. `alg`, `crit` and `b64`, which decide what is verified, may not.
#[derive(Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    alg: Text<'a>,
    #[serde(borrow)]
    typ: Option<Text<'a>>,
    #[serde(borrow)]
    kid: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    b64: Option<bool>,
}

/// Room for a signature.
pub(super) struct Signature {
    short: [u8; 66],
    long: Vec<u8>,
}

impl Signature {
    pub(super) const fn new() -> Self {
        Self { short: [0; 66], long: Vec::new() }
    }
}

impl<'a> Jws<'a> {
    pub(super) fn split(token: &'a str) -> Result<Self, InvalidToken> {
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(InvalidToken::Parts);
        };
        Ok(Self {
            signing_input: &token[..second],
            header: &token[..first],
            payload: &token[first + 1..second],
            signature: &token[second + 1..],
        })
    }

    pub(super) fn decode_header(&self) -> Result<Vec<u8>, InvalidToken> {
        decode(self.header)
    }

    pub(super) fn payload(&self) -> Result<Vec<u8>, InvalidToken> {
        decode(self.payload)
    }

    /// The signature, in the room given if it is an HMAC, or on an elliptic curve, as most are.
    pub(super) fn signature<'b>(&self, room: &'b mut Signature) -> Result<&'b [u8], InvalidToken> {
        if self.signature.len() <= LONGEST_IN_ROOM {
            let len =
                URL_SAFE_NO_PAD.decode_slice(self.signature, &mut room.short).map_err(|_| InvalidToken::Encoding)?;
            return Ok(&room.short[..len]);
        }
        room.long = decode(self.signature)?;
        Ok(&room.long)
    }
}

impl<'a> Header<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, InvalidToken> {
        let header: Self = str::from_utf8(json).ok().and_then(|json| object(json).ok()).ok_or(InvalidToken::Header)?;
        // RFC 7515, section 4.1.11: what is critical and not understood is refused, and we understand no extension.
        if header.crit.is_some() || header.b64 == Some(false) {
            return Err(InvalidToken::Critical);
        }
        Ok(header)
    }

    pub(super) fn algorithm(&self) -> Result<Algorithm, InvalidToken> {
        Algorithm::from_name(&self.alg).ok_or(InvalidToken::Algorithm)
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The media type, with `application/` left out as RFC 7515, section 4.1.9, recommends.
    pub(super) fn typ(&self) -> Option<&str> {
        let typ = self.typ.as_deref()?;
        match typ.split_at_checked(APPLICATION.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(APPLICATION) => Some(rest),
            _ => Some(typ),
        }
    }
}

fn decode(part: &str) -> Result<Vec<u8>, InvalidToken> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Encoding)
}

const APPLICATION: &str = "application/";
/// The characters of 66 bytes: a whole number of fours, of which `HS512`, `ES256` and `EdDSA` need 86.
const LONGEST_IN_ROOM: usize = 88;
