//! Checks the examples in the RFCs, and signatures with any other padding, with both back ends.
//! `tests/it/jose/vectors.rs` reads the examples as tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::Curve;
use super::{BACK_ENDS, Key, Material, hex};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

fn bytes(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

fn material(jwk: &Value) -> Material {
    match jwk["kty"].as_str().unwrap() {
        "oct" => Material::secret(&bytes(&jwk["k"])),
        "RSA" => Material::rsa(&bytes(&jwk["n"]), &bytes(&jwk["e"])).unwrap(),
        "OKP" => Material::ed25519(&bytes(&jwk["x"])).unwrap(),
        _ => {
            let curve = Curve::from_name(jwk["crv"].as_str().unwrap()).unwrap();
            Material::ec(curve, &bytes(&jwk["x"]), &bytes(&jwk["y"])).unwrap()
        }
    }
}

/// Returns whether the signature of a token is valid.
fn verify(algorithm: &Value, jwk: &Value, token: &Value) -> bool {
    let algorithm: Algorithm = algorithm.as_str().unwrap().parse().unwrap();
    let (input, signature) = token.as_str().unwrap().rsplit_once('.').unwrap();
    let key = Key::new(algorithm, &material(jwk)).unwrap();
    key.verify(input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
}

#[test]
fn signatures_that_the_rfcs_print_are_good() {
    let vectors = include_str!("../../../../tests/fixtures/vectors/signed.json");
    let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
    for one in &vectors {
        for other in &vectors {
            let same = one["jwk"] == other["jwk"] && one["algorithm"] == other["algorithm"];
            let verdict = verify(&one["algorithm"], &one["jwk"], &other["token"]);
            assert_eq!(verdict, same, "{} with the key of {}", other["section"], one["section"]);
        }
    }
}

#[test]
fn rsa_signature_with_any_other_padding_is_refused() {
    let set = include_str!("../../../../tests/fixtures/vectors/rsa_padding.json");
    let set: Value = serde_json::from_str(set).unwrap();
    for case in set["cases"].as_array().unwrap() {
        let verdict = verify(&case["algorithm"], &set["jwk"], &case["token"]);
        assert_eq!(case["good"], verdict, "{}: {}", case["algorithm"], case["name"]);
    }
}

#[test]
fn sha256_is_that_of_fips_180() {
    let abc = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for back_end in BACK_ENDS {
        assert_eq!((back_end.sha256)(b"abc").unwrap()[..], abc, "{}", back_end.name);
    }
}

#[test]
fn point_beside_the_curve_is_no_key() {
    // RFC 8725bis §3.4: points are validated
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let length = curve.field_bytes();
        // The point at infinity has no such form. A coordinate beyond the prime has one.
        for (x, y) in [(0, 0), (1, 1), (0xff, 0xff)] {
            let material = Material::ec(curve, &vec![x; length], &vec![y; length]).unwrap();
            let key = Key::new(curve.algorithm(), &material);
            assert_eq!(key.err(), Some(KeyProblem::Curve), "{}, {x}", curve.name());
        }
    }
}

#[test]
fn algorithm_of_another_kind_of_key_is_refused() {
    let materials = [
        material(&serde_json::json!({ "kty": "oct", "k": "A".repeat(86) })),
        Material::rsa(&[0xff; 256], &[3]).unwrap(),
    ];
    for (material, algorithm) in materials.iter().zip([Algorithm::RS256, Algorithm::HS256]) {
        let problem = Key::new(algorithm, material).err().unwrap();
        assert!(matches!(problem, KeyProblem::AlgorithmMismatch { .. }), "{problem}");
    }
}
