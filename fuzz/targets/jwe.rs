//! An encrypted token, in two ways: the input as the whole token, for keys of every kind; and the input as the content of
//! a token that was encrypted properly, which any client may do that has the public key.

#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::jose::KeyManagement;
use tower_bearer::keys::{DecryptionKey, DecryptionKeys, EncryptionKey};
use tower_bearer::test_util::encrypted;
use tower_bearer::{Reason, Verifier};
use tower_bearer_fuzz as fuzz;

struct Fixed {
    keys: DecryptionKeys,
    /// Decrypts, and one that does not.
    verifiers: [Verifier<Value>; 2],
    encryption: EncryptionKey,
}

fuzz_target!(|input: &[u8]| {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    let Fixed { keys, verifiers, encryption } = FIXED.get_or_init(fixed);
    let [decrypting, plain] = verifiers;

    if let Ok(token) = std::str::from_utf8(input) {
        check_token(token, keys, decrypting);
    }
    // Whatever a client encrypts is judged as if it had sent it plainly, and nothing in it is opened again.
    if let Ok(content) = std::str::from_utf8(input) {
        let token = encrypted(content, encryption);
        if token.len() > 16 * 1024 {
            return;
        }
        let inside = fuzz::now(decrypting.verify(&token)).map_err(|error| error.reason());
        let alone = fuzz::now(plain.verify(content)).map_err(|error| error.reason());
        assert_eq!(inside.err(), alone.err());
    }
});

fn check_token(token: &str, keys: &DecryptionKeys, verifier: &Verifier<Value>) {
    let segments: Vec<&str> = token.split('.').collect();
    match keys.decrypt(token) {
        Ok(_) => {
            assert_eq!(segments.len(), 5);
            let header = URL_SAFE_NO_PAD.decode(segments[0]).expect("base64url");
            let header: Value = serde_json::from_slice(&header).expect("a header in JSON");
            assert!(header.get("zip").is_none() && header.get("crit").is_none());
            for segment in segments {
                let bytes = URL_SAFE_NO_PAD.decode(segment).expect("base64url");
                // One spelling for one token.
                assert_eq!(URL_SAFE_NO_PAD.encode(bytes), segment);
            }
        }
        Err(error) => {
            let reasons = [
                Reason::TokenTooLarge,
                Reason::Malformed,
                Reason::CriticalHeader,
                Reason::UnsupportedAlgorithm,
                Reason::Encrypted,
            ];
            assert!(reasons.contains(&error.reason()), "{error:?}");
            if error.reason() == Reason::Encrypted {
                assert_eq!(error.detail(), None);
            }
            if segments.len() == 5 {
                let verdict = fuzz::now(verifier.verify(token)).map(drop);
                let reason = verdict.expect_err("what is not decrypted is not accepted").reason();
                // The verifier looks at `cty` before.
                assert!(reason == error.reason() || reason == Reason::Malformed, "{reason}");
            }
        }
    }
}

fn fixed() -> Fixed {
    let jwks = include_str!("../../tests/fixtures/keys/encryption.jwk.json");
    let jwks: Value = serde_json::from_str(jwks).expect("keys");
    let mut keys = Vec::new();
    for algorithm in KeyManagement::ALL {
        let secret = vec![7; if algorithm.as_str().starts_with("A128") { 16 } else { 32 }];
        keys.extend(DecryptionKey::from_secret(algorithm, secret));
        for jwk in jwks["keys"].as_array().expect("keys") {
            let mut jwk = jwk.clone();
            jwk["alg"] = algorithm.as_str().into();
            keys.extend(DecryptionKey::from_jwk(jwk.to_string()));
        }
    }
    let keys: DecryptionKeys = keys.into_iter().collect();
    Fixed {
        verifiers: [fuzz::verifier().with_decryption_keys(keys.clone()), fuzz::verifier()],
        keys,
        encryption: EncryptionKey::from_secret(KeyManagement::Dir, [7; 32]).expect("a key"),
    }
}
