//! Encrypted tokens that are refused: `scripts/decryption-failures` counts what each class of failure costs.
//!
//! Within one `alg`, all tokens are equally long and have the same header. Every class is one that a stranger can make,
//! and that an attack would have to tell from the others: Bleichenbacher\'s and Manger\'s need to know whether the padding
//! of RSA was right.

use std::hint::black_box;

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::keys::{DecryptionKey, EncryptionKey};
use tower_bearer::{Algorithm, Reason, SigningKey, TokenIssuer, Validation, Verifier};

use crate::{AUDIENCE, ISSUER, User};

pub fn run(wanted: &str, calls: u32) {
    let wanted = wanted.strip_prefix("refused/").and_then(|name| name.split_once('/'));
    for algorithm in ["RSA-OAEP-256", "ECDH-ES+A256KW", "A256KW", "A256GCMKW", "dir"] {
        let (private, token) = issued(algorithm);
        let classes = classes(&private, &token);
        match wanted {
            None => classes.iter().for_each(|(class, _)| println!("refused/{algorithm}/{class}")),
            Some((of, class)) if of == algorithm => {
                let (_, refused) =
                    classes.iter().find(|(name, _)| *name == class).expect("a class");
                // Every class at the same address: copies cost more or less by how they are aligned.
                let mut token = token;
                token.clear();
                token.push_str(refused);
                refuse(&private, &token, calls);
            }
            Some(_) => {}
        }
    }
}

fn refuse(private: &Value, token: &str, calls: u32) {
    let key = DecryptionKey::from_jwk(private.to_string()).expect("a key");
    let signing = SigningKey::from_secret(Algorithm::HS256, [7; 32]).expect("a key");
    let verifier =
        Verifier::<User>::new(signing.verifying_key(), Validation::new(ISSUER, AUDIENCE));
    let verifier = verifier.expect("sensible rules").with_decryption_keys(key);
    for _ in 0..calls {
        let verdict = verifier.verify_now(black_box(token)).expect("nothing waits");
        let error = verdict.err().expect("a refusal");
        assert_eq!(error.reason(), Reason::Encrypted);
    }
}

/// A private key, and a token that is encrypted for it.
fn issued(algorithm: &str) -> (Value, String) {
    let keys = include_str!("../../../tests/fixtures/keys/encryption.jwk.json");
    let keys: Value = serde_json::from_str(keys).expect("keys");
    let kind = match algorithm {
        "RSA-OAEP-256" => "RSA",
        "ECDH-ES+A256KW" => "EC",
        _ => "oct",
    };
    let secret = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 32])});
    let found = keys["keys"].as_array().expect("keys").iter().find(|key| key["kty"] == kind);
    let mut private = found.unwrap_or(&secret).clone();
    private["alg"] = algorithm.into();
    let mut public = private.clone();
    let secrets = ["d", "p", "q", "dp", "dq", "qi"];
    public.as_object_mut().expect("a key").retain(|name, _| !secrets.contains(&&**name));
    let signing = SigningKey::from_secret(Algorithm::HS256, [7; 32]).expect("a key");
    let tokens = TokenIssuer::new(ISSUER, AUDIENCE, signing).expect("an issuer");
    let tokens =
        tokens.with_encryption(EncryptionKey::from_jwk(public.to_string()).expect("a key"));
    (private, tokens.token_for("alice").issue().expect("a token").into_string())
}

fn classes(private: &Value, token: &str) -> Vec<(&'static str, String)> {
    let changed = |segment: usize, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
        let bytes = URL_SAFE_NO_PAD.decode(&segments[segment]).expect("base64url");
        segments[segment] = URL_SAFE_NO_PAD.encode(change(bytes));
        segments.join(".")
    };
    let flipped = |mut bytes: Vec<u8>| {
        bytes[7] ^= 1;
        bytes
    };
    let mut classes = vec![("tag", changed(4, &flipped)), ("content", changed(3, &flipped))];
    if private["alg"] != "dir" {
        classes.push(("encrypted_key", changed(1, &flipped)));
    }
    if private["kty"] == "RSA" {
        // Right padding around something else, and around a key of another length.
        classes.push(("other_key", changed(1, &|_| encrypted(private, &[9; 32]))));
        classes.push(("short_key", changed(1, &|_| encrypted(private, &[9; 16]))));
        classes.push(("no_key", changed(1, &|_| encrypted(private, &[]))));
        classes.push(("small_number", changed(1, &|bytes| [&[0; 255][..], &bytes[..1]].concat())));
    }
    classes
}

fn encrypted(private: &Value, text: &[u8]) -> Vec<u8> {
    let number = |name: &str| {
        URL_SAFE_NO_PAD.decode(private[name].as_str().expect("a number")).expect("base64url")
    };
    let numbers = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    let key: PublicEncryptingKey = numbers.try_into().expect("a key");
    let key = OaepPublicEncryptingKey::new(key).expect("a key");
    let mut out = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, text, &mut out, None).expect("a short text");
    out
}
