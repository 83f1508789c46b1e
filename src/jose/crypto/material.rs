//! Checks key material before a back end sees it.
//!
//! The back ends differ for Ed25519 keys with a y of p or more, and for keys of small order, for
//! which a client can make signatures: both are refused here. `rust-crypto` refuses an Ed25519 key
//! that is not a point at set-up, while aws-lc accepts the key and refuses each signature.

use std::fmt;
use std::hash::Hasher;

use der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::config_error::KeyProblem;
use crate::jose::{Algorithm, Family};

/// The numbers of a key, independently of their encoding. They are checked on creation, because
/// back ends accept 1024-bit moduli and an exponent of 1.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    Secret(Zeroizing<Vec<u8>>),
    /// Big-endian, without leading zeros.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Coordinates in the full length of the field.
    Ec {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    Ed25519([u8; 32]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) const fn field_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::P521 => Algorithm::ES512,
        }
    }

    /// The curve of an algorithm, if it is one for elliptic curves.
    #[cfg(feature = "issue")]
    pub(crate) fn of(algorithm: Algorithm) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.algorithm() == algorithm)
    }

    /// The name as it stands in a JWK (RFC 7518 §6.2.1.1).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// The name as it stands in DER (RFC 5480 §2.1.1.1).
    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::P256 => "a key on P-256",
            Self::P384 => "a key on P-384",
            Self::P521 => "a key on P-521",
        }
    }
}

impl Material {
    /// Writes the numbers to a hash. Two different keys never write the same bytes.
    pub(crate) fn hash_into(&self, state: &mut impl Hasher) {
        let mut part = |part: &[u8]| {
            state.write(&(part.len() as u64).to_le_bytes());
            state.write(part);
        };
        match self {
            Self::Secret(secret) => [&b"secret"[..], secret].into_iter().for_each(part),
            Self::Rsa { modulus, exponent } => {
                [b"RSA", &**modulus, exponent].into_iter().for_each(part);
            }
            Self::Ec { curve, x, y } => {
                [curve.name().as_bytes(), x, y].into_iter().for_each(part);
            }
            Self::Ed25519(key) => {
                part(b"Ed25519");
                part(key);
            }
        }
    }

    /// Creates a secret. Its length is checked once the algorithm is known.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(Zeroizing::new(secret.to_vec()))
    }

    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyProblem> {
        let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
        let bits = bits(modulus);
        if !(2048..=8192).contains(&bits) {
            return Err(KeyProblem::RsaSize { bits });
        }
        // 3 is the smallest exponent that encrypts anything, and past 33 bits verifying becomes
        // slow enough to be an attack.
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !odd(modulus) || !odd(exponent) || exponent == [1] || self::bits(exponent) > 33 {
            return Err(KeyProblem::RsaParameters);
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// Creates a point from its coordinates. The back end checks whether it is on the curve.
    pub(crate) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyProblem> {
        for coordinate in [x, y] {
            check_length(curve.name(), coordinate, curve.field_bytes())?;
        }
        Ok(Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// Reads a point in the uncompressed form of SEC 1 §2.3.3.
    pub(crate) fn ec_point(curve: Curve, point: &[u8]) -> Result<Self, KeyProblem> {
        let rest = match point.split_first() {
            Some((&UNCOMPRESSED, rest)) if rest.len() == 2 * curve.field_bytes() => rest,
            Some((2 | 3, _)) => {
                return Err(KeyProblem::Unreadable(
                    "its point is compressed; write it uncompressed, as `openssl ec -pubin \
                     -conv_form uncompressed` does"
                        .to_owned(),
                ));
            }
            _ => {
                let (curve, expected) = (curve.name(), 1 + 2 * curve.field_bytes());
                let problem = format!("its point is not one of {curve} in {expected} bytes");
                return Err(KeyProblem::Unreadable(problem));
            }
        };
        let (x, y) = rest.split_at(curve.field_bytes());
        Self::ec(curve, x, y)
    }

    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, KeyProblem> {
        check_length("Ed25519", x, 32)?;
        let x: [u8; 32] = x.try_into().map_err(|_| KeyProblem::Curve)?;
        // Without the sign of the other coordinate, which does not matter here.
        let mut y = x;
        y[31] &= 0x7f;
        // RFC 8032 §5.1.3: values from p on are not coordinates. Back ends differ on them.
        let beyond = y[0] >= 0xed && y[1..31] == [0xff; 30] && y[31] == 0x7f;
        if beyond || SMALL_ORDER.contains(&y) {
            Err(KeyProblem::Curve)
        } else {
            Ok(Self::Ed25519(x))
        }
    }

    /// The key of a curve in the uncompressed form of SEC 1 §2.3.3.
    pub(crate) fn uncompressed(x: &[u8], y: &[u8]) -> Vec<u8> {
        [&[UNCOMPRESSED], x, y].concat()
    }

    /// Checks that the algorithm is for this kind of key, and that the key is good enough for it.
    pub(crate) fn check_for(&self, algorithm: Algorithm) -> Result<(), KeyProblem> {
        let fits = match self {
            Self::Secret(secret) => {
                if let Some(required) = secret_bytes(algorithm)
                    && secret.len() < required
                {
                    let (bits, required) = (secret.len() * 8, required * 8);
                    return Err(KeyProblem::SecretTooShort { bits, required });
                }
                algorithm.family() == Family::Hmac
            }
            Self::Rsa { .. } => algorithm.family() == Family::Rsa,
            Self::Ec { curve, .. } => algorithm == curve.algorithm(),
            Self::Ed25519(_) => algorithm.family() == Family::Ed25519,
        };
        if fits {
            Ok(())
        } else {
            Err(KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind: self.kind() })
        }
    }

    /// Returns the algorithm of the key when none is stated.
    pub(crate) fn default_algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Secret(_) => None,
            Self::Rsa { .. } => Some(Algorithm::RS256),
            Self::Ec { curve, .. } => Some(curve.algorithm()),
            Self::Ed25519(_) => Some(Algorithm::Ed25519),
        }
    }

    /// Returns the size of an RSA key.
    #[cfg(feature = "dpop")]
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        match self {
            Self::Rsa { modulus, .. } => Some(bits(modulus)),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "a secret",
            Self::Rsa { .. } => "an RSA key",
            Self::Ec { curve, .. } => curve.kind(),
            Self::Ed25519(_) => "an Ed25519 key",
        }
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

// RFC 7518 §3.2: a secret has at least the size of the hash output.
const fn secret_bytes(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::HS256 => Some(32),
        Algorithm::HS384 => Some(48),
        Algorithm::HS512 => Some(64),
        _ => None,
    }
}

/// RFC 7518 §6.2.1.2, RFC 8037 §2: coordinates have the full length, zeros in front included.
fn check_length(curve: &'static str, number: &[u8], required: usize) -> Result<(), KeyProblem> {
    match number.len() {
        bytes if bytes == required => Ok(()),
        bytes => Err(KeyProblem::CoordinateLength { curve, bytes, required }),
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

const UNCOMPRESSED: u8 = 4;

// The points of Ed25519 whose order divides 8, by their y. Back ends accept them as keys, and a
// signature for such a key needs no private key: a constant one is valid for one message in eight,
// or for all.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    little_endian(1, 0, 0),
    // p - 1.
    little_endian(0xec, 0xff, 0x7f),
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
];

const fn little_endian(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut number = [middle; 32];
    number[0] = first;
    number[31] = last;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modulus(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = 0xff >> (modulus.len() * 8 - bits);
        modulus
    }

    const F4: &[u8] = &[1, 0, 1];

    #[test]
    fn rsa_sizes_from_2048_to_8192_bits_are_accepted_and_no_others() {
        // RFC 7518 §3.3: RSA keys have 2048 bits or more
        // RFC 7518 §3.5: keys for RSA-PSS have these sizes too
        // RFC 7518 §3.3: RSA keys are limited in size
        for (bits, accepted) in
            [(1024, false), (2047, false), (2048, true), (4096, true), (8192, true), (8193, false)]
        {
            let result = Material::rsa(&modulus(bits), F4);
            assert_eq!(result.is_ok(), accepted, "{bits}");
            if !accepted {
                assert_eq!(result.unwrap_err(), KeyProblem::RsaSize { bits });
            }
        }
    }

    #[test]
    fn leading_zeros_do_not_make_a_modulus_longer() {
        let padded = [vec![0; 128], modulus(1024)].concat();

        assert_eq!(Material::rsa(&padded, F4).unwrap_err(), KeyProblem::RsaSize { bits: 1024 });
    }

    #[test]
    fn unsafe_exponents_are_refused_and_the_usual_ones_accepted() {
        // RFC 7518 §3.3: Wycheproof's exponentOne and its relatives
        let unsafe_ones: [&[u8]; 6] = [&[], &[0], &[1], &[0, 1], &[2], &[3, 0, 0, 0, 1]];
        for exponent in unsafe_ones {
            let error = Material::rsa(&modulus(2048), exponent).unwrap_err();
            assert_eq!(error, KeyProblem::RsaParameters, "{exponent:?}");
        }
        let usual: [&[u8]; 3] = [&[3], F4, &[0, 1, 0, 1]];
        for exponent in usual {
            assert!(Material::rsa(&modulus(2048), exponent).is_ok(), "{exponent:?}");
        }
    }

    #[test]
    fn even_modulus_is_refused() {
        let mut even = modulus(2048);
        *even.last_mut().unwrap() = 0xfe;

        assert_eq!(Material::rsa(&even, F4).unwrap_err(), KeyProblem::RsaParameters);
    }

    #[test]
    fn coordinates_must_have_the_full_length_of_the_field() {
        // RFC 7518 §6.2.1.2: coordinates have the full size
        assert!(Material::ec(Curve::P256, &[1; 32], &[1; 32]).is_ok());
        assert!(Material::ec(Curve::P256, &[1; 31], &[1; 32]).is_err());
        assert!(Material::ec(Curve::P521, &[1; 65], &[1; 66]).is_err());
    }

    #[test]
    fn ed25519_coordinate_below_the_prime_is_accepted_and_the_prime_and_all_beyond_refused() {
        // RFC 8032 §5.1.3: a coordinate is less than p
        for sign in [0x7f, 0xff] {
            let key = |first| Material::ed25519(&little_endian(first, 0xff, sign));
            // p - 1 is of small order.
            assert!(key(0xeb).is_ok());
            for first in 0xec..=0xff {
                assert_eq!(key(first).unwrap_err(), KeyProblem::Curve, "{first:x}");
            }
        }
    }

    #[test]
    fn secret_as_long_as_the_hash_is_accepted_and_one_byte_less_refused() {
        // RFC 7518 §3.2: HMAC keys have the size of the hash output
        for (algorithm, bytes) in
            [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)]
        {
            assert_eq!(Material::secret(&vec![7; bytes]).check_for(algorithm), Ok(()));
            assert_eq!(
                Material::secret(&vec![7; bytes - 1]).check_for(algorithm),
                Err(KeyProblem::SecretTooShort { bits: bytes * 8 - 8, required: bytes * 8 })
            );
        }
    }
}
