//! Holds keys that do not change, and finds those for a token.
//!
//! A key that has a name is tried for tokens with this `kid` only. Keys without a name (PEM) are tried for
//! every `kid` of their algorithm. An unknown `kid` is found before a wrong algorithm: `Lookup::Unknown` makes
//! a source refresh, and a provider that replaces its RSA key by one on a curve names a key that the set does not
//! have yet.

use std::collections::HashMap;
#[cfg(feature = "refresh")]
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::epoch::next_epoch;
#[cfg(feature = "refresh")]
use super::pem;
use super::verifying::bind;
use super::{Candidates, KeySource, KeysStatus, Lookup, VerifyingKey, der, jwk};
use crate::config_error::{ConfigError, KeyProblem, SkippedKey};
use crate::jose::crypto::Material;
use crate::jose::{Algorithm, Header};
use crate::observe::trace;
use crate::text::utf8;

/// Holds keys that are known from the start and never change.
///
/// ```
/// # use tower_bearer::keys::VerifyingKey;
/// # use tower_bearer::{Algorithm, KeySet};
/// # let (old, new) = ("an old secret of more than 32 bytes", "the new secret of more than 32 bytes");
/// // Two secrets at once, while the old one is being replaced:
/// let keys: KeySet = [
///     VerifyingKey::from_secret(Algorithm::HS256, new)?.with_key_id("2026-11"),
///     VerifyingKey::from_secret(Algorithm::HS256, old)?.with_key_id("2026-05"),
/// ]
/// .into_iter()
/// .collect();
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// A token that names a `kid` is checked with the keys of that name, or else with those that have
/// none; a token without `kid` with every key of its algorithm, 16 at the most.
///
/// Cloning is cheap.
#[derive(Clone, Default)]
pub struct KeySet(Arc<Index>);

#[derive(Default)]
struct Index {
    keys: Vec<VerifyingKey>,
    // A client chooses the name that is looked up, and not the names in the map.
    by_id: HashMap<Box<str>, ByAlgorithm, RandomState>,
    without_id: ByAlgorithm,
    all: ByAlgorithm,
    skipped: Vec<SkippedKey>,
    /// 0 where there are no keys.
    epoch: u64,
}

/// The candidates of each algorithm, ready to be handed out.
type ByAlgorithm = Vec<(Algorithm, Candidates)>;

impl KeySet {
    /// Reads a JWK set or a single JWK (RFC 7517).
    ///
    /// A key that cannot be used is left out, and the others stay usable: [`skipped`](Self::skipped) lists it.
    /// RSA keys that name no `alg` are used for RS256, keys on curves for the algorithm of their curve;
    /// a secret (`oct`) must name its `alg`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when the text is no JWK or JWK set,
    /// [`ConfigError::NoUsableKey`] when no key is left.
    pub fn from_jwks(jwks: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::read_jwks(jwks.as_ref(), None)
    }

    /// Reads a JWK set or a single JWK, for these algorithms only.
    ///
    /// RSA keys and secrets that name no `alg` are used for each algorithm of their kind in the
    /// list.
    ///
    /// # Errors
    ///
    /// Those of [`from_jwks`](Self::from_jwks).
    pub fn from_jwks_for(
        jwks: impl AsRef<[u8]>,
        algorithms: &[Algorithm],
    ) -> Result<Self, ConfigError> {
        Self::read_jwks(jwks.as_ref(), Some(algorithms))
    }

    /// Reads public keys in PEM: one or more blocks of `PUBLIC KEY` (SPKI), `RSA PUBLIC KEY` (PKCS#1)
    /// or `CERTIFICATE` (X.509).
    ///
    /// Only the key of a certificate is used: its dates, names and chain are not checked. The text may come
    /// from an environment variable: on one line, in quotes, with the two characters `\n` for line breaks.
    ///
    /// RSA keys are used for RS256, keys on curves for the algorithm of their curve. The keys have no
    /// name, so they are tried for tokens of any `kid`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is no PEM block,
    /// [`ConfigError::NoUsableKey`] when no key is left.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::read_pem(pem.as_ref(), None)
    }

    /// Reads public keys in PEM, for these algorithms only: RSA keys are used for each RSA
    /// algorithm in the list.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem).
    pub fn from_pem_for(
        pem: impl AsRef<[u8]>,
        algorithms: &[Algorithm],
    ) -> Result<Self, ConfigError> {
        Self::read_pem(pem.as_ref(), Some(algorithms))
    }

    /// Reads one public key in DER: SPKI, PKCS#1 or an X.509 certificate, of which only the key is
    /// used.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoUsableKey`] with the reason.
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::read_der(der.as_ref(), None)
    }

    /// Reads one public key in DER, for these algorithms only.
    ///
    /// # Errors
    ///
    /// Those of [`from_der`](Self::from_der).
    pub fn from_der_for(
        der: impl AsRef<[u8]>,
        algorithms: &[Algorithm],
    ) -> Result<Self, ConfigError> {
        Self::read_der(der.as_ref(), Some(algorithms))
    }

    /// Returns the keys, in the order they were given.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.0.keys
    }

    /// Returns the keys that were left out, with the reason of each.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.0.skipped
    }

    /// Returns the same keys without those of these names.
    #[cfg(feature = "refresh")]
    pub(super) fn without(&self, names: &HashSet<Box<str>>) -> Self {
        let is_named = |key: &VerifyingKey| key.key_id().is_some_and(|id| names.contains(id));
        if !self.keys().iter().any(is_named) {
            return self.clone();
        }
        let keys = self.keys().iter().filter(|key| !is_named(key)).cloned().collect();
        Self::index(keys, self.skipped().to_vec())
    }

    /// Reads JWK sets, JWKs and PEM.
    #[cfg(feature = "refresh")]
    pub(super) fn read(text: &[u8], allowed: Option<&[Algorithm]>) -> Result<Self, ConfigError> {
        let expected = "a JWK set or public keys in PEM";
        let text = utf8(text, expected)?;
        if text.trim_start().starts_with('{') {
            Self::read_jwks(text.as_bytes(), allowed)
        } else if text.contains(pem::PEM_BEGIN) {
            Self::read_pem(text.as_bytes(), allowed)
        } else {
            let problem = crate::text::instead_of_keys(text).unwrap_or("it is neither").to_owned();
            Err(ConfigError::UnreadableKeys { expected, problem })
        }
    }

    /// Reads a JWK set from a public place: secrets do not belong there, and of a long set the first
    /// `most` keys are used.
    #[cfg(feature = "jwks")]
    pub(super) fn read_remote(
        jwks: &[u8],
        allowed: Option<&[Algorithm]>,
        most: usize,
    ) -> Result<Self, ConfigError> {
        let (entries, is_too_long) = jwk::read_public_set(utf8(jwks, "a JWK set")?, most)?;
        let keys = entries.into_iter().map(|entry| {
            let keys = entry.key.and_then(|(material, declared)| match material {
                Material::Secret(_) => Err(KeyProblem::PublishedSecret),
                _ => bind(&material, declared, allowed, entry.key_id.as_deref()),
            });
            let keys = keys.map(|keys| of_issuer(keys, entry.issuer.as_deref()));
            (entry.key_id, keys)
        });
        let rest = is_too_long.then_some((None, Err(KeyProblem::TooMany { most })));
        Self::collect_usable(keys.chain(rest))
    }

    fn read_jwks(jwks: &[u8], allowed: Option<&[Algorithm]>) -> Result<Self, ConfigError> {
        let entries = jwk::read_set(utf8(jwks, "a JWK or a JWK set")?)?;
        Self::collect_usable(entries.into_iter().map(|entry| {
            let keys = entry.key.and_then(|(material, declared)| {
                bind(&material, declared, allowed, entry.key_id.as_deref())
            });
            let keys = keys.map(|keys| of_issuer(keys, entry.issuer.as_deref()));
            (entry.key_id, keys)
        }))
    }

    fn read_pem(pem: &[u8], allowed: Option<&[Algorithm]>) -> Result<Self, ConfigError> {
        let keys = der::read_pem(utf8(pem, "public keys in PEM")?)?;
        Self::collect_unnamed(keys, allowed)
    }

    fn read_der(der: &[u8], allowed: Option<&[Algorithm]>) -> Result<Self, ConfigError> {
        Self::collect_unnamed(vec![der::read_der(der)], allowed)
    }

    fn collect_unnamed(
        keys: Vec<Result<Material, KeyProblem>>,
        allowed: Option<&[Algorithm]>,
    ) -> Result<Self, ConfigError> {
        Self::collect_usable(keys.into_iter().map(|material| {
            (None, material.and_then(|material| bind(&material, None, allowed, None)))
        }))
    }

    fn collect_usable(
        entries: impl Iterator<Item = (Option<String>, Result<Vec<VerifyingKey>, KeyProblem>)>,
    ) -> Result<Self, ConfigError> {
        let mut usable = Vec::new();
        let mut skipped = Vec::new();
        for (index, (key_id, keys)) in entries.enumerate() {
            match keys {
                Ok(keys) => usable.extend(keys),
                Err(problem) => skipped.push(SkippedKey { index, key_id, problem }),
            }
        }
        if usable.is_empty() {
            return Err(ConfigError::NoUsableKey { skipped });
        }
        // A provider that changes its set all the time must not fill the log.
        skipped.iter().take(MOST_REPORTED).for_each(trace::skipped_key);
        if let Some(more @ 1..) = skipped.len().checked_sub(MOST_REPORTED) {
            trace::skipped_keys(more);
        }
        Ok(Self::index(usable, skipped))
    }

    fn index(keys: Vec<VerifyingKey>, skipped: Vec<SkippedKey>) -> Self {
        let mut ids: HashMap<Box<str>, Vec<&VerifyingKey>> = HashMap::new();
        for key in &keys {
            if let Some(id) = key.key_id() {
                ids.entry(id.into()).or_default().push(key);
            }
        }
        Self(Arc::new(Index {
            by_id: ids.into_iter().map(|(id, keys)| (id, by_algorithm(keys))).collect(),
            without_id: by_algorithm(keys.iter().filter(|key| key.key_id().is_none())),
            all: by_algorithm(&keys),
            skipped,
            keys,
            epoch: next_epoch(),
        }))
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self::index(keys.into_iter().collect(), Vec::new())
    }
}

impl From<VerifyingKey> for KeySet {
    fn from(key: VerifyingKey) -> Self {
        [key].into_iter().collect()
    }
}

impl KeySource for KeySet {
    fn lookup(&self, header: &Header) -> Lookup {
        let Index { keys, by_id, without_id, all, .. } = &*self.0;
        let algorithm = header.algorithm();
        let (found, is_known) = match header.key_id() {
            None => (find(all, algorithm), !keys.is_empty()),
            Some(id) => {
                let named = by_id.get(id);
                let found = named.and_then(|keys| find(keys, algorithm));
                (found.or_else(|| find(without_id, algorithm)), named.is_some())
            }
        };
        match (found, is_known) {
            (Some(keys), _) => Lookup::Found(keys.clone()),
            (None, true) => Lookup::WrongAlgorithm,
            // Whatever the algorithm: a provider that replaces its RSA key by another kind names a
            // key that the set does not have yet.
            (None, false) => Lookup::Unknown,
        }
    }

    fn epoch(&self) -> Option<u64> {
        Some(self.0.epoch)
    }

    fn keys_status(&self) -> Option<KeysStatus> {
        Some(KeysStatus::of_fixed(self.keys().len(), self.skipped().to_vec()))
    }
}

fn of_issuer(keys: Vec<VerifyingKey>, issuer: Option<&str>) -> Vec<VerifyingKey> {
    match issuer {
        Some(issuer) => keys.into_iter().map(|key| key.with_issuer(issuer)).collect(),
        None => keys,
    }
}

fn find(keys: &ByAlgorithm, algorithm: Algorithm) -> Option<&Candidates> {
    let wanted = algorithm.canonical();
    keys.iter().find(|(algorithm, _)| *algorithm == wanted).map(|(_, candidates)| candidates)
}

fn by_algorithm<'k>(keys: impl IntoIterator<Item = &'k VerifyingKey>) -> ByAlgorithm {
    let mut groups: Vec<(Algorithm, Vec<VerifyingKey>)> = Vec::new();
    for key in keys {
        let algorithm = key.algorithm().canonical();
        match groups.iter_mut().find(|(one, _)| *one == algorithm) {
            Some((_, group)) => group.push(key.clone()),
            None => groups.push((algorithm, vec![key.clone()])),
        }
    }
    let candidates = |mut group: Vec<VerifyingKey>| match group.len() {
        1 => Candidates::from(group.remove(0)),
        _ => group.into_iter().collect(),
    };
    groups.into_iter().map(|(algorithm, group)| (algorithm, candidates(group))).collect()
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("keys", &self.keys())
            .field("skipped", &self.skipped())
            .finish_non_exhaustive()
    }
}

/// The number of left-out keys of a set that are reported one by one.
const MOST_REPORTED: usize = 10;
