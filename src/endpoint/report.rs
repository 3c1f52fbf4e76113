//! [`Reports`]: what messages from outside report is revoked, once and durably.

use tokio::time::{Instant, timeout_at};

use crate::{clock::Timestamp, revocation::RevocationKey, revoker::Revoker, store::StoreError, telemetry};

/// What a message reports.
#[derive(Debug)]
pub(super) struct Report {
    /// Identifies the message, and until when it must be remembered, if it can come again.
    pub(super) message: Option<(RevocationKey, Timestamp)>,
    /// The keys, each with the issue time up to which its tokens are revoked. The times were
    /// determined after the message had arrived.
    pub(super) revocations: Vec<(RevocationKey, Timestamp)>,
}

/// Whether a message is new.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Taken {
    First,
    /// It was taken before, by this process or another one. Nothing was revoked.
    Again,
}

/// The store did not take the revocations, or may not have. The message can be delivered again.
#[derive(Debug)]
pub(super) struct NotTaken;

/// The credential has authenticated another message before. Nothing was revoked.
#[derive(Debug)]
pub(super) struct Spent;

/// Takes reports.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    pub(super) revoker: Revoker,
}

impl Reports {
    /// Revokes what the message reports, unless it was taken before, and then remembers it.
    ///
    /// Runs on a task of its own, so that a sender that disconnects leaves nothing half done. The
    /// message is remembered last, so that one that was taken in part can be delivered again. A
    /// repeat changes nothing once the first delivery has been answered: the instants of its
    /// revocations are earlier than the look-up, and therefore than that answer.
    pub(super) async fn take(&self, report: Report, deadline: Instant) -> Result<Taken, NotTaken> {
        let revoker = self.revoker.clone();
        complete(async move { revoke(&revoker, report).await }, deadline).await
    }

    /// Does the same for a message with a credential that authenticates no other one. The
    /// credential is remembered for as long as the message, and after it.
    pub(super) async fn take_with(
        &self,
        credential: RevocationKey,
        report: Report,
        deadline: Instant,
    ) -> Result<Result<Taken, Spent>, NotTaken> {
        let revoker = self.revoker.clone();
        let work = async move {
            let Some((message, until)) = report.message else { return Ok(Ok(revoke(&revoker, report).await?)) };
            let is_spent = revoker.remembers(credential).await?;
            if is_spent && !revoker.remembers(message).await? {
                return Ok(Err(Spent));
            }
            let taken = revoke(&revoker, report).await?;
            if !is_spent {
                revoker.remember(credential, until).await?;
            }
            Ok(Ok(taken))
        };
        complete(work, deadline).await
    }
}

/// Runs on a task of its own what a sender must not leave half done. Its error was reported.
pub(super) async fn complete<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    deadline: Instant,
) -> Result<T, NotTaken> {
    let error = match timeout_at(deadline, tokio::spawn(telemetry::in_span(work))).await {
        Ok(Ok(answer)) => return answer.map_err(|_| NotTaken),
        Ok(Err(panicked)) => StoreError::new("revoke", panicked),
        Err(late) => StoreError::new("revoke", late),
    };
    telemetry::store_failed(error.operation(), &error);
    Err(NotTaken)
}

async fn revoke(revoker: &Revoker, Report { message, revocations }: Report) -> Result<Taken, StoreError> {
    if let Some((message, _)) = message
        && revoker.remembers(message).await?
    {
        return Ok(Taken::Again);
    }
    revoker.all_issued_through(revocations).await?;
    if let Some((message, until)) = message {
        revoker.remember(message, until).await?;
    }
    Ok(Taken::First)
}
