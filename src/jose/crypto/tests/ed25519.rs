//! Edge cases of Ed25519, on which implementations are known to differ: those of the paper "Taming the
//! many `EdDSA`s" (github.com/novifinancial/ed25519-speccheck), and two of each kind of C2SP's CCTV.

use serde::Deserialize;

use super::{BACK_ENDS, Key, Material, hex};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;
use crate::jose::crypto;

#[derive(Deserialize)]
struct Case {
    name: String,
    key: String,
    message: String,
    signature: String,
}

#[test]
fn edge_cases_get_the_same_verdict() {
    let cases = include_str!("../../../../tests/fixtures/vectors/ed25519_edges.json");
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    let (mut refused, mut good) = (0, 0);

    for Case { name, key, message, signature } in cases {
        // Keys of small order, and keys in an unusual spelling.
        let Ok(material) = Material::ed25519(&hex(&key)) else {
            refused += 1;
            continue;
        };
        let key = Key::new(Algorithm::Ed25519, &material).unwrap();
        let verdict = key.verify(&hex(&message), &hex(&signature));

        // The signature is valid if R = sB - hA, whatever R is, and even if the key has a part of
        // small order.
        if let Some(flags) = name.strip_prefix("CCTV") {
            let equal = !flags.contains("residue") && !flags.contains("non_canonical_R");
            assert_eq!(verdict, equal, "{name}");
        }
        good += usize::from(verdict);
    }

    assert_eq!((refused, good), (86, 12));
}

#[test]
fn key_that_is_no_point_verifies_nothing() {
    // aws-lc accepts the key, and fails with each signature.
    let mut y = [0xff; 32];
    (y[0], y[31]) = (0xeb, 0x7f);
    let Ok(material) = Material::ed25519(&y) else { panic!("less than p") };

    let in_use = crypto::verifier(Algorithm::Ed25519, &material);
    let [aws_lc, rust_crypto] = BACK_ENDS.map(|b| (b.verifier)(Algorithm::Ed25519, &material));

    assert_eq!(rust_crypto.err(), Some(KeyProblem::Curve));
    // The test also tells the two apart: aws-lc-rs wins, except where the tests reverse that.
    assert_eq!(in_use.is_err(), cfg!(tower_bearer_rust_crypto_first));
    let aws_lc = aws_lc.unwrap();
    for signature in [[0; 64], [1; 64], std::array::from_fn(|at| u8::from(at == 0))] {
        assert!(!aws_lc.verify(b"message", &signature));
    }
}
