use zeroize::Zeroizing;

use super::derived_key::derived_key;
use super::{EncryptionHeader, KeyManagement};
use crate::jose::crypto::decryption::{self, AgreementKey, RsaDecryption};
use crate::jose::crypto::{AgreementCurve, Hash};

/// A private key or secret with the one way in which it decrypts.
pub(crate) struct Recipient {
    algorithm: KeyManagement,
    key: RecipientKey,
}

pub(crate) enum RecipientKey {
    Secret(Zeroizing<Vec<u8>>),
    Rsa(RsaDecryption),
    Agreement(AgreementCurve, AgreementKey),
}

impl Recipient {
    /// Binds a key, whose kind and length the caller has checked.
    pub(crate) fn new(algorithm: KeyManagement, key: RecipientKey) -> Self {
        Self { algorithm, key }
    }

    pub(crate) fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }

    /// Returns whether a token with this header may be for the key.
    pub(crate) fn fits(&self, header: &EncryptionHeader) -> bool {
        let on_curve = match &self.key {
            RecipientKey::Secret(secret) => {
                // A secret in direct use has the length of one or two encryptions.
                self.algorithm != KeyManagement::Dir
                    || secret.len() == header.encryption.key_bytes()
            }
            RecipientKey::Rsa(_) => true,
            RecipientKey::Agreement(curve, _) => {
                header.ephemeral.as_ref().is_some_and(|key| key.curve == *curve)
            }
        };
        on_curve && self.algorithm == header.algorithm
    }

    /// Returns the key of the content. `None` if the encrypted key is wrong.
    pub(super) fn content_key(
        &self,
        header: &EncryptionHeader,
        encrypted: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        match &self.key {
            RecipientKey::Secret(secret) => match self.algorithm {
                KeyManagement::Dir => is_absent(encrypted).then(|| secret.clone()),
                KeyManagement::A128KW | KeyManagement::A256KW => {
                    decryption::unwrap_key(secret, encrypted)
                }
                KeyManagement::A128GCMKW | KeyManagement::A256GCMKW => {
                    open_key(secret, header, encrypted)
                }
                _ => None,
            },
            RecipientKey::Rsa(key) => match self.algorithm {
                KeyManagement::RsaOaep => key.decrypt(Hash::Sha1, encrypted),
                KeyManagement::RsaOaep256 => key.decrypt(Hash::Sha256, encrypted),
                _ => None,
            },
            RecipientKey::Agreement(curve, key) => {
                let ephemeral = header.ephemeral.as_ref().filter(|key| key.curve == *curve)?;
                self.agreed_key(&key.agree(&ephemeral.point)?, header, encrypted)
            }
        }
    }

    /// RFC 7518 §4.6: the secret is the key of the content, or unwraps it.
    fn agreed_key(
        &self,
        secret: &[u8],
        header: &EncryptionHeader,
        encrypted: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let wrapping_bytes = match self.algorithm {
            KeyManagement::EcdhEs => None,
            KeyManagement::EcdhEsA128KW => Some(16),
            KeyManagement::EcdhEsA256KW => Some(32),
            _ => return None,
        };
        let name = wrapping_bytes.map_or(header.encryption.as_str(), |_| self.algorithm.as_str());
        let bytes = wrapping_bytes.unwrap_or_else(|| header.encryption.key_bytes());
        let key = derived_key(secret, name, &header.producer, &header.recipient, bytes)?;
        match wrapping_bytes {
            Some(_) => decryption::unwrap_key(&key, encrypted),
            None => is_absent(encrypted).then_some(key),
        }
    }
}

/// RFC 7516 §5.2: a key that is not carried leaves its segment empty.
fn is_absent(encrypted: &[u8]) -> bool {
    encrypted.is_empty()
}

/// RFC 7518 §4.7: the `iv` has 96 bits, and the `tag` 128.
fn open_key(
    secret: &[u8],
    header: &EncryptionHeader,
    encrypted: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    if header.key_iv.len() != 12 || header.key_tag.len() != 16 {
        return None;
    }
    let mut key = Zeroizing::new(encrypted.to_vec());
    decryption::open_gcm(secret, &header.key_iv, &[], &mut key, &header.key_tag)?;
    Some(key)
}
