//! Tests signatures of the wrong shape, for every algorithm, each beside the valid one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, Reason};

use crate::support::{key_for, token, verifier_of};

/// A valid token in two parts: the signed text, and the signature.
#[derive(Clone)]
struct Parts {
    key: TestKey,
    input: String,
    signature: Vec<u8>,
}

impl Parts {
    fn of(key: &TestKey) -> Self {
        let token = token().sign(key);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        Self { key: key.clone(), input: input.to_owned(), signature }
    }

    async fn reason(&self, signature: impl AsRef<[u8]>) -> Option<Reason> {
        let token = format!("{}.{}", self.input, URL_SAFE_NO_PAD.encode(signature));
        let result = verifier_of(self.key.verifying_key()).verify(&token).await;
        result.err().map(|error| error.reason())
    }

    async fn accepts(&self, signature: impl AsRef<[u8]>) -> bool {
        self.reason(signature).await.is_none()
    }

    async fn refuses(&self, what: &str, signature: impl AsRef<[u8]>) {
        let algorithm = self.key.algorithm();
        let reason = self.reason(signature).await;
        assert_eq!(reason, Some(Reason::InvalidSignature), "{algorithm}: {what}");
        assert!(self.accepts(&self.signature).await, "{algorithm}: the twin of {what}");
    }

    /// The two numbers of an ECDSA signature.
    fn halves(&self) -> (Vec<u8>, Vec<u8>) {
        let (r, s) = self.signature.split_at(self.signature.len() / 2);
        (r.to_vec(), s.to_vec())
    }
}

#[tokio::test]
async fn signature_of_any_other_length_is_refused() {
    // RFC 7518 §3: each algorithm has one length of signature, given the key
    for algorithm in Algorithm::ALL {
        let parts = Parts::of(&key_for(algorithm));
        let good = &parts.signature;

        assert_eq!(parts.reason([]).await, Some(Reason::Malformed), "{algorithm}: empty");
        parts.refuses("one byte", [good[0]]).await;
        parts.refuses("one byte less", &good[..good.len() - 1]).await;
        parts.refuses("without its first byte", &good[1..]).await;
        parts.refuses("half", &good[..good.len() / 2]).await;
        parts.refuses("one byte more", [good, &[0][..]].concat()).await;
        parts.refuses("a zero in front", [&[0][..], good].concat()).await;
        parts.refuses("twice", good.repeat(2)).await;
        parts.refuses("eleven thousand bytes", vec![1; 11_000]).await;
    }
}

#[tokio::test]
async fn signature_with_any_byte_altered_is_refused() {
    for algorithm in Algorithm::ALL {
        let parts = Parts::of(&key_for(algorithm));
        for at in 0..parts.signature.len() {
            let mut altered = parts.signature.clone();
            altered[at] ^= 1 << (at % 8);
            let reason = parts.reason(&altered).await;
            assert_eq!(reason, Some(Reason::InvalidSignature), "{algorithm}: byte {at}");
        }
    }
}

#[tokio::test]
async fn signature_of_zeros_or_ones_is_refused() {
    // RFC 7518 §3.4: r and s are at least 1 (CVE-2022-21449)
    for algorithm in Algorithm::ALL {
        let parts = Parts::of(&key_for(algorithm));
        let length = parts.signature.len();

        parts.refuses("zeros", vec![0; length]).await;
        parts.refuses("ones", vec![0xff; length]).await;
        parts.refuses("the number 1", [vec![0; length - 1], vec![1]].concat()).await;
    }
}

#[tokio::test]
async fn signature_of_another_algorithm_on_the_same_key_is_refused() {
    // RFC 8725bis §3.1: each key is used with exactly one algorithm
    let rsa = include_bytes!("../../fixtures/keys/rsa_private.der");
    for family in [
        &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512][..],
        &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
    ] {
        let key = |algorithm| match family[0] {
            Algorithm::HS256 => TestKey::from_secret(algorithm, &[7; 64]),
            _ => TestKey::from_encoded(algorithm, rsa),
        };
        for &own in family {
            let parts = Parts::of(&key(own));
            for other in family.iter().copied().filter(|other| *other != own) {
                let signature = key(other).sign(parts.input.as_bytes());
                parts.refuses(other.as_str(), signature).await;
            }
        }
    }
}

#[tokio::test]
async fn hmac_tag_cut_short_is_refused() {
    // RFC 7518 §3.2: the whole tag is compared
    for (algorithm, shorter) in [
        (Algorithm::HS256, None),
        (Algorithm::HS384, Some(Algorithm::HS256)),
        (Algorithm::HS512, Some(Algorithm::HS384)),
    ] {
        let parts = Parts::of(&key_for(algorithm));
        for length in 1..parts.signature.len() {
            assert!(!parts.accepts(&parts.signature[..length]).await, "{algorithm}: {length}");
        }
        if let Some(shorter) = shorter {
            let length = Parts::of(&key_for(shorter)).signature.len();
            parts.refuses("as long as a shorter hash", &parts.signature[..length]).await;
        }
    }
}

#[tokio::test]
async fn rsa_signature_that_begins_with_a_zero_keeps_it() {
    // RFC 8017 §8.2.2: a signature is exactly as long as the modulus
    let key = TestKey::from_encoded(
        Algorithm::RS256,
        include_bytes!("../../fixtures/keys/rsa_private.der"),
    );
    let parts = (0..)
        .map(|number| {
            let token = token().claim("jti", number.to_string()).sign(&key);
            let (input, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            Parts { key: key.clone(), input: input.to_owned(), signature }
        })
        .find(|parts| parts.signature[0] == 0)
        .unwrap();

    parts.refuses("without the zero", &parts.signature[1..]).await;
    parts.refuses("with another zero", [&[0][..], &parts.signature].concat()).await;
    let modulus = URL_SAFE_NO_PAD.decode(key.to_jwk()["n"].as_str().unwrap()).unwrap();
    // It begins with a zero, so there is room for the sum.
    parts.refuses("plus the modulus", add(&parts.signature, &modulus)).await;
}

#[tokio::test]
async fn ecdsa_signature_has_r_and_s_in_this_order_and_in_range() {
    // RFC 7518 §3.4: r and s, each as long as the order of the curve and in [1, n - 1]
    for (algorithm, order) in CURVES {
        let parts = Parts::of(&key_for(algorithm));
        let (r, s) = parts.halves();
        let order = hex(order);
        let zero = vec![0; r.len()];

        parts.refuses("r and s swapped", [&s[..], &r].concat()).await;
        parts.refuses("r = 0", [&zero[..], &s].concat()).await;
        parts.refuses("s = 0", [&r[..], &zero].concat()).await;
        parts.refuses("r = n", [&order[..], &s].concat()).await;
        parts.refuses("s = n", [&r[..], &order].concat()).await;
        parts.refuses("r = s = n", order.repeat(2)).await;
        parts.refuses("n - r", [&subtract(&order, &r)[..], &s].concat()).await;
        // The same numbers modulo n, wherever the sum fits.
        if r.len() == 66 {
            parts.refuses("r + n", [&add(&r, &order)[..], &s].concat()).await;
            parts.refuses("s + n", [&r[..], &add(&s, &order)].concat()).await;
        }
        parts.refuses("in DER", ecdsa_der(&r, &s)).await;
    }
}

#[tokio::test]
async fn ecdsa_signature_has_a_twin_that_is_good_too() {
    // A token can be written a second way without the key: (r, n - s) verifies wherever (r, s)
    // does, and RFC 7518 does not forbid it. So a token's text is no name for it.
    for (algorithm, order) in CURVES {
        let parts = Parts::of(&key_for(algorithm));
        let (r, s) = parts.halves();

        let twin = [r, subtract(&hex(order), &s)].concat();

        assert!(parts.accepts(&parts.signature).await);
        assert!(parts.accepts(&twin).await, "{algorithm}");
    }
}

#[tokio::test]
async fn ed25519_signature_has_one_spelling() {
    // RFC 8032 §5.1.7: S is less than the order of the group
    let order = hex(ED25519_ORDER);
    for algorithm in [Algorithm::EdDSA, Algorithm::Ed25519] {
        let parts = Parts::of(&key_for(algorithm));
        let (point, scalar) = parts.halves();
        let big_endian: Vec<u8> = scalar.iter().rev().copied().collect();

        let mut beyond = add(&big_endian, &order);
        beyond.reverse();

        parts.refuses("S + L", [&point[..], &beyond].concat()).await;
        parts.refuses("S and R swapped", [&scalar[..], &point].concat()).await;
        // The neutral element, which a careless verifier accepts for a key of small order.
        let neutral = [vec![1], vec![0; 63]].concat();
        parts.refuses("R = 1, S = 0", neutral).await;
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// The sum of two numbers of the same length, which it must fit in.
fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum: Vec<u8> = (a.iter().rev().zip(b.iter().rev()))
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit as u8
        })
        .collect();
    assert_eq!((a.len(), carry), (b.len(), 0));
    sum.reverse();
    sum
}

/// The difference of two numbers of the same length, the greater one first.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let complement: Vec<u8> = b.iter().map(|byte| !byte).collect();
    let one = [vec![0; b.len() - 1], vec![1]].concat();
    // a - b = a + (2^k - 1 - b) + 1 - 2^k, and the last step is the carry that falls off.
    let mut wide = add(&[&[0][..], a].concat(), &[&[0][..], &complement].concat());
    wide = add(&wide, &[&[0][..], &one].concat());
    assert_eq!(wide.remove(0), 1);
    wide
}

/// The form of X.509 (RFC 3279 §2.2.3), which JOSE does not use.
fn ecdsa_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut number = number[zeros..].to_vec();
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        [vec![0x02, number.len() as u8], number].concat()
    };
    let body = [integer(r), integer(s)].concat();
    match body.len() {
        length @ 0..=127 => [vec![0x30, length as u8], body].concat(),
        length => [vec![0x30, 0x81, length as u8], body].concat(),
    }
}

/// The orders of the groups (SEC 2), as long as r and s.
const CURVES: [(Algorithm, &str); 3] = [
    (Algorithm::ES256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (
        Algorithm::ES384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        Algorithm::ES512,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
];
const ED25519_ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";
