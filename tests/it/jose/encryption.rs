//! Tests the decryption of tokens: the vectors of the RFCs, what is refused, and that all failures look alike.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_bearer::jose::{ContentEncryption, KeyManagement};
use tower_bearer::keys::{DecryptionKey, DecryptionKeys, EncryptionKey, KeyProblem};
use tower_bearer::{ConfigError, Reason};

use crate::support::good;
use crate::support::sealed::{decryption_key as key, private_keys, public_part, sealed, sealed_by};

const RSA: &str = include_str!("../../fixtures/keys/rsa_traditional.pem");
const P256: &str = include_str!("../../fixtures/keys/p256_pkcs8.pem");
const P256_SEC1: &str = include_str!("../../fixtures/keys/p256_ecparam.pem");
const P256_PUBLIC: &str = include_str!("../../fixtures/keys/p256_public.pem");
const P384: &str = include_str!("../../fixtures/keys/p384_ecparam.pem");
const P521: &str = include_str!("../../fixtures/keys/p521_ecparam.pem");
const X25519: &str = include_str!("../../fixtures/keys/x25519.pem");

/// An encrypted text that an RFC prints, with its key.
#[derive(Deserialize)]
struct Vector {
    rfc: u32,
    section: String,
    jwk: Value,
    token: String,
    content: String,
}

impl Vector {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../fixtures/vectors/encrypted.json")).unwrap()
    }

    fn of(algorithm: &str) -> Self {
        Self::all().into_iter().find(|vector| vector.jwk["alg"] == algorithm).unwrap()
    }

    fn keys(&self) -> DecryptionKeys {
        DecryptionKey::from_jwk(self.jwk.to_string()).unwrap().into()
    }

    fn name(&self) -> String {
        format!("RFC {} §{}", self.rfc, self.section)
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const HEADER: &str = r#"{"alg":"dir","enc":"A256GCM"}"#;

fn reason(keys: &DecryptionKeys, token: &str) -> Reason {
    keys.decrypt(token).unwrap_err().reason()
}

#[test]
fn texts_that_the_rfcs_print_are_decrypted() {
    // RFC 7516 §A: the examples are decrypted
    for vector in Vector::all() {
        let content = vector.keys().decrypt(&vector.token);

        assert_eq!(content.unwrap().as_str(), vector.content, "{}", vector.name());
    }
}

#[test]
fn every_failure_behind_the_header_gives_the_same_error() {
    // RFC 7516 §11.5: a wrong key and a wrong content cannot be told apart
    for vector in Vector::all() {
        let keys = vector.keys();
        for segment in 1..5 {
            let mut tried = 0;
            for change in [flip_first, flip_last, cut, lengthen, empty] {
                let mut segments: Vec<String> =
                    vector.token.split('.').map(str::to_owned).collect();
                let bytes = URL_SAFE_NO_PAD.decode(&segments[segment]).unwrap();
                let changed = change(bytes.clone());
                if changed == bytes {
                    continue;
                }
                segments[segment] = encoded(changed);

                let error = keys.decrypt(&segments.join(".")).unwrap_err();

                let what = format!("{} segment {segment}", vector.name());
                assert_eq!(error.reason(), Reason::Encrypted, "{what}");
                assert_eq!(error.detail(), None, "{what}");
                tried += 1;
            }
            assert!(tried > 0);
        }
    }
}

fn flip_first(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
    bytes
}

fn flip_last(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
    bytes
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.pop();
    bytes
}

fn lengthen(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(0);
    bytes
}

fn empty(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

#[test]
fn token_for_another_key_gives_the_error_of_a_damaged_one() {
    let vector = Vector::of("RSA-OAEP");
    let other = DecryptionKey::from_pem(KeyManagement::RsaOaep, RSA).unwrap();

    let error = DecryptionKeys::from(other).decrypt(&vector.token).unwrap_err();

    assert_eq!((error.reason(), error.detail()), (Reason::Encrypted, None));
    assert_eq!(reason(&DecryptionKeys::default(), &vector.token), Reason::Encrypted);
    assert!(vector.keys().decrypt(&vector.token).is_ok());
}

#[test]
fn key_decrypts_for_its_own_algorithm_only() {
    // RFC 8725 §3.1: a key is for exactly one algorithm
    for (named, other) in
        [("RSA-OAEP", "RSA-OAEP-256"), ("ECDH-ES+A128KW", "ECDH-ES"), ("A128KW", "A128GCMKW")]
    {
        let vector = Vector::of(named);
        let mut jwk = vector.jwk.clone();
        jwk["alg"] = other.into();
        let keys = DecryptionKey::from_jwk(jwk.to_string()).unwrap().into();

        assert_eq!(reason(&keys, &vector.token), Reason::Encrypted, "{named}");
        assert!(vector.keys().decrypt(&vector.token).is_ok());
    }
}

#[test]
fn content_is_decrypted_with_an_allowed_encryption_only() {
    let only = |encryption| key().with_content_encryptions([encryption]).unwrap().into();
    let token = sealed(HEADER, "{}");

    assert_eq!(reason(&only(ContentEncryption::A128CbcHs256), &token), Reason::Encrypted);
    assert!(only(ContentEncryption::A256GCM).decrypt(&token).is_ok());
    let none = key().with_content_encryptions([]).unwrap_err();
    assert_eq!(none, ConfigError::NoAlgorithms);
}

#[test]
fn ephemeral_key_is_on_the_curve_of_the_key() {
    // RFC 7518 §4.6: `epk` is on the recipient's curve
    let vector = Vector::of("ECDH-ES");
    let on_p384 = DecryptionKey::from_pem(KeyManagement::EcdhEs, P384).unwrap();
    assert_eq!(reason(&on_p384.into(), &vector.token), Reason::Encrypted);
    assert!(vector.keys().decrypt(&vector.token).is_ok());

    // RFC 8725 §3.4: points that are not on their curve, or have a small order
    let curve_key = |pem| DecryptionKey::from_pem(KeyManagement::EcdhEs, pem).unwrap().into();
    let point = json!({"kty": "EC", "crv": "P-256", "x": encoded([1; 32]), "y": encoded([2; 32])});
    let zero = json!({"kty": "OKP", "crv": "X25519", "x": encoded([0; 32])});
    for (keys, epk) in [(curve_key(P256), point), (curve_key(X25519), zero)] {
        let header = json!({"alg": "ECDH-ES", "enc": "A256GCM", "epk": epk}).to_string();
        let error = DecryptionKeys::decrypt(&keys, &sealed(&header, "{}")).unwrap_err();
        assert_eq!((error.reason(), error.detail()), (Reason::Encrypted, None), "{epk}");
    }
}

#[test]
fn token_that_is_no_encrypted_one_is_refused_before_a_key_is_chosen() {
    // RFC 7516 §5.2: five segments and no padding
    // RFC 8725 §3.2: RSA1_5 and PBES2 are not supported
    // RFC 8725 §3.6: compressed content is refused
    let keys = DecryptionKeys::from(key());
    let good_token = sealed(HEADER, "{}");
    let parts: Vec<_> = good_token.split('.').collect();
    let header = |header: &str| sealed(header, "{}");

    for (token, expected) in [
        (String::new(), Reason::Malformed),
        (good(), Reason::Malformed),
        (parts[..4].join("."), Reason::Malformed),
        (format!("{good_token}."), Reason::Malformed),
        (format!("{good_token}="), Reason::Malformed),
        (header(r#"{"enc":"A256GCM"}"#), Reason::Malformed),
        (header(r#"{"alg":"dir","alg":"dir","enc":"A256GCM"}"#), Reason::Malformed),
        (header(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#), Reason::Malformed),
        (header(r#"{"alg":"dir","enc":"A256GCM","crit":["exp"]}"#), Reason::CriticalHeader),
        (header(r#"{"alg":"RSA1_5","enc":"A256GCM"}"#), Reason::UnsupportedAlgorithm),
        (header(r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM"}"#), Reason::UnsupportedAlgorithm),
        (header(r#"{"alg":"dir","enc":"A192GCM"}"#), Reason::UnsupportedAlgorithm),
    ] {
        assert_eq!(reason(&keys, &token), expected, "{token}");
    }
    assert_eq!(keys.decrypt(&good_token).unwrap().as_str(), "{}");
}

#[test]
fn token_of_16_kib_is_decrypted_and_one_more_byte_is_refused() {
    let keys = DecryptionKeys::from(key());
    let of = |bytes: usize| sealed(HEADER, "x".repeat(bytes));
    let fits = (12_000..12_400).rev().find(|bytes| of(*bytes).len() <= 16 * 1024).unwrap();

    assert!(keys.decrypt(&of(fits)).is_ok());
    assert_eq!(reason(&keys, &of(fits + 1)), Reason::TokenTooLarge);
}

#[test]
fn token_that_is_encrypted_twice_is_refused_and_a_signed_one_inside_is_returned() {
    let keys = DecryptionKeys::from(key());
    let (signed, once) = (good(), sealed(HEADER, "{}"));

    assert_eq!(keys.decrypt(&sealed(HEADER, &signed)).unwrap().as_str(), signed);
    let error = keys.decrypt(&sealed(HEADER, once)).unwrap_err();
    assert_eq!((error.reason(), error.detail()), (Reason::Encrypted, None));
    assert_eq!(reason(&keys, &sealed(HEADER, b"\xff")), Reason::Encrypted);
}

#[test]
fn key_is_found_by_its_name_or_else_tried() {
    let named = |secret: u8, name: &str| {
        let key = DecryptionKey::from_secret(KeyManagement::Dir, [secret; 32]).unwrap();
        key.with_key_id(name).unwrap()
    };
    let keys: DecryptionKeys = [named(1, "old"), named(2, "new"), key()].into_iter().collect();
    let token = |secret: u8, kid: Value| {
        let mut header = json!({"alg": "dir", "enc": "A256GCM"});
        if !kid.is_null() {
            header["kid"] = kid;
        }
        sealed_by(&[secret; 32], &header.to_string(), "{}")
    };

    assert!(keys.decrypt(&token(1, "old".into())).is_ok());
    assert!(keys.decrypt(&token(2, "new".into())).is_ok());
    assert!(keys.decrypt(&token(2, Value::Null)).is_ok());
    assert!(keys.decrypt(&token(7, "another".into())).is_ok());
    assert_eq!(reason(&keys, &token(1, "new".into())), Reason::Encrypted);
    assert_eq!(reason(&keys, &token(1, "another".into())), Reason::Encrypted);
}

fn problem<K: std::fmt::Debug>(key: Result<K, ConfigError>) -> KeyProblem {
    match key.unwrap_err() {
        ConfigError::Key(problem) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn private_key_in_pem_is_read_for_an_algorithm_of_its_kind() {
    for pem in [P256, P256_SEC1, P384, P521, X25519] {
        for algorithm in
            [KeyManagement::EcdhEs, KeyManagement::EcdhEsA128KW, KeyManagement::EcdhEsA256KW]
        {
            assert_eq!(DecryptionKey::from_pem(algorithm, pem).unwrap().algorithm(), algorithm);
        }
        for algorithm in [KeyManagement::RsaOaep, KeyManagement::Dir] {
            let problem = problem(DecryptionKey::from_pem(algorithm, pem));
            assert!(matches!(problem, KeyProblem::AlgorithmMismatch { .. }), "{problem}");
        }
    }
    assert!(DecryptionKey::from_pem(KeyManagement::RsaOaep256, RSA).is_ok());
    let public = problem(DecryptionKey::from_pem(KeyManagement::EcdhEs, P256_PUBLIC));
    assert_eq!(public, KeyProblem::Public);
}

#[test]
fn secret_has_the_one_length_of_its_algorithm() {
    // RFC 7518 §4.4: the length of a secret
    for (algorithm, lengths) in [
        (KeyManagement::Dir, &[16, 32, 64][..]),
        (KeyManagement::A128KW, &[16]),
        (KeyManagement::A128GCMKW, &[16]),
        (KeyManagement::A256KW, &[32]),
        (KeyManagement::A256GCMKW, &[32]),
    ] {
        for bytes in [0, 15, 16, 17, 24, 32, 33, 48, 64] {
            let key = DecryptionKey::from_secret(algorithm, vec![7; bytes]);
            if lengths.contains(&bytes) {
                assert!(key.is_ok(), "{algorithm} {bytes}");
            } else {
                let problem = problem(key);
                assert!(matches!(problem, KeyProblem::SecretLength { .. }), "{problem}");
            }
        }
    }
}

#[test]
fn private_jwk_names_its_algorithm_and_is_for_decryption() {
    let good = Vector::of("ECDH-ES").jwk;
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        DecryptionKey::from_jwk(jwk.to_string())
    };
    let without = |name: &str| {
        let mut jwk = good.clone();
        jwk.as_object_mut().unwrap().remove(name);
        DecryptionKey::from_jwk(jwk.to_string())
    };
    let other = Vector::of("ECDH-ES+A128KW").jwk;

    assert_eq!(problem(without("alg")), KeyProblem::MissingAlgorithm);
    for alg in ["RSA1_5", "ES256", "ECDH-ES+A192KW", "ecdh-es"] {
        let refused = KeyProblem::AlgorithmNotAllowed { algorithm: alg.to_owned() };
        assert_eq!(problem(with("alg", alg.into())), refused);
    }
    assert_eq!(problem(with("use", "sig".into())), KeyProblem::NotForDecryption);
    assert_eq!(problem(with("key_ops", json!(["sign"]))), KeyProblem::NotForDecryption);
    assert_eq!(problem(with("key_ops", json!(["sign", "deriveKey"]))), KeyProblem::Contradiction);
    assert!(with("key_ops", json!(["deriveBits", "deriveKey"])).is_ok());
    assert_eq!(problem(without("d")), KeyProblem::Public);
    assert_eq!(problem(with("k", "AAAA".into())), KeyProblem::Contradiction);
    assert!(matches!(problem(with("d", other["d"].clone())), KeyProblem::Unreadable(_)));
    assert!(without("use").is_ok());
    assert!(without("kid").is_ok_and(|key| key.key_id().is_none()));
}

#[test]
fn public_part_of_another_key_is_a_mismatched_pair() {
    let pair = json!({
        "kty": "OKP", "crv": "X25519", "alg": "ECDH-ES",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
        "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os",
    });
    let mut other = pair.clone();
    other["x"] = "xvXHh3Q2S4VotXgBddGWD_KhnzYZ_euB2eaekLvvADU".into();

    assert!(DecryptionKey::from_jwk(pair.to_string()).is_ok());
    assert_eq!(problem(DecryptionKey::from_jwk(other.to_string())), KeyProblem::MismatchedPair);
}

#[test]
fn all_keys_of_a_set_are_good_or_the_set_is_refused() {
    let vector = Vector::of("A256GCMKW");
    let mut nameless = vector.jwk.clone();
    nameless.as_object_mut().unwrap().remove("alg");
    let read = |keys: &[&Value]| DecryptionKeys::from_jwks(json!({ "keys": keys }).to_string());

    let keys = read(&[&Vector::of("ECDH-ES").jwk, &vector.jwk]).unwrap();
    assert_eq!(keys.decrypt(&vector.token).unwrap().as_str(), vector.content);
    let single = DecryptionKeys::from_jwks(vector.jwk.to_string()).unwrap();
    assert!(single.decrypt(&vector.token).is_ok());

    let problem = Box::new(ConfigError::Key(KeyProblem::MissingAlgorithm));
    let at = ConfigError::At { path: "keys[1]".to_owned(), problem };
    assert_eq!(read(&[&vector.jwk, &nameless]).unwrap_err(), at);
    assert_eq!(read(&[]).unwrap_err(), ConfigError::NoUsableKey { skipped: Vec::new() });
}

#[test]
fn debug_output_shows_no_part_of_a_key() {
    for vector in Vector::all() {
        let shown = format!("{:?}", vector.keys());

        for name in ["k", "d", "n", "x"] {
            let part = vector.jwk[name].as_str().unwrap_or("no such part");
            assert!(!shown.contains(part), "{shown}");
        }
        assert!(shown.contains("algorithm"), "{shown}");
    }
}

#[test]
fn public_jwk_that_names_no_algorithm_has_that_of_its_kind() {
    let jwks: Value =
        serde_json::from_str(include_str!("../../fixtures/keys/encryption.jwk.json")).unwrap();
    for private in jwks["keys"].as_array().unwrap() {
        let mut public = private.clone();
        let private_members = ["d", "p", "q", "dp", "dq", "qi"];
        public.as_object_mut().unwrap().retain(|name, _| !private_members.contains(&&**name));
        public["kid"] = "2026-11".into();
        let with = |name: &str, value: Value| {
            let mut jwk = public.clone();
            jwk[name] = value;
            EncryptionKey::from_jwk(jwk.to_string())
        };

        let key = EncryptionKey::from_jwk(public.to_string()).unwrap();

        let is_rsa = private["kty"] == "RSA";
        let expected = if is_rsa { KeyManagement::RsaOaep256 } else { KeyManagement::EcdhEsA256KW };
        assert_eq!((key.algorithm(), key.key_id()), (expected, Some("2026-11")));
        assert_eq!(key.content_encryption(), ContentEncryption::A256GCM);
        assert!(with("use", "enc".into()).is_ok());
        assert_eq!(problem(with("use", "sig".into())), KeyProblem::NotForEncryption);
        assert_eq!(problem(with("key_ops", json!(["decrypt"]))), KeyProblem::NotForEncryption);
        assert_eq!(problem(EncryptionKey::from_jwk(private.to_string())), KeyProblem::Private);
        let refused = KeyProblem::AlgorithmNotAllowed { algorithm: "RSA1_5".to_owned() };
        assert_eq!(problem(with("alg", "RSA1_5".into())), refused);
        let problem = problem(with("alg", "dir".into()));
        assert!(matches!(problem, KeyProblem::AlgorithmMismatch { .. }), "{problem}");
    }
}

#[test]
fn first_key_for_encryption_is_taken_from_a_set() {
    let key = |more: Value| {
        let mut jwk = json!({"kty": "oct", "k": encoded([7; 32])});
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    };
    let read = |keys: &[Value]| EncryptionKey::from_jwks(json!({ "keys": keys }).to_string());
    let signing = key(json!({"alg": "HS256", "use": "sig"}));
    let nameless = key(json!({}));
    let good = key(json!({"alg": "dir", "kid": "k"}));

    assert_eq!(read(&[signing.clone(), nameless.clone(), good]).unwrap().key_id(), Some("k"));
    let ConfigError::NoUsableKey { skipped } = read(&[signing, nameless]).unwrap_err() else {
        panic!("another error");
    };
    let problems: Vec<_> = skipped.into_iter().map(|skipped| skipped.problem).collect();
    assert_eq!(problems, [KeyProblem::NotForEncryption, KeyProblem::NotForEncryption]);
}

#[test]
fn public_key_in_pem_encrypts_for_an_algorithm_of_its_kind() {
    let rsa = include_str!("../../fixtures/keys/rsa_public.pem");
    let certificate = include_str!("../../fixtures/keys/p256_certificate.pem");
    let x25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEA3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=\n-----END PUBLIC KEY-----";
    for (pem, good, other) in [
        (rsa, KeyManagement::RsaOaep256, KeyManagement::EcdhEs),
        (P256_PUBLIC, KeyManagement::EcdhEs, KeyManagement::RsaOaep),
        (certificate, KeyManagement::EcdhEsA128KW, KeyManagement::Dir),
        (x25519, KeyManagement::EcdhEsA256KW, KeyManagement::RsaOaep256),
    ] {
        assert_eq!(EncryptionKey::from_pem(good, pem).unwrap().algorithm(), good);
        let problem = problem(EncryptionKey::from_pem(other, pem));
        assert!(matches!(problem, KeyProblem::AlgorithmMismatch { .. }), "{problem}");
    }
    assert_eq!(problem(EncryptionKey::from_pem(KeyManagement::EcdhEs, P256)), KeyProblem::Private);
}

#[test]
fn point_of_small_order_or_off_the_curve_is_no_key_to_encrypt_for() {
    // RFC 8725 §3.4: points that are not on their curve, or have a small order
    for jwk in [
        json!({"kty": "OKP", "crv": "X25519", "x": encoded([0; 32])}),
        json!({"kty": "EC", "crv": "P-256", "x": encoded([1; 32]), "y": encoded([2; 32])}),
    ] {
        let key = EncryptionKey::from_jwk(jwk.to_string());
        assert_eq!(problem(key), KeyProblem::Curve, "{jwk}");
    }
}

#[test]
fn secret_in_direct_use_decides_the_encryption() {
    for (bytes, encryption) in [
        (16, ContentEncryption::A128GCM),
        (32, ContentEncryption::A256GCM),
        (64, ContentEncryption::A256CbcHs512),
    ] {
        let key = EncryptionKey::from_secret(KeyManagement::Dir, vec![7; bytes]).unwrap();
        assert_eq!(key.content_encryption(), encryption);
        for other in ContentEncryption::ALL {
            let fits = match other {
                ContentEncryption::A128GCM => bytes == 16,
                ContentEncryption::A256CbcHs512 => bytes == 64,
                _ => bytes == 32,
            };
            assert_eq!(key.clone().with_content_encryption(other).is_ok(), fits, "{bytes} {other}");
        }
        let shown = format!("{key:?}");
        assert!(shown.contains("algorithm") && !shown.contains('7'), "{shown}");
    }
    let short = problem(EncryptionKey::from_secret(KeyManagement::A256KW, [7; 16]));
    assert!(matches!(short, KeyProblem::SecretLength { .. }), "{short}");
}

mod needs_second_opinion {
    use super::*;
    use crate::support::libraries::{JOSE, JOSERFC, JWCRYPTO};
    use crate::support::{key as signing_key, token};

    #[test]
    #[ignore = "needs jose, joserfc and jwcrypto: scripts/interop"]
    fn what_they_encrypt_is_decrypted() {
        for library in [JOSE, JOSERFC, JWCRYPTO] {
            let mut orders = Vec::new();
            for algorithm in KeyManagement::ALL {
                let curves: &[&str] = match algorithm.as_str().starts_with("ECDH-ES") {
                    true => &["P-256", "P-384", "P-521", "X25519"],
                    false => &[""],
                };
                for curve in curves {
                    for encryption in ContentEncryption::ALL {
                        let (algorithm, encryption) = (algorithm.as_str(), encryption.as_str());
                        let parties = json!({"apu": encoded("Alice"), "apv": encoded("Bob")});
                        orders.push(json!({ "encrypt": {
                            "algorithm": algorithm, "encryption": encryption, "curve": curve,
                            "parties": parties, "content": good(),
                        }}));
                    }
                }
            }

            let answers = library.ask(&orders);

            assert_eq!(answers.len(), 76);
            for (order, answer) in orders.iter().zip(answers) {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                let key = DecryptionKey::from_jwk(answer["jwk"].to_string());
                let keys = DecryptionKeys::from(key.unwrap_or_else(|e| panic!("{order}: {e}")));
                let content = keys.decrypt(answer["token"].as_str().unwrap());
                let content = content.unwrap_or_else(|error| panic!("{order}: {error:#}"));
                assert_eq!(content.as_str(), order["encrypt"]["content"], "{order}");
            }
        }
    }

    #[test]
    #[ignore = "needs jose, joserfc and jwcrypto: scripts/interop"]
    fn what_is_encrypted_here_is_decrypted_by_them() {
        for library in [JOSE, JOSERFC, JWCRYPTO] {
            let (mut orders, mut contents) = (Vec::new(), Vec::new());
            for private in private_keys() {
                let public = public_part(&private);
                let key = EncryptionKey::from_jwk(public.to_string()).unwrap();
                for encryption in ContentEncryption::ALL {
                    let Ok(key) = key.clone().with_content_encryption(encryption) else { continue };
                    let token = token().sign_and_encrypt(&signing_key(), &key);
                    let opened = DecryptionKey::from_jwk(private.to_string()).unwrap();
                    let opened = DecryptionKeys::from(opened).decrypt(&token).unwrap();
                    contents.push(opened.to_string());
                    orders.push(json!({ "decrypt": { "token": token, "jwk": private } }));
                }
            }

            let answers = library.ask(&orders);

            assert_eq!(answers.len(), 76);
            for ((order, content), answer) in orders.iter().zip(contents).zip(answers) {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                assert_eq!(answer["content"], content, "{}: {order}", library.name);
            }
        }
    }
}

mod needs_wycheproof {
    use super::*;

    /// Good cases that are refused, by a part of their description, and the reason.
    const DEVIATIONS: [(&str, &str); 4] = [
        ("A192", "AES with 192 bits is not supported"),
        ("RSA1_5", "RFC 8725 §3.2: not supported"),
        ("CompressedPlaintext", "RFC 8725 §3.6: `zip` is refused"),
        ("\"A128GCM\" A128GCM", "the `alg` of a key is that of a token's header: `dir`"),
    ];

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Group {
        private: Value,
        tests: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        tc_id: u32,
        comment: String,
        #[serde(default)]
        pt: String,
        #[serde(default)]
        enc: String,
        jwe: Value,
        result: String,
        #[serde(default)]
        flags: Vec<String>,
    }

    #[test]
    #[ignore = "needs json_web_encryption_test.json of Wycheproof (testvectors_v1), named by WYCHEPROOF_JWE"]
    fn its_cases_are_decided_as_it_says_but_for_what_is_not_supported() {
        let file = std::fs::read(std::env::var("WYCHEPROOF_JWE").unwrap()).unwrap();
        let mut file: Value = serde_json::from_slice(&file).unwrap();
        let groups: Vec<Group> = serde_json::from_value(file["testGroups"].take()).unwrap();
        let (mut decrypted, mut refused, mut deviations) = (0, 0, Vec::new());

        for group in groups {
            let keys = DecryptionKeys::from_jwks(group.private.to_string());
            for case in group.tests {
                let token = case.jwe.as_str().unwrap_or_default();
                let content = keys.as_ref().ok().and_then(|keys| keys.decrypt(token).ok());
                let content = content.map(|content| {
                    content.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()
                });
                match (&*case.result, content) {
                    ("valid", Some(content)) => {
                        assert_eq!(content, case.pt, "{}", case.tc_id);
                        decrypted += 1;
                    }
                    ("valid", None) => deviations.push(format!(
                        "{}: {} {} {} {:?}",
                        case.tc_id, group.private["alg"], case.enc, case.comment, case.flags
                    )),
                    (_, content) => {
                        assert_eq!(content, None, "{}: {}", case.tc_id, case.comment);
                        refused += 1;
                    }
                }
            }
        }

        println!("{decrypted} decrypted, {refused} refused\n{}", deviations.join("\n"));
        for deviation in deviations {
            let is_known = DEVIATIONS.iter().any(|(part, _)| deviation.contains(part));
            assert!(is_known, "{deviation}");
        }
    }
}

#[test]
fn key_id_of_a_decryption_key_has_256_bytes_at_most() {
    for (bytes, is_good) in [(255, true), (256, true), (257, false)] {
        let key = DecryptionKey::from_secret(KeyManagement::Dir, [7; 32]).unwrap();

        assert_eq!(key.with_key_id("k".repeat(bytes)).is_ok(), is_good, "{bytes}");
    }
}

#[test]
fn key_on_ed25519_is_not_one_on_x25519() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","alg":"ECDH-ES","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;

    let problem = DecryptionKey::from_jwk(jwk).unwrap_err().to_string();

    assert!(problem.contains("Ed25519"), "{problem}");
}

#[test]
fn length_of_a_secret_is_named_in_bits() {
    let problem = DecryptionKey::from_secret(KeyManagement::A128KW, [7; 24]).unwrap_err();

    let problem = problem.to_string();
    assert!(problem.contains("192") && problem.contains("128"), "{problem}");
}

#[test]
fn public_key_is_no_secret_for_decryption() {
    let public = format!("{:<64}", r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#);

    DecryptionKey::from_secret(KeyManagement::Dir, public).unwrap_err();
    DecryptionKey::from_secret(KeyManagement::Dir, [b'x'; 64]).unwrap();
}
