//! Reads the state of the store, and creates or repairs its layout.

use super::{
    connection::Connection,
    error::{RedisStoreError, Result},
    layout::new_epoch,
    loss::Observation,
    scripts::REPAIR,
    shared::Shared,
    state::{Condition, LOG_START, STATE_REPLIES, StoreState, request_state},
};

/// Whether the caller re-sends the revocations that a damaged store lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Resend {
    Yes,
    /// Only damage that does not concern revocations is then repaired.
    No,
}

impl Shared {
    /// Returns the latest observation of the store. The first call reads the store, and creates it
    /// if there is none.
    pub(super) async fn observation(&self, connection: &Connection) -> Result<Observation> {
        let latest = self.observed.latest();
        if !matches!(latest, Observation::None) {
            return Ok(latest);
        }
        let first = async {
            match self.repaired(connection, Resend::No).await {
                Ok(state) => self.observed.advance(state.log_end()),
                // The store can still be read.
                Err(RedisStoreError::OutOfMemory(_)) => self.observed.found_empty(),
                Err(error) => return Err(error),
            }
            Ok(self.observed.latest())
        };
        // Boxed because it runs only once, so that the future of a check stays small.
        connection.invalidate_on_error(Box::pin(first).await)
    }

    /// Returns the state of the store, which is created or repaired first, as far as `resend`
    /// allows.
    pub(super) async fn repaired(&self, connection: &Connection, resend: Resend) -> Result<StoreState> {
        let (state, condition) = self.state(connection).await?;
        if condition == Condition::Complete {
            return Ok(state);
        }
        let resend = if resend == Resend::Yes { b"1" } else { b"0" };
        connection.run(&REPAIR, &self.layout.names(), &[new_epoch()?.as_bytes(), resend]).await?;
        match self.state(connection).await? {
            (state, Condition::Complete) => Ok(state),
            (_, Condition::Damaged(part)) => Err(RedisStoreError::Damaged { part }),
            (_, Condition::Empty) => Err(RedisStoreError::Damaged { part: "everything" }),
        }
    }

    pub(super) async fn state(&self, connection: &Connection) -> Result<(StoreState, Condition)> {
        // Repeated if another client has written in between. The caller limits the time.
        loop {
            let mut request = redis::pipe();
            request_state(&mut request, &self.layout, LOG_START);
            let replies = connection.send_all::<STATE_REPLIES>(&request).await?;
            let (state, is_consistent) = StoreState::from_replies(replies, &self.layout)?;
            if is_consistent {
                let condition = state.condition()?;
                return Ok((state, condition));
            }
        }
    }
}
