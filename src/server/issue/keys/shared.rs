//! The state that all clones of [`IssuerKeys`](super::IssuerKeys) share, and each change of it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use super::error::RotateError;
use super::file::{KeyStore, Seen};
use super::rotation::KeyRotation;
use super::state::{Dated, Keys, new_key};
use super::worker::Worker;
use crate::config_error::ConfigError;
use crate::keys::{KeySet, SigningKey};
use crate::observe::trace::{self, Pace};

pub(super) struct Shared {
    pub(super) snapshot: ArcSwap<Snapshot>,
    /// `None` for a key that is never replaced.
    pub(super) rotation: Option<KeyRotation>,
    pub(super) store: Option<KeyStore>,
    /// Locked while keys are read or written, and then published, so that an older version does not replace a
    /// newer one. The lock of the file is taken before it.
    seen: Mutex<Seen>,
    /// When issuing last tried to do the work of the thread.
    tried_at: AtomicU64,
    pace: Pace,
    worker: OnceLock<Worker>,
}

/// The keys at one moment, ready for look-ups.
pub(super) struct Snapshot {
    pub(super) keys: Keys,
    pub(super) set: KeySet,
    /// The first moment at which a retired key is to be dropped, in seconds since 1970.
    drops_at: Option<u64>,
}

impl Shared {
    pub(super) fn new(
        keys: Keys,
        rotation: Option<KeyRotation>,
        store: Option<KeyStore>,
        seen: Seen,
    ) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::new(keys)),
            rotation,
            store,
            seen: Mutex::new(seen),
            tried_at: AtomicU64::new(0),
            pace: Pace::default(),
            worker: OnceLock::new(),
        }
    }

    /// Starts the thread that looks after the keys this often.
    pub(super) fn start(self, every: Option<Duration>) -> Result<Arc<Self>, ConfigError> {
        let shared = Arc::new(self);
        if let Some(every) = every {
            let weak = Arc::downgrade(&shared);
            let worker = Worker::start(every, move || {
                let Some(shared) = weak.upgrade() else { return false };
                shared.look_after();
                true
            });
            let problem = "the system starts no thread to look after them";
            let worker = worker.map_err(|_| ConfigError::KeyRotation { problem })?;
            shared.worker.get_or_init(|| worker);
        }
        Ok(shared)
    }

    /// Returns the keys of this moment.
    pub(super) fn current(&self) -> Guard<Arc<Snapshot>> {
        let snapshot = self.snapshot.load();
        let (Some(drops_at), Some(rotation)) = (snapshot.drops_at, &self.rotation) else {
            return snapshot;
        };
        let now = rotation.about_now();
        if now < drops_at {
            return snapshot;
        }
        // Whatever was published meanwhile stays.
        self.snapshot.rcu(|snapshot| {
            let mut keys = snapshot.keys.clone();
            keys.drop_expired(now);
            Snapshot::new(keys)
        });
        self.snapshot.load()
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
            Some(store) => store.read(now, &mut seen)?,
            None => self.snapshot.load().keys.clone(),
        };
        keys.drop_expired(now);
        // In any case: this version counts as seen from now on.
        self.publish(keys.clone());
        if change(&mut keys, now)? {
            if let (Some(store), Some(lock)) = (&self.store, &lock) {
                store.write(&keys, lock, &mut seen)?;
            }
            self.publish(keys);
        }
        Ok(())
    }

    fn publish(&self, keys: Keys) {
        let snapshot = self.snapshot.load();
        if !snapshot.keys.is_same(&keys) {
            let key_id = keys.active.key.key_id().unwrap_or_default();
            if snapshot.keys.active.identity() != keys.active.identity() {
                trace::issuer_key_replaced(&self.describe(), key_id);
            }
            self.snapshot.store(Arc::new(Snapshot::new(keys)));
        }
    }

    pub(super) fn reload(&self) -> Result<(), ConfigError> {
        let (Some(store), Some(rotation)) = (&self.store, &self.rotation) else { return Ok(()) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = store.read_if_changed(rotation.now(), &mut seen)? {
            self.publish(keys);
        }
        Ok(())
    }

    /// Reads the file if it has changed, and replaces the key if it is old.
    fn look_after(&self) {
        if let Err(error) = self.reload() {
            self.report(&error);
        }
        let Some(rotation) = &self.rotation else { return };
        let due = self.snapshot.load().keys.due(rotation);
        if due.is_some_and(|due| rotation.now() >= due) {
            match self.rotate(Force::No, Wait::No) {
                Ok(()) | Err(RotateError::TooEarly { .. }) => {}
                Err(error) => self.report(&error),
            }
        }
    }

    /// Does the work of the thread if it is late, once a minute at the most.
    pub(super) fn replace_if_late(&self) {
        let Some(rotation) = &self.rotation else { return };
        let Some(due) = self.snapshot.load().keys.due(rotation) else { return };
        let now = rotation.about_now();
        let tried_at = self.tried_at.load(Ordering::Relaxed);
        if now >= due.saturating_add(LATE) && now >= tried_at.saturating_add(LATE) {
            let order = Ordering::Relaxed;
            if self.tried_at.compare_exchange(tried_at, now, order, order).is_ok() {
                self.look_after();
            }
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
    fn new(keys: Keys) -> Self {
        let set = keys.verifying().into_iter().collect();
        Self { set, drops_at: keys.retired.iter().map(|key| key.until).min(), keys }
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

/// The seconds by which the thread may be late before issuing does its work.
const LATE: u64 = 60;
