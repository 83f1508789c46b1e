use super::statements::{END_OLDEST, INSERT, IS_SUPERSEDED};
use crate::state::session::{CreationOutcome, NewSession, Session};
use crate::state::sql::dialect::{Dialect, Lock};
use crate::state::sql::operation::{Operation, begin};
use crate::state::sql::value::Value;

impl<D: Dialect> Operation<D> for NewSession {
    type Answer = CreationOutcome;

    async fn run(&self, connection: &mut D::Connection) -> Result<CreationOutcome, sqlx::Error> {
        let session = &self.session;
        let subject = Value::from(session.subject.as_str());
        let mut transaction = begin::<D>(connection).await?;
        // Of two sign-ins at once, the second counts the first; and none gets past `EndAll`.
        D::lock(&mut transaction, Lock::Subject(&session.subject)).await?;
        let began = self.signed_in_at.into();
        if D::number(&mut transaction, IS_SUPERSEDED, &[subject, began]).await?.is_some() {
            transaction.rollback().await?;
            return Ok(CreationOutcome::Superseded);
        }
        let mut ended = Vec::new();
        if let Some(max) = self.max_per_subject {
            let others = i64::try_from(max.max(1) - 1).unwrap_or(i64::MAX);
            let (now, id) = (session.created_at.into(), session.id.as_str().into());
            let values = [subject, now, id, Value::Number(others)];
            ended = D::rows(&mut transaction, END_OLDEST, &values).await?;
        }
        D::execute(&mut transaction, INSERT, &values_of(session)).await?;
        transaction.commit().await?;
        oldest_first(&mut ended);
        Ok(CreationOutcome::Created { ended })
    }
}

fn values_of(session: &Session) -> [Value<'_>; 11] {
    [
        session.id.as_str().into(),
        session.subject.as_str().into(),
        session.client_id.as_deref().into(),
        session.device.as_deref().into(),
        session.created_at.into(),
        session.last_seen.into(),
        session.idle_until.into(),
        session.expires_at.into(),
        session.current.into(),
        session.previous.into(),
        session.due().into(),
    ]
}

/// Sorts what a statement returned that changed it, in no order.
pub(super) fn oldest_first(sessions: &mut [Session]) {
    sessions.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
}
