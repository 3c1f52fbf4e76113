//! [`Refused`]: why a logout token is not accepted.

use crate::{endpoint::body::Unreadable, token::jwt::InvalidToken};

/// The reason why a request is answered with 400. The sender is not told which one it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the media type of the request is not `application/x-www-form-urlencoded`")]
    ContentType,
    #[error("the body is too long, was interrupted, or did not arrive in time")]
    Body(Unreadable),
    #[error("the form does not have exactly one parameter `logout_token`")]
    Parameter,
    #[error("the logout token is encrypted")]
    Encrypted,
    #[error("the logout token could not be decrypted")]
    Undecryptable,
    #[error("the logout token is not encrypted")]
    NotEncrypted,
    #[error("the logout token is not signed by the issuer, or is of another type")]
    Token(#[source] InvalidToken),
    #[error("the claims do not have the form of a logout token")]
    Claims,
    #[error("the issuer (`iss`) of the logout token is not the one whose key has signed it")]
    Issuer,
    #[error("the audience (`aud`) of the logout token, or its authorized party (`azp`), is another client")]
    Audience,
    #[error("the algorithm of the signature is not one of those set for the client")]
    Algorithm,
    #[error("the token has a `nonce`, so it is no logout token")]
    Nonce,
    #[error("the event is no logout")]
    Event,
    #[error("the logout token has no `exp`")]
    NoExpiry,
    #[error("the logout token has expired (`exp`)")]
    Expired,
    #[error("the logout token was issued too long ago (`iat`)")]
    TooOld,
    #[error("the logout token is not valid yet (`iat` or `nbf`)")]
    NotYetValid,
    #[error("a claim of the logout token is empty: `iss`, `jti`, `sid` or `sub`")]
    Empty,
    #[error("the logout token names neither a session (`sid`) nor a subject (`sub`)")]
    NoName,
    #[error("the logout token lacks the claim by which the tokens of the issuer are revoked")]
    NoSubject,
}

impl Refused {
    /// The name of the reason in events.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::ContentType => "content_type",
            Self::Body(_) => "body",
            Self::Parameter => "parameter",
            Self::Encrypted => "encrypted",
            Self::Undecryptable => "undecryptable",
            Self::NotEncrypted => "not_encrypted",
            Self::Token(reason) => reason.code(),
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Algorithm => "algorithm_not_allowed",
            Self::Nonce => "nonce",
            Self::Event => "event",
            Self::NoExpiry => "no_exp",
            Self::Expired => "expired",
            Self::TooOld => "too_old",
            Self::NotYetValid => "not_yet_valid",
            Self::Empty => "empty",
            Self::NoName => "no_name",
            Self::NoSubject => "no_sub",
        }
    }

    /// What to change, if only the configuration refuses the token.
    ///
    /// Such a token is authentic, with exceptions that are detected before the signature is checked:
    /// an encrypted one, an algorithm that the verifier does not allow, and, if there are several
    /// issuers, an unknown one.
    pub(super) const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::Encrypted => {
                "register the client without `id_token_encrypted_response_alg` at the provider, or set decrypt()"
            }
            Self::NotEncrypted => "have the provider encrypt logout tokens, or set allow_unencrypted()",
            Self::Token(InvalidToken::AlgorithmNotAllowed) => {
                "allow the algorithm in algorithms() of the verifier, or set algorithms_of() for the client"
            }
            Self::Token(InvalidToken::Issuer) | Self::Issuer => {
                "name the issuer at the verifier exactly as the provider writes it in `iss`, including a trailing slash"
            }
            Self::Audience => "add the client identifier with client(), if the client belongs to this service",
            Self::Algorithm => "add the algorithm with algorithms_of(), if the provider signs with it for the client",
            Self::NoExpiry => "set allow_missing_expiry(): the provider follows an older draft",
            Self::TooOld => "check the clocks, or raise max_age() if the provider delivers late",
            Self::NoSubject => {
                "the logout token must contain the claim that names the subject in access tokens (`sub`, or that of \
                 subject_claim()), or a `sid` that access tokens have, too: see the settings of the provider"
            }
            Self::ContentType
            | Self::Body(_)
            | Self::Parameter
            | Self::Undecryptable
            | Self::Token(_)
            | Self::Claims
            | Self::Nonce
            | Self::Event
            | Self::Expired
            | Self::NotYetValid
            | Self::Empty
            | Self::NoName => return None,
        })
    }
}
