use std::fmt;
use std::time::{Duration, SystemTime};

use subtle::ConstantTimeEq as _;

use crate::jose::crypto;

/// The SHA-256 hash of the whole text of an API key, as `printf %s "$KEY" | sha256sum` computes it.
///
/// The secret has 256 random bits, so a copy of the store does not help to find it, and a fast hash is enough. Argon2
/// and its kind slow down the guessing of passwords that people choose. Here they would only slow down each request.
#[derive(Clone, Copy)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// Creates a hash from its bytes, as a store has kept them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the 64 hexadecimal digits of a hash. `None` for any other text.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// Returns the hash in 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Hashes the text of a key. `None` without a back end.
    pub(crate) fn of(text: &str) -> Option<Self> {
        crypto::sha256(text.as_bytes()).map(Self)
    }
}

/// Takes the same time wherever two hashes differ.
impl PartialEq for ApiKeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ApiKeyHash {}

// A hash is no secret. It has no use in a log either.
impl fmt::Debug for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyHash(..)")
    }
}

/// An API key without its secret, as an [`ApiKeyStore`](super::ApiKeyStore) keeps it.
///
/// All moments are in whole milliseconds, so a store may keep a number.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKeyRecord {
    /// The name of the key: `jti` of its claims. 16 letters and digits.
    pub id: String,
    /// The hash of the key.
    pub hash: ApiKeyHash,
    /// The subject that the key speaks for: `sub` of its claims.
    pub owner: String,
    /// The use of the key, in words of its owner.
    pub label: String,
    /// The roles that the key grants.
    pub roles: Vec<String>,
    /// The scopes that the key grants.
    pub scopes: Vec<String>,
    /// The moment at which the key was made.
    pub created_at: SystemTime,
    /// The moment from which the key is refused. `None` for a key that does not expire.
    pub expires_at: Option<SystemTime>,
    /// For how long the key was made, which its successor has too. [`expires_at`](Self::expires_at) may come earlier when
    /// the key is replaced. `None` for a key that was made without an end.
    pub lifetime: Option<Duration>,
    /// The moment of a use, which is at most some minutes older than the last one. `None` before the first.
    pub last_used: Option<SystemTime>,
    /// Whether the key is refused until it is enabled again.
    pub disabled: bool,
    /// The moment from which the key is refused for ever.
    pub ended_at: Option<SystemTime>,
}

impl ApiKeyRecord {
    /// Creates the record of a key without grants that does not expire. Set the other fields as they are needed.
    pub fn new(
        id: impl Into<String>,
        hash: ApiKeyHash,
        owner: impl Into<String>,
        created_at: SystemTime,
    ) -> Self {
        Self {
            id: id.into(),
            hash,
            owner: owner.into(),
            label: String::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            created_at,
            expires_at: None,
            lifetime: None,
            last_used: None,
            disabled: false,
            ended_at: None,
        }
    }

    /// Returns whether the key has neither ended nor expired. It may be disabled.
    pub fn is_live(&self, now: SystemTime) -> bool {
        self.ended_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Returns the moment from which the key is refused for ever, if it is known.
    pub fn gone_at(&self) -> Option<SystemTime> {
        match (self.ended_at, self.expires_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

// Owner and label are personal data.
impl fmt::Debug for ApiKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyRecord")
            .field("id", &self.id)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("disabled", &self.disabled)
            .field("ended_at", &self.ended_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_written_and_read_in_hexadecimal_digits() {
        let text = "00ff".repeat(16);
        let hash = ApiKeyHash::from_hex(&text).unwrap();

        assert_eq!(hash.to_hex(), text);
        assert_eq!(ApiKeyHash::from_hex(&text.to_uppercase()), Some(hash));
        for bad in ["", "00", &text[1..], &format!("{text}0"), &"é".repeat(32), &"g".repeat(64)] {
            assert_eq!(ApiKeyHash::from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    fn hash_is_that_of_sha256sum() {
        // `printf %s abc | sha256sum`
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(ApiKeyHash::of("abc").unwrap().to_hex(), sum);
    }
}
