//! Keeps the keys that were fetched, and the names of absent and blocked keys.

use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use super::absent::Absent;
use super::withdrawn::Withdrawn;
use crate::config_error::{ConfigError, SkippedKey};
use crate::jose::Header;
use crate::keys::epoch::next_epoch;
use crate::keys::{KeySet, KeySource as _, Lookup};
use crate::observe::trace;
use crate::refresh::{Event, View};

#[derive(Clone, Default)]
pub(super) struct KeysView {
    /// The keys as they were fetched, the blocked ones included.
    keys: Option<KeySet>,
    blocked: HashSet<Box<str>>,
    absent: Absent,
    withdrawn: Withdrawn,
}

/// The keys as look-ups see them.
pub(super) struct KeysSnapshot {
    keys: KeySet,
    epoch: u64,
    blocked: HashSet<Box<str>>,
}

impl KeysView {
    /// Begins with these keys. A set without a key is the same as none.
    pub(super) fn set_initial(&mut self, keys: KeySet) {
        self.keys = Some(keys).filter(|keys| !keys.keys().is_empty());
    }

    pub(super) fn block(&mut self, key_id: &str) {
        self.blocked.insert(key_id.into());
    }

    pub(super) fn unblock(&mut self, key_id: &str) {
        self.blocked.remove(key_id);
    }

    /// Adds the name of a key that a fetch did not bring.
    pub(super) fn note_absent(&mut self, key_id: Option<&str>, now: Duration) {
        self.absent.note(key_id, now);
    }

    /// Returns whether the key of this name is known to be absent: a fetch did not bring it, or it was withdrawn.
    pub(super) fn lacks(&self, key_id: Option<&str>, now: Duration) -> bool {
        self.withdrawn.knows(key_id) || self.absent.knows(key_id, now)
    }

    /// Counts the keys that look-ups see.
    pub(super) fn len(&self) -> usize {
        self.keys.as_ref().map_or(0, |keys| keys.without(&self.blocked).keys().len())
    }

    pub(super) fn skipped(&self) -> Vec<SkippedKey> {
        self.keys.as_ref().map_or_else(Vec::new, |keys| keys.skipped().to_vec())
    }
}

impl View for KeysView {
    type Document = KeySet;
    type Snapshot = KeysSnapshot;

    fn replace(&mut self, keys: KeySet) -> Result<(), Box<dyn Error + Send + Sync>> {
        // An empty set is not a good answer: a provider without keys can sign nothing.
        if keys.keys().is_empty() {
            return Err(ConfigError::NoUsableKey { skipped: keys.skipped().to_vec() }.into());
        }
        if let Some(before) = &self.keys {
            self.withdrawn.note(before, &keys);
        }
        self.keys = Some(keys);
        Ok(())
    }

    fn snapshot(&self) -> Option<KeysSnapshot> {
        let keys = self.keys.as_ref()?.without(&self.blocked);
        Some(KeysSnapshot { keys, epoch: next_epoch(), blocked: self.blocked.clone() })
    }

    fn carry_over(&mut self, before: &Self) {
        self.blocked.clone_from(&before.blocked);
    }

    fn report(&self, source: &str, event: &Event<'_>) {
        match *event {
            Event::Loaded { is_back } => trace::keys_fetched(source, self.len(), is_back),
            Event::NotLoaded { problem, state, is_usable } => {
                trace::keys_not_fetched(source, problem, state.as_str(), is_usable);
            }
            Event::Spent { suppressed } => trace::fetches_spent(source, suppressed),
        }
    }
}

impl KeysSnapshot {
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Looks up the keys for this header. `None` if a fetch may bring one.
    pub(super) fn lookup(&self, header: &Header) -> Option<Lookup> {
        if header.key_id().is_some_and(|id| self.blocked.contains(id)) {
            // Whatever the provider says: there is nothing to wait for.
            return Some(Lookup::Unknown);
        }
        Some(self.keys.lookup(header)).filter(|answer| !matches!(answer, Lookup::Unknown))
    }
}
