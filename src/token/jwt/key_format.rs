//! Detection of common mistakes: text in another format than the expected one.

use crate::token::jwt::KeyError;

/// Returns the text of a PEM file, without a byte order mark.
pub(super) fn pem(text: &[u8]) -> Result<&str, KeyError> {
    let text = utf8("a public key in PEM", text)?;
    let start = text.trim_ascii_start();
    if start.starts_with(['{', '[']) {
        return Err(KeyError::OtherForm { found: "JSON", remedy: "use `Key::jwk` or `KeySet::jwks`" });
    }
    if ["ssh-", "ecdsa-sha2-", "---- BEGIN SSH2 "].iter().any(|prefix| start.starts_with(prefix)) {
        return Err(KeyError::OPENSSH);
    }
    if text.contains("\\n") {
        return Err(KeyError::OtherForm {
            found: "PEM whose line breaks are written as `\\n`",
            remedy: "replace each `\\n` by a line break where the variable is read",
        });
    }
    Ok(text)
}

/// Returns the text of a JSON file, without a byte order mark.
pub(super) fn json<'a>(expected: &'static str, text: &'a str) -> Result<&'a str, KeyError> {
    let text = utf8(expected, text.as_bytes())?;
    if text.trim_ascii_start().starts_with("-----BEGIN ") {
        return Err(KeyError::OtherForm { found: "PEM, not JSON", remedy: "use `Key::pem` or `KeySet::pem`" });
    }
    Ok(text)
}

/// Returns an error if the bytes are text, and so cannot be DER.
pub(super) fn der(bytes: &[u8]) -> Result<(), KeyError> {
    match bytes.trim_ascii_start() {
        [] => Err(KeyError::empty("a public key in DER")),
        [b'-', b'-', b'-', b'-', b'-', ..] => {
            Err(KeyError::OtherForm { found: "PEM, not DER", remedy: "use `Key::pem`" })
        }
        [b'{', ..] => Err(KeyError::OtherForm { found: "JSON, not DER", remedy: "use `Key::jwk`" }),
        _ => Ok(()),
    }
}

fn utf8<'a>(expected: &'static str, text: &'a [u8]) -> Result<&'a str, KeyError> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(KeyError::OtherForm { found: "UTF-16 text", remedy: "save the file as UTF-8" });
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match str::from_utf8(text) {
        Ok(text) if text.trim_ascii().is_empty() => Err(KeyError::empty(expected)),
        Ok(text) => Ok(text),
        Err(_) => Err(KeyError::OtherForm { found: "binary data, not text", remedy: "use `Key::der` if it is DER" }),
    }
}
