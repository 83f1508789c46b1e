//! The keys of an issuer as data. Time is passed in, in seconds since 1970.

use std::ops::Range;
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
    /// Begins with this key and a next one of its algorithm. Each gets an id, by which it can be withdrawn.
    pub(super) fn begin(active: SigningKey, now: u64) -> Result<Self, ConfigError> {
        let active = named(active)?;
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

    /// Returns the keys without the retired ones whose time has ended.
    pub(super) fn at(&self, now: u64) -> Self {
        let mut keys = self.clone();
        keys.retired.retain(|retired| retired.until > now);
        keys
    }

    /// Returns the moments from and up to which [`at`](Self::at) gives the same keys as now. `None` means any.
    pub(super) fn same_between(&self, now: u64) -> Option<Range<u64>> {
        let moments = || self.retired.iter().map(|retired| retired.until);
        let from = moments().filter(|until| *until <= now).max().unwrap_or_default();
        let to = moments().filter(|until| *until > now).min().unwrap_or(u64::MAX);
        (!self.retired.is_empty()).then_some(from..to)
    }

    /// Forgets retired keys whose time has ended. `surely` is a moment that has passed even if the clock was set ahead
    /// by mistake, and will be set back. Until then, few are kept, and of those none for ever.
    pub(super) fn forget(&mut self, surely: u64, now: u64) {
        self.retired.retain(|retired| retired.until > surely);
        while self.retired.len() > MOST_RETIRED
            && let Some(place) = self.retired.iter().rposition(|retired| retired.until <= now)
        {
            self.retired.remove(place);
        }
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

    /// Whether both hold the same keys, under the same ids and in the same states.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        fn dated(dated: &Dated) -> (KeyIdentity, Option<&str>, u64) {
            (dated.identity(), dated.key.key_id(), dated.since)
        }
        fn retired(retired: &Retired) -> (KeyIdentity, Option<&str>, u64) {
            (retired.key.identity(), retired.key.key_id(), retired.until)
        }
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

/// Makes a key with an id.
pub(super) fn new_key(algorithm: Algorithm) -> Result<SigningKey, ConfigError> {
    named(SigningKey::generate(algorithm)?)
}

/// Gives a key an id if it has none: its thumbprint. A secret has no thumbprint, so its id is random.
fn named(key: SigningKey) -> Result<SigningKey, ConfigError> {
    let key = key.or_thumbprint();
    if key.key_id().is_some() {
        return Ok(key);
    }
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| {
        KeyProblem::Unreadable("the operating system has no randomness to give".to_owned())
    })?;
    key.with_key_id(URL_SAFE_NO_PAD.encode(id))
}

/// The number of retired keys beyond which those whose time has ended are forgotten in any case.
const MOST_RETIRED: usize = 64;

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
    fn retired_key_verifies_up_to_the_second_at_which_its_time_ends() {
        let mut keys = keys();
        assert_eq!(keys.same_between(2000), None);
        keys.rotate(new_key(Algorithm::Ed25519).unwrap(), Duration::from_secs(60), 2000);
        keys.rotate(new_key(Algorithm::Ed25519).unwrap(), Duration::from_secs(60), 2030);

        for (now, retired, same) in [
            (2059, 2, 0..2060),
            (2060, 1, 2060..2090),
            (2089, 1, 2060..2090),
            (2090, 0, 2090..u64::MAX),
            // The clock was set back.
            (2000, 2, 0..2060),
        ] {
            assert_eq!(keys.at(now).retired.len(), retired, "{now}");
            assert_eq!(keys.same_between(now), Some(same), "{now}");
        }
    }

    #[test]
    fn retired_key_is_forgotten_when_its_time_has_surely_ended_or_there_are_many() {
        let mut keys = keys();
        let new = || new_key(Algorithm::Ed25519).unwrap();
        keys.rotate(new(), Duration::from_secs(60), 2000);

        keys.forget(2059, 9000);
        assert_eq!(keys.retired.len(), 1);
        keys.forget(2060, 9000);
        assert_eq!(keys.retired.len(), 0);

        let first = keys.active.identity();
        for now in 0..70 {
            keys.rotate(new(), Duration::from_secs(60), 3000 + now);
        }
        keys.forget(0, 3059);
        assert_eq!(keys.retired.len(), 70);
        keys.forget(0, 3062);
        assert_eq!(keys.retired.len(), 67);
        assert!(keys.retired.iter().all(|retired| retired.key.identity() != first));
        keys.forget(0, 9000);
        assert_eq!(keys.retired.len(), MOST_RETIRED);
    }

    #[test]
    fn key_under_another_id_is_not_the_same() {
        let keys = keys();
        let other = Keys {
            active: Dated {
                key: keys.active.key.clone().with_key_id("other").unwrap(),
                since: keys.active.since,
            },
            ..keys.clone()
        };

        assert!(keys.is_same(&keys.clone()));
        assert!(!keys.is_same(&other));
    }

    #[test]
    fn first_key_without_an_id_gets_one() {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let secret = SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();

        let keys = Keys::begin(key, 0).unwrap();
        let named = Keys::begin(secret.with_key_id("mine").unwrap(), 0).unwrap();

        assert_ne!(ids(&keys)[0], ids(&keys)[1]);
        assert_eq!(ids(&named)[0], "mine");
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
