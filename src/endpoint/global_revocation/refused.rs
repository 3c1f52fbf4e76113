//! [`Refused`]: why a request does not revoke anything.

use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};

use crate::{
    endpoint::{body::Unreadable, oauth_error::oauth_error},
    respond::AnswerBody,
    token::jwt::InvalidToken,
};

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the request has no credentials")]
    NoCredentials,
    #[error("the credentials are wrong")]
    Credentials,
    #[error("the assertion is not signed by the issuer, or is of another type")]
    Assertion(#[source] InvalidToken),
    #[error("the claims do not have the form of an assertion")]
    Claims,
    #[error("the issuer (`iss`) of the assertion is another one")]
    Issuer,
    #[error("the assertion is of another application (`sub`)")]
    Application,
    #[error("the assertion is for another endpoint (`aud`)")]
    Audience,
    #[error("the assertion is not valid yet (`iat` or `nbf`)")]
    NotYetValid,
    #[error("the assertion has expired (`exp`)")]
    Expired,
    #[error("the assertion lives too long (`exp` and `iat`)")]
    TooLongLived,
    #[error("the assertion has authenticated another request before")]
    Spent,
    #[error("the sender may not revoke")]
    Forbidden,
    #[error("the media type of the request is not `application/json`")]
    ContentType,
    #[error("the body is too long, or was interrupted")]
    Body(Unreadable),
    #[error("the body is not a JSON object with a member `sub_id`")]
    Document,
    #[error("the body names two different subjects")]
    TwoSubjects,
    #[error("the subject identifier is malformed")]
    Subject,
    #[error("the format of the subject identifier is unknown")]
    UnknownFormat,
    #[error("no token can be found by subject identifiers of this format")]
    Unmapped,
    #[error("the subject is one of an issuer whose users may not be named here")]
    ForeignIssuer,
    #[error("the subject is unknown")]
    UnknownSubject,
    #[error("the user cannot be logged out")]
    CannotBeRevoked,
}

impl Refused {
    /// The name of the reason in events.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::Credentials => "credentials",
            Self::Assertion(reason) => reason.code(),
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Application => "application",
            Self::Audience => "audience",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::TooLongLived => "too_long_lived",
            Self::Spent => "spent",
            Self::Forbidden => "forbidden",
            Self::ContentType => "content_type",
            Self::Body(_) => "body",
            Self::Document => "document",
            Self::TwoSubjects => "two_subjects",
            Self::Subject => "subject",
            Self::UnknownFormat => "unknown_format",
            Self::Unmapped => "unmapped",
            Self::ForeignIssuer => "foreign_issuer",
            Self::UnknownSubject => "unknown_subject",
            Self::CannotBeRevoked => "cannot_be_revoked",
        }
    }

    /// What to change, if the sender is authentic and only the configuration refuses the request.
    pub(super) const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Issuer => "name the issuer exactly as the provider writes it in `iss`, including a trailing slash",
            Self::Application => "pass signed_jwt() the identifier that the application has at the provider",
            Self::Audience => "pass signed_jwt() the URL of this endpoint exactly as it is configured at the provider",
            Self::TooLongLived => "have the provider issue assertions that live for ten minutes at most",
            Self::Unmapped => {
                "set resolve(), or email_claim() if access tokens have the address, or have the provider send `iss_sub`"
            }
            Self::ForeignIssuer => {
                "set resolve() if the provider names its users by another issuer than that of the access tokens"
            }
            Self::NoCredentials
            | Self::Credentials
            | Self::Assertion(_)
            | Self::Claims
            | Self::NotYetValid
            | Self::Expired
            | Self::Spent
            | Self::Forbidden
            | Self::ContentType
            | Self::Body(_)
            | Self::Document
            | Self::TwoSubjects
            | Self::Subject
            | Self::UnknownFormat
            | Self::UnknownSubject
            | Self::CannotBeRevoked => return None,
        })
    }

    /// The response, which does not say what is wrong with the credentials.
    pub(super) fn response(self) -> Response<AnswerBody> {
        match self {
            Self::NoCredentials
            | Self::Credentials
            | Self::Assertion(_)
            | Self::Claims
            | Self::Issuer
            | Self::Application
            | Self::Audience
            | Self::NotYetValid
            | Self::Expired
            | Self::TooLongLived
            | Self::Spent => {
                let mut response =
                    oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", "The sender is not authenticated.");
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Self::Forbidden => oauth_error(StatusCode::FORBIDDEN, "access_denied", "The sender may not revoke."),
            Self::ForeignIssuer => {
                oauth_error(StatusCode::FORBIDDEN, "access_denied", "The user is one of another issuer.")
            }
            Self::ContentType | Self::Body(_) | Self::Document | Self::TwoSubjects | Self::Subject => {
                oauth_error(StatusCode::BAD_REQUEST, "invalid_request", "The request is malformed.")
            }
            Self::UnknownFormat | Self::Unmapped => oauth_error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "Subject identifiers of this format are not supported.",
            ),
            Self::UnknownSubject => oauth_error(StatusCode::NOT_FOUND, "unknown_user", "The user is unknown."),
            Self::CannotBeRevoked => {
                oauth_error(StatusCode::UNPROCESSABLE_ENTITY, "cannot_log_out", "The user cannot be logged out.")
            }
        }
    }
}
