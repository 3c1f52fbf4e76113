use crate::{chain::debug_as_chain, store::StoreError};

/// Error of a [`Revoker`](crate::Revoker): nothing was revoked or, with [`Store`](Self::Store), the
/// outcome of a revocation, or the answer to a question, is unknown.
///
/// It contains names of the verifier's configuration, but never the caller's arguments.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// No token that the verifier accepts has this issuer, so the revocation would have no effect.
    #[error("no accepted token has that issuer, so the revocation would have no effect. {}", remedy_for_issuer(known))]
    UnknownIssuer {
        /// The issuers that the verifier accepts.
        known: Vec<String>,
    },
    /// No token that the verifier accepts can be revoked by this claim, so the revocation would
    /// have no effect.
    #[error(
        "no token can be revoked by a claim of that name, so the revocation would have no effect. {}",
        remedy_for_claim(known)
    )]
    UnknownClaim {
        /// The names of the claims that tokens can be revoked by.
        known: Vec<String>,
    },
    /// A name is empty, and no token can be revoked by an empty name.
    #[error("{0} is empty, so the revocation would have no effect: is a column or an environment variable unset?")]
    Empty(&'static str),
    /// The verifier accepts any issuer or several, so a subject without an issuer is ambiguous.
    #[error("{}", remedy_for_user(known))]
    NoSingleIssuer {
        /// The issuers that the verifier accepts.
        known: Vec<String>,
    },
    /// The token has no subject (`sub`) whose tokens could be revoked.
    #[error(
        "the token has no subject (`sub`, or the claim of `subject_claim()`): have the issuer set it, or revoke the token \
         alone with `Revoker::token`"
    )]
    NoSubject,
    /// The token has no session (`sid`) whose tokens could be revoked.
    #[error(
        "the token has no session (`sid`, or the claim of `session_claim()`): have the issuer set it, or revoke the token \
         alone with `Revoker::token`"
    )]
    NoSession,
    /// The store failed or did not answer, so it is unknown whether the revocation is stored, or
    /// whether there is one. It is safe to retry.
    #[error(transparent)]
    Store(#[from] StoreError),
}

debug_as_chain!(RevokeError);

fn remedy_for_issuer(known: &[String]) -> String {
    match known {
        [] => "Tokens of the verifier have no issuer: pass `None`".to_owned(),
        known => format!(
            "The verifier accepts {}: pass one of these exactly, including a trailing `/`, or use the revoker of the \
             `Logout` whose verifier accepts the issuer",
            list(known)
        ),
    }
}

fn remedy_for_claim(known: &[String]) -> String {
    let registered =
        "`sub`, `sid`, `client_id`, `azp`, `iss` and `jti` have methods of their own, such as `Revoker::subject`";
    match known {
        [] => format!(
            "The verifier has no revocable claims: add one with `JwtVerifierBuilder::revocable_claim`; {registered}"
        ),
        known => format!(
            "The verifier has {}: pass one of these, or add the name with `JwtVerifierBuilder::revocable_claim`; \
             {registered}",
            list(known)
        ),
    }
}

fn remedy_for_user(known: &[String]) -> String {
    match known {
        [] => "the subject is ambiguous, because the verifier accepts any issuer: set one with \
               `JwtVerifierBuilder::issuer`, or use `Revoker::subject`"
            .to_owned(),
        known => format!(
            "the subject is ambiguous, because the verifier accepts several issuers, {}: use `Revoker::subject` with \
             one of these",
            list(known)
        ),
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
