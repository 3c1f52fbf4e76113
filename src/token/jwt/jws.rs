//! A JSON Web Signature in compact form (RFC 7515, section 7.1), parsed but not verified.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use memchr::memchr_iter;
use serde::{Deserialize, de::IgnoredAny};

use crate::token::{
    json_value::JsonStr,
    jwt::{
        Algorithm, InvalidToken,
        json::{object, present},
    },
};

/// The three parts of a token.
pub(super) struct Jws<'a> {
    /// `header.payload`, exactly as signed.
    pub(super) signing_input: &'a str,
    /// The first part, still encoded.
    pub(super) header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// The JOSE header. `jku`, `jwk`, `x5u` and `x5c` are ignored, because a token must not choose the
/// key that verifies it.
///
/// `typ` and `kid` may be `null`, which counts as absent. `alg`, `crit` and `b64`, which decide
/// what is verified, may not.
#[derive(Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    alg: JsonStr<'a>,
    #[serde(borrow)]
    typ: Option<JsonStr<'a>>,
    #[serde(borrow)]
    kid: Option<JsonStr<'a>>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "present")]
    b64: Option<bool>,
}

/// Memory for a decoded part of a token: on the stack, unless the part is long.
pub(super) struct Buffer {
    short: [u8; Self::SHORT],
    long: Vec<u8>,
}

impl Buffer {
    /// Large enough for most claims, and for all signatures except those of long RSA keys.
    const SHORT: usize = 512;

    pub(super) const fn new() -> Self {
        Self { short: [0; Self::SHORT], long: Vec::new() }
    }

    fn decode(&mut self, part: &str) -> Result<&[u8], InvalidToken> {
        if base64::decoded_len_estimate(part.len()) <= Self::SHORT {
            let len = URL_SAFE_NO_PAD.decode_slice(part, &mut self.short).map_err(|_| InvalidToken::Encoding)?;
            return Ok(&self.short[..len]);
        }
        self.long = URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Encoding)?;
        Ok(&self.long)
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

    pub(super) fn decode_header<'b>(&self, buffer: &'b mut Buffer) -> Result<&'b [u8], InvalidToken> {
        buffer.decode(self.header)
    }

    pub(super) fn payload<'b>(&self, buffer: &'b mut Buffer) -> Result<&'b [u8], InvalidToken> {
        buffer.decode(self.payload)
    }

    pub(super) fn signature<'b>(&self, buffer: &'b mut Buffer) -> Result<&'b [u8], InvalidToken> {
        buffer.decode(self.signature)
    }
}

impl<'a> Header<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, InvalidToken> {
        let header: Self = str::from_utf8(json).ok().and_then(|json| object(json).ok()).ok_or(InvalidToken::Header)?;
        // RFC 7515, section 4.1.11: a critical extension that is not understood must be rejected.
        // None is understood here.
        if header.crit.is_some() || header.b64 == Some(false) {
            return Err(InvalidToken::Critical);
        }
        Ok(header)
    }

    pub(super) fn algorithm(&self) -> Result<Algorithm, InvalidToken> {
        self.alg.parse().map_err(|_| InvalidToken::Algorithm)
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

const APPLICATION: &str = "application/";
