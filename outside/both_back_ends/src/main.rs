//! Two back ends of jsonwebtoken are linked, so its own `decode` panics; nothing of ours may.

use std::panic;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::crypto::{CryptoProvider, aws_lc, rust_crypto};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Deserialize;
use tower_bearer::keys::{KeySource, VerifyingKey};
use tower_bearer::{Algorithm, KeySet, Reason, SigningKey, TokenIssuer, Validation, Verifier};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
const SECRET: &[u8] = b"at least 32 bytes of randomness, please";

#[derive(Debug, Deserialize)]
struct User {
    sub: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let secret = SigningKey::from_secret(Algorithm::HS256, SECRET);
    for key in [
        secret,
        SigningKey::from_der(Algorithm::RS256, rsa_key()),
        SigningKey::from_der(Algorithm::ES256, p256_key()),
        SigningKey::from_der(Algorithm::EdDSA, ed25519_key()),
    ] {
        let key = key.unwrap();
        let algorithm = key.algorithm();
        for provider in [&aws_lc::DEFAULT_PROVIDER, &rust_crypto::DEFAULT_PROVIDER] {
            check_conversions(provider, &key);
        }
        let issuer = TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap();
        let token = issuer.token_for("alice").issue().unwrap().into_string();

        check(issuer.verifying_key(), &token).await;
        if algorithm == Algorithm::HS256 {
            let key = DecodingKey::from_secret(SECRET).unwrap();
            check(VerifyingKey::from_decoding_key(algorithm, &key).unwrap(), &token).await;
            assert_decode_panics(&token);
            println!("both_back_ends: jsonwebtoken's own `decode` panics here");
        } else {
            check(KeySet::from_jwks(issuer.public_keys().to_json()).unwrap(), &token).await;
        }
        println!("both_back_ends: {algorithm}: signed and verified");
    }
}

async fn check(keys: impl KeySource, token: &str) {
    let verifier = Verifier::<User>::new(keys, Validation::new(ISSUER, AUDIENCE)).unwrap();
    assert_eq!(verifier.verify(token).await.unwrap().claims().sub, "alice");

    let error = verifier.verify(&forged(token)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidSignature);
}

/// Checks that both jsonwebtoken and this crate verify what a back end of jsonwebtoken signs with our key.
fn check_conversions(provider: &CryptoProvider, key: &SigningKey) {
    let algorithm = key.algorithm().try_into().unwrap();
    let signing = EncodingKey::try_from(key).unwrap();
    let verifying = DecodingKey::try_from(&key.verifying_key()).unwrap();
    let signer = (provider.signer_factory)(&algorithm, &signing).unwrap();
    let verifier = (provider.verifier_factory)(&algorithm, &verifying).unwrap();

    for signature in [signer.try_sign(b"message").unwrap(), key.sign(b"message").unwrap()] {
        assert!(verifier.verify(b"message", &signature).is_ok(), "{algorithm:?}");
        assert!(verifier.verify(b"massage", &signature).is_err(), "{algorithm:?}");
    }
}

/// Another signature of the same length, in an encoding that is as good.
fn forged(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{head}.{first}{}", &signature[1..])
}

/// If this ever stops panicking, the back ends no longer conflict and this package shows nothing.
#[expect(clippy::disallowed_methods, reason = "this is the panic to be shown")]
fn assert_decode_panics(token: &str) {
    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(|| {
        let key = DecodingKey::from_secret(SECRET).unwrap();
        let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        jsonwebtoken::decode::<serde::de::IgnoredAny>(token, &key, &validation).is_ok()
    });
    panic::set_hook(quiet);
    assert!(outcome.is_err(), "jsonwebtoken's own `decode` found a back end");
}

fn rsa_key() -> Vec<u8> {
    let key = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der = key.as_der().unwrap();
    der.as_ref().to_vec()
}

fn p256_key() -> Vec<u8> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    key.to_pkcs8v1().unwrap().as_ref().to_vec()
}

fn ed25519_key() -> Vec<u8> {
    Ed25519KeyPair::generate().unwrap().to_pkcs8().unwrap().as_ref().to_vec()
}
