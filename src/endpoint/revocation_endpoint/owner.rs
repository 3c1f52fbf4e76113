//! [`Owner`]: whether a token was issued to a client.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{
    revocation::{KeyKind, Revocable, RevocationKey, TokenIdentity},
    token::{json_value::JsonStr, jwt::object},
};

/// Whom a token was issued to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// The client.
    Client,
    /// Another one.
    Other,
    /// The token does not say.
    Unknown,
}

/// Compares the client with `client_id` and `azp` of an authentic token.
pub(super) fn owner(token: &TokenIdentity, text: &str, revocable: &Revocable, client_id: &str) -> Owner {
    let mut clients = token.keys().iter().filter(|key| key.kind() == KeyKind::Client).peekable();
    if clients.peek().is_none() {
        return Owner::Unknown;
    }
    // The key contains the issuer, which an identity does not show.
    let stated = stated_issuer(text);
    let known = revocable.issuers().unwrap_or_default().iter().map(String::as_str);
    let issuers: Vec<_> = known.chain(stated.as_deref()).map(Some).chain([None]).collect();
    let is_client =
        |key: &RevocationKey| issuers.iter().any(|issuer| *key == RevocationKey::client(*issuer, client_id));
    if clients.any(is_client) { Owner::Client } else { Owner::Other }
}

/// The `iss` of a JSON Web Token.
fn stated_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims<'a> {
        #[serde(borrow)]
        iss: Option<JsonStr<'a>>,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { iss } = object(str::from_utf8(&payload).ok()?).ok()?;
    iss.map(|iss| iss.to_string())
}
