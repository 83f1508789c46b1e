//! The keys of an issuer as data. Time is passed in, in seconds since 1970.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::RotateError;
use super::rotation::KeyRotation;
use super::status::{IssuerKeyState, IssuerKeyStatus};
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::Algorithm;
use crate::keys::{KeyIdentity, PublicKeys, SigningKey, VerifyingKey};

/// The keys of one moment.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) next: Option<Dated>,
    pub(super) active: Dated,
    pub(super) retired: Vec<Retired>,
}

/// A private key, and since when it is what it is.
#[derive(Clone)]
pub(super) struct Dated {
    pub(super) key: SigningKey,
    pub(super) since: u64,
}

/// A key that signs no more.
#[derive(Clone)]
pub(super) struct Retired {
    pub(super) key: VerifyingKey,
    pub(super) until: u64,
}

impl Keys {
    /// Begins with this key and a next one of its algorithm.
    pub(super) fn begin(active: SigningKey, now: u64) -> Result<Self, ConfigError> {
        let next = Some(Dated { key: new_key(active.algorithm())?, since: now });
        Ok(Self { next, active: Dated { key: active, since: now }, retired: Vec::new() })
    }

    /// Returns how long to wait until the next key has been published for this time.
    pub(super) fn wait(&self, published_ahead: Duration, now: u64) -> Option<Duration> {
        let since = self.next.as_ref().map_or(now, |next| next.since);
        let wait = since.saturating_add(published_ahead.as_secs()).saturating_sub(now);
        (wait > 0).then_some(Duration::from_secs(wait))
    }

    /// Makes the next key the active one, and the new key the next one. If there is no next key, the new one is
    /// active.
    pub(super) fn rotate(&mut self, new: SigningKey, retired_for: Duration, now: u64) {
        let new = Dated { key: new, since: now };
        let (active, next) = match self.next.take() {
            Some(next) => (Dated { key: next.key, since: now }, Some(new)),
            None => (new, None),
        };
        let former = std::mem::replace(&mut self.active, active);
        self.next = next;
        let until = now.saturating_add(retired_for.as_secs());
        self.retired.insert(0, Retired { key: former.key.verifying_key(), until });
    }

    /// Drops a next or retired key, and puts the new one in place of a next one.
    pub(super) fn withdraw(
        &mut self,
        key_id: &str,
        new: SigningKey,
        now: u64,
    ) -> Result<(), RotateError> {
        if self.active.key.key_id() == Some(key_id) {
            return Err(RotateError::ActiveKey { key_id: key_id.to_owned() });
        }
        let before = self.retired.len();
        self.retired.retain(|retired| retired.key.key_id() != Some(key_id));
        if self.next.as_ref().is_some_and(|next| next.key.key_id() == Some(key_id)) {
            self.next = Some(Dated { key: new, since: now });
        } else if self.retired.len() == before {
            return Err(RotateError::UnknownKey { key_id: key_id.to_owned() });
        }
        Ok(())
    }

    pub(super) fn drop_expired(&mut self, now: u64) {
        self.retired.retain(|retired| retired.until > now);
    }

    /// Returns when the active key is to be replaced for its age.
    pub(super) fn due(&self, rotation: &KeyRotation) -> Option<u64> {
        let old = self.active.since.saturating_add(rotation.rotation_after?.as_secs());
        let published = self
            .next
            .as_ref()
            .map_or(0, |next| next.since.saturating_add(rotation.published_ahead.as_secs()));
        Some(old.max(published))
    }

    /// Whether both hold the same keys in the same states.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let dated = |dated: &Dated| (dated.identity(), dated.since);
        let retired = |retired: &Retired| (retired.key.identity(), retired.until);
        dated(&self.active) == dated(&other.active)
            && self.next.as_ref().map(dated) == other.next.as_ref().map(dated)
            && self.retired.iter().map(retired).eq(other.retired.iter().map(retired))
    }

    /// Returns the keys that verify: the active one first, then the next and the retired ones.
    pub(super) fn verifying(&self) -> Vec<VerifyingKey> {
        let pairs = [Some(&self.active), self.next.as_ref()].into_iter().flatten();
        let pairs = pairs.map(|dated| dated.key.verifying_key());
        pairs.chain(self.retired.iter().map(|retired| retired.key.clone())).collect()
    }

    pub(super) fn public(&self) -> PublicKeys {
        let keys = self.verifying();
        let sets = keys.iter().map(PublicKeys::from);
        sets.reduce(PublicKeys::and).expect("there is an active key")
    }

    pub(super) fn status(&self) -> Vec<IssuerKeyStatus> {
        let moment = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let status = |key: &VerifyingKey, state| IssuerKeyStatus {
            key_id: key.key_id().map(str::to_owned),
            algorithm: key.algorithm(),
            state,
            since: None,
            until: None,
        };
        let dated = |dated: &Dated, state| IssuerKeyStatus {
            since: moment(dated.since),
            ..status(&dated.key.verifying_key(), state)
        };
        let retired = |retired: &Retired| IssuerKeyStatus {
            until: moment(retired.until),
            ..status(&retired.key, IssuerKeyState::Retired)
        };
        let active = dated(&self.active, IssuerKeyState::Active);
        let next = self.next.as_ref().map(|next| dated(next, IssuerKeyState::Next));
        [active].into_iter().chain(next).chain(self.retired.iter().map(retired)).collect()
    }
}

impl Dated {
    pub(super) fn identity(&self) -> KeyIdentity {
        self.key.verifying_key().identity()
    }
}

/// Makes a key with an id. The id of a secret is random, because a secret has no thumbprint.
pub(super) fn new_key(algorithm: Algorithm) -> Result<SigningKey, ConfigError> {
    let key = SigningKey::generate(algorithm)?;
    if key.key_id().is_some() {
        return Ok(key);
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| {
        KeyProblem::Unreadable("the operating system has no randomness to give".to_owned())
    })?;
    key.with_key_id(URL_SAFE_NO_PAD.encode(id))
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::begin(new_key(Algorithm::Ed25519).unwrap(), 1000).unwrap()
    }

    fn ids(keys: &Keys) -> Vec<String> {
        keys.status().iter().map(|key| key.key_id().unwrap().to_owned()).collect()
    }

    #[test]
    fn next_key_becomes_active_and_the_active_one_is_retired() {
        let mut keys = keys();
        let before = ids(&keys);

        let new = new_key(Algorithm::Ed25519).unwrap();
        let new_id = new.key_id().unwrap().to_owned();
        keys.rotate(new, Duration::from_secs(60), 2000);

        assert_eq!(ids(&keys), [&before[1], &new_id, &before[0]].map(String::clone));
        assert_eq!((keys.active.since, keys.retired[0].until), (2000, 2060));
    }

    #[test]
    fn retired_key_is_dropped_in_the_second_at_which_its_time_ends() {
        let mut keys = keys();
        keys.rotate(new_key(Algorithm::Ed25519).unwrap(), Duration::from_secs(60), 2000);

        keys.drop_expired(2059);
        assert_eq!(keys.retired.len(), 1);
        keys.drop_expired(2060);
        assert_eq!(keys.retired.len(), 0);
    }

    #[test]
    fn next_key_waits_until_it_has_been_published_for_long_enough() {
        let keys = keys();
        let ahead = Duration::from_secs(900);

        assert_eq!(keys.wait(ahead, 1000), Some(ahead));
        assert_eq!(keys.wait(ahead, 1899), Some(Duration::from_secs(1)));
        assert_eq!(keys.wait(ahead, 1900), None);
        let without = Keys { next: None, ..keys };
        assert_eq!(without.wait(ahead, 5000), Some(ahead));
    }

    #[test]
    fn key_is_due_when_it_is_old_and_the_next_one_was_published_for_long_enough() {
        let mut keys = keys();
        let rotation = KeyRotation::new();
        assert_eq!(keys.due(&rotation), None);
        let rotation = rotation.with_rotation_after(Duration::from_secs(3600));

        assert_eq!(keys.due(&rotation), Some(4600));
        keys.next.as_mut().unwrap().since = 4000;
        assert_eq!(keys.due(&rotation), Some(4900));
    }

    #[test]
    fn new_secret_has_an_id_and_each_has_another() {
        let secrets = [(); 2].map(|()| new_key(Algorithm::HS256).unwrap());

        assert!(secrets[0].key_id().is_some());
        assert_ne!(secrets[0].key_id(), secrets[1].key_id());
    }
}
