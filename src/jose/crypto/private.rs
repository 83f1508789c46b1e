use std::fmt;

use der::Decode as _;
use pkcs1::RsaPrivateKeyRef;
use zeroize::Zeroizing;

use super::{Curve, Material};
use crate::config_error::KeyProblem;
use crate::jose::{Algorithm, Family};

/// The numbers of a private key or secret, in one form for both back ends, whatever encoding they were
/// read from. They are overwritten when dropped.
#[derive(Clone)]
pub(crate) enum PrivateMaterial {
    Secret(Zeroizing<Vec<u8>>),
    /// An `RSAPrivateKey` (RFC 8017 §A.1.2) of two primes in DER.
    Rsa(Zeroizing<Vec<u8>>),
    /// The number, big-endian, in the full length of the field.
    Ec {
        curve: Curve,
        scalar: Zeroizing<Vec<u8>>,
    },
    /// The 32 bytes that RFC 8032 §5.1.5 calls the private key.
    Ed25519(Zeroizing<[u8; 32]>),
}

/// The size of an RSA key that is generated.
///
/// A larger key makes signing slower, by about the third power of its size, and tokens longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RsaSize {
    /// 2,048 bits, the smallest size for tokens (RFC 7518 §3.3). The default.
    #[default]
    Bits2048,
    /// 3,072 bits, which NIST recommends for use after 2030.
    Bits3072,
    /// 4,096 bits.
    Bits4096,
}

impl RsaSize {
    /// Returns the length of the modulus, in bits.
    pub const fn bits(self) -> usize {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }
}

impl PrivateMaterial {
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(Zeroizing::new(secret.to_vec()))
    }

    /// Reads an `RSAPrivateKey` (RFC 8017 §A.1.2) in DER, and refuses weak public numbers.
    pub(crate) fn rsa(pkcs1: &[u8]) -> Result<Self, KeyProblem> {
        let key = RsaPrivateKeyRef::from_der(pkcs1).map_err(|_| {
            KeyProblem::Unreadable("it is no private key in DER, or is cut off".to_owned())
        })?;
        if key.other_prime_infos.is_some() {
            let problem = "an RSA key of more than two primes is not supported";
            return Err(KeyProblem::Unreadable(problem.to_owned()));
        }
        rsa_public(pkcs1)?;
        Ok(Self::Rsa(Zeroizing::new(pkcs1.to_vec())))
    }

    /// Reads a key on a curve. Some encoders leave out zeros in front, so a shorter number is padded.
    pub(crate) fn ec(curve: Curve, number: &[u8]) -> Result<Self, KeyProblem> {
        let length = curve.field_bytes();
        let zeros = number.len().saturating_sub(length);
        let (front, number) = number.split_at(zeros);
        if number.is_empty() || front.iter().any(|byte| *byte != 0) {
            return Err(Self::not_on(curve));
        }
        let mut scalar = Zeroizing::new(vec![0; length]);
        scalar[length - number.len()..].copy_from_slice(number);
        Ok(Self::Ec { curve, scalar })
    }

    pub(crate) fn ed25519(seed: &[u8]) -> Result<Self, KeyProblem> {
        let wrong = || {
            let bytes = seed.len();
            KeyProblem::Unreadable(format!("a private Ed25519 key has 32 bytes and not {bytes}"))
        };
        let mut key = Zeroizing::new([0; 32]);
        if seed.len() != key.len() {
            return Err(wrong());
        }
        key.copy_from_slice(seed);
        Ok(Self::Ed25519(key))
    }

    /// Checks that the algorithm is for this kind of key.
    pub(super) fn check_for(&self, algorithm: Algorithm) -> Result<(), KeyProblem> {
        let fits = match self {
            Self::Secret(_) => algorithm.family() == Family::Hmac,
            Self::Rsa(_) => algorithm.family() == Family::Rsa,
            Self::Ec { curve, .. } => algorithm == curve.algorithm(),
            Self::Ed25519(_) => algorithm.family() == Family::Ed25519,
        };
        if fits {
            Ok(())
        } else {
            Err(KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind: self.kind() })
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "a secret",
            Self::Rsa(_) => "an RSA key",
            Self::Ec { curve, .. } => curve.kind(),
            Self::Ed25519(_) => "an Ed25519 key",
        }
    }

    /// Returns the error for a number that is 0, or not below the order of the group.
    pub(super) fn not_on(curve: Curve) -> KeyProblem {
        KeyProblem::Unreadable(format!("its number is no private key on {}", curve.name()))
    }

    /// Returns the error for numbers that do not belong to one RSA key.
    pub(super) fn not_rsa() -> KeyProblem {
        KeyProblem::Unreadable("its numbers do not make an RSA key".to_owned())
    }
}

/// Reads the public numbers of an `RSAPrivateKey`.
pub(super) fn rsa_public(pkcs1: &[u8]) -> Result<Material, KeyProblem> {
    let key = RsaPrivateKeyRef::from_der(pkcs1).map_err(|_| PrivateMaterial::not_rsa())?;
    Material::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

impl fmt::Debug for PrivateMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_brought_to_the_length_of_the_field() {
        for (number, expected) in [
            (vec![1], Some([&[0; 31][..], &[1]].concat())),
            (vec![7; 32], Some(vec![7; 32])),
            ([&[0; 3][..], &[7; 32]].concat(), Some(vec![7; 32])),
            ([&[1][..], &[7; 32]].concat(), None),
            (vec![], None),
        ] {
            let read = PrivateMaterial::ec(Curve::P256, &number).ok();

            let scalar = read.map(|key| match key {
                PrivateMaterial::Ec { scalar, .. } => scalar.to_vec(),
                other => panic!("{other:?}"),
            });
            assert_eq!(scalar, expected, "{number:?}");
        }
    }

    #[test]
    fn ed25519_key_of_32_bytes_is_taken_and_others_are_refused() {
        assert!(PrivateMaterial::ed25519(&[7; 32]).is_ok());
        for bytes in [0, 31, 33, 64] {
            let error = PrivateMaterial::ed25519(&vec![7; bytes]).unwrap_err();
            assert!(matches!(error, KeyProblem::Unreadable(_)), "{bytes}");
        }
    }
}
