//! Uses keys of each back end in both. Each verifies the signatures of the other, and both give the
//! same verdict on altered signatures: altered at random, or to values that implementations often
//! mishandle.

use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{BACK_ENDS, Key, Material, PrivateMaterial, RsaSize, Signer, hex};
use crate::config_error::KeyProblem;
use crate::jose::crypto::Curve;
use crate::jose::{Algorithm, Family};

/// A private key, read by both.
struct Pair {
    algorithm: Algorithm,
    material: Material,
    key: Key,
    signers: [Signer; 2],
}

impl Pair {
    fn new(algorithm: Algorithm, private: &PrivateMaterial) -> Self {
        let [(one, material), (two, other)] =
            BACK_ENDS.map(|back_end| (back_end.signer)(algorithm, private).unwrap());
        assert_eq!(numbers(&material), numbers(&other), "{algorithm}");
        let key = Key::new(algorithm, &material).unwrap();
        Self { algorithm, material, key, signers: [one, two] }
    }

    /// Returns values to put in place of a number of a signature.
    fn odd_numbers(&self) -> Vec<Vec<u8>> {
        let order = match self.algorithm {
            Algorithm::ES256 => hex(P256_ORDER),
            Algorithm::ES384 => hex(P384_ORDER),
            Algorithm::ES512 => hex(P521_ORDER),
            Algorithm::EdDSA | Algorithm::Ed25519 => hex(ED25519_ORDER),
            _ => match &self.material {
                Material::Rsa { modulus, .. } => modulus.clone(),
                _ => return vec![],
            },
        };
        let length = order.len();
        let one = [&vec![0; length - 1][..], &[1]].concat();
        let mut numbers = vec![vec![0; length], one, vec![0xff; length], order.clone()];
        // One less and one more: no order ends in ff or 00.
        for change in [u8::wrapping_sub, u8::wrapping_add] {
            let mut near = order.clone();
            near[length - 1] = change(near[length - 1], 1);
            numbers.push(near);
        }
        if self.algorithm.family() == Family::Ed25519 {
            for number in &mut numbers {
                number.reverse();
            }
        }
        numbers
    }
}

fn numbers(material: &Material) -> Vec<u8> {
    match material {
        Material::Secret(secret) => secret.to_vec(),
        Material::Rsa { modulus, exponent } => [&modulus[..], exponent].concat(),
        Material::Ec { x, y, .. } => [&x[..], y].concat(),
        Material::Ed25519(key) => key.to_vec(),
    }
}

/// Returns a key of each back end for each algorithm. To generate an RSA key takes long, so one of
/// each back end serves six algorithms.
fn pairs() -> &'static [Pair] {
    static PAIRS: OnceLock<Vec<Pair>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let made = BACK_ENDS.map(|back_end| {
            let rsa = (back_end.generate)(Algorithm::RS256).unwrap();
            Algorithm::ALL.map(|algorithm| match algorithm.family() {
                Family::Rsa => Pair::new(algorithm, &rsa),
                _ => Pair::new(algorithm, &(back_end.generate)(algorithm).unwrap()),
            })
        });
        made.into_iter().flatten().collect()
    })
}

/// A change to a signature.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Append(Vec<u8>),
    Replace(Vec<u8>),
    Zero(Index, Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            1 => any::<Index>().prop_map(Self::Cut),
            1 => vec(any::<u8>(), 1..4).prop_map(Self::Append),
            1 => vec(any::<u8>(), 0..200).prop_map(Self::Replace),
            1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Self::Zero(from, to)),
        ]
    }

    fn apply(&self, signature: &mut Vec<u8>) {
        let length = signature.len();
        match self {
            Self::Flip(at, bit) if length > 0 => signature[at.index(length)] ^= 1 << bit,
            Self::Cut(at) if length > 0 => signature.truncate(at.index(length)),
            Self::Append(more) => signature.extend(more),
            Self::Replace(with) => signature.clone_from(with),
            Self::Zero(from, to) if length > 0 => {
                let (from, to) = (from.index(length), to.index(length));
                signature[from.min(to)..from.max(to)].fill(0);
            }
            _ => {}
        }
    }
}

proptest! {
    // A failing input is printed. It belongs into a test of its own and not into a file.
    #![proptest_config(ProptestConfig {
        cases: 32, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn each_back_end_verifies_the_other_and_altered_signatures_get_the_same_verdict(
        message in vec(any::<u8>(), 0..300),
        changes in vec(Change::any(), 1..4),
    ) {
        for pair in pairs() {
            for signer in &pair.signers {
                let signature = signer.sign(&message).unwrap();
                prop_assert!(pair.key.verify(&message, &signature), "{}", pair.algorithm);

                let mut altered = signature.clone();
                for change in &changes {
                    change.apply(&mut altered);
                }
                let verdict = pair.key.verify(&message, &altered);
                prop_assert_eq!(verdict, altered == signature, "{}", pair.algorithm);

                let other = [&message[..], b"."].concat();
                prop_assert!(!pair.key.verify(&other, &signature), "{}", pair.algorithm);
            }
        }
    }
}

#[test]
fn numbers_at_the_ends_of_their_range_get_the_same_verdict() {
    for pair in pairs() {
        let good = pair.signers[0].sign(b"message").unwrap();
        let odd = pair.odd_numbers();
        for first in &odd {
            // An RSA signature is one number, the others are two numbers of the same length.
            if first.len() == good.len() {
                assert!(!pair.key.verify(b"message", first), "{}", pair.algorithm);
                continue;
            }
            let (one, two) = good.split_at(good.len() / 2);
            for second in odd.iter().map(Vec::as_slice).chain([one, two]) {
                for (one, two) in [(first, second), (&second.to_vec(), &first[..])] {
                    let signature = [&one[..], two].concat();
                    assert!(!pair.key.verify(b"message", &signature), "{}", pair.algorithm);
                }
            }
        }
    }
}

#[test]
fn private_numbers_at_the_ends_of_their_range_are_judged_alike() {
    let orders = [(Curve::P256, P256_ORDER), (Curve::P384, P384_ORDER), (Curve::P521, P521_ORDER)];
    for (curve, order) in orders {
        let order = hex(order);
        let near = |change: fn(u8, u8) -> u8| {
            let (last, rest) = order.split_last().unwrap();
            [rest, &[change(*last, 1)]].concat()
        };
        for (number, is_key) in [
            (vec![0; order.len()], false),
            (vec![1], true),
            (near(u8::wrapping_sub), true),
            (order.clone(), false),
            (near(u8::wrapping_add), false),
            (vec![0xff; order.len()], false),
        ] {
            let private = PrivateMaterial::ec(curve, &number).unwrap();
            if is_key {
                Pair::new(curve.algorithm(), &private);
            } else {
                let problems = BACK_ENDS.map(|b| (b.signer)(curve.algorithm(), &private).err());
                assert!(matches!(problems[0], Some(KeyProblem::Unreadable(_))), "{number:02x?}");
                assert_eq!(problems[0], problems[1], "{number:02x?}");
            }
        }
    }
}

#[test]
fn rsa_key_is_read_alike_and_refused_alike_when_its_numbers_do_not_belong_together() {
    use der::{Decode as _, Encode as _};
    let pkcs8 = include_bytes!("../../../../tests/fixtures/keys/rsa_private.der");
    let der = pkcs8::PrivateKeyInfoRef::from_der(pkcs8).unwrap().private_key.as_bytes();
    let key = pkcs1::RsaPrivateKeyRef::from_der(der).unwrap();
    for algorithm in [Algorithm::RS256, Algorithm::PS512] {
        Pair::new(algorithm, &PrivateMaterial::rsa(der).unwrap());
    }

    let with = |change: &dyn Fn(&mut pkcs1::RsaPrivateKeyRef<'_>)| {
        let mut changed = key.clone();
        change(&mut changed);
        PrivateMaterial::rsa(&changed.to_der().unwrap()).unwrap()
    };
    for (what, private) in [
        ("d", with(&|key| key.private_exponent = key.exponent1)),
        ("p", with(&|key| key.prime1 = key.exponent1)),
        ("q", with(&|key| key.prime2 = key.prime1)),
    ] {
        let problems = BACK_ENDS.map(|b| (b.signer)(Algorithm::RS256, &private).err());
        assert!(matches!(problems[0], Some(KeyProblem::Unreadable(_))), "{what}");
        assert_eq!(problems[0], problems[1], "{what}");
    }
}

#[test]
fn generated_rsa_key_has_the_size_that_was_asked_for() {
    for back_end in BACK_ENDS {
        let private = (back_end.generate_rsa)(RsaSize::Bits3072).unwrap();

        let (_, public) = (back_end.signer)(Algorithm::PS256, &private).unwrap();

        let Material::Rsa { modulus, .. } = public else { panic!("{public:?}") };
        assert_eq!(modulus.len() * 8, RsaSize::Bits3072.bits(), "{}", back_end.name);
    }
}

#[test]
fn private_key_of_another_kind_is_refused_before_a_back_end_sees_it() {
    for algorithm in Algorithm::ALL {
        let generated = (BACK_ENDS[0].generate)(algorithm).unwrap();
        for other in Algorithm::ALL {
            let same = algorithm.family() == other.family() && algorithm.family() != Family::Ec;
            let problem = super::super::signer(other, &generated).err();
            if same || algorithm == other {
                assert_eq!(problem, None, "{algorithm} for {other}");
            } else {
                let is_mismatch = matches!(problem, Some(KeyProblem::AlgorithmMismatch { .. }));
                assert!(is_mismatch, "{algorithm} for {other}");
            }
        }
    }
}

const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P384_ORDER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
const P521_ORDER: &str = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";
const ED25519_ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";
