use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use super::{CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore, Swept};
use crate::error::SessionsUnavailable;

/// A [`SessionStore`] that is chosen at run time. Cloning is cheap.
///
/// ```
/// use tower_bearer::session::{BoxSessionStore, MemorySessions};
///
/// let store = BoxSessionStore::new(MemorySessions::new());
/// ```
#[derive(Clone)]
pub struct BoxSessionStore(Arc<dyn Erased>);

impl BoxSessionStore {
    /// Puts a store behind a pointer.
    pub fn new(store: impl SessionStore) -> Self {
        Self(Arc::new(store))
    }
}

impl SessionStore for BoxSessionStore {
    async fn create(&self, new: NewSession) -> Result<CreationOutcome, SessionsUnavailable> {
        self.0.create(new).await
    }

    async fn rotate(&self, rotation: Rotation<'_>) -> Result<RotationOutcome, SessionsUnavailable> {
        self.0.rotate(rotation).await
    }

    async fn of_subject(
        &self,
        subject: &str,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        self.0.of_subject(subject, now).await
    }

    async fn end(
        &self,
        id: &str,
        subject: Option<&str>,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        self.0.end(id, subject).await
    }

    async fn end_all(
        &self,
        subject: &str,
        except: Option<&str>,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        self.0.end_all(subject, except, now).await
    }

    async fn remove(&self, ids: &[&str]) -> Result<(), SessionsUnavailable> {
        self.0.remove(ids).await
    }

    async fn sweep(&self, now: SystemTime) -> Result<Swept, SessionsUnavailable> {
        self.0.sweep(now).await
    }
}

impl fmt::Debug for BoxSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxSessionStore").finish_non_exhaustive()
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionsUnavailable>> + Send + 'a>>;

/// Erases the type of a [`SessionStore`].
trait Erased: Send + Sync {
    fn create(&self, new: NewSession) -> Answer<'_, CreationOutcome>;
    fn rotate<'a>(&'a self, rotation: Rotation<'a>) -> Answer<'a, RotationOutcome>;
    fn of_subject<'a>(&'a self, subject: &'a str, now: SystemTime) -> Answer<'a, Vec<Session>>;
    fn end<'a>(&'a self, id: &'a str, subject: Option<&'a str>) -> Answer<'a, Option<Session>>;
    fn end_all<'a>(
        &'a self,
        subject: &'a str,
        except: Option<&'a str>,
        now: SystemTime,
    ) -> Answer<'a, Vec<Session>>;
    fn remove<'a>(&'a self, ids: &'a [&'a str]) -> Answer<'a, ()>;
    fn sweep(&self, now: SystemTime) -> Answer<'_, Swept>;
}

impl<S: SessionStore> Erased for S {
    fn create(&self, new: NewSession) -> Answer<'_, CreationOutcome> {
        Box::pin(SessionStore::create(self, new))
    }

    fn rotate<'a>(&'a self, rotation: Rotation<'a>) -> Answer<'a, RotationOutcome> {
        Box::pin(SessionStore::rotate(self, rotation))
    }

    fn of_subject<'a>(&'a self, subject: &'a str, now: SystemTime) -> Answer<'a, Vec<Session>> {
        Box::pin(SessionStore::of_subject(self, subject, now))
    }

    fn end<'a>(&'a self, id: &'a str, subject: Option<&'a str>) -> Answer<'a, Option<Session>> {
        Box::pin(SessionStore::end(self, id, subject))
    }

    fn end_all<'a>(
        &'a self,
        subject: &'a str,
        except: Option<&'a str>,
        now: SystemTime,
    ) -> Answer<'a, Vec<Session>> {
        Box::pin(SessionStore::end_all(self, subject, except, now))
    }

    fn remove<'a>(&'a self, ids: &'a [&'a str]) -> Answer<'a, ()> {
        Box::pin(SessionStore::remove(self, ids))
    }

    fn sweep(&self, now: SystemTime) -> Answer<'_, Swept> {
        Box::pin(SessionStore::sweep(self, now))
    }
}
