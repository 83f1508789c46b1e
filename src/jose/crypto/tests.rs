//! Runs the same keys, messages and signatures through both back ends, which must decide alike.

mod differential;
#[cfg(feature = "jwe")]
mod encryption;
mod ed25519;
mod vectors;
mod wycheproof;
#[cfg(feature = "jwe")]
mod wycheproof_encryption;

use super::{Material, PrivateMaterial, RsaSize, Sign, Verify, aws_lc, rust_crypto};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

/// The functions of a back end.
struct BackEnd {
    name: &'static str,
    verifier: fn(Algorithm, &Material) -> Result<Verifier, KeyProblem>,
    signer: fn(Algorithm, &PrivateMaterial) -> Signing,
    sha256: fn(&[u8]) -> Option<[u8; 32]>,
    generate: fn(Algorithm) -> Result<PrivateMaterial, KeyProblem>,
    generate_rsa: fn(RsaSize) -> Result<PrivateMaterial, KeyProblem>,
}

const BACK_ENDS: [BackEnd; 2] = [
    BackEnd {
        name: "aws-lc-rs",
        verifier: aws_lc::verifier,
        signer: aws_lc::signer,
        sha256: aws_lc::sha256,
        generate: aws_lc::generate,
        generate_rsa: aws_lc::generate_rsa,
    },
    BackEnd {
        name: "rust-crypto",
        verifier: rust_crypto::verifier,
        signer: rust_crypto::signer,
        sha256: rust_crypto::sha256,
        generate: rust_crypto::generate,
        generate_rsa: rust_crypto::generate_rsa,
    },
];

type Verifier = Box<dyn Verify>;
type Signer = Box<dyn Sign>;
type Signing = Result<(Signer, Material), KeyProblem>;

/// A public key or secret, parsed by both.
struct Key([Verifier; 2]);

impl Key {
    /// Parses a key, unless both refuse it.
    fn new(algorithm: Algorithm, material: &Material) -> Result<Self, KeyProblem> {
        let parsed = BACK_ENDS.map(|back_end| (back_end.verifier)(algorithm, material));
        let problems = parsed.each_ref().map(|parsed| parsed.as_ref().err());
        assert_eq!(problems[0], problems[1], "{algorithm}, {material:?}");
        let [aws_lc, rust_crypto] = parsed;
        Ok(Self([aws_lc?, rust_crypto?]))
    }

    /// Returns the verdict of both back ends.
    #[track_caller]
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let says = self.0.each_ref().map(|key| key.verify(message, signature));
        assert_eq!(says[0], says[1], "message {message:02x?}, signature {signature:02x?}");
        says[0]
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}
