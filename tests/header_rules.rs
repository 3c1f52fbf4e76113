//! Promise: exactly one bearer token is taken from a request, and anything else in its place is refused.
#![allow(missing_docs, clippy::unwrap_used)]

use http::{HeaderValue, Request};
use proptest::prelude::*;
use tower_logout::{InvalidRequest, RequestHead, TokenSource};

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
fn anything_else_in_the_header_is_an_invalid_request() {
    let values: [&[u8]; 17] = [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"Bearera.b.c",
        b"Bearer\ta.b.c",
        b"Bearer a.b.c d.e.f",
        b"Bearer a.b.c,d.e.f",
        b"Bearer a.b.c, Bearer d.e.f",
        b"Bearer a.b.c ",
        b"Bearer =",
        b"Bearer a=b",
        b"Bearer \"a.b.c\"",
        b"Bearer a.b.\xc3\xa9",
        b"Bearer a.b.\xff",
        b"Basic dXNlcjpwYXNz",
        b"DPoP a.b.c",
    ];
    for value in values {
        assert_eq!(authorization(value), Err(InvalidRequest), "{}", value.escape_ascii());
    }
}

#[test]
fn two_headers_are_an_invalid_request_even_if_they_agree() {
    let twice: [(&str, &[u8]); 2] = [("authorization", b"Bearer a.b.c"), ("authorization", b"Bearer a.b.c")];
    assert_eq!(find(&TokenSource::authorization(), &twice), Err(InvalidRequest));
}

#[test]
fn a_token_has_at_most_eight_kibibytes() {
    let longest = "a".repeat(8 * 1024);
    assert_eq!(authorization(format!("Bearer {longest}").as_bytes()), token(&longest));
    assert_eq!(authorization(format!("Bearer {longest}a").as_bytes()), Err(InvalidRequest));
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
    assert_eq!(cookies(&["token=a.b.c; token=d.e.f"]), Err(InvalidRequest));
    assert_eq!(cookies(&["token=a.b.c", "token=d.e.f"]), Err(InvalidRequest));
    assert_eq!(cookies(&["token="]), Ok(None), "an emptied cookie is none");
    assert_eq!(cookies(&["token=", "token=a.b.c"]), token("a.b.c"));
    assert_eq!(cookies(&["token=\"a.b.c\""]), Err(InvalidRequest));
}

#[test]
fn a_closure_finds_it_anywhere_but_under_the_same_rules() {
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
fn two_sources_may_agree_but_not_differ() {
    let source = TokenSource::authorization().or(TokenSource::cookie("token"));
    assert_eq!(find(&source, &[("authorization", b"Bearer a.b.c")]), token("a.b.c"));
    assert_eq!(find(&source, &[("cookie", b"token=a.b.c")]), token("a.b.c"));
    assert_eq!(find(&source, &[("authorization", b"Bearer a.b.c"), ("cookie", b"token=a.b.c")]), token("a.b.c"));
    let differing: [(&str, &[u8]); 2] = [("authorization", b"Bearer a.b.c"), ("cookie", b"token=d.e.f")];
    assert_eq!(find(&source, &differing), Err(InvalidRequest));
    let broken: [(&str, &[u8]); 2] = [("authorization", b"Basic abc"), ("cookie", b"token=d.e.f")];
    assert_eq!(find(&source, &broken), Err(InvalidRequest), "a broken header is not passed over");
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
                    Ok(None) => prop_assert!(false, "the header is there"),
                    Err(InvalidRequest) => {}
                }
            }
        }
    }
}
