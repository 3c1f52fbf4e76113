//! Forms, and the credentials of clients: what the endpoint of RFC 7009 reads, and its status, by a
//! second reading of the rules.
//!
//! The first line of the input is the header `Authorization`, if it is not empty. The rest is the
//! form, in which `TOKEN` stands for a token of the client `app`.
#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use tower_logout::{
    JwtVerifier, Logout, MemoryStore,
    clock::{ManualClock, Timestamp},
    endpoint::{ClientCredentials, ClientRequest},
};
use tower_logout_fuzz::{SECRET, hs256};

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n').filter(|_| input.len() < 4096) else { return };
    let (Ok(header), Ok(form)) = (HeaderValue::from_bytes(&input[..end]), str::from_utf8(&input[end + 1..])) else {
        return;
    };
    let form = form.replace("TOKEN", &TOKEN);
    let header = Some(header).filter(|header| !header.is_empty());
    let seen = Arc::<Mutex<Option<ClientCredentials>>>::default();
    let record = Arc::clone(&seen);
    let clock = ManualClock::at(Timestamp::from_unix_seconds(1_458_786_000));
    let verifier = JwtVerifier::hs256(SECRET).issuer("i").clock(clock.clone()).build().expect("it can work");
    let logout = Logout::new(verifier, MemoryStore::new().clock(clock));
    let endpoint = logout.revocation_endpoint(move |request: ClientRequest| {
        let id = request.credentials.client_id().map(str::to_owned);
        *record.lock().expect("no panic") = Some(request.credentials);
        std::future::ready(Ok(id))
    });
    let mut request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    if let Some(header) = &header {
        request = request.header("authorization", header);
    }
    let request = request.body(Full::<Bytes>::from(form.clone())).expect("a request");
    let response = RUNTIME.block_on(endpoint.oneshot(request)).unwrap_or_else(|never| match never {});
    let (status, credentials) = expected(header.as_ref().map(HeaderValue::as_bytes), form.as_bytes());
    assert_eq!(response.status(), status, "{form}");
    assert_eq!(*seen.lock().expect("no panic"), credentials);
    let by_basic = header.is_some_and(|header| scheme_is_basic(header.as_bytes()).is_some());
    assert_eq!(response.headers().contains_key("www-authenticate"), status == 401 && by_basic);
    let check = Request::get("/").header("authorization", format!("Bearer {}", *TOKEN)).body(()).expect("a request");
    let is_revoked = RUNTIME.block_on(logout.check((&check).into())).is_err();
    let names_token = values(form.as_bytes(), "token").iter().any(|token| token.as_bytes() == TOKEN.as_bytes());
    assert_eq!(is_revoked, status == 200 && names_token);
});

/// The status, and the credentials that the closure gets, if it is asked.
fn expected(header: Option<&[u8]>, form: &[u8]) -> (u16, Option<ClientCredentials>) {
    let credentials = match credentials(header, form) {
        Ok(credentials) => credentials,
        Err(status) => return (status, None),
    };
    let (Ok(Some(token)), Ok(hint)) = (parameter(form, "token"), parameter(form, "token_type_hint")) else {
        return (400, None);
    };
    let status = match credentials.client_id() {
        None => 401,
        Some("app") if token == *TOKEN => 200,
        Some(_) if token == *TOKEN => 400,
        Some(_) if hint.as_deref() == Some("refresh_token") => 400,
        Some(_) => 200,
    };
    (status, Some(credentials))
}

fn credentials(header: Option<&[u8]>, form: &[u8]) -> Result<ClientCredentials, u16> {
    let client_id = parameter(form, "client_id")?;
    let client_secret = parameter(form, "client_secret")?;
    let assertion_type = parameter(form, "client_assertion_type")?;
    let assertion = parameter(form, "client_assertion")?;
    if assertion.is_some() != assertion_type.is_some() {
        return Err(400);
    }
    let basic = match header.and_then(scheme_is_basic) {
        None => None,
        Some(encoded) => Some(basic(encoded).ok_or(401_u16)?),
    };
    let methods = [basic.is_some(), client_secret.is_some(), assertion.is_some()];
    if methods.iter().filter(|is_used| **is_used).count() > 1 {
        return Err(400);
    }
    if let Some((id, client_secret)) = basic {
        return if client_id.is_some_and(|client_id| client_id != id) {
            Err(400)
        } else {
            Ok(ClientCredentials::Basic { client_id: id, client_secret })
        };
    }
    if let Some(client_secret) = client_secret {
        return Ok(ClientCredentials::Post { client_id: client_id.ok_or(400_u16)?, client_secret });
    }
    Ok(match (assertion_type.zip(assertion), client_id) {
        (Some((assertion_type, assertion)), client_id) => {
            ClientCredentials::Assertion { client_id, assertion_type, assertion }
        }
        (None, Some(client_id)) => ClientCredentials::Id { client_id },
        (None, None) => ClientCredentials::None,
    })
}

/// What follows the scheme, if that is `Basic`.
fn scheme_is_basic(header: &[u8]) -> Option<&[u8]> {
    let end = header.iter().position(|byte| *byte == b' ').unwrap_or(header.len());
    header[..end].eq_ignore_ascii_case(b"basic").then(|| &header[end..])
}

fn basic(encoded: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded.trim_ascii()).ok()?).ok()?;
    let colon = text.find(':')?;
    let (id, secret) = (decoded(&text.as_bytes()[..colon]), decoded(&text.as_bytes()[colon + 1..]));
    let is_text = |text: &str| !text.contains('\u{fffd}');
    (!id.is_empty() && is_text(&id) && is_text(&secret)).then_some((id, secret))
}

/// A parameter that may be there once, and counts as absent without a value.
fn parameter(form: &[u8], name: &str) -> Result<Option<String>, u16> {
    match &values(form, name)[..] {
        [] => Ok(None),
        [value] => Ok(Some(value.clone()).filter(|value| !value.is_empty())),
        _ => Err(400),
    }
}

fn values(form: &[u8], name: &str) -> Vec<String> {
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (decoded(&pair[..end]), decoded(pair.get(end + 1..).unwrap_or_default()))
    });
    pairs.filter(|(own, _)| own == name).map(|(_, value)| value).collect()
}

fn decoded(text: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let hex = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (text[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).expect("two digits"));
                at += 3;
            }
            (b'+', ..) => {
                bytes.push(b' ');
                at += 1;
            }
            (byte, ..) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let claims = br#"{"iss":"i","client_id":"app","jti":"1","iat":1458786000,"exp":1458786900}"#;
    hs256(SECRET, br#"{"alg":"HS256"}"#, claims)
});
