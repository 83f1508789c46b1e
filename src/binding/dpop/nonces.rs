//! Makes nonces that all nodes of an API accept, without a store: a hash of the time with a secret.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::clock::Time;
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::crypto;

/// Makes and checks the nonces of DPoP proofs (RFC 9449 §8, §9).
///
/// A nonce is the same for all clients for a while, 60 seconds by default, and is accepted for one
/// more such time. Nothing is stored: nodes that have the same secret accept each other's nonces. While
/// the secret is replaced node by node, clients are sent from one nonce to the other.
///
/// ```
/// use tower_bearer::dpop::{Dpop, Nonces};
///
/// let dpop = Dpop::new("https://api.example.com")?.with_nonces(Nonces::generate()?);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
pub struct Nonces {
    secret: Zeroizing<Vec<u8>>,
    step: Duration,
    /// Those of now, which are computed once for each step.
    current: ArcSwapOption<Around>,
}

/// The nonces of a step, of the one before and of the next one.
struct Around {
    step: u64,
    /// A clock of another node may be ahead.
    next: HeaderValue,
    now: HeaderValue,
    before: HeaderValue,
}

impl Nonces {
    /// Makes nonces with a secret that all nodes share.
    ///
    /// # Errors
    ///
    /// [`KeyProblem::SecretTooShort`] for less than 32 bytes.
    pub fn from_secret(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = Zeroizing::new(secret.as_ref().to_vec());
        if secret.len() < MIN_SECRET {
            let (bits, required) = (secret.len() * 8, MIN_SECRET * 8);
            return Err(KeyProblem::SecretTooShort { bits, required }.into());
        }
        // A back end that hashes once hashes always.
        crypto::hmac_sha256(&secret, b"").ok_or(KeyProblem::NoBackEnd)?;
        Ok(Self { secret, step: DEFAULT_STEP, current: ArcSwapOption::empty() })
    }

    /// Makes nonces with a new secret, for an API on one node.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRandomness`].
    pub fn generate() -> Result<Self, ConfigError> {
        let mut secret = Zeroizing::new([0; MIN_SECRET]);
        getrandom::fill(&mut *secret).map_err(|_| ConfigError::NoRandomness)?;
        Self::from_secret(*secret)
    }

    /// Sets how long one nonce is given out, in whole seconds. It is accepted for this time afterwards
    /// too, and for one time more if it comes from a node whose clock is ahead. The default is 60 seconds,
    /// and one hour is the most.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`].
    pub fn with_lifetime(mut self, lifetime: Duration) -> Result<Self, ConfigError> {
        let lifetime = Duration::from_secs(lifetime.as_secs());
        self.step = ConfigError::within("the lifetime of a nonce", lifetime, 1, MAX_LIFETIME)?;
        Ok(self)
    }

    /// Returns the nonce that clients are told now.
    pub(super) fn current(&self, time: &Time) -> HeaderValue {
        self.around(time).now.clone()
    }

    /// Returns whether the nonce is the newest one, or `None` for a nonce that is not accepted.
    pub(super) fn check(&self, nonce: &str, time: &Time) -> Option<bool> {
        let around = self.around(time);
        let is = |known: &HeaderValue| bool::from(known.as_bytes().ct_eq(nonce.as_bytes()));
        match (is(&around.now) | is(&around.next), is(&around.before)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// Returns for how long a nonce is accepted, at the most.
    pub(super) fn window(&self) -> Duration {
        // Given out by a clock that is a step ahead.
        self.step.saturating_mul(3)
    }

    fn around(&self, time: &Time) -> Arc<Around> {
        let since = time.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let step = since.as_secs() / self.step.as_secs().max(1);
        let known = self.current.load();
        if let Some(known) = known.as_ref().filter(|known| known.step == step) {
            return Arc::clone(known);
        }
        let around = Arc::new(Around {
            step,
            next: self.nonce(step.saturating_add(1)),
            now: self.nonce(step),
            before: self.nonce(step.saturating_sub(1)),
        });
        self.current.store(Some(Arc::clone(&around)));
        around
    }

    fn nonce(&self, step: u64) -> HeaderValue {
        // The length of a step is a part of it, so that another one makes other nonces.
        let length = self.step.as_secs().to_be_bytes();
        let message = [&b"tower-bearer DPoP nonce "[..], &length, &step.to_be_bytes()].concat();
        let hash = crypto::hmac_sha256(&self.secret, &message);
        let hash = hash.expect("a back end hashed when the secret was set");
        HeaderValue::from_str(&URL_SAFE_NO_PAD.encode(hash)).expect("base64url is legal in a field")
    }
}

// The secret makes nonces.
impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("lifetime", &self.step).finish_non_exhaustive()
    }
}

/// The longest lifetime of nonces and of proofs.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(3600);
const MIN_SECRET: usize = 32;
const DEFAULT_STEP: Duration = Duration::from_secs(60);
