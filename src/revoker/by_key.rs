//! Revocations by key: of one or many, with a date.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    clock::Timestamp,
    revocation::{Outcome, Revocation, RevocationKey, TokenIdentity},
    revoker::{Receipt, RevokeError, Revoked, Revoker, StoreUse, source::Attribution},
    store::StoreError,
    telemetry,
};

impl Revoker {
    /// Revokes all tokens that carry a key and were issued at or before an instant. A token that
    /// was issued later is not affected.
    ///
    /// An instant in the future counts as the latest issue time of a token that a verifier accepts
    /// now: now plus the [clock skew](crate::revocation::Retention::clock_skew), the leeway and
    /// `issuer_clock_ahead`. A wrong unit, or a date that somebody else has chosen, therefore
    /// rejects no login for longer than that. For the key of a session that no login uses again,
    /// [`Timestamp::MAX`] also covers tokens that are being issued at the moment.
    ///
    /// If the key is that of [one token](crate::revocation::KeyKind::is_of_one_token), the instant
    /// does not matter: the token is revoked whenever it was issued.
    ///
    /// The key is not compared with the issuers and claims of the verifier, because it is a hash.
    ///
    /// # Examples
    ///
    /// The password was changed in a database yesterday, and the application learns of it now:
    ///
    /// ```
    /// use tower_logout::{
    ///     Revoker, clock::Timestamp, revocation::RevocationKey, revoker::RevokeError,
    /// };
    ///
    /// async fn changed(revoker: &Revoker, user: &str, at: u64) -> Result<(), RevokeError> {
    ///     let user = RevocationKey::subject("https://matar.app", user);
    ///     revoker.revoke(user, Timestamp::from_unix_seconds(at)).await.map(drop)
    /// }
    /// ```
    pub async fn revoke(&self, key: RevocationKey, issued_through: Timestamp) -> Result<Receipt, RevokeError> {
        Ok(self.store(self.dated(key, issued_through)).await?)
    }

    /// Revokes all tokens that carry one of these keys and were issued up to now. The receipts are
    /// in the order of the keys.
    ///
    /// All of them are sent to the store at once: a thousand sessions are one round trip to Redis
    /// or PostgreSQL.
    ///
    /// # Errors
    ///
    /// The [errors](Self#errors) of all methods. Any of the keys may be revoked then; it is safe to
    /// retry with all of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_logout::{Revoker, revocation::RevocationKey, revoker::RevokeError};
    ///
    /// async fn end(revoker: &Revoker, sessions: &[String]) -> Result<(), RevokeError> {
    ///     let key = |session: &String| RevocationKey::session("https://matar.app", session);
    ///     revoker.revoke_all(sessions.iter().map(key)).await.map(drop)
    /// }
    /// ```
    pub async fn revoke_all(&self, keys: impl IntoIterator<Item = RevocationKey>) -> Result<Vec<Receipt>, RevokeError> {
        let now = self.now();
        let revocations: Vec<_> = keys.into_iter().map(|key| self.dated(key, now)).collect();
        Ok(self.store_all(revocations).await?)
    }

    /// Revokes all tokens that carry one of these keys and were issued up to the instant beside it.
    #[cfg(feature = "receivers")]
    pub(crate) async fn all_issued_through(
        &self,
        revocations: impl IntoIterator<Item = (RevocationKey, Timestamp)>,
    ) -> Result<(), StoreError> {
        let revocations = revocations.into_iter().map(|(key, instant)| self.dated(key, instant)).collect();
        self.store_all(revocations).await.map(drop)
    }

    /// Revokes all tokens that carry a key and were issued up to now, or up to the issue time of
    /// the given token if that is later.
    pub(crate) async fn issued_with(&self, key: RevocationKey, token: &TokenIdentity) -> Result<Receipt, StoreError> {
        let instant = self.now().max(token.issued_at());
        self.store(Revocation::new(key, instant, self.retention.of_issued_through(instant))).await
    }

    pub(crate) async fn own_key_of(&self, token: &TokenIdentity) -> Result<Receipt, StoreError> {
        self.store(Revocation::of_token(token)).await
    }

    /// Returns the revocation of a key. An instant that no token can have yet becomes the latest
    /// one that a token can have; a single token is revoked whenever it was issued.
    pub(super) fn dated(&self, key: RevocationKey, instant: Timestamp) -> Revocation {
        let latest = self.retention.latest_present(self.now());
        if key.kind().is_of_one_token() {
            // The expiry of the token is unknown.
            return Revocation::new(key, Timestamp::MAX, self.retention.of_issued_through(latest));
        }
        let instant = instant.min(latest);
        Revocation::new(key, instant, self.retention.of_issued_through(instant))
    }

    pub(super) async fn store(&self, revocation: Revocation) -> Result<Receipt, StoreError> {
        match self.store.revoke(&revocation).await {
            Ok(outcome) => Ok(self.accepted(revocation, outcome)),
            Err(error) => Err(failed(error)),
        }
    }

    async fn store_all(&self, revocations: Vec<Revocation>) -> Result<Vec<Receipt>, StoreError> {
        let outcomes = self.store.revoke_all(&revocations).await.map_err(failed)?;
        if outcomes.len() != revocations.len() {
            return Err(failed(StoreError::new(
                "revoke",
                "`revoke_all` did not return one outcome for each revocation",
            )));
        }
        let accepted = revocations.into_iter().zip(outcomes);
        Ok(accepted.map(|(revocation, outcome)| self.accepted(revocation, outcome)).collect())
    }

    /// Reports a revocation that the store has accepted: to operators, and to the application.
    fn accepted(&self, revocation: Revocation, outcome: Outcome) -> Receipt {
        let Attribution { source, actor, reason } = &self.attribution;
        telemetry::revoked(&telemetry::Revoked {
            key: &revocation.key(),
            kind: revocation.key().kind().name(),
            issued_through: revocation.issued_through().as_unix_millis(),
            retain_until: revocation.retain_until().as_unix_millis(),
            outcome: outcome.name(),
            source: source.name(),
            actor: actor.as_deref(),
            reason: reason.as_deref(),
        });
        if let Some(StoreUse { is_asked, throttle }) = &self.store_use
            && !is_asked.load(Ordering::Relaxed)
            && (*self.store).is_private()
        {
            telemetry::revoked_in_vain(throttle);
        }
        if let Some(hook) = &self.hook {
            hook.notify(Revoked::new(revocation, outcome, self.attribution.clone()));
        }
        Receipt::new(revocation, outcome, Arc::clone(&self.clock))
    }
}

pub(super) fn failed(error: StoreError) -> StoreError {
    telemetry::store_failed(error.operation(), &error);
    error
}
