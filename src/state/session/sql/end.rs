use std::time::SystemTime;

use super::create::oldest_first;
use super::statements::{END, END_ALL, LIVE_OF_SUBJECT, REMOVE_ENDED, SUPERSEDE};
use crate::state::session::Session;
use crate::state::sql::dialect::{Dialect, Lock};
use crate::state::sql::operation::{Operation, begin};

/// Finds the live sessions of a subject.
pub(super) struct OfSubject<'o> {
    pub(super) subject: &'o str,
    pub(super) now: SystemTime,
}

impl<D: Dialect> Operation<D> for OfSubject<'_> {
    type Answer = Vec<Session>;

    async fn run(&self, connection: &mut D::Connection) -> Result<Vec<Session>, sqlx::Error> {
        D::rows(connection, LIVE_OF_SUBJECT, &[self.subject.into(), self.now.into()]).await
    }
}

/// Ends one session.
pub(super) struct End<'o> {
    pub(super) id: &'o str,
    pub(super) subject: Option<&'o str>,
}

impl<D: Dialect> Operation<D> for End<'_> {
    type Answer = Option<Session>;

    async fn run(&self, connection: &mut D::Connection) -> Result<Option<Session>, sqlx::Error> {
        let values = [self.id.into(), self.subject.into()];
        Ok(D::rows(connection, END, &values).await?.pop())
    }
}

/// Ends all sessions of a subject but one.
pub(super) struct EndAll<'o> {
    pub(super) subject: &'o str,
    pub(super) except: Option<&'o str>,
    pub(super) now: SystemTime,
}

impl<D: Dialect> Operation<D> for EndAll<'_> {
    type Answer = Vec<Session>;

    async fn run(&self, connection: &mut D::Connection) -> Result<Vec<Session>, sqlx::Error> {
        let subject = self.subject.into();
        let mut transaction = begin::<D>(connection).await?;
        // A sign-in that is being stored is stored before, and ends, or is refused.
        D::lock(&mut transaction, Lock::Subject(self.subject)).await?;
        D::execute(&mut transaction, SUPERSEDE, &[subject, self.now.into()]).await?;
        let values = [subject, self.except.into()];
        let mut ended = D::rows(&mut transaction, END_ALL, &values).await?;
        transaction.commit().await?;
        oldest_first(&mut ended);
        Ok(ended)
    }
}

/// Removes sessions that have ended.
pub(super) struct Remove<'o> {
    pub(super) ids: Vec<&'o str>,
}

impl<'o> Remove<'o> {
    pub(super) fn new(ids: &[&'o str]) -> Self {
        // All transactions lock rows in the same order.
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        Self { ids }
    }
}

impl<D: Dialect> Operation<D> for Remove<'_> {
    type Answer = ();

    async fn run(&self, connection: &mut D::Connection) -> Result<(), sqlx::Error> {
        if let [id] = self.ids[..] {
            D::execute(connection, REMOVE_ENDED, &[id.into()]).await?;
            return Ok(());
        }
        // Many of them take more than one call may: what is removed stays removed, and the next sweep goes on.
        for ids in self.ids.chunks(AT_ONCE) {
            let mut transaction = begin::<D>(connection).await?;
            for id in ids {
                D::execute(&mut transaction, REMOVE_ENDED, &[(*id).into()]).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}

/// The number of sessions that one transaction removes.
const AT_ONCE: usize = 100;
