//! [`Revocable`]: the issuers and claims that tokens can be revoked by.

/// The issuers and claims by which the tokens that a verifier accepts can be revoked.
///
/// A [`Revoker`](crate::Revoker) rejects a revocation by any other issuer or claim, because it
/// would have no effect. By default, neither is known nor checked.
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
    /// The claims that name the session of a token. Empty if they are unknown.
    session_claims: Vec<String>,
    /// The claims that name the subject of a token. Empty if they are unknown.
    subject_claims: Vec<String>,
}

impl Revocable {
    /// Creates a value without known issuers or claims: tokens may have any.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Sets the issuers. Every token has one of them; an empty list means that no token has an
    /// issuer.
    #[must_use]
    pub fn with_issuers(self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { issuers: Some(issuers.into_iter().map(Into::into).collect()), ..self }
    }

    /// Sets the names of the claims for which tokens carry a key: see
    /// [`RevocationKey::claim`](crate::revocation::RevocationKey::claim).
    #[must_use]
    pub fn with_claims(self, claims: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { claims: Some(claims.into_iter().map(Into::into).collect()), ..self }
    }

    /// Returns the issuers, or `None` if they are unknown.
    #[must_use]
    pub fn issuers(&self) -> Option<&[String]> {
        self.issuers.as_deref()
    }

    /// Returns the names of the claims for which tokens carry a key, or `None` if they are unknown.
    #[must_use]
    pub fn claims(&self) -> Option<&[String]> {
        self.claims.as_deref()
    }

    /// Combines the issuers and claims of two verifiers. What is unknown in one of them is unknown
    /// in the result.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            issuers: join(self.issuers, other.issuers),
            claims: join(self.claims, other.claims),
            session_claims: union(self.session_claims, other.session_claims),
            subject_claims: union(self.subject_claims, other.subject_claims),
        }
    }

    /// Sets the names of the claims that name the session and the subject of a token.
    #[cfg_attr(not(feature = "jwt"), expect(dead_code, reason = "only the JWT verifier knows them"))]
    pub(crate) fn with_identifiers<'a>(
        self,
        session: impl Iterator<Item = &'a str>,
        subject: impl Iterator<Item = &'a str>,
    ) -> Self {
        let named = |names: &mut dyn Iterator<Item = &'a str>| {
            names.fold(Vec::new(), |names, name| union(names, vec![name.to_owned()]))
        };
        Self { session_claims: named(&mut { session }), subject_claims: named(&mut { subject }), ..self }
    }

    /// The claim that names the session of a token, for messages. If issuers differ, all of them.
    pub(crate) fn session_claim(&self) -> String {
        if self.session_claims.is_empty() { "sid".to_owned() } else { self.session_claims.join(" or ") }
    }

    /// The claim that names the subject of a token, for messages. If issuers differ, all of them.
    pub(crate) fn subject_claim(&self) -> String {
        if self.subject_claims.is_empty() { "sub".to_owned() } else { self.subject_claims.join(" or ") }
    }

    /// Whether `sub` names the subject of tokens, at least of some issuers.
    #[cfg(feature = "receivers")]
    pub(crate) fn may_name_subject_by_sub(&self) -> bool {
        self.subject_claims.is_empty() || self.subject_claims.iter().any(|claim| claim == "sub")
    }

    /// Returns the known issuers if this one is not among them. `None` stands for tokens without an
    /// issuer.
    pub(crate) fn lacks_issuer(&self, issuer: Option<&str>) -> Option<&[String]> {
        let known = self.issuers()?;
        let accepted = match issuer {
            Some(issuer) => known.iter().any(|known| known == issuer),
            None => known.is_empty(),
        };
        (!accepted).then_some(known)
    }

    /// Returns the known claims if this one is not among them.
    pub(crate) fn lacks_claim(&self, name: &str) -> Option<&[String]> {
        let known = self.claims()?;
        (!known.iter().any(|known| known == name)).then_some(known)
    }
}

fn join(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    Some(union(one?, other?))
}

fn union(mut all: Vec<String>, other: Vec<String>) -> Vec<String> {
    for name in other {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
