//! Refuses every key when no back end is compiled in. The error names the features to enable.

use super::{Material, Verify};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

pub(super) fn verifier(_: Algorithm, _: &Material) -> Result<Box<dyn Verify>, KeyProblem> {
    Err(KeyProblem::NoBackEnd)
}

#[cfg(feature = "issue")]
pub(super) fn signer(
    _: Algorithm,
    _: &super::PrivateMaterial,
) -> Result<(Box<dyn super::Sign>, Material), KeyProblem> {
    Err(KeyProblem::NoBackEnd)
}

#[cfg(any(
    feature = "cookies",
    feature = "dpop",
    feature = "introspection",
    feature = "mcp",
    feature = "sessions"
))]
pub(super) fn hmac_sha256(_: &[u8], _: &[u8]) -> Option<[u8; 32]> {
    None
}

#[cfg(any(feature = "api-keys", feature = "issue", feature = "metadata", feature = "mtls"))]
pub(super) fn sha256(_: &[u8]) -> Option<[u8; 32]> {
    None
}

#[cfg(feature = "issue")]
pub(super) fn generate(_: Algorithm) -> Result<super::PrivateMaterial, KeyProblem> {
    Err(KeyProblem::NoBackEnd)
}

#[cfg(feature = "issue")]
pub(super) fn generate_rsa(_: super::RsaSize) -> Result<super::PrivateMaterial, KeyProblem> {
    Err(KeyProblem::NoBackEnd)
}
