//! The state that all clones of [`IssuerKeys`](super::IssuerKeys) share, and each change of it.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

use super::error::RotateError;
use super::file::{KeyStore, Look, Replaced, Seen};
use super::rotation::KeyRotation;
use super::state::{Dated, Keys, new_key};
use super::worker::{Cause, Worker};
use crate::clock::Moment;
use crate::config_error::ConfigError;
use crate::keys::{KeySet, SigningKey};
use crate::observe::trace::{self, Pace};

pub(super) struct Shared {
    pub(super) snapshot: ArcSwap<Snapshot>,
    /// `None` for a key that is never replaced.
    pub(super) rotation: Option<KeyRotation>,
    pub(super) store: Option<KeyStore>,
    /// Locked while keys are read or written, and then published, so that an older version does not replace a
    /// newer one. The lock of the file is taken before it. No request takes it.
    seen: Mutex<Seen>,
    /// The error of the last look at the file.
    problem: ArcSwapOption<ConfigError>,
    /// When these keys were made, in seconds since 1970 and by a clock that is never set.
    began: (u64, Moment),
    /// When issuing last woke the thread.
    /// The second, since these keys were made, of the last rotation by age that failed. Zero if none has.
    failed_at: AtomicU64,
    woke_at: AtomicU64,
    pace: Pace,
    worker: OnceLock<Worker>,
}

/// The keys at one moment, ready for look-ups.
pub(super) struct Snapshot {
    /// All keys that are kept.
    all: Keys,
    /// Those whose time has not ended.
    pub(super) keys: Keys,
    pub(super) set: KeySet,
    /// The seconds since 1970 for which `keys` are these. The clock may also be set back.
    holds: Option<Range<u64>>,
}

impl Shared {
    pub(super) fn new(
        keys: Keys,
        rotation: Option<KeyRotation>,
        store: Option<KeyStore>,
        seen: Seen,
    ) -> Self {
        let now = rotation.as_ref().map(KeyRotation::now).unwrap_or_default();
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::new(keys, now)),
            rotation,
            store,
            seen: Mutex::new(seen),
            problem: ArcSwapOption::empty(),
            began: (now, Moment::now()),
            woke_at: AtomicU64::new(0),
            failed_at: AtomicU64::new(0),
            pace: Pace::default(),
            worker: OnceLock::new(),
        }
    }

    /// Starts the thread that looks after the keys this often.
    pub(super) fn start(self, every: Option<Duration>) -> Result<Arc<Self>, ConfigError> {
        let shared = Arc::new(self);
        if let Some(every) = every {
            let (looks, works) = (Arc::downgrade(&shared), Arc::downgrade(&shared));
            let look = move |cause| {
                let Some(shared) = looks.upgrade() else { return false };
                let look = if cause == Cause::Time { Look::Again } else { Look::Cheap };
                if let Err(error) = shared.read_if_changed(look) {
                    shared.report(&error);
                }
                true
            };
            let work = move || {
                if let Some(shared) = works.upgrade() {
                    shared.replace_if_old();
                }
            };
            let worker = Worker::start(every, look, work);
            let problem = "the system starts no thread to look after them";
            let worker = worker.map_err(|_| ConfigError::KeyRotation { problem })?;
            shared.worker.get_or_init(|| worker);
        }
        Ok(shared)
    }

    /// Returns the keys of this moment.
    pub(super) fn current(&self) -> Guard<Arc<Snapshot>> {
        let snapshot = self.snapshot.load();
        let (Some(holds), Some(rotation)) = (&snapshot.holds, &self.rotation) else {
            return snapshot;
        };
        let now = rotation.about_now();
        if holds.contains(&now) {
            return snapshot;
        }
        // Whatever was published meanwhile stays.
        self.snapshot.rcu(|snapshot| Snapshot::new(snapshot.all.clone(), now));
        self.snapshot.load()
    }

    /// Returns a moment in seconds since 1970 that has passed, also if the clock was set ahead since these keys were
    /// made.
    fn surely_now(&self, now: u64) -> u64 {
        let (began, moment) = self.began;
        now.min(began.saturating_add(Moment::now().since(moment).as_secs()))
    }

    pub(super) fn rotation(&self) -> Result<&KeyRotation, RotateError> {
        self.rotation.as_ref().ok_or(RotateError::Fixed)
    }

    pub(super) fn new_key(&self) -> Result<SigningKey, ConfigError> {
        new_key(self.snapshot.load().keys.active.key.algorithm())
    }

    pub(super) fn rotate(&self, force: Force, wait: Wait) -> Result<(), RotateError> {
        let rotation = self.rotation()?;
        // Made before any lock is taken, since RSA keys take a while.
        let new = self.new_key()?;
        let known = self.snapshot.load().keys.active.identity();
        let mut too_early = None;
        self.change(wait, |keys, now| {
            if keys.active.identity() != known {
                return Ok(false);
            }
            too_early = match force {
                Force::Yes => None,
                Force::No => keys.wait(rotation.published_ahead, now),
            };
            match (&keys.next, too_early) {
                (Some(_), Some(_)) => Ok(false),
                (None, Some(_)) => {
                    keys.next = Some(Dated { key: new, since: now });
                    Ok(true)
                }
                (_, None) => {
                    keys.rotate(new, rotation.retired_for(), now);
                    Ok(true)
                }
            }
        })?;
        match too_early {
            Some(wait) => Err(RotateError::TooEarly { wait }),
            None => Ok(()),
        }
    }

    /// Changes the keys where they are kept, if the closure says that it changed any, and publishes them.
    pub(super) fn change(
        &self,
        wait: Wait,
        change: impl FnOnce(&mut Keys, u64) -> Result<bool, RotateError>,
    ) -> Result<(), RotateError> {
        let now = self.rotation()?.now();
        let lock = match &self.store {
            Some(store) => match store.lock(matches!(wait, Wait::Yes))? {
                // Another node is at it.
                None => return Ok(()),
                lock => lock,
            },
            None => None,
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = match &self.store {
            Some(store) => store.read(&mut seen)?,
            None => self.snapshot.load().all.clone(),
        };
        keys.forget(self.surely_now(now), now);
        // In any case: this version counts as seen from now on.
        self.publish(keys.clone(), now);
        if change(&mut keys, now)? {
            if let (Some(store), Some(lock)) = (&self.store, &lock) {
                let replaced = store.write(&keys, lock, &mut seen)?;
                self.report_unsynced(&replaced);
            }
            self.publish(keys, now);
        }
        Ok(())
    }

    fn publish(&self, keys: Keys, now: u64) {
        let snapshot = self.snapshot.load();
        if !snapshot.all.is_same(&keys) {
            let key_id = keys.active.key.key_id().unwrap_or_default();
            if snapshot.keys.active.identity() != keys.active.identity() {
                trace::issuer_key_replaced(&self.describe(), key_id);
            }
            self.snapshot.store(Arc::new(Snapshot::new(keys, now)));
        }
    }

    /// Reads the file if it has changed, or if it could not be read before.
    pub(super) fn reload(&self) -> Result<(), ConfigError> {
        self.read_if_changed(Look::Again)
    }

    fn read_if_changed(&self, look: Look) -> Result<(), ConfigError> {
        let (Some(store), Some(rotation)) = (&self.store, &self.rotation) else { return Ok(()) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = store.read_if_changed(look, &mut seen);
        self.problem.store(read.as_ref().err().map(|error| Arc::new(error.clone())));
        if let Some(keys) = read? {
            self.publish(keys, rotation.now());
        }
        Ok(())
    }

    /// Waits until the thread has looked at the file, without holding this one up.
    pub(super) async fn look(&self) -> Result<(), ConfigError> {
        let (Some(store), Some(worker)) = (&self.store, self.worker.get()) else { return Ok(()) };
        if !worker.look().await {
            return Err(store.unreadable("the thread that reads it has panicked"));
        }
        match self.problem.load_full() {
            Some(problem) => Err(ConfigError::clone(&problem)),
            None => Ok(()),
        }
    }

    /// Replaces the key if it is old.
    fn replace_if_old(&self) {
        let Some(rotation) = &self.rotation else { return };
        let due = self.snapshot.load().keys.due(rotation);
        if due.is_none_or(|due| rotation.now() < due) {
            return;
        }
        // Counted from 1, since 0 stands for no attempt.
        let moment = Moment::now().since(self.began.1).as_secs().saturating_add(1);
        let failed_at = self.failed_at.load(Ordering::Relaxed);
        if failed_at != 0 && moment < failed_at.saturating_add(RETRY_AFTER) {
            // A key costs time to make, and strangers can have the thread look at any rate.
            return;
        }
        match self.rotate(Force::No, Wait::No) {
            Ok(()) | Err(RotateError::TooEarly { .. }) => {
                self.failed_at.store(0, Ordering::Relaxed);
            }
            Err(error) => {
                self.failed_at.store(moment, Ordering::Relaxed);
                self.report(&error);
            }
        }
    }

    /// Wakes the thread if it is late, once a minute at the most.
    pub(super) fn wake_if_late(&self) {
        let (Some(rotation), Some(worker)) = (&self.rotation, self.worker.get()) else { return };
        let Some(due) = self.snapshot.load().keys.due(rotation) else { return };
        let now = rotation.about_now();
        let woke_at = self.woke_at.load(Ordering::Relaxed);
        if now >= due.saturating_add(LATE) && now >= woke_at.saturating_add(LATE) {
            let order = Ordering::Relaxed;
            if self.woke_at.compare_exchange(woke_at, now, order, order).is_ok() {
                worker.wake();
            }
        }
    }

    pub(super) fn report_unsynced(&self, replaced: &Replaced) {
        if let Replaced::Unsynced(error) = replaced {
            trace::issuer_keys_not_synced(&self.describe(), &error.to_string());
        }
    }

    fn report(&self, error: &dyn fmt::Display) {
        let source = self.describe();
        if let Some(suppressed) = self.pace.ask("issuer_keys", &source) {
            trace::issuer_keys_not_kept(&source, &error.to_string(), suppressed);
        }
    }

    pub(super) fn describe(&self) -> String {
        self.store.as_ref().map_or_else(|| "memory".to_owned(), KeyStore::describe)
    }
}

impl Snapshot {
    fn new(all: Keys, now: u64) -> Self {
        let keys = all.at(now);
        let set = keys.verifying().into_iter().collect();
        Self { holds: all.same_between(now), all, keys, set }
    }
}

/// Whether a next key may become active that verifiers may not know yet.
#[derive(Clone, Copy)]
pub(super) enum Force {
    Yes,
    No,
}

/// Whether to wait while another node holds the lock.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    Yes,
    No,
}

/// The seconds between two attempts to rotate by age, after one has failed.
const RETRY_AFTER: u64 = 60;
/// The seconds by which the thread may be late before issuing wakes it.
const LATE: u64 = 60;
