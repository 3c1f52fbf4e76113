//! [`is_jwt`]: the shape of a token, which anyone can choose.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::token::jwt::object;

/// Whether a token has the form of a JWT: three parts, the first of which is a JSON object in
/// base64url (RFC 7519, section 7.2).
pub(super) fn is_jwt(token: &str) -> bool {
    let mut parts = token.split('.');
    let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let header = URL_SAFE_NO_PAD.decode(header).ok().and_then(|header| String::from_utf8(header).ok());
    header.is_some_and(|header| object::<Members>(&header).is_ok())
}

/// Any members.
#[derive(Deserialize)]
struct Members {}

/// The part of a token that identifies it if it has no `jti`: the whole of an opaque token, and
/// what the signature of a JWT covers, because a signature can be spelled in several ways.
pub(super) fn identifying(token: &str) -> &str {
    let input = token.rsplit_once('.').map(|(input, _)| input).filter(|_| is_jwt(token));
    input.unwrap_or(token)
}
