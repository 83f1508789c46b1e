//! Keeps an issuer's keys, and replaces them without refusing a token.
//!
//! One handle is the source for all parts of a program: the issuer signs with the active key, and verifiers, the
//! revocation endpoint and the JWK set know the next, the active and the retired ones. A look-up is one load of a
//! pointer. The clock is read for it only while a key is retired.
//!
//! All that may wait for a disk is done by a thread of its own, and not by a task: issuing needs no tokio, and a
//! thread works the same in a program that has a runtime and in one that has none. Two more places read the file:
//! `refresh`, for a token that names an unknown key, asks the file system for the version of the file and reads it
//! only if that is another one; and `issue` replaces a key when the thread has been late for a minute.
//!
//! A retired key keeps its public part only. A node that does not know yet that its key is retired signs with it
//! all the same, which is why a retired key is kept for longer than a token is valid.

mod status;
mod error;
mod rotation;
mod state;
mod file;
mod worker;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

pub use error::RotateError;
pub use rotation::KeyRotation;
pub use status::{IssuerKeyState, IssuerKeyStatus};

use crate::config_error::ConfigError;
use crate::error::KeysUnavailable;
use crate::jose::{Algorithm, Header};
use crate::keys::{
    BoxSigner, KeySet, KeySource, KeysStatus, Lookup, PublicKeys, SignError, Signer, SigningKey,
    VerifyingKey,
};
use crate::observe::trace::{self, Pace};
use file::{KeyStore, Seen};
use state::{Dated, Keys, new_key};
use worker::Worker;

/// Keeps the keys of an issuer: one that signs, the one after it, and those before it.
///
/// Give clones of it to the [`TokenIssuer`](crate::TokenIssuer), to the [`Verifier`](crate::Verifier) in the same
/// program, to the [`RevocationService`](crate::endpoints::RevocationService), and serve its
/// [`jwks_service`](Self::jwks_service). All of them then follow when a key is replaced. Cloning is cheap.
///
/// ```
/// use tower_bearer::issue::IssuerKeys;
/// use tower_bearer::{Algorithm, TokenIssuer, Validation, Verifier};
///
/// # #[derive(serde::Deserialize)] struct User {}
/// let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
/// let keys = IssuerKeys::generate(Algorithm::ES256)?; // or, to outlive the program: `open`
/// let tokens = TokenIssuer::new(issuer, audience, keys.clone())?;
/// let verifier = Verifier::<User>::new(keys.clone(), Validation::new(issuer, audience))?;
/// let published = keys.jwks_service();
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// | state | signs | verifies, and is published | until |
/// |---|---|---|---|
/// | next | no | yes | [`rotate`](Self::rotate), 15 minutes after it was made at the earliest |
/// | active | yes | yes | the next rotation |
/// | retired | no | yes | a token of the [longest lifetime](KeyRotation::with_max_lifetime) has expired, and 10 minutes more |
///
/// A secret for HMAC is replaced in the same way. It verifies as these keys do, and is not published.
///
/// [`KeyRotation`] has what can be set: replacement by age, the longest lifetime of a token.
///
/// # Several nodes
///
/// [`create`](Self::create) makes a file with the keys, and each node [`open`](Self::open)s it, from one
/// directory that they share, or as a copy of their own that the deployment replaces. The nodes look at the file
/// every 5 seconds, and when a token names an unknown key. A rotation by one of them is a rotation of all; it takes
/// a lock, so of two at the same time there is one. The next key is known to all nodes before a token is signed
/// with it.
///
/// The file is a JWK set with private keys, of which each has the additional members `state`, `since` and
/// `until`. On Unix it must belong to its owner alone (mode 600). It is replaced as a whole: after a crash it
/// holds either all of the new keys or all of the old. Beside it, `FILE.lock` is the lock, and `FILE.new` is left
/// over by a crash and removed by the next rotation. While the file cannot be read, the keys at hand stay in use,
/// and a `WARN` says so once a minute.
#[derive(Clone)]
pub struct IssuerKeys(Arc<Shared>);

pub(super) struct Shared {
    snapshot: ArcSwap<Snapshot>,
    /// `None` for a key that is never replaced.
    rotation: Option<KeyRotation>,
    store: Option<KeyStore>,
    /// Locked while keys are read or written, and then published, so that an older version does not replace a
    /// newer one. The lock of the file is taken before it.
    seen: Mutex<Seen>,
    /// When issuing last tried to do the work of the thread.
    tried_at: AtomicU64,
    pace: Pace,
    worker: OnceLock<Worker>,
}

/// The keys at one moment, ready for look-ups.
struct Snapshot {
    keys: Keys,
    set: KeySet,
    /// The first moment at which a retired key is to be dropped, in seconds since 1970.
    drops_at: Option<u64>,
}

impl IssuerKeys {
    /// Takes one key that is never replaced, for code that takes [`IssuerKeys`]. A token may be valid for any time.
    pub fn new(key: SigningKey) -> Self {
        let keys = Keys { next: None, active: Dated { key, since: 0 }, retired: Vec::new() };
        Self(Arc::new(Shared::new(keys, None, None, Seen::default())))
    }

    /// Makes keys in memory, with the defaults of [`KeyRotation`].
    ///
    /// # Errors
    ///
    /// Those of [`KeyRotation::generate`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, ConfigError> {
        KeyRotation::new().generate(algorithm)
    }

    /// Makes a file of keys, with the defaults of [`KeyRotation`].
    ///
    /// # Errors
    ///
    /// Those of [`KeyRotation::create`].
    pub fn create(path: impl Into<PathBuf>, active: SigningKey) -> Result<Self, ConfigError> {
        KeyRotation::new().create(path, active)
    }

    /// Opens a file of keys, with the defaults of [`KeyRotation`].
    ///
    /// # Errors
    ///
    /// Those of [`KeyRotation::open`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        KeyRotation::new().open(path)
    }

    /// Replaces the active key by the next one, and makes a new next key.
    ///
    /// Where several nodes share the keys, and another node has replaced the key that is active here, this takes
    /// the keys of that node over and replaces nothing. With a file, blocks on the disk, and while another node
    /// rotates.
    ///
    /// # Errors
    ///
    /// [`RotateError::TooEarly`] when verifiers may not know the next key yet; [`RotateError::Fixed`] for
    /// [one key](Self::new); [`RotateError::Keys`] when no key can be made, or the file cannot be read or
    /// written. The keys are then as they were.
    pub fn rotate(&self) -> Result<(), RotateError> {
        self.0.rotate(Force::No, Wait::Yes)
    }

    /// Replaces the active key at once, although verifiers may not know the next one yet.
    ///
    /// For an emergency: verifiers that fetch keys only by time refuse new tokens until they have fetched again.
    /// The former key stays valid as a retired one; [`withdraw`](Self::withdraw) ends it.
    ///
    /// # Errors
    ///
    /// Those of [`rotate`](Self::rotate), without [`RotateError::TooEarly`].
    pub fn rotate_now(&self) -> Result<(), RotateError> {
        self.0.rotate(Force::Yes, Wait::Yes)
    }

    /// Withdraws a next or retired key. All tokens that it signed are refused from now on: by these keys at once,
    /// by other nodes when they look at the file, by remote verifiers when they fetch the JWK set again.
    ///
    /// In place of a next key, another one is made.
    ///
    /// # Errors
    ///
    /// [`RotateError::UnknownKey`]; [`RotateError::ActiveKey`], which has to be replaced first;
    /// [`RotateError::Fixed`] and [`RotateError::Keys`] as with [`rotate`](Self::rotate).
    pub fn withdraw(&self, key_id: &str) -> Result<(), RotateError> {
        self.0.rotation()?;
        let new = self.0.new_key()?;
        self.0.change(Wait::Yes, |keys, now| keys.withdraw(key_id, new, now).map(|()| true))
    }

    /// Looks at the file now, and reads it if it has changed. Without a file, does nothing.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open). The keys at hand stay in use.
    pub fn reload(&self) -> Result<(), ConfigError> {
        self.0.reload()
    }

    /// Returns the public keys of this moment as a JWK set: the active, the next and the retired ones. It is empty
    /// for secrets.
    pub fn public_keys(&self) -> PublicKeys {
        self.0.current().keys.public()
    }

    /// Returns the state of each key: the active one first, then the next and the retired ones.
    pub fn status(&self) -> Vec<IssuerKeyStatus> {
        self.0.current().keys.status()
    }

    /// Returns the key that signs now.
    pub(super) fn active(&self) -> SigningKey {
        self.0.replace_if_late();
        self.0.snapshot.load().keys.active.key.clone()
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
        IssuerKeys::start(Shared::new(keys, Some(self), None, Seen::default()), worker)
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
        IssuerKeys::start(Shared::new(keys, Some(self), Some(store), seen), worker)
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
        IssuerKeys::start(Shared::new(keys, Some(self), Some(store), seen), worker)
    }
}

impl IssuerKeys {
    fn start(shared: Shared, every: Option<Duration>) -> Result<Self, ConfigError> {
        let shared = Arc::new(shared);
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
        Ok(Self(shared))
    }
}

impl Shared {
    fn new(keys: Keys, rotation: Option<KeyRotation>, store: Option<KeyStore>, seen: Seen) -> Self {
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

    /// Returns the keys of this moment.
    fn current(&self) -> Guard<Arc<Snapshot>> {
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

    fn rotation(&self) -> Result<&KeyRotation, RotateError> {
        self.rotation.as_ref().ok_or(RotateError::Fixed)
    }

    fn new_key(&self) -> Result<SigningKey, ConfigError> {
        new_key(self.snapshot.load().keys.active.key.algorithm())
    }

    fn rotate(&self, force: Force, wait: Wait) -> Result<(), RotateError> {
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
    fn change(
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

    fn reload(&self) -> Result<(), ConfigError> {
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
    fn replace_if_late(&self) {
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

    fn describe(&self) -> String {
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
enum Force {
    Yes,
    No,
}

/// Whether to wait while another node holds the lock.
#[derive(Clone, Copy)]
enum Wait {
    Yes,
    No,
}

impl KeySource for IssuerKeys {
    fn lookup(&self, header: &Header) -> Lookup {
        match self.0.current().set.lookup(header) {
            Lookup::Unknown if self.0.store.is_some() => Lookup::Refresh,
            answer => answer,
        }
    }

    fn epoch(&self) -> Option<u64> {
        self.0.current().set.epoch()
    }

    /// A key of the file may have been replaced under its name, or have none.
    fn may_be_outdated(&self) -> bool {
        self.0.store.is_some()
    }

    /// Reads the file if it is another version. Costs a question to the file system otherwise, so strangers may
    /// cause it.
    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.0.reload().map_err(KeysUnavailable::new)?;
        Ok(self.0.current().set.lookup(header))
    }

    fn keys_status(&self) -> Option<KeysStatus> {
        self.0.current().set.keys_status()
    }
}

impl Signer for IssuerKeys {
    fn verifying_key(&self) -> VerifyingKey {
        self.active().verifying_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.active().sign(message)
    }

    fn current(&self) -> Option<BoxSigner> {
        Some(BoxSigner::new(self.active()))
    }

    fn public_keys(&self) -> PublicKeys {
        Self::public_keys(self)
    }

    fn max_lifetime(&self) -> Option<Duration> {
        self.0.rotation.as_ref().map(|rotation| rotation.max_lifetime)
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys")
            .field("source", &self.0.describe())
            .field("keys", &self.status())
            .finish_non_exhaustive()
    }
}

/// The seconds by which the thread may be late before issuing does its work.
const LATE: u64 = 60;
