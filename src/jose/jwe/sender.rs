use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::derived_key::derived_key;
use super::{ContentEncryption, KeyManagement};
use crate::jose::crypto::decryption::{cut_hmac, fill_random};
use crate::jose::crypto::encryption::{self, RsaEncryption};
use crate::jose::crypto::{AgreementCurve, Hash};

/// A public key or shared secret with the one way in which it encrypts.
pub(crate) struct Sender {
    algorithm: KeyManagement,
    key: SenderKey,
}

pub(crate) enum SenderKey {
    Secret(Zeroizing<Vec<u8>>),
    Rsa(RsaEncryption),
    /// The public key in the form of back ends: an uncompressed point, or the 32 bytes of X25519.
    Agreement(AgreementCurve, Vec<u8>),
}

impl Sender {
    /// Binds a key, whose kind and length the caller has checked.
    pub(crate) fn new(algorithm: KeyManagement, key: SenderKey) -> Self {
        Self { algorithm, key }
    }

    pub(crate) fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }

    /// Returns the length of the secret, if it is one.
    pub(crate) fn secret_bytes(&self) -> Option<usize> {
        match &self.key {
            SenderKey::Secret(secret) => Some(secret.len()),
            SenderKey::Rsa(_) | SenderKey::Agreement(..) => None,
        }
    }

    /// Encrypts a signed token as a nested JWT (RFC 7519 §5.2). `None` if the system has no randomness.
    pub(crate) fn encrypt(
        &self,
        encryption: ContentEncryption,
        key_id: Option<&str>,
        token: &str,
    ) -> Option<String> {
        let mut header = WrittenHeader {
            alg: self.algorithm.as_str(),
            enc: encryption.as_str(),
            kid: key_id,
            cty: "JWT",
            epk: None,
            iv: None,
            tag: None,
        };
        let (key, encrypted_key) = self.content_key(encryption, &mut header)?;
        let header = encoded(&serde_json::to_vec(&header).ok()?);
        let mut text = Vec::with_capacity(token.len() + MAX_PADDING);
        text.extend_from_slice(token.as_bytes());
        let (iv, tag) = seal(encryption, &key, header.as_bytes(), &mut text)?;
        let segments = [&encrypted_key, &iv, &text, &tag].map(|bytes| encoded(bytes));
        Some(format!("{header}.{}", segments.join(".")))
    }

    /// Returns the key of the content, and in which form the token carries it.
    fn content_key(
        &self,
        encryption: ContentEncryption,
        header: &mut WrittenHeader<'_>,
    ) -> Option<(Zeroizing<Vec<u8>>, Vec<u8>)> {
        let fresh = || random(encryption.key_bytes()).map(Zeroizing::new);
        match &self.key {
            SenderKey::Secret(secret) => match self.algorithm {
                KeyManagement::Dir => Some((secret.clone(), Vec::new())),
                KeyManagement::A128KW | KeyManagement::A256KW => {
                    let key = fresh()?;
                    let wrapped = encryption::wrap_key(secret, &key)?;
                    Some((key, wrapped))
                }
                KeyManagement::A128GCMKW | KeyManagement::A256GCMKW => {
                    let (key, iv) = (fresh()?, random(GCM_IV)?);
                    let mut sealed = key.to_vec();
                    let tag = encryption::seal_gcm(secret, &iv, &[], &mut sealed)?;
                    (header.iv, header.tag) = (Some(encoded(&iv)), Some(encoded(&tag)));
                    Some((key, sealed))
                }
                _ => None,
            },
            SenderKey::Rsa(rsa) => {
                let hash = match self.algorithm {
                    KeyManagement::RsaOaep => Hash::Sha1,
                    KeyManagement::RsaOaep256 => Hash::Sha256,
                    _ => return None,
                };
                let key = fresh()?;
                let encrypted = rsa.encrypt(hash, &key)?;
                Some((key, encrypted))
            }
            SenderKey::Agreement(curve, point) => {
                let (public, secret) = encryption::agree_once(*curve, point)?;
                header.epk = Some(EphemeralJwk::new(*curve, &public));
                let derived = |name, bytes| derived_key(&secret, name, &[], &[], bytes);
                let wrapping_bytes = match self.algorithm {
                    KeyManagement::EcdhEs => {
                        let key = derived(encryption.as_str(), encryption.key_bytes())?;
                        return Some((key, Vec::new()));
                    }
                    KeyManagement::EcdhEsA128KW => 16,
                    KeyManagement::EcdhEsA256KW => 32,
                    _ => return None,
                };
                let key = fresh()?;
                let with = derived(self.algorithm.as_str(), wrapping_bytes)?;
                let wrapped = encryption::wrap_key(&with, &key)?;
                Some((key, wrapped))
            }
        }
    }
}

/// Encrypts the content in place. Returns its initialisation vector and tag.
fn seal(
    encryption: ContentEncryption,
    key: &[u8],
    header: &[u8],
    text: &mut Vec<u8>,
) -> Option<(Vec<u8>, Vec<u8>)> {
    match encryption {
        ContentEncryption::A128GCM | ContentEncryption::A256GCM => {
            let iv = random(GCM_IV)?;
            let tag = encryption::seal_gcm(key, &iv, header, text)?;
            Some((iv, tag))
        }
        // RFC 7518 §5.2.2.1: the first half of the key is for the tag.
        ContentEncryption::A128CbcHs256 | ContentEncryption::A256CbcHs512 => {
            let (mac_key, text_key) = key.split_at(key.len() / 2);
            let iv = random(CBC_IV)?;
            encryption::encrypt_cbc(text_key, &iv, text)?;
            let header_bits = (header.len() as u64).checked_mul(8)?.to_be_bytes();
            let tag = cut_hmac(mac_key, &[header, &iv, text, &header_bits])?;
            Some((iv, tag))
        }
    }
}

#[derive(Serialize)]
struct WrittenHeader<'h> {
    alg: &'static str,
    enc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'h str>,
    cty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<EphemeralJwk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
}

/// The public key that was made for one token (RFC 7518 §4.6.1.1).
#[derive(Serialize)]
struct EphemeralJwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl EphemeralJwk {
    fn new(curve: AgreementCurve, public: &[u8]) -> Self {
        let crv = curve.name();
        match curve {
            AgreementCurve::X25519 => Self { kty: "OKP", crv, x: encoded(public), y: None },
            AgreementCurve::Ec(_) => {
                // Behind the byte 4, which says that it is not compressed.
                let (x, y) = public.split_at(public.len() - curve.field_bytes());
                Self { kty: "EC", crv, x: encoded(&x[1..]), y: Some(encoded(y)) }
            }
        }
    }
}

fn random(bytes: usize) -> Option<Vec<u8>> {
    let mut random = vec![0; bytes];
    fill_random(&mut random)?;
    Some(random)
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const GCM_IV: usize = 12;
const CBC_IV: usize = 16;
/// A block of AES, which the padding may add.
const MAX_PADDING: usize = 16;
