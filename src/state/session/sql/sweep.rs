//! Removes what has expired, in small transactions.
//!
//! A session is looked at when it was due as it was stored (`check_at`), as in `MemorySessions`: one that was
//! refreshed since is put off. So a refresh changes no index.

use std::time::SystemTime;

use super::statements::{FORGET_SUPERSEDED, SOME_ENDED};
use super::tables::SessionTables;
use crate::state::session::{SUPERSEDED_FOR, Session};
use crate::state::sql::operation::Operation;
use crate::state::sql::value::Value;

/// Finds some sessions that have ended.
pub(super) struct SomeEnded;

impl<D: SessionTables> Operation<D> for SomeEnded {
    type Answer = Vec<Session>;

    async fn run(&self, connection: &mut D::Connection) -> Result<Vec<Session>, sqlx::Error> {
        D::rows(connection, SOME_ENDED, &[Value::Number(BATCH)]).await
    }
}

/// Removes sessions that have expired.
pub(super) struct Sweep {
    pub(super) now: SystemTime,
}

impl<D: SessionTables> Operation<D> for Sweep {
    /// Whether there may be more.
    type Answer = bool;

    async fn run(&self, connection: &mut D::Connection) -> Result<bool, sqlx::Error> {
        let now = Value::from(self.now);
        let values = [now, Value::Number(BATCH)];
        let removed = D::execute(connection, D::REMOVE_EXPIRED, &values).await?;
        let put_off = D::execute(connection, D::PUT_OFF, &values).await?;
        if let Some(forgotten) = self.now.checked_sub(SUPERSEDED_FOR) {
            D::execute(connection, FORGET_SUPERSEDED, &[forgotten.into()]).await?;
        }
        // A full batch is either removed or put off as a whole.
        Ok(removed + put_off >= BATCH.unsigned_abs())
    }
}

/// The number of sessions that one transaction removes, so that requests do not wait for it.
pub(super) const BATCH: i64 = 1_000;
