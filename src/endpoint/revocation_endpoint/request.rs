//! [`RevocationRequest`]: what a request asks for, and who asks.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};

use super::{credentials::ClientCredentials, refused::Refused};
use crate::endpoint::form::Form;

/// A request, read strictly. No parameter that is read may be present twice.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct RevocationRequest {
    pub(super) credentials: ClientCredentials,
    pub(super) token: String,
    /// What the client takes the token for.
    pub(super) hint: Option<String>,
}

impl RevocationRequest {
    pub(super) fn read(headers: &HeaderMap, form: &Form<'_>) -> Result<Self, Refused> {
        let parameter = |name| form.at_most_once(name).map_err(|_| Refused::Parameters);
        let credentials = credentials(headers, &parameter)?;
        let token = parameter("token")?.ok_or(Refused::Parameters)?;
        Ok(Self { credentials, token, hint: parameter("token_type_hint")? })
    }
}

type Parameter<'a> = dyn Fn(&'static str) -> Result<Option<String>, Refused> + 'a;

fn credentials(headers: &HeaderMap, parameter: &Parameter<'_>) -> Result<ClientCredentials, Refused> {
    let client_id = parameter("client_id")?;
    let client_secret = parameter("client_secret")?;
    let assertion = match (parameter("client_assertion_type")?, parameter("client_assertion")?) {
        (None, None) => None,
        (Some(assertion_type), Some(assertion)) => Some((assertion_type, assertion)),
        _ => return Err(Refused::Parameters),
    };
    match (basic(headers)?, client_secret, assertion) {
        (Some((own, client_secret)), None, None) => match client_id {
            Some(client_id) if client_id != own => Err(Refused::SeveralCredentials),
            _ => Ok(ClientCredentials::Basic { client_id: own, client_secret }),
        },
        (None, Some(client_secret), None) => {
            let client_id = client_id.ok_or(Refused::Parameters)?;
            Ok(ClientCredentials::Post { client_id, client_secret })
        }
        (None, None, Some((assertion_type, assertion))) => {
            Ok(ClientCredentials::Assertion { client_id, assertion_type, assertion })
        }
        (None, None, None) => {
            Ok(client_id.map_or(ClientCredentials::None, |client_id| ClientCredentials::Id { client_id }))
        }
        _ => Err(Refused::SeveralCredentials),
    }
}

/// Reads the scheme `Basic` (RFC 7617). Both parts are encoded as in a form (RFC 6749, section
/// 2.3.1). Another scheme is left to the application.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::SeveralCredentials);
    }
    let value = value.as_bytes();
    let Some((scheme, rest)) = value.split_at_checked(BASIC.len()) else { return Ok(None) };
    match rest.first() {
        Some(b' ') | None if scheme.eq_ignore_ascii_case(BASIC) => {}
        _ => return Ok(None),
    }
    let decoded = STANDARD.decode(rest.trim_ascii()).map_err(|_| Refused::BasicCredentials)?;
    let decoded = str::from_utf8(&decoded).map_err(|_| Refused::BasicCredentials)?;
    let (client_id, client_secret) = decoded.split_once(':').ok_or(Refused::BasicCredentials)?;
    let (client_id, client_secret) = (form_decoded(client_id)?, form_decoded(client_secret)?);
    if client_id.is_empty() { Err(Refused::BasicCredentials) } else { Ok(Some((client_id, client_secret))) }
}

/// Decodes `+` and `%XX`. Clients that do not encode their credentials may have written the
/// separators of a form.
fn form_decoded(text: &str) -> Result<String, Refused> {
    let form = format!("={}", text.replace('&', "%26"));
    let value = form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default();
    if value.contains(char::REPLACEMENT_CHARACTER) { Err(Refused::BasicCredentials) } else { Ok(value) }
}

const BASIC: &[u8] = b"Basic";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(authorization: &[&str], form: &str) -> Result<RevocationRequest, Refused> {
        let value = |value: &&str| (AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        RevocationRequest::read(&authorization.iter().map(value).collect(), &Form::new(form.as_bytes()))
    }

    fn basic_header(credentials: &[u8]) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    fn id(client_id: &str) -> ClientCredentials {
        ClientCredentials::Id { client_id: client_id.to_owned() }
    }

    fn by_basic(client_id: &str, client_secret: &str) -> ClientCredentials {
        ClientCredentials::Basic { client_id: client_id.to_owned(), client_secret: client_secret.to_owned() }
    }

    fn by_post(client_id: &str, client_secret: &str) -> ClientCredentials {
        ClientCredentials::Post { client_id: client_id.to_owned(), client_secret: client_secret.to_owned() }
    }

    #[test]
    fn credentials_are_read_from_the_form() {
        let assertion = |client_id: Option<&str>| ClientCredentials::Assertion {
            client_id: client_id.map(str::to_owned),
            assertion_type: "urn:x".to_owned(),
            assertion: "a.b.c".to_owned(),
        };
        for (form, expected) in [
            ("", Ok(ClientCredentials::None)),
            ("&client_id=", Ok(ClientCredentials::None)),
            ("&client_id=app", Ok(id("app"))),
            ("&client_id=app&client_secret=s%26t+u", Ok(by_post("app", "s&t u"))),
            ("&client_id=app&client_secret=", Ok(id("app"))),
            ("&client_secret=s", Err(Refused::Parameters)),
            ("&client_assertion_type=urn:x&client_assertion=a.b.c", Ok(assertion(None))),
            ("&client_id=app&client_assertion_type=urn:x&client_assertion=a.b.c", Ok(assertion(Some("app")))),
            ("&client_assertion=a.b.c", Err(Refused::Parameters)),
            ("&client_assertion_type=urn:x", Err(Refused::Parameters)),
            (
                "&client_id=app&client_secret=s&client_assertion_type=urn:x&client_assertion=a.b.c",
                Err(Refused::SeveralCredentials),
            ),
            ("&client_id=app&client_id=app", Err(Refused::Parameters)),
            ("&client_id=app&client_secret=s&client_secret=s", Err(Refused::Parameters)),
        ] {
            let request = read(&[], &format!("token=t{form}"));
            assert_eq!(request.map(|request| request.credentials), expected, "{form}");
        }
    }

    #[test]
    fn credentials_are_read_from_the_header_and_decoded() {
        for (header, form, expected) in [
            (basic_header(b"app:s"), "", Ok(by_basic("app", "s"))),
            (basic_header(b"app:s").replace("Basic", "bAsIc "), "", Ok(by_basic("app", "s"))),
            (basic_header(b"a%3Ab:s%20t+u%26=&"), "", Ok(by_basic("a:b", "s t u&=&"))),
            (basic_header(b"app:a:b"), "", Ok(by_basic("app", "a:b"))),
            (basic_header(b"app:100%"), "", Ok(by_basic("app", "100%"))),
            (basic_header(b"app:"), "", Ok(by_basic("app", ""))),
            (basic_header(b"app:s"), "&client_id=app", Ok(by_basic("app", "s"))),
            (basic_header(b"app:s"), "&client_id=other", Err(Refused::SeveralCredentials)),
            (basic_header(b"app:s"), "&client_secret=s", Err(Refused::SeveralCredentials)),
            (
                basic_header(b"app:s"),
                "&client_assertion_type=urn:x&client_assertion=a.b.c",
                Err(Refused::SeveralCredentials),
            ),
            (basic_header(b":s"), "", Err(Refused::BasicCredentials)),
            (basic_header(b"app"), "", Err(Refused::BasicCredentials)),
            (basic_header(b"app:\xff"), "", Err(Refused::BasicCredentials)),
            (basic_header(b"app:%ff"), "", Err(Refused::BasicCredentials)),
            ("Basic".to_owned(), "", Err(Refused::BasicCredentials)),
            ("Basic ?".to_owned(), "", Err(Refused::BasicCredentials)),
            ("Basically".to_owned(), "", Ok(ClientCredentials::None)),
            ("Bearer x".to_owned(), "&client_id=app", Ok(id("app"))),
            (String::new(), "", Ok(ClientCredentials::None)),
        ] {
            let request = read(&[&header], &format!("token=t{form}"));
            assert_eq!(request.map(|request| request.credentials), expected, "{header} {form}");
        }
        assert_eq!(read(&["Bearer x", "Basic eDp5"], "token=t"), Err(Refused::SeveralCredentials));
    }

    #[test]
    fn there_is_exactly_one_token_and_at_most_one_hint() {
        for (form, expected) in [
            ("token=t", Ok(("t", None))),
            ("token=t&token_type_hint=", Ok(("t", None))),
            ("token_type_hint=x&other=1&other=2&token=t", Ok(("t", Some("x")))),
            ("token=t&token_type_hint=x&token_type_hint=x", Err(Refused::Parameters)),
            ("token=t&token=t", Err(Refused::Parameters)),
            ("token=", Err(Refused::Parameters)),
            ("Token=t", Err(Refused::Parameters)),
            ("", Err(Refused::Parameters)),
        ] {
            let request = read(&[], form);
            let read = request.as_ref().map(|request| (&*request.token, request.hint.as_deref()));
            assert_eq!(read.map_err(|refused| *refused), expected, "{form}");
        }
    }

    #[test]
    fn debug_shows_the_method_and_no_credentials() {
        let request = read(&[&basic_header(b"app-1:hunter2")], "token=t").expect("it is well formed");
        assert_eq!(format!("{:?}", request.credentials), "Basic");
        assert!(request.credentials.has_secret("hunter2") && !request.credentials.has_secret("hunter"));
        assert_eq!(request.credentials.client_id(), Some("app-1"));
        assert!(!id("app-1").has_secret(""), "it has none");
    }
}
