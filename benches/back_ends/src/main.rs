//! Verifies one message by aws-lc-rs, by the crates behind `rust-crypto`, and by graviola, with keys
//! parsed beforehand, as `src/jose/crypto` does it. Microseconds of CPU time of this thread: the best and
//! the middle of interleaved rounds.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair, VerificationAlgorithm,
};
use aws_lc_rs::{rand::SystemRandom, rsa::KeySize};
use cpu_time::ThreadTime;
use graviola::hashing::{Sha256, Sha384, hmac::Hmac};
use graviola::signing::{ecdsa, eddsa, rsa as graviola_rsa};
use hmac::{KeyInit, Mac};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::signature::Verifier;

type Check = Box<dyn Fn() -> bool>;

/// One way to verify one signature.
struct Case {
    algorithm: &'static str,
    back_end: &'static str,
    check: Check,
    rounds: Vec<f64>,
}

fn main() {
    let mut cases = vec![];
    let mut add = |algorithm, back_end, check: Check| {
        assert!(check(), "{algorithm} by {back_end}");
        cases.push(Case { algorithm, back_end, check, rounds: vec![] });
    };
    hmac(&mut add);
    for (pkcs1, pss, size) in [
        ("RS256, 2048 bits", "PS256, 2048 bits", KeySize::Rsa2048),
        ("RS256, 4096 bits", "PS256, 4096 bits", KeySize::Rsa4096),
    ] {
        rsa(pkcs1, pss, size, &mut add);
    }
    es256(&mut add);
    es384(&mut add);
    es512(&mut add);
    ed25519(&mut add);

    measure(&mut cases);
    print(&cases);
}

type Add<'a> = &'a mut dyn FnMut(&'static str, &'static str, Check);

const AWS_LC: &str = "aws-lc-rs";
const RUST_CRYPTO: &str = "rust-crypto";
const GRAVIOLA: &str = "graviola";

/// As long as what is signed of a usual token.
const MESSAGE: [u8; 500] = [b'a'; 500];

fn hmac(add: Add) {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 64]);
    let tag = aws_lc_rs::hmac::sign(&key, &MESSAGE).as_ref().to_vec();
    let theirs = tag.clone();
    add("HS256", AWS_LC, Box::new(move || aws_lc_rs::hmac::verify(&key, &MESSAGE, &tag).is_ok()));
    let key = hmac::Hmac::<sha2::Sha256>::new_from_slice(&[7; 64]).unwrap();
    let tag = theirs.clone();
    add(
        "HS256",
        RUST_CRYPTO,
        Box::new(move || key.clone().chain_update(MESSAGE).verify_slice(&tag).is_ok()),
    );
    let key = Hmac::<Sha256>::new([7; 64]);
    add(
        "HS256",
        GRAVIOLA,
        Box::new(move || {
            let mut hmac = key.clone();
            hmac.update(MESSAGE);
            hmac.verify(&theirs).is_ok()
        }),
    );
}

fn rsa(pkcs1: &'static str, pss: &'static str, size: KeySize, add: Add) {
    let pair = RsaKeyPair::generate(size).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let sign = |encoding: &'static dyn RsaEncoding| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), &MESSAGE, &mut signature).unwrap();
        signature
    };
    let (one, two) = (sign(&RSA_PKCS1_SHA256), sign(&RSA_PSS_SHA256));

    add(pkcs1, AWS_LC, aws_lc(&RSA_PKCS1_2048_8192_SHA256, &public, one.clone()));
    add(pss, AWS_LC, aws_lc(&RSA_PSS_2048_8192_SHA256, &public, two.clone()));

    let key = rsa::PublicKey::from_pkcs1_der(&public).unwrap();
    let by_pkcs1 = rsa::pkcs1v15::VerifyingKey::<sha2::Sha256>::new(key.clone());
    let by_pss = rsa::pss::VerifyingKey::<sha2::Sha256>::new(key);
    add(pkcs1, RUST_CRYPTO, rust_crypto::<_, rsa::pkcs1v15::Signature>(by_pkcs1, one.clone()));
    add(pss, RUST_CRYPTO, rust_crypto::<_, rsa::pss::Signature>(by_pss, two.clone()));

    let key = graviola_rsa::VerifyingKey::from_pkcs1_der(&public).unwrap();
    let again = graviola_rsa::VerifyingKey::from_pkcs1_der(&public).unwrap();
    add(pkcs1, GRAVIOLA, Box::new(move || key.verify_pkcs1_sha256(&one, &MESSAGE).is_ok()));
    add(pss, GRAVIOLA, Box::new(move || again.verify_pss_sha256(&two, &MESSAGE).is_ok()));
}

fn es256(add: Add) {
    let (public, signature) = ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    add("ES256", AWS_LC, aws_lc(&ECDSA_P256_SHA256_FIXED, &public, signature.clone()));
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&public).unwrap();
    add("ES256", RUST_CRYPTO, rust_crypto::<_, p256::ecdsa::Signature>(key, signature.clone()));
    let key = ecdsa::VerifyingKey::<ecdsa::P256>::from_x962_uncompressed(&public).unwrap();
    add("ES256", GRAVIOLA, Box::new(move || key.verify::<Sha256>(&[&MESSAGE], &signature).is_ok()));
}

fn es384(add: Add) {
    let (public, signature) = ec(&ECDSA_P384_SHA384_FIXED_SIGNING);
    add("ES384", AWS_LC, aws_lc(&ECDSA_P384_SHA384_FIXED, &public, signature.clone()));
    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&public).unwrap();
    add("ES384", RUST_CRYPTO, rust_crypto::<_, p384::ecdsa::Signature>(key, signature.clone()));
    let key = ecdsa::VerifyingKey::<ecdsa::P384>::from_x962_uncompressed(&public).unwrap();
    add("ES384", GRAVIOLA, Box::new(move || key.verify::<Sha384>(&[&MESSAGE], &signature).is_ok()));
}

/// Graviola has no P-521.
fn es512(add: Add) {
    let (public, signature) = ec(&ECDSA_P521_SHA512_FIXED_SIGNING);
    add("ES512", AWS_LC, aws_lc(&ECDSA_P521_SHA512_FIXED, &public, signature.clone()));
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(&public).unwrap();
    add("ES512", RUST_CRYPTO, rust_crypto::<_, p521::ecdsa::Signature>(key, signature));
}

fn ed25519(add: Add) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let signature = pair.sign(&MESSAGE).as_ref().to_vec();
    add("EdDSA", AWS_LC, aws_lc(&ED25519, &public, signature.clone()));
    let bytes: [u8; 32] = public[..].try_into().unwrap();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).unwrap();
    add("EdDSA", RUST_CRYPTO, rust_crypto::<_, ed25519_dalek::Signature>(key, signature.clone()));
    let key = eddsa::Ed25519VerifyingKey::from_bytes(&public).unwrap();
    add("EdDSA", GRAVIOLA, Box::new(move || key.verify(&signature, &MESSAGE).is_ok()));
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> (Vec<u8>, Vec<u8>) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let signature = pair.sign(&SystemRandom::new(), &MESSAGE).unwrap().as_ref().to_vec();
    (pair.public_key().as_ref().to_vec(), signature)
}

fn aws_lc(
    algorithm: &'static dyn VerificationAlgorithm,
    public: &[u8],
    signature: Vec<u8>,
) -> Check {
    let key = ParsedPublicKey::new(algorithm, public).unwrap();
    Box::new(move || key.verify_sig(&MESSAGE, &signature).is_ok())
}

fn rust_crypto<K, S>(key: K, signature: Vec<u8>) -> Check
where
    K: Verifier<S> + 'static,
    S: for<'a> TryFrom<&'a [u8]>,
{
    Box::new(move || {
        S::try_from(&signature).is_ok_and(|signature| key.verify(&MESSAGE, &signature).is_ok())
    })
}

fn measure(cases: &mut [Case]) {
    for case in &mut *cases {
        case.rounds.clear();
    }
    for _ in 0..ROUNDS {
        for case in &mut *cases {
            let (begin, mut calls) = (ThreadTime::now(), 0);
            while begin.elapsed() < SLICE {
                for _ in 0..BATCH {
                    assert!(black_box((case.check)()));
                }
                calls += BATCH;
            }
            case.rounds.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
    for case in cases {
        case.rounds.sort_by(f64::total_cmp);
    }
}

fn print(cases: &[Case]) {
    println!("| | back end | best, µs | middle, µs | middle : aws-lc-rs |");
    println!("|---|---|--:|--:|--:|");
    for case in cases {
        let middle = |case: &Case| case.rounds[case.rounds.len() / 2];
        let first = cases.iter().find(|other| other.algorithm == case.algorithm).unwrap();
        println!(
            "| {} | {} | {:.1} | {:.1} | {:.2} |",
            case.algorithm,
            case.back_end,
            case.rounds[0],
            middle(case),
            middle(case) / middle(first),
        );
    }
}

const ROUNDS: u32 = 100;
const SLICE: Duration = Duration::from_millis(5);
const BATCH: u32 = 8;
