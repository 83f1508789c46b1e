use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::{
    ApiKeyChange, ApiKeyCreation, ApiKeyRecord, ApiKeyRotation, ApiKeyRotationOutcome,
    ApiKeySource, ApiKeyStore, NewApiKeyRecord,
};
use crate::error::ApiKeysUnavailable;

/// Keeps API keys in memory, for tests and for programs whose keys come from elsewhere. Clones share them.
///
/// They are lost when the program ends. A change counts at once, also for answers that a layer keeps.
///
/// ```
/// use tower_bearer::api_key::MemoryApiKeys;
///
/// let store = MemoryApiKeys::new();
/// assert!(store.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct MemoryApiKeys(Arc<Shared>);

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    generation: AtomicU64,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<Arc<str>, ApiKeyRecord>,
    /// The ids of each owner's keys.
    by_owner: HashMap<Box<str>, Vec<Arc<str>>>,
}

impl MemoryApiKeys {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of keys, with those that have expired or ended and are not removed yet.
    pub fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Returns whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes answers about keys void that were kept before a change.
    fn has_changed(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl Table {
    fn insert(&mut self, record: ApiKeyRecord) {
        let id: Arc<str> = record.id.as_str().into();
        if self.by_id.contains_key(&id) {
            return;
        }
        self.by_owner.entry(record.owner.as_str().into()).or_default().push(Arc::clone(&id));
        self.by_id.insert(id, record);
    }

    fn of_owner<'t>(&'t self, owner: &str) -> impl Iterator<Item = &'t ApiKeyRecord> {
        let ids = self.by_owner.get(owner).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// Returns whether one more live key is too many, beside those of two ids.
    fn is_full(&self, new: &ApiKeyRecord, max: Option<usize>, old: &str) -> bool {
        let Some(max) = max else { return false };
        let others = self.of_owner(&new.owner);
        let others = others.filter(|other| other.id != new.id && other.id != old);
        others.filter(|other| other.is_live(new.created_at)).count() >= max
    }

    fn remove(&mut self, before: SystemTime) -> usize {
        let is_old =
            |record: &ApiKeyRecord| record.gone_at().is_some_and(|gone_at| gone_at <= before);
        let count = self.by_id.len();
        self.by_id.retain(|_, record| !is_old(record));
        if self.by_id.len() < count {
            let by_id = &self.by_id;
            self.by_owner.retain(|_, ids| {
                ids.retain(|id| by_id.contains_key(id));
                !ids.is_empty()
            });
        }
        count - self.by_id.len()
    }
}

impl ApiKeySource for MemoryApiKeys {
    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        Ok(self.lock().by_id.get(id).cloned())
    }

    async fn record_uses(&self, uses: &[(String, SystemTime)]) -> Result<(), ApiKeysUnavailable> {
        let mut table = self.lock();
        for (id, at) in uses {
            if let Some(record) = table.by_id.get_mut(id.as_str()) {
                record.last_used = record.last_used.max(Some(*at));
            }
        }
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }
}

impl ApiKeyStore for MemoryApiKeys {
    async fn create(&self, new: NewApiKeyRecord) -> Result<ApiKeyCreation, ApiKeysUnavailable> {
        let mut table = self.lock();
        if table.is_full(&new.record, new.max_per_owner, "") {
            return Ok(ApiKeyCreation::TooMany);
        }
        table.insert(new.record);
        Ok(ApiKeyCreation::Created)
    }

    async fn of_owner(&self, owner: &str) -> Result<Vec<ApiKeyRecord>, ApiKeysUnavailable> {
        let mut keys: Vec<_> = self.lock().of_owner(owner).cloned().collect();
        keys.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
        Ok(keys)
    }

    async fn change(
        &self,
        id: &str,
        owner: Option<&str>,
        change: ApiKeyChange,
    ) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        let mut table = self.lock();
        let record = table.by_id.get_mut(id);
        let record = record.filter(|record| owner.is_none_or(|owner| record.owner == owner));
        let Some(record) = record else { return Ok(None) };
        change.apply(record);
        let changed = record.clone();
        drop(table);
        self.has_changed();
        Ok(Some(changed))
    }

    async fn rotate(
        &self,
        rotation: ApiKeyRotation<'_>,
    ) -> Result<ApiKeyRotationOutcome, ApiKeysUnavailable> {
        let mut table = self.lock();
        if !table.by_id.get(rotation.id).is_some_and(|old| rotation.is_possible(old)) {
            return Ok(ApiKeyRotationOutcome::Unknown);
        }
        if table.is_full(&rotation.new, rotation.max_per_owner, rotation.id) {
            return Ok(ApiKeyRotationOutcome::TooMany);
        }
        let Some(old) = table.by_id.get_mut(rotation.id) else {
            return Ok(ApiKeyRotationOutcome::Unknown);
        };
        rotation.apply(old);
        let old = old.clone();
        table.insert(rotation.new);
        drop(table);
        self.has_changed();
        Ok(ApiKeyRotationOutcome::Rotated(Box::new(old)))
    }

    async fn sweep(&self, before: SystemTime) -> Result<bool, ApiKeysUnavailable> {
        let removed = self.lock().remove(before);
        if removed > 0 {
            self.has_changed();
        }
        Ok(false)
    }
}

impl fmt::Debug for MemoryApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryApiKeys").field("len", &self.len()).finish_non_exhaustive()
    }
}
