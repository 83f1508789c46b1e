use super::statements::{ROTATE_CURRENT, WRITE_ENDED, WRITE_REPEATED, WRITE_ROTATED};
use super::tables::SessionTables;
use crate::state::session::{Rotation, RotationOutcome, RotationVerdict};
use crate::state::sql::dialect::Trouble;
use crate::state::sql::operation::{Operation, begin};
use crate::state::sql::value::Value;

impl<D: SessionTables> Operation<D> for Rotation<'_> {
    type Answer = RotationOutcome;

    async fn run(&self, connection: &mut D::Connection) -> Result<RotationOutcome, sqlx::Error> {
        let values: [Value<'_>; 6] = [
            self.id.into(),
            self.presented.into(),
            self.next.into(),
            self.client_id.into(),
            self.now.into(),
            self.idle_until.into(),
        ];
        match D::rows(connection, ROTATE_CURRENT, &values).await {
            Ok(mut rotated) => {
                if let Some(session) = rotated.pop() {
                    return Ok(RotationOutcome::Rotated(session));
                }
            }
            // An application's pool may begin transactions of a stricter kind.
            Err(error) if D::trouble(&error) == Trouble::Conflict => {}
            Err(error) => return Err(error),
        }
        decide::<D>(self, connection).await
    }
}

/// Decides by the row: for tokens that were exchanged before, and for whatever is not exchanged.
async fn decide<D: SessionTables>(
    rotation: &Rotation<'_>,
    connection: &mut D::Connection,
) -> Result<RotationOutcome, sqlx::Error> {
    let mut transaction = begin::<D>(connection).await?;
    let found = D::rows(&mut transaction, D::FIND_TO_CHANGE, &[rotation.id.into()]).await?;
    let Some(mut session) = found.into_iter().next() else {
        transaction.rollback().await?;
        return Ok(RotationOutcome::Unknown);
    };
    let verdict = rotation.apply(&mut session);
    let id = Value::from(rotation.id);
    let (seen, idle) = (session.last_seen.into(), session.idle_until.into());
    match verdict {
        RotationVerdict::Rotated => {
            let values = [id, seen, idle, session.current.into(), session.previous.into()];
            D::execute(&mut transaction, WRITE_ROTATED, &values).await?;
        }
        RotationVerdict::Repeated => {
            D::execute(&mut transaction, WRITE_REPEATED, &[id, seen, idle]).await?;
        }
        RotationVerdict::Reused => {
            D::execute(&mut transaction, WRITE_ENDED, &[id]).await?;
        }
        RotationVerdict::Ended | RotationVerdict::Expired | RotationVerdict::WrongClient => {}
    }
    transaction.commit().await?;
    Ok(verdict.of(session))
}
