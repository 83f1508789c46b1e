use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The way in which an encrypted token carries the key of its content: `alg` (RFC 7518 §4.1).
///
/// The list is closed. It does not hold `RSA1_5`, which has been broken many times (RFC 8725 §3.2), and no algorithm of
/// passwords (`PBES2-…`), with which a token chooses the work of its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyManagement {
    /// A shared secret is the key of the content.
    Dir,
    /// AES Key Wrap with a shared secret of 128 bits.
    A128KW,
    /// AES Key Wrap with a shared secret of 256 bits.
    A256KW,
    /// AES-GCM with a shared secret of 128 bits.
    A128GCMKW,
    /// AES-GCM with a shared secret of 256 bits.
    A256GCMKW,
    /// RSA with OAEP and SHA-1.
    RsaOaep,
    /// RSA with OAEP and SHA-256.
    RsaOaep256,
    /// Diffie-Hellman on P-256, P-384, P-521 or X25519. The agreed secret is the key of the content.
    EcdhEs,
    /// Diffie-Hellman, then AES Key Wrap with 128 bits.
    EcdhEsA128KW,
    /// Diffie-Hellman, then AES Key Wrap with 256 bits.
    EcdhEsA256KW,
}

/// The encryption of a token's content: `enc` (RFC 7518 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ContentEncryption {
    /// AES-GCM with a key of 128 bits.
    A128GCM,
    /// AES-GCM with a key of 256 bits.
    A256GCM,
    /// AES-CBC with HMAC-SHA-256, with 128 bits for each.
    A128CbcHs256,
    /// AES-CBC with HMAC-SHA-512, with 256 bits for each.
    A256CbcHs512,
}

impl KeyManagement {
    /// Every way, in the order of the enum.
    pub const ALL: [Self; 10] = [
        Self::Dir,
        Self::A128KW,
        Self::A256KW,
        Self::A128GCMKW,
        Self::A256GCMKW,
        Self::RsaOaep,
        Self::RsaOaep256,
        Self::EcdhEs,
        Self::EcdhEsA128KW,
        Self::EcdhEsA256KW,
    ];

    /// Returns the name as it stands in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::A128KW => "A128KW",
            Self::A256KW => "A256KW",
            Self::A128GCMKW => "A128GCMKW",
            Self::A256GCMKW => "A256GCMKW",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128KW => "ECDH-ES+A128KW",
            Self::EcdhEsA256KW => "ECDH-ES+A256KW",
        }
    }
}

impl ContentEncryption {
    /// Every encryption, in the order of the enum.
    pub const ALL: [Self; 4] =
        [Self::A128GCM, Self::A256GCM, Self::A128CbcHs256, Self::A256CbcHs512];

    /// Returns the name as it stands in `enc`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128GCM => "A128GCM",
            Self::A256GCM => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    /// Returns the length of its key.
    pub(crate) const fn key_bytes(self) -> usize {
        match self {
            Self::A128GCM => 16,
            Self::A256GCM | Self::A128CbcHs256 => 32,
            Self::A256CbcHs512 => 64,
        }
    }
}

impl fmt::Display for KeyManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ContentEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyManagement {
    type Err = ParseEncryptionError;

    fn from_str(name: &str) -> Result<Self, ParseEncryptionError> {
        // RFC 7516 §4.1.1: the name is case-sensitive.
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        found.ok_or(ParseEncryptionError(()))
    }
}

impl FromStr for ContentEncryption {
    type Err = ParseEncryptionError;

    fn from_str(name: &str) -> Result<Self, ParseEncryptionError> {
        let found = Self::ALL.into_iter().find(|encryption| encryption.as_str() == name);
        found.ok_or(ParseEncryptionError(()))
    }
}

/// The error of a name that is neither in [`KeyManagement::ALL`] nor in [`ContentEncryption::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseEncryptionError(());

impl fmt::Display for ParseEncryptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name is none of")?;
        KeyManagement::ALL.iter().try_for_each(|one| write!(f, " {one}"))?;
        ContentEncryption::ALL.iter().try_for_each(|one| write!(f, " {one}"))
    }
}

impl Error for ParseEncryptionError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn other_cases(name: &str) -> impl Iterator<Item = String> {
        [name.to_lowercase(), name.to_uppercase()].into_iter().filter(move |other| other != name)
    }

    #[test]
    fn every_name_is_found_to_the_letter_only() {
        // RFC 7516 §4.1.1: alg is case-sensitive
        for one in KeyManagement::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
            for other in other_cases(one.as_str()) {
                assert!(other.parse::<KeyManagement>().is_err(), "{other}");
            }
        }
        for one in ContentEncryption::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
            for other in other_cases(one.as_str()) {
                assert!(other.parse::<ContentEncryption>().is_err(), "{other}");
            }
        }
    }

    #[test]
    fn broken_and_costly_ways_have_no_name() {
        for name in ["RSA1_5", "PBES2-HS256+A128KW", "PBES2-HS512+A256KW", "none", "RS256", ""] {
            assert!(name.parse::<KeyManagement>().is_err(), "{name}");
        }
    }
}
