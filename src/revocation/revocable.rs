//! [`Revocable`]: by which issuers and claims tokens can be revoked.

/// The issuers and claims by which the tokens that a verifier accepts can be revoked.
///
/// A [`Revoker`](crate::Revoker) rejects a revocation by an issuer or a claim that no such token
/// has, because it would have no effect. By default neither is known, and neither is checked.
///
/// # Examples
///
/// ```
/// use tower_logout::revocation::Revocable;
///
/// // Tokens of one issuer, none of which carries a `RevocationKey::claim`.
/// let revocable =
///     Revocable::unknown().with_issuers(["https://matar.app"]).with_claims([] as [&str; 0]);
/// assert_eq!(revocable.issuers(), Some(&["https://matar.app".to_owned()][..]));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Revocable {
    issuers: Option<Vec<String>>,
    claims: Option<Vec<String>>,
}

impl Revocable {
    /// Nothing is known: tokens may be of any issuer and carry keys of any claim.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Sets the issuers. Every token is of one of them; if there are none, no token has an issuer.
    #[must_use]
    pub fn with_issuers(self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { issuers: Some(issuers.into_iter().map(Into::into).collect()), ..self }
    }

    /// Sets the names of the claims of which tokens carry a key:
    /// [`RevocationKey::claim`](crate::revocation::RevocationKey::claim).
    #[must_use]
    pub fn with_claims(self, claims: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { claims: Some(claims.into_iter().map(Into::into).collect()), ..self }
    }

    /// The issuers, or `None` if they are not known.
    #[must_use]
    pub fn issuers(&self) -> Option<&[String]> {
        self.issuers.as_deref()
    }

    /// The names of the claims of which tokens carry a key, or `None` if they are not known.
    #[must_use]
    pub fn claims(&self) -> Option<&[String]> {
        self.claims.as_deref()
    }

    /// Combines the issuers and claims of two verifiers. What one of them does not know is unknown.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { issuers: join(self.issuers, other.issuers), claims: join(self.claims, other.claims) }
    }

    /// The known issuers, if no token is of this one. An issuer of `None` means a token without
    /// one.
    pub(crate) fn lacks_issuer(&self, issuer: Option<&str>) -> Option<&[String]> {
        let known = self.issuers()?;
        let accepted = match issuer {
            Some(issuer) => known.iter().any(|known| known == issuer),
            None => known.is_empty(),
        };
        (!accepted).then_some(known)
    }

    /// The known claims, if no token carries a key of this one.
    pub(crate) fn lacks_claim(&self, name: &str) -> Option<&[String]> {
        let known = self.claims()?;
        (!known.iter().any(|known| known == name)).then_some(known)
    }
}

fn join(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    let (mut all, other) = (one?, other?);
    for name in other {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Some(all)
}
