use crate::{chain::debug_as_chain, store::StoreError};

/// Error of a [`Revoker`](crate::Revoker): nothing was revoked, or it is not known whether anything
/// was.
///
/// The names in it are those of the verifier's configuration. What a caller asked for is never
/// quoted.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// No token that the verifier accepts is of this issuer, so the revocation would end nothing.
    #[error("no accepted token is of that issuer, so the revocation would end nothing. {}", remedy_for_issuer(known))]
    UnknownIssuer {
        /// The issuers that the verifier accepts.
        known: Vec<String>,
    },
    /// No token that the verifier accepts can be revoked by this claim, so the revocation would end
    /// nothing.
    #[error(
        "no token can be revoked by a claim of that name, so the revocation would end nothing. {}",
        remedy_for_claim(known)
    )]
    UnknownClaim {
        /// The names of the claims that tokens can be revoked by.
        known: Vec<String>,
    },
    /// A name is the empty string, which no token can be revoked by.
    #[error("{0} is empty, so the revocation would end nothing: is a column or an environment variable unset?")]
    Empty(&'static str),
    /// The verifier accepts any issuer or several, so that a subject alone does not say whose it
    /// is.
    #[error("{}", remedy_for_user(known))]
    NoSingleIssuer {
        /// The issuers that the verifier accepts.
        known: Vec<String>,
    },
    /// The token has no subject (`sub`) whose tokens could be revoked.
    #[error(
        "the token has no subject (`sub`): have the issuer set it, or revoke the token alone with `Revoker::token`"
    )]
    NoSubject,
    /// The token has no session (`sid`) whose tokens could be revoked.
    #[error(
        "the token has no session (`sid`): have the issuer set it, or revoke the token alone with `Revoker::token`"
    )]
    NoSession,
    /// The store could not take the revocation, or did not say that it has. It may be tried again:
    /// revocations join.
    #[error(transparent)]
    Store(#[from] StoreError),
}

debug_as_chain!(RevokeError);

fn remedy_for_issuer(known: &[String]) -> String {
    match known {
        [] => "The verifier's tokens have no issuer: pass `None`".to_owned(),
        known => format!(
            "The verifier accepts {}: pass one of these, letter by letter (a `/` at the end counts), or revoke by the \
             layer whose verifier accepts the issuer",
            list(known)
        ),
    }
}

fn remedy_for_claim(known: &[String]) -> String {
    let registered =
        "`sub`, `sid`, `client_id`, `azp`, `iss` and `jti` have methods of their own, such as `Revoker::subject`";
    match known {
        [] => format!(
            "The verifier has no such claims: name one with `JwtVerifierBuilder::revocable_claim`; {registered}"
        ),
        known => format!(
            "The verifier has {}: pass one of these, or add the name with `JwtVerifierBuilder::revocable_claim`; {registered}",
            list(known)
        ),
    }
}

fn remedy_for_user(known: &[String]) -> String {
    match known {
        [] => "it is not known whose subject that is, as the verifier names no issuer: name one with \
               `JwtVerifierBuilder::issuer`, or use `Revoker::subject`"
            .to_owned(),
        known => format!(
            "it is not known whose subject that is, as the verifier accepts several issuers, {}: use `Revoker::subject` with one \
             of these",
            list(known)
        ),
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
