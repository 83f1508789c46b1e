//! Verifies in pure Rust, with the crates of `RustCrypto` and dalek, for builds without a C
//! compiler.
//!
//! It gives the same verdict as aws-lc on every signature. RSA and ECDSA take two to six times as
//! long.
//!
//! The crates are of one generation (`signature` 3, `digest` 0.11, `der` 0.8) and maintained. `rsa`
//! 0.9 has neither constant-time arithmetic (RUSTSEC-2023-0071) nor 8192 bits. dalek's
//! `verify_strict` is not used: it refuses an `R` of small order, which only the holder of the
//! private key can make and aws-lc accepts.

use std::marker::PhantomData;

use hmac::{Hmac, KeyInit, Mac};
use rsa::signature::Verifier;
use rsa::{BoxedUint, pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};

use super::{Curve, Material, Verify};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

#[cfg(feature = "jwe")]
pub(crate) mod decryption;
#[cfg(feature = "jwe")]
pub(crate) mod encryption;
#[cfg(feature = "issue")]
mod signing;

#[cfg(feature = "issue")]
pub(super) use signing::{generate, generate_rsa, signer};

pub(super) fn verifier(
    algorithm: Algorithm,
    material: &Material,
) -> Result<Box<dyn Verify>, KeyProblem> {
    match material {
        Material::Secret(secret) => match algorithm {
            Algorithm::HS256 => Ok(Box::new(keyed::<Hmac<Sha256>>(secret))),
            Algorithm::HS384 => Ok(Box::new(keyed::<Hmac<Sha384>>(secret))),
            Algorithm::HS512 => Ok(Box::new(keyed::<Hmac<Sha512>>(secret))),
            other => Err(mismatch(other, "a secret")),
        },
        Material::Rsa { modulus, exponent } => {
            let key = rsa_key(modulus, exponent)?;
            match algorithm {
                Algorithm::RS256 => Ok(pkcs1(pkcs1v15::VerifyingKey::<Sha256>::new(key))),
                Algorithm::RS384 => Ok(pkcs1(pkcs1v15::VerifyingKey::<Sha384>::new(key))),
                Algorithm::RS512 => Ok(pkcs1(pkcs1v15::VerifyingKey::<Sha512>::new(key))),
                // RFC 7518 §3.5: the salt is as long as the hash, which is what `new` says.
                Algorithm::PS256 => Ok(pss(pss::VerifyingKey::<Sha256>::new(key))),
                Algorithm::PS384 => Ok(pss(pss::VerifyingKey::<Sha384>::new(key))),
                Algorithm::PS512 => Ok(pss(pss::VerifyingKey::<Sha512>::new(key))),
                other => Err(mismatch(other, "an RSA key")),
            }
        }
        Material::Ec { curve, x, y } => {
            // Parsing checks that the point is on the curve (RFC 8725 §3.4).
            let point = Material::uncompressed(x, y);
            match curve {
                Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(&point)
                    .map(public::<_, p256::ecdsa::Signature>),
                Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(&point)
                    .map(public::<_, p384::ecdsa::Signature>),
                Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(&point)
                    .map(public::<_, p521::ecdsa::Signature>),
            }
            .map_err(|_| KeyProblem::Curve)
        }
        // Not `verify_strict`, which refuses an `R` of small order. Only the owner of the key can
        // make such an `R`, and aws-lc accepts it. `Material` refuses keys of small order.
        Material::Ed25519(x) => ed25519_dalek::VerifyingKey::from_bytes(x)
            .map(public::<_, ed25519_dalek::Signature>)
            .map_err(|_| KeyProblem::Curve),
    }
}

/// A keyed hash, which is cloned for each message.
struct Keyed<M>(M);

impl<M: Mac + Clone + Send + Sync> Verify for Keyed<M> {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        // Compares in constant time, and the whole tag only.
        self.0.clone().chain_update(message).verify_slice(signature).is_ok()
    }
}

fn keyed<M: Mac + KeyInit>(secret: &[u8]) -> Keyed<M> {
    Keyed(<M as KeyInit>::new_from_slice(secret).expect("HMAC accepts keys of any length"))
}

#[cfg(any(
    feature = "cookies",
    feature = "dpop",
    feature = "introspection",
    feature = "mcp",
    feature = "sessions"
))]
#[expect(clippy::unnecessary_wraps, reason = "as the other back ends have it")]
pub(super) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Option<[u8; 32]> {
    Some(keyed::<Hmac<Sha256>>(secret).0.chain_update(message).finalize().into_bytes().into())
}

#[cfg(any(feature = "api-keys", feature = "issue", feature = "metadata", feature = "mtls"))]
#[expect(clippy::unnecessary_wraps, reason = "as the other back ends have it")]
pub(super) fn sha256(data: &[u8]) -> Option<[u8; 32]> {
    use sha2::Digest as _;
    Some(Sha256::digest(data).into())
}

/// A public key with the form of its signatures.
struct Public<K, S>(K, PhantomData<fn() -> S>);

impl<K, S> Verify for Public<K, S>
where
    K: Verifier<S> + Send + Sync,
    S: for<'a> TryFrom<&'a [u8]>,
{
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        S::try_from(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

fn public<K, S>(key: K) -> Box<dyn Verify>
where
    K: Verifier<S> + Send + Sync + 'static,
    S: for<'a> TryFrom<&'a [u8]> + 'static,
{
    Box::new(Public(key, PhantomData))
}

fn pkcs1<K>(key: K) -> Box<dyn Verify>
where
    K: Verifier<pkcs1v15::Signature> + Send + Sync + 'static,
{
    public(key)
}

fn pss<K: Verifier<pss::Signature> + Send + Sync + 'static>(key: K) -> Box<dyn Verify> {
    public(key)
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Result<rsa::PublicKey, KeyProblem> {
    let number = BoxedUint::from_be_slice_vartime;
    rsa::PublicKey::new_with_size_limits(number(modulus), number(exponent), 2048..=8192)
        .map_err(|_| KeyProblem::RsaParameters)
}

fn mismatch(algorithm: Algorithm, kind: &'static str) -> KeyProblem {
    KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind }
}
