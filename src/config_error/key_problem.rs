use std::error::Error;
use std::fmt;

use crate::error::shown;

/// The reason why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyProblem {
    /// The secret is shorter than the hash output, so it could be guessed (RFC 7518 §3.2).
    SecretTooShort {
        /// The length of the secret, in bits.
        bits: usize,
        /// The length of the hash output, in bits.
        required: usize,
    },
    /// A public key was given as a secret. Anyone may know it.
    PublicKeyAsSecret,
    /// The modulus has fewer than 2,048 or more than 8,192 bits (RFC 7518 §3.3).
    RsaSize {
        /// The length of the modulus, in bits.
        bits: usize,
    },
    /// The exponent is even, 1, or longer than 33 bits; or the modulus is even.
    RsaParameters,
    /// The point is not on its curve, or signatures for it can be made without the private key.
    Curve,
    /// This crate does not verify with this curve.
    UnsupportedCurve {
        /// The name or object identifier of the curve.
        curve: String,
    },
    /// A coordinate does not have the full length that its curve requires (RFC 7518 §6.2.1.2).
    CoordinateLength {
        /// The name of the curve.
        curve: &'static str,
        /// The length of the coordinate, in bytes.
        bytes: usize,
        /// The required length, in bytes.
        required: usize,
    },
    /// The algorithm is for another kind of key.
    AlgorithmMismatch {
        /// The requested algorithm.
        algorithm: &'static str,
        /// The kind of the key.
        kind: &'static str,
    },
    /// The algorithm is not among the allowed ones.
    AlgorithmNotAllowed {
        /// The algorithm of the key.
        algorithm: String,
    },
    /// This crate does not verify with this key type (`kty`).
    UnsupportedType {
        /// The key type of the key.
        kty: String,
    },
    /// `use` or `key_ops` excludes the key from verifying signatures.
    NotForVerifying,
    /// `use` or `key_ops` says that the key is not for making signatures.
    NotForSigning,
    /// The members contradict each other: they belong to different kinds of key, or `use` and
    /// `key_ops` disagree.
    Contradiction,
    /// The key is a secret without a stated algorithm.
    SecretWithoutAlgorithm,
    /// The key is private, and only public keys are allowed here.
    Private,
    /// The key is public, or a certificate, and cannot sign.
    Public,
    /// The private key is encrypted with a passphrase.
    Encrypted,
    /// The public key beside the private one belongs to another key.
    MismatchedPair,
    /// The key is a secret that was published, so any client could sign with it.
    PublishedSecret,
    /// The set is too long: this key and the ones after it are not used.
    TooMany {
        /// The number of keys that are used.
        most: usize,
    },
    /// The key's encoding cannot be read.
    Unreadable(String),
    /// The crate was built without a back end that decrypts. Enable the feature `aws-lc-rs`, or `rust-crypto`, which needs no
    /// C compiler.
    NoDecryption,
    /// `use` or `key_ops` says that the key is not for decryption.
    NotForDecryption,
    /// `use` or `key_ops` says that the key is not for encryption.
    NotForEncryption,
    /// The key names no `alg`, so a token could choose how the key is used.
    MissingAlgorithm,
    /// The secret does not have the one length that the algorithm needs (RFC 7518 §4.4, §4.5, §4.7).
    SecretLength {
        /// The length of the secret, in bits.
        bits: usize,
        /// The lengths that are possible, in words.
        required: &'static str,
    },
    /// The crate was built without a back end for signatures. Enable the feature `aws-lc-rs`, or
    /// `rust-crypto`, which needs no C compiler.
    NoBackEnd,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretTooShort { bits, required } => {
                write!(f, "the secret has {bits} bits but this algorithm needs {required}")
            }
            Self::PublicKeyAsSecret => f.write_str(
                "a public key was given as a secret; load it as a public key, or any client can sign",
            ),
            Self::RsaSize { bits } => {
                write!(f, "the RSA modulus has {bits} bits; 2048 to 8192 are allowed")
            }
            Self::RsaParameters => f.write_str("the RSA exponent or modulus is not a safe one"),
            Self::Curve => {
                f.write_str("the point is not on its curve, or not safe to verify with")
            }
            Self::UnsupportedCurve { curve } => write!(
                f,
                "the curve \"{}\" is not supported; P-256, P-384, P-521 and Ed25519 are",
                shown(curve)
            ),
            Self::CoordinateLength { curve, bytes, required } => {
                let zeros = if bytes < required {
                    "; zeros in front must not be left out"
                } else {
                    "; no zeros may be put in front"
                };
                write!(
                    f,
                    "a coordinate on {curve} has {required} bytes (RFC 7518 §6.2.1.2) and not \
                     {bytes}{zeros}"
                )
            }
            Self::AlgorithmMismatch { algorithm, kind } => {
                write!(f, "{algorithm} cannot be used with {kind}")
            }
            Self::AlgorithmNotAllowed { algorithm } => write!(
                f,
                "its algorithm \"{}\" is not among those that are allowed or supported",
                shown(algorithm)
            ),
            Self::UnsupportedType { kty } => write!(
                f,
                "the kind of key \"{}\" is not supported; RSA, EC and OKP are, and in PEM PUBLIC \
                 KEY, RSA PUBLIC KEY and CERTIFICATE, or PRIVATE KEY, RSA PRIVATE KEY and EC \
                 PRIVATE KEY to sign with",
                shown(kty)
            ),
            Self::NotForVerifying => f.write_str(
                "`use` or `key_ops` says it is not for verifying signatures but for encryption, \
                 for example",
            ),
            Self::NotForSigning => f.write_str(
                "`use` or `key_ops` says it is not for making signatures but for encryption, for \
                 example",
            ),
            Self::Contradiction => f.write_str(
                "its members contradict each other: they belong to different kinds of key, or \
                 `use` and `key_ops` disagree",
            ),
            Self::SecretWithoutAlgorithm => f.write_str(
                "a secret must name its `alg`, or the algorithms must be given (HS256, for example)",
            ),
            Self::Private => f.write_str(
                "it is a private key; give the public one, which `openssl pkey -pubout` makes of it",
            ),
            Self::Public => f.write_str(
                "it is a public key or a certificate, which cannot sign; give the private key",
            ),
            Self::Encrypted => f.write_str(
                "it is encrypted with a passphrase; `openssl pkey -in FILE -out PLAIN` decrypts it",
            ),
            Self::MismatchedPair => f.write_str(
                "its public part belongs to another private key",
            ),
            Self::PublishedSecret => f.write_str(
                "it is a secret in a public place; replace it where tokens are signed",
            ),
            Self::TooMany { most } => {
                write!(
                    f,
                    "the set is too long; this key and those behind it are not used, but the first {most} are"
                )
            }
            Self::Unreadable(problem) => write!(f, "it cannot be read: {problem}"),
            Self::NoDecryption => f.write_str(
                "the crate was built without a back end that decrypts; switch the feature `aws-lc-rs` or `rust-crypto` on",
            ),
            Self::NotForDecryption => f.write_str("`use` or `key_ops` says it is not for decryption"),
            Self::NotForEncryption => f.write_str("`use` or `key_ops` says it is not for encryption"),
            Self::MissingAlgorithm => f.write_str(
                "a key for decryption must name its `alg` (RSA-OAEP-256 or ECDH-ES+A256KW, for example)",
            ),
            Self::SecretLength { bits, required } => {
                write!(f, "the secret has {bits} bits but this algorithm needs {required}")
            }
            Self::NoBackEnd => f.write_str(
                "the crate was built without a back end for signatures; switch the feature \
                 `aws-lc-rs` or `rust-crypto` on",
            ),
        }
    }
}

impl Error for KeyProblem {}

/// A key of a set that was skipped. The other keys of the set are still used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// The position in the set, counted from 0.
    pub index: usize,
    /// The `kid`, when the key has one that could be read.
    pub key_id: Option<String>,
    /// The reason why it was skipped.
    pub problem: KeyProblem,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key_id {
            Some(kid) => write!(f, "key {} (\"{}\"): {}", self.index, shown(kid), self.problem),
            None => write!(f, "key {}: {}", self.index, self.problem),
        }
    }
}
