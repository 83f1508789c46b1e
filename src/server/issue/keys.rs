//! Keeps an issuer's keys, and replaces them without refusing a token.
//!
//! One handle is the source for all parts of a program: the issuer signs with the active key, and verifiers, the
//! revocation endpoint and the JWK set know the next, the active and the retired ones. A look-up is one load of a
//! pointer. The clock is read for it only while a key is retired.
//!
//! All that may wait for a disk is done by a thread of its own, and not by a task: issuing needs no tokio, and a
//! thread works the same in a program that has a runtime and in one that has none. No request waits on its own thread:
//! `refresh`, for a token that names an unknown key, is woken when the thread has looked at the file, and `issue` wakes
//! the thread when it has been late for a minute. `rotate`, `withdraw` and `reload` wait for the disk.
//!
//! A retired key is kept when its time has ended by the clock, and only not used: a clock that was set ahead by mistake
//! is set back. It is forgotten when a clock that is never set agrees.
//!
//! A retired key keeps its public part only. A node that does not know yet that its key is retired signs with it
//! all the same, which is why a retired key is kept for longer than a token is valid.

mod status;
mod error;
mod rotation;
mod state;
mod file;
mod worker;
mod shared;
mod make;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::RotateError;
pub use rotation::KeyRotation;
pub use status::{IssuerKeyState, IssuerKeyStatus};

use crate::config_error::ConfigError;
use crate::error::KeysUnavailable;
use crate::jose::{Algorithm, Header};
use crate::keys::{
    BoxSigner, KeySource, KeysStatus, Lookup, PublicKeys, SignError, Signer, SigningKey,
    VerifyingKey,
};
use shared::{Force, Shared, Wait};

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
/// [`create`](Self::create) makes a file with the keys, and each node [`open`](Self::open)s **that file**, in a directory
/// that they share. The nodes look at the file every 5 seconds, and when a token names an unknown key. A rotation by
/// one of them is a rotation of all; it takes a lock, so of two at the same time there is one. The next key is known to
/// all nodes before a token is signed with it.
///
/// **Copies of the file are other keys from the first rotation on.** A node that rotates its own copy signs with keys
/// that no other node knows, and no node can notice that: the tokens are refused elsewhere. If each node has a copy, set
/// no [`with_rotation_after`](KeyRotation::with_rotation_after) on any of them. Rotate the original in one place, and
/// have the deployment replace all copies within 5 minutes.
///
/// The file is a JWK set with private keys, of which each has the additional members `state`, `since` and
/// `until`. It holds JWKs only; [`KeyRotation::create`] shows how to begin with a key in PEM. On Unix it must belong to
/// the user that runs the program, or to root, and be for its owner alone (mode 600). It is replaced as a whole: after
/// a crash it holds either all of the new keys or all of the old. Beside it, `FILE.lock` is the lock, and `FILE.new` is
/// left over by a crash and removed by the next rotation. While the file cannot be read, the keys at hand stay in use,
/// a `WARN` says so once a minute, and each look tries again.
#[derive(Clone)]
pub struct IssuerKeys(Arc<Shared>);

impl IssuerKeys {
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
    /// written. The keys are then as they were, here and in the file. If only the directory of the file cannot be
    /// synced, the keys are replaced, and an event of level `WARN` says that a power failure may undo it.
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

    /// Looks at the file now, and reads it if it has changed or could not be read before. Without a file, does nothing.
    /// Blocks on the disk.
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
        self.0.wake_if_late();
        self.0.snapshot.load().keys.active.key.clone()
    }
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

    /// Has the file read if it is another version. Costs a question to the file system otherwise, for all requests that
    /// wait together, so strangers may cause it.
    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.0.look().await.map_err(KeysUnavailable::new)?;
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
