//! The types of [jsonwebtoken](https://docs.rs/jsonwebtoken), for applications that use both crates or move from one
//! to the other.
//!
//! | jsonwebtoken | here | from there | to there |
//! |---|---|---|---|
//! | `Algorithm` | `Algorithm` | `TryFrom` | `TryFrom`, but for ES512 and Ed25519 |
//! | `DecodingKey` | `VerifyingKey` | `from_decoding_key`, with an algorithm | `TryFrom`, but for P-521 |
//! | `EncodingKey` | `SigningKey` | `from_encoding_key`, with an algorithm | `TryFrom`, but for P-521 |
//! | `jwk::Jwk` | `VerifyingKey` | `TryFrom` | `TryFrom`, but for P-521 and secrets |
//! | `jwk::JwkSet` | `KeySet` | `TryFrom` | `TryFrom`, the same |
//! | `Header` | `jose::Header` | `TryFrom` | `TryFrom` |
//!
//! Only types are used. Its `encode`, `decode`, `sign`, `verify` and some functions of `Jwk` go through a back end
//! that an application links; they panic where there is none or are two, so clippy forbids them here (`clippy.toml`).

mod algorithm;
mod decoding_key;
#[cfg(feature = "issue")]
mod encoding_key;
mod header;
mod jwk;

use jsonwebtoken::AlgorithmFamily;

use crate::config_error::KeyProblem;
use crate::jose::{Algorithm, Family};

/// A key of jsonwebtoken's knows its family, and neither its hash nor its curve.
fn check_family(family: AlgorithmFamily, algorithm: Algorithm) -> Result<(), KeyProblem> {
    let (family, kind) = match family {
        AlgorithmFamily::Hmac => (Family::Hmac, "a secret"),
        AlgorithmFamily::Rsa => (Family::Rsa, "an RSA key"),
        AlgorithmFamily::Ec => (Family::Ec, "an elliptic curve key"),
        AlgorithmFamily::Ed => (Family::Ed25519, "an Ed25519 key"),
    };
    if family == algorithm.family() {
        Ok(())
    } else {
        Err(KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind })
    }
}
