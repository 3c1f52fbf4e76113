//! Revocations by what tokens say: by token, session, subject, client, issuer or claim.

use crate::{
    clock::Timestamp,
    revocation::{KeyKind, RevocationKey, TokenIdentity},
    revoker::{Receipt, RevokeError, Revoker},
};

impl Revoker {
    /// Revokes one token.
    pub async fn token(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        Ok(self.own_key_of(token).await?)
    }

    /// Revokes one token, identified by its issuer and its identifier (`jti`).
    ///
    /// The expiry of the token is unknown, so the revocation is retained for the maximum lifetime
    /// of a token that is issued now.
    pub async fn token_id<'a>(&self, issuer: impl Into<Option<&'a str>>, jti: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the token identifier (`jti`)", jti, issuer.into())?;
        Ok(self.store(self.dated(RevocationKey::token_id(issuer, jti), Timestamp::MAX)).await?)
    }

    /// Revokes all tokens of a session: the value of `sid`, or of the claim that the verifier's
    /// `session_claim` names.
    pub async fn session<'a>(&self, issuer: impl Into<Option<&'a str>>, sid: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the session (`sid`)", sid, issuer.into())?;
        self.issued_until_now(RevocationKey::session(issuer, sid)).await
    }

    /// Revokes all tokens of the session that a token belongs to, including those issued up to the
    /// issue time of the token.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSession`] if the token has no `sid`, and the [errors](Self#errors) of all
    /// methods.
    pub async fn session_of(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        let key = token.key(KeyKind::Session).ok_or(RevokeError::NoSession)?;
        Ok(self.issued_with(key, token).await?)
    }

    /// Revokes all tokens of a subject: logs the user out everywhere. `sub` is the value of that
    /// claim, or of the claim that the verifier's `subject_claim` names.
    pub async fn subject<'a>(&self, issuer: impl Into<Option<&'a str>>, sub: &str) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the subject (`sub`)", sub, issuer.into())?;
        self.issued_until_now(RevocationKey::subject(issuer, sub)).await
    }

    /// Revokes all tokens of a subject (`sub`) of the only issuer that the verifier accepts: logs
    /// the user out everywhere.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSingleIssuer`] if the verifier accepts any issuer or several, and the
    /// [errors](Self#errors) of all methods.
    pub async fn user(&self, sub: &str) -> Result<Receipt, RevokeError> {
        let revocable = (self.revocable)();
        match revocable.issuers().unwrap_or_default() {
            [issuer] => self.subject(issuer.as_str(), sub).await,
            known => Err(RevokeError::NoSingleIssuer { known: known.to_vec() }),
        }
    }

    /// Revokes all tokens of the subject of a token, including those issued up to the issue time of
    /// the token.
    ///
    /// # Errors
    ///
    /// [`RevokeError::NoSubject`] if the token has no `sub`, and the [errors](Self#errors) of all
    /// methods.
    pub async fn subject_of(&self, token: &TokenIdentity) -> Result<Receipt, RevokeError> {
        let key = token.key(KeyKind::Subject).ok_or(RevokeError::NoSubject)?;
        Ok(self.issued_with(key, token).await?)
    }

    /// Revokes all tokens of a client (`client_id` or `azp`).
    pub async fn client<'a>(
        &self,
        issuer: impl Into<Option<&'a str>>,
        client_id: &str,
    ) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the client (`client_id`)", client_id, issuer.into())?;
        self.issued_until_now(RevocationKey::client(issuer, client_id)).await
    }

    /// Revokes all tokens of an issuer (`iss`).
    pub async fn issuer(&self, issuer: &str) -> Result<Receipt, RevokeError> {
        self.check_issuer(Some(issuer))?;
        self.issued_until_now(RevocationKey::issuer(issuer)).await
    }

    /// Revokes all tokens.
    pub async fn everything(&self) -> Result<Receipt, RevokeError> {
        self.issued_until_now(RevocationKey::everything()).await
    }

    /// Revokes all tokens in which an application-defined claim has this value.
    ///
    /// The claim must be revocable: see `JwtVerifierBuilder::revocable_claim`. Pass integers in
    /// decimal, and booleans as `true` or `false`.
    pub async fn claim<'a>(
        &self,
        issuer: impl Into<Option<&'a str>>,
        name: &str,
        value: &str,
    ) -> Result<Receipt, RevokeError> {
        let issuer = self.issuer_of("the claim's name", name, issuer.into())?;
        if let Some(known) = (self.revocable)().lacks_claim(name) {
            return Err(RevokeError::UnknownClaim { known: known.to_vec() });
        }
        self.issued_until_now(RevocationKey::claim(issuer, name, value)).await
    }

    /// Checks the issuer, and the name of a token, session or similar (`what`). Returns the issuer.
    fn issuer_of<'a>(
        &self,
        what: &'static str,
        name: &str,
        issuer: Option<&'a str>,
    ) -> Result<Option<&'a str>, RevokeError> {
        if name.is_empty() {
            return Err(RevokeError::Empty(what));
        }
        self.check_issuer(issuer)?;
        Ok(issuer)
    }

    fn check_issuer(&self, issuer: Option<&str>) -> Result<(), RevokeError> {
        if issuer == Some("") {
            return Err(RevokeError::Empty("the issuer (`iss`)"));
        }
        match (self.revocable)().lacks_issuer(issuer) {
            Some(known) => Err(RevokeError::UnknownIssuer { known: known.to_vec() }),
            None => Ok(()),
        }
    }

    async fn issued_until_now(&self, key: RevocationKey) -> Result<Receipt, RevokeError> {
        Ok(self.store(self.dated(key, self.now())).await?)
    }
}
