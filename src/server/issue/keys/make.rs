use std::path::PathBuf;
use std::sync::Arc;

use super::IssuerKeys;
use super::file::{KeyStore, Seen};
use super::rotation::KeyRotation;
use super::shared::Shared;
use super::state::{Dated, Keys, new_key};
use crate::config_error::ConfigError;
use crate::jose::Algorithm;
use crate::keys::SigningKey;

impl IssuerKeys {
    /// Takes one key that is never replaced, for code that takes [`IssuerKeys`]. A token may be valid for any time.
    pub fn new(key: SigningKey) -> Self {
        let keys = Keys { next: None, active: Dated { key, since: 0 }, retired: Vec::new() };
        Self(Arc::new(Shared::new(keys, None, None, Seen::default())))
    }
}

impl KeyRotation {
    /// Makes keys in memory: one to sign with, and the next one. They are gone when the process ends.
    ///
    /// # Errors
    ///
    /// Those of [`SigningKey::generate`], and [`ConfigError::KeyRotation`].
    pub fn generate(self, algorithm: Algorithm) -> Result<IssuerKeys, ConfigError> {
        self.check()?;
        let keys = Keys::begin(new_key(algorithm)?, self.now())?;
        let worker = self.rotation_after.map(|_| self.poll_interval);
        Shared::new(keys, Some(self), None, Seen::default()).start(worker).map(IssuerKeys)
    }

    /// Makes a file that [`open`](Self::open) reads, with this key to sign with and a next one of its algorithm.
    ///
    /// For the first start: run it once, before the nodes start. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnwritableFile`] when the file exists already, or cannot be written; an existing file stays as it
    /// is. Besides, those of [`SigningKey::generate`], and [`ConfigError::KeyRotation`].
    pub fn create(
        self,
        path: impl Into<PathBuf>,
        active: SigningKey,
    ) -> Result<IssuerKeys, ConfigError> {
        self.check()?;
        let keys = Keys::begin(active, self.now())?;
        let (store, mut seen) = (KeyStore::new(path.into()), Seen::default());
        store.create(&keys, &mut seen)?;
        let worker = Some(self.poll_interval);
        Shared::new(keys, Some(self), Some(store), seen).start(worker).map(IssuerKeys)
    }

    /// Opens a file that [`create`](Self::create) made. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when the file does not exist, is cut short or damaged;
    /// [`ConfigError::ExposedFile`] when other users can read it; [`ConfigError::KeyRotation`]. The file stays as
    /// it is.
    pub fn open(self, path: impl Into<PathBuf>) -> Result<IssuerKeys, ConfigError> {
        self.check()?;
        let (store, mut seen) = (KeyStore::new(path.into()), Seen::default());
        let keys = store.read(self.now(), &mut seen)?;
        let worker = Some(self.poll_interval);
        Shared::new(keys, Some(self), Some(store), seen).start(worker).map(IssuerKeys)
    }
}
