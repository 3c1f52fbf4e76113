//! Push delivery of security event tokens (RFC 8935): the request and its answer.

use std::fmt::Display;

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_LANGUAGE, CONTENT_TYPE},
};
use http_body::Body;

use super::{
    SecurityEvents,
    receiver::MAX_LEN,
    refusal::{NotReceived, Refusal},
};
use crate::{
    endpoint::{
        body::{self, Unreadable},
        deadline,
        oauth_error::{method_not_allowed, unavailable},
    },
    respond::{self, AnswerBody, media_type},
};

/// Answers a request that delivers a security event token.
pub(super) async fn answer<B: Body>(events: SecurityEvents, request: Request<B>) -> Response<AnswerBody> {
    if request.method() != Method::POST {
        return method_not_allowed();
    }
    let response = match receive(&events, request).await {
        Ok(()) => {
            let mut response = Response::new(AnswerBody::default());
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
        Err(NotReceived::Refused(refusal)) => refused(&refusal),
        Err(NotReceived::Unavailable) => return unavailable(),
    };
    respond::uncached(response)
}

async fn receive<B: Body>(events: &SecurityEvents, request: Request<B>) -> Result<(), NotReceived> {
    let deadline = deadline::after(events.shared.timeout);
    let (head, body) = request.into_parts();
    // What is refused here has not reached the receiver, which reports the rest.
    let body = match check(events, &head.headers) {
        Ok(()) => body::read(body, MAX_LEN, deadline).await,
        Err(refusal) => {
            events.shared.receiver.report_refused(&refusal);
            return Err(refusal.into());
        }
    };
    let malformed = |reason| {
        let refusal = Refusal::Malformed(reason);
        events.shared.receiver.report_refused(&refusal);
        NotReceived::Refused(refusal)
    };
    let body = body.map_err(|unreadable| match unreadable {
        Unreadable::TooLong => malformed("it is longer than 64 KiB"),
        Unreadable::Broken => malformed("the body has ended early"),
        Unreadable::Late => NotReceived::Unavailable,
    })?;
    let text = str::from_utf8(body.trim_ascii()).map_err(|_| malformed("it is not a text"))?;
    events.shared.receiver.receive(text, deadline).await
}

/// Checks what can be checked before the body is read.
fn check(events: &SecurityEvents, headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(expected) = &events.shared.authorization {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        if !matches!((values.next(), values.next()), (Some(value), None) if expected.is(value)) {
            return Err(Refusal::NotAuthenticated);
        }
    }
    if media_type(headers).is_some_and(|essence| essence.eq_ignore_ascii_case(TYPE)) {
        Ok(())
    } else {
        Err(Refusal::Malformed("the content type is not `application/secevent+jwt`"))
    }
}

/// RFC 8935, section 2.3.
fn refused(refusal: &Refusal) -> Response<AnswerBody> {
    let mut response = Response::new(error_object(refusal).to_string().into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CONTENT_LANGUAGE, ENGLISH);
    response
}

/// The error for the transmitter (RFC 8935, section 2.4). Neither text has characters to escape.
pub(super) fn error_object(refusal: &Refusal) -> impl Display + use<> {
    format!(r#"{{"err":"{}","description":"{}"}}"#, refusal.code(), refusal.description())
}

const TYPE: &[u8] = b"application/secevent+jwt";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The language of the descriptions.
pub(super) const ENGLISH: HeaderValue = HeaderValue::from_static("en");
