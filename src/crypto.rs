//! Signature arithmetic, behind two private traits; one back end per file.

#[cfg(feature = "aws-lc-rs")]
#[path = "crypto/aws_lc.rs"]
mod back_end;
#[cfg(not(feature = "aws-lc-rs"))]
#[path = "crypto/none.rs"]
mod back_end;
#[cfg_attr(not(feature = "aws-lc-rs"), allow(dead_code, reason = "read by back ends"))]
mod material;
mod operation;

use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

pub(crate) use material::{Curve, Material};
#[cfg(feature = "issue")]
pub(crate) use operation::Sign;
pub(crate) use operation::Verify;

/// Prepares a key for one algorithm of its own kind.
pub(crate) fn verifier(
    algorithm: Algorithm,
    material: &Material,
) -> Result<Box<dyn Verify>, KeyProblem> {
    material.check_for(algorithm)?;
    back_end::verifier(algorithm, material)
}

/// Prepares the encoded private key (PKCS#8, PKCS#1 or SEC 1) or secret for one algorithm. Also
/// returns what verifies its signatures.
#[cfg(feature = "issue")]
pub(crate) fn signer(
    algorithm: Algorithm,
    encoded: &[u8],
) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
    let (signer, material) = back_end::signer(algorithm, encoded)?;
    material.check_for(algorithm)?;
    Ok((signer, material))
}

/// SHA-256, for thumbprints and entity tags. `None` without a back end.
#[cfg(feature = "issue")]
pub(crate) fn sha256(data: &[u8]) -> Option<[u8; 32]> {
    back_end::sha256(data)
}

/// Makes a private key (PKCS#8) or secret. `None` without a back end.
#[cfg(feature = "test-util")]
pub(crate) fn generate(algorithm: Algorithm) -> Option<Vec<u8>> {
    back_end::generate(algorithm)
}
