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
    /// The id of a key that has none is its thumbprint (RFC 7638). A secret stays without one.
    pub fn new(key: SigningKey) -> Self {
        let active = Dated { key: key.or_thumbprint(), since: 0 };
        let keys = Keys { next: None, active, retired: Vec::new() };
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
    /// For the first start: run it once, before the nodes start. Blocks on the disk. The file holds JWKs, so a key in
    /// another encoding is read first, and written down as a JWK:
    ///
    /// ```no_run
    /// use tower_bearer::issue::KeyRotation;
    /// use tower_bearer::{Algorithm, SigningKey};
    ///
    /// // As `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes it.
    /// let pem = std::fs::read("key.pem")?;
    /// let key = SigningKey::from_pem(Algorithm::ES256, pem)?;
    /// let keys = KeyRotation::new().create("/var/lib/shop/keys.json", key)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A key without an id gets one: its thumbprint (RFC 7638), or a random id for a secret.
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
        let made = store.create(&keys, &mut seen)?;
        let worker = Some(self.poll_interval);
        let shared = Shared::new(keys, Some(self), Some(store), seen).start(worker)?;
        shared.report_unsynced(&made);
        Ok(IssuerKeys(shared))
    }

    /// Opens a file that [`create`](Self::create) made. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when the file does not exist, is cut short or damaged;
    /// [`ConfigError::ExposedFile`] when other users can read it; [`ConfigError::ForeignFile`] when it belongs to a user
    /// that is neither root nor the one that runs the program; [`ConfigError::KeyRotation`]. The file stays as it is.
    pub fn open(self, path: impl Into<PathBuf>) -> Result<IssuerKeys, ConfigError> {
        self.check()?;
        let (store, mut seen) = (KeyStore::new(path.into()), Seen::default());
        let keys = store.read(&mut seen)?;
        let worker = Some(self.poll_interval);
        Shared::new(keys, Some(self), Some(store), seen).start(worker).map(IssuerKeys)
    }
}
