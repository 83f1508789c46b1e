//! Keeps sessions in memory, for one program and for tests.
//!
//! What expires is found without a look at the others: each session stands once in a heap, under the moment at which
//! it was due when it was put there. A refresh leaves the heap alone; a session that is met before it is due is put
//! back.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::store::SUPERSEDED_FOR;
use super::{CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore, Swept};
use crate::error::SessionsUnavailable;

/// Keeps sessions in memory. Clones share them.
///
/// They are lost when the program ends, so users then sign in again. For several programs, or to survive a restart,
/// take a store that a database keeps.
///
/// ```
/// use tower_bearer::session::MemorySessions;
///
/// let store = MemorySessions::new();
/// assert!(store.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct MemorySessions(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    by_id: HashMap<Arc<str>, Session>,
    /// The sessions of each subject, oldest first.
    by_subject: HashMap<Arc<str>, Vec<Arc<str>>>,
    ended: HashSet<Arc<str>>,
    due: BinaryHeap<Reverse<(SystemTime, Arc<str>)>>,
    /// The moments at which all sessions of a subject were ended.
    all_ended: HashMap<Box<str>, SystemTime>,
}

impl MemorySessions {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of sessions, with those that have expired or ended and are not removed yet.
    pub fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Returns whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn insert(&mut self, session: Session) {
        let id: Arc<str> = session.id.as_str().into();
        self.due.push(Reverse((session.due(), Arc::clone(&id))));
        match self.by_subject.get_mut(session.subject.as_str()) {
            Some(ids) => ids.push(Arc::clone(&id)),
            None => {
                self.by_subject.insert(session.subject.as_str().into(), vec![Arc::clone(&id)]);
            }
        }
        self.by_id.insert(id, session);
    }

    /// Removes sessions, and looks through the list of each subject once.
    fn remove<'i>(&mut self, ids: impl IntoIterator<Item = &'i str>) {
        let mut subjects = HashSet::new();
        for id in ids {
            if let Some(session) = self.by_id.remove(id) {
                self.ended.remove(id);
                subjects.insert(session.subject);
            }
        }
        for subject in subjects {
            let Some(ids) = self.by_subject.get_mut(subject.as_str()) else { continue };
            ids.retain(|id| self.by_id.contains_key(id));
            if ids.is_empty() {
                self.by_subject.remove(subject.as_str());
            }
        }
        // A session that ended early leaves its place in the heap.
        if self.due.len() > 2 * self.by_id.len() + MANY {
            self.due.retain(|Reverse((_, id))| self.by_id.contains_key(id));
        }
    }

    fn end(&mut self, id: &str) -> Option<Session> {
        let (id, _) = self.by_id.get_key_value(id)?;
        let id = Arc::clone(id);
        let session = self.by_id.get_mut(&id)?;
        session.ended = true;
        let session = session.clone();
        self.ended.insert(id);
        Some(session)
    }

    /// Returns the names of a subject's sessions for which this holds, oldest first.
    fn ids_of(&self, subject: &str, is_wanted: impl Fn(&Session) -> bool) -> Vec<Arc<str>> {
        let ids = self.by_subject.get(subject).into_iter().flatten();
        let ids = ids.filter(|id| self.by_id.get(*id).is_some_and(&is_wanted));
        ids.cloned().collect()
    }

    fn create(&mut self, new: NewSession) -> CreationOutcome {
        let NewSession { session, signed_in_at, max_per_subject } = new;
        let subject = session.subject.as_str();
        if self.all_ended.get(subject).is_some_and(|&ended| signed_in_at <= ended) {
            return CreationOutcome::Superseded;
        }
        let now = session.created_at;
        let mut gives_way = Vec::new();
        if let Some(max) = max_per_subject {
            gives_way = self.ids_of(subject, |other| other.is_live(now));
            // The new one is there already when an answer was lost.
            gives_way.retain(|id| **id != *session.id);
            gives_way.truncate((gives_way.len() + 1).saturating_sub(max.max(1)));
        }
        let ended = gives_way.iter().filter_map(|id| self.end(id)).collect();
        if !self.by_id.contains_key(session.id.as_str()) {
            self.insert(session);
        }
        CreationOutcome::Created { ended }
    }

    fn sweep(&mut self, now: SystemTime) -> Swept {
        let ended = self.ended.iter().take(MAX_SWEPT);
        let ended = ended.filter_map(|id| self.by_id.get(id).cloned()).collect();
        let mut has_more = self.ended.len() > MAX_SWEPT;
        let mut expired = Vec::new();
        for _ in 0..MAX_SWEPT {
            let Some(Reverse((due, _))) = self.due.peek() else { break };
            if *due > now {
                break;
            }
            let Some(Reverse((_, id))) = self.due.pop() else { break };
            match self.by_id.get(&id).map(Session::due) {
                Some(due) if due > now => self.due.push(Reverse((due, id))),
                Some(_) => expired.push(id),
                None => {}
            }
        }
        has_more |= self.due.peek().is_some_and(|Reverse((due, _))| *due <= now);
        self.remove(expired.iter().map(|id| &**id));
        self.all_ended.retain(|_, ended| *ended + SUPERSEDED_FOR > now);
        Swept::new(ended, has_more)
    }
}

/// How many places the heap may have for sessions that are not there any more, beside half of it.
const MANY: usize = 1024;

/// How many sessions one sweep looks at, so that requests do not wait for it.
const MAX_SWEPT: usize = 1_000;

impl SessionStore for MemorySessions {
    async fn create(&self, new: NewSession) -> Result<CreationOutcome, SessionsUnavailable> {
        Ok(self.lock().create(new))
    }

    async fn rotate(&self, rotation: Rotation<'_>) -> Result<RotationOutcome, SessionsUnavailable> {
        let mut table = self.lock();
        let Some(session) = table.by_id.get_mut(rotation.id) else {
            return Ok(RotationOutcome::Unknown);
        };
        let verdict = rotation.apply(session);
        let outcome = verdict.of(session.clone());
        if let RotationOutcome::Reused(session) = &outcome {
            table.end(&session.id);
        }
        Ok(outcome)
    }

    async fn of_subject(
        &self,
        subject: &str,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        let table = self.lock();
        let ids = table.ids_of(subject, |session| session.is_live(now));
        Ok(ids.iter().filter_map(|id| table.by_id.get(id).cloned()).collect())
    }

    async fn end(
        &self,
        id: &str,
        subject: Option<&str>,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        let mut table = self.lock();
        let is_theirs =
            |session: &Session| subject.is_none_or(|subject| session.subject == subject);
        if !table.by_id.get(id).is_some_and(is_theirs) {
            return Ok(None);
        }
        Ok(table.end(id))
    }

    async fn end_all(
        &self,
        subject: &str,
        except: Option<&str>,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        let mut table = self.lock();
        let last = table.all_ended.entry(subject.into()).or_insert(now);
        *last = now.max(*last);
        let ids = table.ids_of(subject, |session| Some(session.id.as_str()) != except);
        Ok(ids.iter().filter_map(|id| table.end(id)).collect())
    }

    async fn remove(&self, ids: &[&str]) -> Result<(), SessionsUnavailable> {
        let mut table = self.lock();
        let ended: Vec<&str> = ids.iter().copied().filter(|id| table.ended.contains(*id)).collect();
        table.remove(ended);
        Ok(())
    }

    async fn sweep(&self, now: SystemTime) -> Result<Swept, SessionsUnavailable> {
        Ok(self.lock().sweep(now))
    }
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessions").field("len", &self.len()).finish_non_exhaustive()
    }
}
