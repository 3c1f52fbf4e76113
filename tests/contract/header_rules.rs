//! Promise: exactly one bearer token is taken from a request. A malformed one is rejected; other
//! credentials, and those that a browser sends on its own, are ignored.

use http::{HeaderValue, Request};
use proptest::prelude::*;
use tower_logout::token::{InvalidRequest, RequestHead, TokenSource};

type Found = Result<Option<String>, InvalidRequest>;

fn find(source: &TokenSource, headers: &[(&str, &[u8])]) -> Found {
    let mut request = Request::get("/?access_token=a.b.c").body(()).unwrap();
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    Ok(source.token(&RequestHead::from(&request))?.map(String::from))
}

fn authorization(value: &[u8]) -> Found {
    find(&TokenSource::authorization(), &[("authorization", value)])
}

#[expect(clippy::unnecessary_wraps, reason = "to be compared")]
fn token(text: &str) -> Found {
    Ok(Some(text.to_owned()))
}

#[test]
fn one_token_is_found_whatever_the_case_of_the_scheme() {
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR   a.b.c"] {
        assert_eq!(authorization(value.as_bytes()), token("a.b.c"), "{value}");
    }
    assert_eq!(authorization(b"Bearer AZaz09-._~+/=="), token("AZaz09-._~+/=="));
}

#[test]
fn a_request_without_the_header_has_no_token() {
    assert_eq!(find(&TokenSource::authorization(), &[]), Ok(None));
}

#[test]
fn anything_else_of_the_scheme_is_an_invalid_request() {
    let values: [&[u8]; 23] = [
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"BEARER",
        b"Bearer\ta.b.c",
        b"Bearer:a.b.c",
        b"Bearer: a.b.c",
        b"Bearer=a.b.c",
        b"Bearer\xff",
        b" Bearer a.b.c",
        b"Bearer a.b.c d.e.f",
        b"Bearer a.b.c,d.e.f",
        b"Bearer a.b.c, Bearer d.e.f",
        b"Bearer a.b.c ",
        b"Bearer =",
        b"Bearer a=b",
        b"Bearer \"a.b.c\"",
        b"Bearer a.b.\xc3\xa9",
        b"Bearer a.b.\xff",
        b"Basic dXNlcjpwYXNz, Bearer a.b.c",
        b"Basic dXNlcjpwYXNz,bearer",
        b"Digest username=\"u\", realm=\"r\",Bearer a.b.c",
        b", Bearer a.b.c",
    ];
    for value in values {
        assert_eq!(authorization(value), Err(InvalidRequest), "{}", value.escape_ascii());
    }
}

/// The characters of `token68` (RFC 9110, section 11.2).
#[test]
fn of_all_bytes_only_those_of_token68_are_in_a_token() {
    for byte in (0..=u8::MAX).filter(|byte| HeaderValue::from_bytes(&[*byte]).is_ok()) {
        let text = [b'a', byte, b'a'];
        let expected = match std::str::from_utf8(&text) {
            Ok(text) if byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte) => token(text),
            _ => Err(InvalidRequest),
        };
        assert_eq!(authorization(&[b"Bearer ", &text[..]].concat()), expected, "{}", text.escape_ascii());
    }
}

#[test]
fn credentials_of_another_scheme_are_no_bearer_token() {
    let values: [&[u8]; 15] = [
        b"",
        b"Basic dXNlcjpwYXNz",
        b"Basic",
        b"DPoP a.b.c",
        b"Negotiate YII=",
        b"NTLM TlRMTVNTUAAB",
        b"Digest username=\"x, Bearer y\", realm=\"r\"",
        b"Digest username=\"x\", bearer=\"y\", Bearer = z",
        b"Bearera.b.c",
        b"Bearer-Token a.b.c",
        b"Bear a.b.c",
        b"a.b.c",
        b"\xff\xfe",
        b"\xc3\xa9 a.b.c",
        b"Token Bearer a.b.c",
    ];
    let either = TokenSource::authorization().or(TokenSource::cookie("token"));
    for value in values {
        assert_eq!(authorization(value), Ok(None), "{}", value.escape_ascii());
        let beside = find(&either, &[("authorization", value), ("cookie", b"token=a.b.c")]);
        assert_eq!(beside, token("a.b.c"), "{}", value.escape_ascii());
    }
}

#[test]
fn two_headers_are_an_invalid_request_if_one_is_a_bearer_token_even_if_they_agree() {
    let find = |values: &[&'static [u8]]| {
        let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
        find(&TokenSource::authorization(), &headers)
    };
    assert_eq!(find(&[b"Bearer a.b.c", b"Bearer a.b.c"]), Err(InvalidRequest));
    assert_eq!(find(&[b"Bearer a.b.c", b"Bearer d.e.f"]), Err(InvalidRequest));
    assert_eq!(find(&[b"Basic abc", b"Bearer a.b.c"]), Err(InvalidRequest));
    assert_eq!(find(&[b"Bearer a.b.c", b"Basic abc"]), Err(InvalidRequest));
    assert_eq!(find(&[b"Bearer a.b.c", b""]), Err(InvalidRequest));
    assert_eq!(find(&[b"", b"bearer"]), Err(InvalidRequest));
    assert_eq!(find(&[b"Basic abc", b"Digest a=b", b"Basic x, Bearer a.b.c"]), Err(InvalidRequest));
    assert_eq!(find(&[b"Basic abc", b"Digest a=b"]), Ok(None));
    assert_eq!(find(&[b"Basic abc", b"Basic abc"]), Ok(None));
    assert_eq!(find(&[b"", b""]), Ok(None));
}

#[test]
fn the_maximum_length_of_a_token_is_configurable_and_eight_kibibytes_by_default() {
    let closure =
        || TokenSource::closure(|head| Ok(head.headers.get("x-token").map(|value| value.to_str().unwrap().into())));
    let sources = || [TokenSource::authorization(), TokenSource::cookie("token"), closure()];
    let headers = [("authorization", "Bearer "), ("cookie", "token="), ("x-token", "")];
    let too_long = [Err(InvalidRequest), Ok(None), Err(InvalidRequest)];
    for (source, ((name, prefix), too_long)) in sources().into_iter().zip(headers.into_iter().zip(too_long)) {
        let check = |source: &TokenSource, longest: usize| {
            let longest = "a".repeat(longest);
            let found = |text: &str| find(source, &[(name, format!("{prefix}{text}").as_bytes())]);
            assert_eq!(found(&longest), token(&longest), "{name}");
            assert_eq!(found(&format!("{longest}a")), too_long, "{name}");
        };
        check(&source, TokenSource::DEFAULT_MAX_TOKEN_LEN);
        check(&source.clone().max_token_len(100), 100);
        check(&source.clone().max_token_len(100_000), 100_000);
        check(&source.clone().or(TokenSource::cookie("other")).max_token_len(20_000), 20_000);
        check(&source.clone().max_token_len(20_000).or(TokenSource::cookie("other")), 20_000);
        check(&TokenSource::cookie("other").max_token_len(20_000).or(source), 20_000);
    }
    assert_eq!(TokenSource::DEFAULT_MAX_TOKEN_LEN, 8 * 1024);
}

#[test]
fn a_cookie_is_found_by_its_whole_name() {
    let source = TokenSource::cookie("token");
    let cookies = |values: &[&str]| {
        let headers: Vec<_> = values.iter().map(|value| ("cookie", value.as_bytes())).collect();
        find(&source, &headers)
    };
    assert_eq!(cookies(&["token=a.b.c"]), token("a.b.c"));
    assert_eq!(cookies(&["other=1; token=a.b.c;last=2"]), token("a.b.c"));
    assert_eq!(cookies(&["other=1", "token=a.b.c"]), token("a.b.c"), "HTTP/2 splits the header");
    assert_eq!(cookies(&["token=a=="]), token("a=="));
    assert_eq!(cookies(&["mytoken=a.b.c; token2=a.b.c; Token=a.b.c; token"]), Ok(None));
    assert_eq!(cookies(&["token=a.b.c; token=d.e.f"]), token("a.b.c"));
    assert_eq!(cookies(&["token=a.b.c", "token=d.e.f"]), token("a.b.c"));
    assert_eq!(cookies(&["token="]), Ok(None), "an emptied cookie is none");
    assert_eq!(cookies(&["token=", "token=a.b.c"]), token("a.b.c"));
    assert_eq!(cookies(&["token=\"a.b.c\""]), token("a.b.c"));
    for none in
        ["token=\"\"", "token=\"", "token==", "token=a b", "token=\"a.b.c", "token=é", "token = a.b.c", "token", ";=;;"]
    {
        assert_eq!(cookies(&[none]), Ok(None), "{none}");
        assert_eq!(cookies(&[none, "token=a.b.c"]), token("a.b.c"), "{none}");
    }
    assert_eq!(cookies(&["é=ü; a=\"; =; token=a.b.c; c=\",;"]), token("a.b.c"), "whatever the others hold");
}

#[test]
fn a_closure_source_follows_the_same_rules() {
    let source = TokenSource::closure(|head| match head.headers.get("x-token") {
        None => Ok(None),
        Some(value) => value.to_str().map(|token| Some(token.to_owned())).map_err(|_| InvalidRequest),
    });
    assert_eq!(find(&source, &[]), Ok(None));
    assert_eq!(find(&source, &[("x-token", b"a.b.c")]), token("a.b.c"));
    assert_eq!(find(&source, &[("x-token", b"a b")]), Err(InvalidRequest));
    assert_eq!(find(&source, &[("x-token", b"")]), Err(InvalidRequest));
}

#[test]
fn of_two_sources_a_header_decides() {
    let source = TokenSource::authorization().or(TokenSource::cookie("token"));
    assert_eq!(find(&source, &[("authorization", b"Bearer a.b.c")]), token("a.b.c"));
    assert_eq!(find(&source, &[("cookie", b"token=a.b.c")]), token("a.b.c"));
    assert_eq!(find(&source, &[("authorization", b"Bearer a.b.c"), ("cookie", b"token=a.b.c")]), token("a.b.c"));
    let differing: [(&str, &[u8]); 2] = [("authorization", b"Bearer a.b.c"), ("cookie", b"token=d.e.f")];
    assert_eq!(find(&source, &differing), token("a.b.c"), "the browser sends the cookie on its own");
    let reversed = TokenSource::cookie("token").or(TokenSource::authorization());
    assert_eq!(find(&reversed, &differing), token("a.b.c"), "whatever the order");
    let broken: [(&str, &[u8]); 2] = [("authorization", b"Bearer abc,"), ("cookie", b"token=d.e.f")];
    assert_eq!(find(&source, &broken), Err(InvalidRequest), "a broken header is not passed over");
    assert_eq!(find(&source, &[("authorization", b"Bearer a.b.c"), ("cookie", b"token=,")]), token("a.b.c"));

    let own =
        || TokenSource::closure(|head| Ok(head.headers.get("x-token").map(|value| value.to_str().unwrap().into())));
    let given: [(&str, &[u8]); 2] = [("authorization", b"Bearer a.b.c"), ("x-token", b"d.e.f")];
    assert_eq!(find(&TokenSource::authorization().or(own()), &given), Err(InvalidRequest));
    assert_eq!(find(&own().or(TokenSource::authorization()), &[given[0], ("x-token", b"a.b.c")]), token("a.b.c"));
}

proptest! {
    #[test]
    fn any_header_yields_a_token_of_token68_or_an_error(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        if HeaderValue::from_bytes(&value).is_ok() {
            for prefix in [&b""[..], b"Bearer ", b"Bearer"] {
                match authorization(&[prefix, &value].concat()) {
                    Ok(Some(token)) => prop_assert!(
                        token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte))
                    ),
                    Ok(None) => prop_assert_ne!(prefix, &b"Bearer "[..]),
                    Err(InvalidRequest) => {
                        prop_assert!([prefix, &value].concat().to_ascii_lowercase().windows(6).any(|text| text == b"bearer"));
                    }
                }
            }
        }
    }
}
