//! [`Refused`]: why a request does not revoke anything.

use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};

use crate::{
    endpoint::{body::Unreadable, oauth_error::oauth_error},
    respond::AnswerBody,
};

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the media type of the request is not `application/x-www-form-urlencoded`")]
    ContentType,
    #[error("the body is too long, or was interrupted")]
    Body(Unreadable),
    #[error("the form does not have exactly one parameter `token`, or has another one twice")]
    Parameters,
    #[error("the request has credentials of several methods, or of two clients")]
    SeveralCredentials,
    #[error("the credentials of the scheme `Basic` are malformed")]
    BasicCredentials,
    #[error("the client is not authenticated")]
    Client {
        /// Whether it has used the scheme `Basic`.
        by_basic: bool,
    },
    #[error("the token was issued to another client")]
    OtherClient,
    #[error("the token does not say which client it was issued to")]
    NoClient,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("refresh tokens cannot be verified")]
    RefreshToken,
    #[error("the refresh token has no subject (`sub`), so that its access tokens cannot be revoked")]
    NoSubject,
}

impl Refused {
    /// The name of the reason in events.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::ContentType => "content_type",
            Self::Body(_) => "body",
            Self::Parameters => "parameters",
            Self::SeveralCredentials => "several_credentials",
            Self::BasicCredentials => "basic_credentials",
            Self::Client { .. } => "client",
            Self::OtherClient => "other_client",
            Self::NoClient => "no_client",
            Self::NotYetValid => "not_yet_valid",
            Self::RefreshToken => "refresh_token",
            Self::NoSubject => "no_subject",
        }
    }

    /// What to change, if the client is authentic and only the configuration refuses its request.
    pub(super) const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::NoClient => Some("issue tokens with `client_id` (RFC 9068), or set allow_tokens_without_client()"),
            Self::RefreshToken => Some("set Logout::refresh_tokens(), if this service issues refresh tokens"),
            Self::NoSubject => Some("issue refresh tokens with the claim, or set refresh_token_ends() to less"),
            Self::ContentType
            | Self::Body(_)
            | Self::Parameters
            | Self::SeveralCredentials
            | Self::BasicCredentials
            | Self::Client { .. }
            | Self::OtherClient
            | Self::NotYetValid => None,
        }
    }

    /// The response (RFC 7009, section 2.2.1, and RFC 6749, section 5.2).
    pub(super) fn response(self) -> Response<AnswerBody> {
        let bad_request = |error, description| oauth_error(StatusCode::BAD_REQUEST, error, description);
        match self {
            Self::ContentType | Self::Body(_) | Self::Parameters => {
                bad_request(INVALID_REQUEST, "The request is malformed.")
            }
            Self::SeveralCredentials => {
                bad_request(INVALID_REQUEST, "The request has more than one method of client authentication.")
            }
            Self::Client { by_basic: false } => unauthenticated(),
            Self::BasicCredentials | Self::Client { by_basic: true } => {
                let mut response = unauthenticated();
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
                response
            }
            Self::OtherClient | Self::NoClient => {
                bad_request("invalid_grant", "The token was not issued to the client.")
            }
            Self::NotYetValid => bad_request(INVALID_REQUEST, "The token is not valid yet."),
            Self::RefreshToken | Self::NoSubject => {
                bad_request("unsupported_token_type", "Refresh tokens like this one cannot be revoked here.")
            }
        }
    }
}

fn unauthenticated() -> Response<AnswerBody> {
    oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", "The client is not authenticated.")
}

const INVALID_REQUEST: &str = "invalid_request";
/// RFC 7617 requires a realm.
const CHALLENGE: &str = r#"Basic realm="token revocation""#;
