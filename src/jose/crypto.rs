//! Verifies and makes signatures, behind two private traits, with one back end per file.
//!
//! The back end is chosen here, when the crate is compiled: `aws-lc-rs`, or else `rust-crypto`. A choice at run
//! time would be a branch without a use. `tests/` gives both Wycheproof's vectors, those of the RFCs, edge
//! cases of Ed25519 and altered signatures, and each must decide as the other does. `scripts/rust-crypto-first`
//! turns the choice round for `.ci/run`: a wrapper around rustc and no RUSTFLAGS, which would compile every
//! dependency anew, and no feature, because features add and do not choose.

#[cfg_attr(
    not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
    allow(dead_code, reason = "read by back ends")
)]
mod material;
#[cfg(feature = "issue")]
#[cfg_attr(
    not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
    allow(dead_code, reason = "read by back ends")
)]
mod private;
mod operation;
#[cfg(feature = "jwe")]
mod agreement_curve;
#[cfg(feature = "aws-lc-rs")]
#[cfg_attr(
    all(feature = "rust-crypto", tower_bearer_rust_crypto_first),
    allow(dead_code, unused_imports, reason = "the other one is in use")
)]
mod aws_lc;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(
    all(feature = "aws-lc-rs", not(tower_bearer_rust_crypto_first)),
    allow(dead_code, unused_imports, reason = "the other one is in use")
)]
mod rust_crypto;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod none;
#[cfg(all(feature = "jwe", not(any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
pub(crate) mod no_decryption;
#[cfg(all(feature = "jwe", not(any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
pub(crate) mod no_encryption;
#[cfg(test)]
#[cfg(all(feature = "aws-lc-rs", feature = "rust-crypto", feature = "test-util"))]
mod tests;

// One back end serves all keys. If both are compiled in, it is aws-lc-rs, except that `.ci/run`
// reverses that to run all tests with the other.
#[cfg(all(
    feature = "aws-lc-rs",
    not(all(feature = "rust-crypto", tower_bearer_rust_crypto_first))
))]
use aws_lc as back_end;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use none as back_end;
#[cfg(all(
    feature = "rust-crypto",
    any(not(feature = "aws-lc-rs"), tower_bearer_rust_crypto_first)
))]
use rust_crypto as back_end;

#[cfg(all(feature = "jwe", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(crate) use back_end::{decryption, encryption};
#[cfg(all(feature = "jwe", not(any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
pub(crate) use {no_decryption as decryption, no_encryption as encryption};

use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

#[cfg(feature = "jwe")]
pub(crate) use agreement_curve::AgreementCurve;
pub(crate) use material::{Curve, Material};
#[cfg(feature = "issue")]
pub(crate) use operation::Sign;
pub(crate) use operation::Verify;
#[cfg(feature = "issue")]
pub(crate) use private::PrivateMaterial;
#[cfg(feature = "issue")]
pub use private::RsaSize;

/// Prepares a key for one algorithm of its own kind.
pub(crate) fn verifier(
    algorithm: Algorithm,
    material: &Material,
) -> Result<Box<dyn Verify>, KeyProblem> {
    material.check_for(algorithm)?;
    back_end::verifier(algorithm, material)
}

/// Prepares a secret of any length. An empty one is refused, because any client could sign with it.
pub(crate) fn verifier_of_any_secret(
    algorithm: Algorithm,
    material: &Material,
) -> Result<Box<dyn Verify>, KeyProblem> {
    match material.check_for(algorithm) {
        Ok(()) | Err(KeyProblem::SecretTooShort { bits: 1.., .. }) => {
            back_end::verifier(algorithm, material)
        }
        Err(problem) => Err(problem),
    }
}

/// Prepares a private key or secret for one algorithm of its own kind. Also returns what verifies its signatures.
#[cfg(feature = "issue")]
pub(crate) fn signer(
    algorithm: Algorithm,
    private: &PrivateMaterial,
) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
    private.check_for(algorithm)?;
    let (signer, material) = back_end::signer(algorithm, private)?;
    material.check_for(algorithm)?;
    Ok((signer, material))
}

/// Returns the HMAC-SHA256 of a message. `None` without a back end.
#[cfg(any(
    feature = "cookies",
    feature = "dpop",
    feature = "introspection",
    feature = "mcp",
    feature = "sessions"
))]
pub(crate) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Option<[u8; 32]> {
    back_end::hmac_sha256(secret, message)
}

/// Returns the SHA-256 hash, for thumbprints, entity tags and secrets with enough randomness. `None` without a back end.
#[cfg(any(feature = "api-keys", feature = "issue", feature = "metadata", feature = "mtls"))]
pub(crate) fn sha256(data: &[u8]) -> Option<[u8; 32]> {
    back_end::sha256(data)
}

/// Makes a private key or secret.
#[cfg(feature = "issue")]
pub(crate) fn generate(algorithm: Algorithm) -> Result<PrivateMaterial, KeyProblem> {
    back_end::generate(algorithm)
}

/// Makes a private RSA key of a size.
#[cfg(feature = "issue")]
pub(crate) fn generate_rsa(size: RsaSize) -> Result<PrivateMaterial, KeyProblem> {
    back_end::generate_rsa(size)
}

/// The hash of OAEP.
#[cfg(feature = "jwe")]
#[derive(Clone, Copy)]
pub(crate) enum Hash {
    /// Its collisions do not matter here (RFC 7518 §8.4 leaves it in use).
    Sha1,
    Sha256,
}
