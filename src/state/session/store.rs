use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Rotation, RotationOutcome, Session};
use crate::error::SessionsUnavailable;

/// A session to be stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The moment at which the sign-in began, before the password was read.
    pub signed_in_at: SystemTime,
    /// The number of live sessions that the subject may then have. The oldest give way.
    pub max_per_subject: Option<usize>,
}

impl NewSession {
    /// Creates the order to store a session.
    pub const fn new(
        session: Session,
        signed_in_at: SystemTime,
        max_per_subject: Option<usize>,
    ) -> Self {
        Self { session, signed_in_at, max_per_subject }
    }
}

/// The answer of [`SessionStore::create`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CreationOutcome {
    /// The session is stored. The sessions that gave way are marked as ended.
    Created {
        /// The sessions that gave way, oldest first.
        ended: Vec<Session>,
    },
    /// All sessions of the subject were ended after this sign-in began, so its password may be the old one.
    /// Nothing was stored.
    Superseded,
}

/// The answer of [`SessionStore::sweep`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Sessions that are marked as ended and were not removed.
    pub ended: Vec<Session>,
    /// Whether another sweep would find more to do, when `ended` has been removed.
    pub has_more: bool,
}

impl Swept {
    /// Creates the answer of a sweep.
    pub const fn new(ended: Vec<Session>, has_more: bool) -> Self {
        Self { ended, has_more }
    }
}

/// Stores sessions. [`MemorySessions`](super::MemorySessions) is a store.
///
/// Each call is atomic, also among several programs that share the store: of two at the same time, one comes after
/// the other. A call that fails may have happened all the same; every call can be repeated.
///
/// A store is asked about subjects of up to 1 KiB; [`Sessions`](crate::session::Sessions) refuse longer ones.
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a session, unless all sessions of its subject were ended at or after
    /// [`signed_in_at`](NewSession::signed_in_at), and marks the subject's oldest live sessions as ended while it
    /// has more than [`max_per_subject`](NewSession::max_per_subject). The new session is never among those.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when the session could not be stored.
    fn create(
        &self,
        new: NewSession,
    ) -> impl Future<Output = Result<CreationOutcome, SessionsUnavailable>> + Send;

    /// Exchanges a refresh token, by the rule of [`Rotation::apply`].
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when it is not known whether the token was exchanged. The client sends the same
    /// token again.
    fn rotate(
        &self,
        rotation: Rotation<'_>,
    ) -> impl Future<Output = Result<RotationOutcome, SessionsUnavailable>> + Send;

    /// Returns the live sessions of a subject, oldest first.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when the store does not answer.
    fn of_subject(
        &self,
        subject: &str,
        now: SystemTime,
    ) -> impl Future<Output = Result<Vec<Session>, SessionsUnavailable>> + Send;

    /// Marks a session as ended and returns it. `None` when there is none of this name, or it is not of this
    /// subject. A session that is marked already is returned again.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when it is not known whether the session has ended.
    fn end(
        &self,
        id: &str,
        subject: Option<&str>,
    ) -> impl Future<Output = Result<Option<Session>, SessionsUnavailable>> + Send;

    /// Marks all sessions of a subject but one as ended and returns them, with those that are marked already.
    ///
    /// Sign-ins that began at `now` or before are refused from then on; a store may forget that after
    /// fifteen minutes, because no sign-in takes longer than ten.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when it is not known whether all have ended.
    fn end_all(
        &self,
        subject: &str,
        except: Option<&str>,
        now: SystemTime,
    ) -> impl Future<Output = Result<Vec<Session>, SessionsUnavailable>> + Send;

    /// Removes sessions that are marked as ended, after their access tokens were revoked.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when some may still be there.
    fn remove(&self, ids: &[&str]) -> impl Future<Output = Result<(), SessionsUnavailable>> + Send;

    /// Removes sessions that have expired, and returns some that are marked as ended and were not removed. Called once
    /// a minute, and again while [`has_more`](Swept::has_more) says so. A step should take no longer than other calls can
    /// wait.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when the store does not answer.
    fn sweep(
        &self,
        now: SystemTime,
    ) -> impl Future<Output = Result<Swept, SessionsUnavailable>> + Send;
}

/// The longest subject in bytes, so that every database can have an index of subjects.
pub(crate) const MAX_SUBJECT: usize = 1024;

/// The longest time from the beginning of a sign-in to its session. Slower sign-ins are refused.
pub(crate) const MAX_SIGN_IN: Duration = Duration::from_secs(600);

/// The time for which a store remembers that all sessions of a subject were ended: longer than any sign-in, with the
/// time that storing takes and clocks that differ.
pub(crate) const SUPERSEDED_FOR: Duration = Duration::from_secs(900);

impl<S: SessionStore> SessionStore for Arc<S> {
    fn create(
        &self,
        new: NewSession,
    ) -> impl Future<Output = Result<CreationOutcome, SessionsUnavailable>> + Send {
        (**self).create(new)
    }

    fn rotate(
        &self,
        rotation: Rotation<'_>,
    ) -> impl Future<Output = Result<RotationOutcome, SessionsUnavailable>> + Send {
        (**self).rotate(rotation)
    }

    fn of_subject(
        &self,
        subject: &str,
        now: SystemTime,
    ) -> impl Future<Output = Result<Vec<Session>, SessionsUnavailable>> + Send {
        (**self).of_subject(subject, now)
    }

    fn end(
        &self,
        id: &str,
        subject: Option<&str>,
    ) -> impl Future<Output = Result<Option<Session>, SessionsUnavailable>> + Send {
        (**self).end(id, subject)
    }

    fn end_all(
        &self,
        subject: &str,
        except: Option<&str>,
        now: SystemTime,
    ) -> impl Future<Output = Result<Vec<Session>, SessionsUnavailable>> + Send {
        (**self).end_all(subject, except, now)
    }

    fn remove(&self, ids: &[&str]) -> impl Future<Output = Result<(), SessionsUnavailable>> + Send {
        (**self).remove(ids)
    }

    fn sweep(
        &self,
        now: SystemTime,
    ) -> impl Future<Output = Result<Swept, SessionsUnavailable>> + Send {
        (**self).sweep(now)
    }
}
