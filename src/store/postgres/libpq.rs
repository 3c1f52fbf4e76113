//! Options of connection strings that `libpq` knows and `tokio-postgres` does not, or not with all
//! of their values.

use super::error::PostgresError;

/// The options that were taken out of a connection string.
#[derive(Default)]
pub(super) struct LibpqOptions {
    pub(super) sslmode: Option<String>,
    pub(super) sslrootcert: Option<String>,
    pub(super) sslcert: Option<String>,
    pub(super) sslkey: Option<String>,
    pub(super) target_session_attrs: Option<String>,
}

impl LibpqOptions {
    /// Takes the options out of a URL or of `key=value` pairs, and returns the rest of the text. A
    /// text that cannot be read is returned as it is: its errors are found when it is parsed.
    pub(super) fn take_from(text: &str) -> Result<(Self, String), PostgresError> {
        let mut options = Self::default();
        let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| text.starts_with(scheme));
        let rest = match scheme {
            Some(scheme) => options.take_from_url(text, scheme.len())?,
            None => options.take_from_pairs(text),
        };
        Ok((options, rest.unwrap_or_else(|| text.to_owned())))
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "sslmode" => Some(&mut self.sslmode),
            "sslrootcert" => Some(&mut self.sslrootcert),
            "sslcert" => Some(&mut self.sslcert),
            "sslkey" => Some(&mut self.sslkey),
            "target_session_attrs" => Some(&mut self.target_session_attrs),
            _ => None,
        }
    }

    fn take_from_url(&mut self, text: &str, scheme: usize) -> Result<Option<String>, PostgresError> {
        // The user and the password end at the first `@`, and may contain a `?`.
        let host = text[scheme..].find('@').map_or(scheme, |at| scheme + at + 1);
        let Some(query) = text[host..].find('?').map(|at| host + at) else { return Ok(None) };
        let mut kept = Vec::new();
        for pair in text[query + 1..].split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match decoded(name).as_deref().and_then(|name| self.slot(name)) {
                Some(slot) => *slot = Some(decoded(value).ok_or(PostgresError::ConnectionString(NOT_ENCODED.into()))?),
                None => kept.push(pair),
            }
        }
        let kept = kept.join("&");
        Ok(Some(if kept.is_empty() { text[..query].to_owned() } else { format!("{}?{kept}", &text[..query]) }))
    }

    fn take_from_pairs(&mut self, text: &str) -> Option<String> {
        let (mut rest, mut left) = (String::new(), text);
        loop {
            left = left.trim_start();
            if left.is_empty() {
                return Some(rest);
            }
            let pair = left;
            let (name, after) = left.split_at(left.find(|it: char| it == '=' || it.is_whitespace())?);
            let (value, after) = value(after.trim_start().strip_prefix('=')?.trim_start())?;
            left = after;
            if let Some(slot) = self.slot(name) {
                *slot = Some(value);
            } else {
                rest.push_str(&pair[..pair.len() - left.len()]);
                rest.push(' ');
            }
        }
    }
}

/// Reads a value, with quotes or without, and returns what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let is_quoted = text.starts_with('\'');
    let text = text.strip_prefix('\'').unwrap_or(text);
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if is_quoted => return Some((value, &text[at + 1..])),
            _ if !is_quoted && character.is_whitespace() => return Some((value, &text[at..])),
            _ => value.push(character),
        }
    }
    (!is_quoted).then_some((value, ""))
}

/// Decodes percent-encoding. Returns `None` if it is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let [byte, rest @ ..] = left {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match rest {
            [high, low, after @ ..] if *byte == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.extend(hex(&[*high, *low]));
                left = after;
            }
            _ => {
                bytes.push(*byte);
                left = rest;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

const NOT_ENCODED: &str = "a value in its query is not percent-encoded UTF-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (Vec<Option<String>>, String) {
        let (options, rest) = LibpqOptions::take_from(text).expect("it is readable");
        let LibpqOptions { sslmode, sslrootcert, sslcert, sslkey, target_session_attrs } = options;
        (vec![sslmode, sslrootcert, sslcert, sslkey, target_session_attrs], rest)
    }

    fn some(values: [&str; 5]) -> Vec<Option<String>> {
        values.into_iter().map(|value| (!value.is_empty()).then(|| value.to_owned())).collect()
    }

    #[test]
    fn options_are_taken_out_of_urls() {
        let url = "postgres://app:p%3F?s=1@db:5432/app?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fa%20b.pem";
        let (options, rest) = taken(url);
        assert_eq!(options, some(["verify-full", "/a b.pem", "", "", ""]));
        assert_eq!(rest, "postgres://app:p%3F?s=1@db:5432/app?connect_timeout=3");
        let (options, rest) = taken("postgresql://db?sslcert=c&ss%6ckey=k&target_session_attrs=any");
        assert_eq!((options, &*rest), (some(["", "", "c", "k", "any"]), "postgresql://db"));
        let bare = "postgres://app@db/app";
        assert_eq!(taken(bare), (some([""; 5]), bare.to_owned()));
        assert!(LibpqOptions::take_from("postgres://db?sslcert=%ff").is_err());
        assert_eq!(taken("postgres://db?sslcert=1%").0[2].as_deref(), Some("1%"));
    }

    #[test]
    fn options_are_taken_out_of_pairs() {
        let certificates = r"sslmode = 'verify-full' sslrootcert='/a b\'s.pem' user=a\ b sslkey=k\\";
        let (options, rest) = taken(&format!(r"host=db password='it\'s sslmode=no' {certificates}"));
        assert_eq!(options, some(["verify-full", "/a b's.pem", "", r"k\", ""]));
        assert_eq!(rest, r"host=db password='it\'s sslmode=no' user=a\ b ");
        // After the quote that ends the password, another name begins, as for `tokio-postgres`.
        let (options, rest) = taken(&format!("host=db password='it''s' {certificates}"));
        assert_eq!((options, rest.contains("password='it''s'")), (some([""; 5]), true));
        for broken in ["host", "host=db sslmode", "password='open sslmode=require", r"user=a\"] {
            assert_eq!(taken(broken).1, broken);
        }
    }
}
