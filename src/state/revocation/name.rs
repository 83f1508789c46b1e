//! Names what is revoked, in 16 bytes.
//!
//! Names are kept as hashes: a name is 20 to 100 bytes and a heap block, a hash 16 bytes. SipHash-2-4-128 has a
//! random key, so a collision cannot be aimed at; one of ten million names is met with a probability of 10⁻³¹,
//! and would refuse a token, never accept one. A snapshot holds the key and no name.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash, Hasher};

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::Revocable;

/// A name of an issuer as 128 bits, which cannot be predicted without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HashedName([u32; 4]); // Not `u128`: entries are then packed without gaps.

impl HashedName {
    pub(super) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for (four, word) in bytes.chunks_exact_mut(4).zip(self.0) {
            four.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        let mut words = [0; 4];
        for (word, four) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        }
        Self(words)
    }

    /// Returns bits that are not part of the hash.
    pub(super) fn shard_bits(self) -> usize {
        self.0[2] as usize
    }
}

impl Hash for HashedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.0[0]) << 32 | u64::from(self.0[1]));
    }
}

/// Uses the first half of a [`HashedName`] as its hash, since it is one already.
#[derive(Default)]
pub(super) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("names write one number");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The key under which names are hashed.
#[derive(Clone, Copy)]
pub(super) struct NameKey([u8; 16]);

impl NameKey {
    pub(super) fn random() -> Self {
        // The standard library's randomness, since `getrandom` is a dependency of some features
        // only: each half is a keyed hash under a key of the operating system's.
        let half = || RandomState::new().hash_one(0_u64).to_le_bytes();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&half());
        key[8..].copy_from_slice(&half());
        Self(key)
    }

    pub(super) fn from_bytes(key: [u8; 16]) -> Self {
        Self(key)
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    pub(super) fn hasher(self) -> SipHasher24 {
        SipHasher24::new_with_key(&self.0)
    }

    pub(super) fn name(self, issuer: &str, name: Revocable<'_>) -> HashedName {
        let mut hasher = self.hasher();
        // The length of the issuer keeps two different pairs of texts apart.
        hasher.write(&[name.kind() as u8]);
        hasher.write(&(issuer.len() as u64).to_le_bytes());
        hasher.write(issuer.as_bytes());
        hasher.write(name.as_str().as_bytes());
        HashedName::from_bytes(hasher.finish128().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasherDefault;

    use super::*;

    #[test]
    fn names_differ_by_kind_issuer_and_text_and_by_where_one_ends() {
        let key = NameKey::random();
        let names = [
            key.name("ab", Revocable::Token("c")),
            key.name("a", Revocable::Token("bc")),
            key.name("ab", Revocable::Session("c")),
            key.name("ab", Revocable::Subject("c")),
            key.name("ab", Revocable::Client("c")),
            NameKey::random().name("ab", Revocable::Token("c")),
        ];

        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{index}");
        }
        assert_eq!(names[0], key.name("ab", Revocable::Token("c")));
    }

    #[test]
    fn names_are_spread_over_maps_and_over_the_places_in_them() {
        let key = NameKey::random();
        let names: Vec<HashedName> =
            (0..4096).map(|n| key.name("issuer", Revocable::Token(&n.to_string()))).collect();
        let hashes = BuildHasherDefault::<IdentityHasher>::default();
        let different = |of: &dyn Fn(HashedName) -> u64| {
            names.iter().map(|name| of(*name)).collect::<HashSet<u64>>().len()
        };

        // Of 1024 each, which 4096 names fill but for some.
        assert!(different(&|name| name.shard_bits() as u64 % 1024) > 900);
        assert!(different(&|name| hashes.hash_one(name) % 1024) > 900);
        assert!(different(&|name| hashes.hash_one(name) >> 54) > 900);
    }

    #[test]
    fn name_of_a_known_key_is_the_same_for_ever() {
        // Snapshots of earlier versions are read by later ones.
        let key = NameKey::from_bytes(*b"0123456789abcdef");

        let name = key.name("https://id.example.com", Revocable::Token("t1"));

        assert_eq!(HashedName::from_bytes(name.to_bytes()), name);
        // By the authors' description of SipHash-2-4-128, computed elsewhere.
        assert_eq!(u128::from_le_bytes(name.to_bytes()), 0xe7a8_c889_eb48_ba56_beec_fbd6_cd91_4153);
    }
}
