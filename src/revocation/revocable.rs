/// What the tokens that a verifier accepts can be revoked by, as far as its configuration says.
///
/// A [`Revoker`](crate::Revoker) refuses to revoke by an issuer or a claim that no such token has: it would look like a
/// success, and end nothing. By default neither is known, and neither is checked.
///
/// # Examples
///
/// ```
/// use tower_logout::revocation::Revocable;
///
/// // Tokens of one issuer, of which none has a key of `RevocationKey::claim`.
/// let revocable = Revocable::unknown().issuers(["https://matar.app"]).claims([] as [&str; 0]);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Revocable {
    issuers: Option<Vec<String>>,
    claims: Option<Vec<String>>,
}

impl Revocable {
    /// Says nothing: tokens may be of any issuer and have keys of any claim.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Sets the issuers. Each token is of one of them; without any, no token has an issuer.
    #[must_use]
    pub fn issuers(self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { issuers: Some(issuers.into_iter().map(Into::into).collect()), ..self }
    }

    /// Sets the names of the claims that tokens have a key of: see [`RevocationKey::claim`](crate::RevocationKey::claim).
    #[must_use]
    pub fn claims(self, claims: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { claims: Some(claims.into_iter().map(Into::into).collect()), ..self }
    }

    /// Combines what tokens of two verifiers can be revoked by. What one of them does not know is not known.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { issuers: join(self.issuers, other.issuers), claims: join(self.claims, other.claims) }
    }

    /// The issuers that are known if no token is of this one (`None`: of none at all).
    pub(crate) fn lacks_issuer(&self, issuer: Option<&str>) -> Option<&[String]> {
        let known = self.issuers.as_deref()?;
        let accepted = match issuer {
            Some(issuer) => known.iter().any(|known| known == issuer),
            None => known.is_empty(),
        };
        (!accepted).then_some(known)
    }

    /// The claims that are known if no token has a key of this one.
    pub(crate) fn lacks_claim(&self, name: &str) -> Option<&[String]> {
        let known = self.claims.as_deref()?;
        (!known.iter().any(|known| known == name)).then_some(known)
    }

    /// All issuers, as far as they are known.
    pub(crate) fn known_issuers(&self) -> &[String] {
        self.issuers.as_deref().unwrap_or_default()
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
