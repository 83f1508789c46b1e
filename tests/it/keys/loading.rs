//! Tests loading keys and finding the one that verifies.

use serde_json::{Value, json};
use tower_bearer::keys::{KeyProblem, VerifyingKey};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, ConfigError, KeySet, Reason};

use crate::support::{key_for, token, validation, verifier_of, verifier_with};

pub fn problem(result: Result<impl Sized, ConfigError>) -> KeyProblem {
    match result.err().expect("the key was accepted") {
        ConfigError::Key(problem) => problem,
        ConfigError::NoUsableKey { mut skipped } if skipped.len() == 1 => skipped.remove(0).problem,
        other => panic!("{other}"),
    }
}

pub async fn accepts(keys: KeySet, key: &TestKey) -> bool {
    verifier_of(keys).verify(&token().sign(key)).await.is_ok()
}

#[tokio::test]
async fn secret_is_accepted_raw_and_in_base64url_with_or_without_padding() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    let secret = [0xfb_u8; 32];
    let key = TestKey::from_secret(Algorithm::HS256, &secret);

    for loaded in [
        VerifyingKey::from_secret(Algorithm::HS256, secret),
        VerifyingKey::from_base64url_secret(Algorithm::HS256, &URL_SAFE.encode(secret)),
        VerifyingKey::from_base64url_secret(Algorithm::HS256, &URL_SAFE_NO_PAD.encode(secret)),
    ] {
        assert!(accepts(loaded.unwrap().into(), &key).await);
    }
}

#[test]
fn short_secret_is_refused_with_both_lengths() {
    // RFC 7518 §3.2: HMAC keys have the size of the hash output
    for (algorithm, bits) in
        [(Algorithm::HS256, 256), (Algorithm::HS384, 384), (Algorithm::HS512, 512)]
    {
        let short = vec![7; bits / 8 - 1];
        let expected = KeyProblem::SecretTooShort { bits: bits - 8, required: bits };
        assert_eq!(problem(VerifyingKey::from_secret(algorithm, short)), expected);
        assert!(VerifyingKey::from_secret(algorithm, vec![7; bits / 8]).is_ok());
    }
}

#[test]
fn secret_that_is_not_base64url_is_refused_without_quoting_it() {
    let error =
        VerifyingKey::from_base64url_secret(Algorithm::HS256, "hunter2+hunter2").unwrap_err();

    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(error.to_string().contains("base64url"), "{error}");
}

#[test]
fn public_key_given_as_a_secret_is_refused() {
    // RFC 8725bis §3.1: a client that knows the public key could sign
    let rsa = key_for(Algorithm::RS256).to_jwk();
    let jwks = json!({ "keys": [rsa] }).to_string();

    for public in [RSA_PEM.to_owned(), format!("\n{EC_PEM}"), jwks, rsa.to_string()] {
        let result = VerifyingKey::from_secret(Algorithm::HS256, public);
        assert_eq!(problem(result), KeyProblem::PublicKeyAsSecret);
    }
}

#[tokio::test]
async fn public_keys_in_pem_are_used_for_the_algorithm_of_their_kind() {
    // RFC 9864: the fully specified name is preferred
    for (pem, algorithm) in [
        (RSA_PEM, Algorithm::RS256),
        (RSA_PKCS1_PEM, Algorithm::RS256),
        (EC_PEM, Algorithm::ES256),
        (ED25519_PEM, Algorithm::Ed25519),
    ] {
        let keys = KeySet::from_pem(pem).unwrap();
        assert_eq!(keys.keys()[0].algorithm(), algorithm);
        assert!(VerifyingKey::from_pem(algorithm, pem).is_ok());
    }
}

#[test]
fn rsa_key_in_pem_is_used_for_the_algorithms_that_are_named() {
    let keys = KeySet::from_pem_for(RSA_PEM, &[Algorithm::PS256, Algorithm::RS512]).unwrap();
    let algorithms: Vec<_> = keys.keys().iter().map(VerifyingKey::algorithm).collect();

    assert_eq!(algorithms, [Algorithm::PS256, Algorithm::RS512]);
    let error = problem(KeySet::from_pem_for(EC_PEM, &[Algorithm::PS256]));
    assert_eq!(error, KeyProblem::AlgorithmNotAllowed { algorithm: "ES256".into() });
    let error = problem(KeySet::from_pem_for(RSA_PEM, &[Algorithm::ES256]));
    assert_eq!(error, KeyProblem::AlgorithmNotAllowed { algorithm: "RS256".into() });
}

#[test]
fn several_keys_in_one_pem_file_are_all_read() {
    let text = format!("# old\n{RSA_PEM}\n# new\r\n{}\n", EC_PEM.replace('\n', "\r\n"));

    assert_eq!(KeySet::from_pem(&text).unwrap().keys().len(), 2);
    assert!(VerifyingKey::from_pem(Algorithm::RS256, &text).is_err());
}

#[test]
fn pem_may_be_written_on_one_line_or_indented() {
    let body = |pem: &str| pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let (begin, end) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----");
    let expected = KeySet::from_pem(RSA_PEM).unwrap().keys().len();
    for text in [
        format!("{begin}\n{}\n{end}", body(RSA_PEM)),
        format!("{begin}{}{end}", body(RSA_PEM)),
        RSA_PEM.replace('\n', "\n      "),
        RSA_PEM.replace('\n', "  \n"),
        RSA_PEM.replacen('\n', "\n\n", 1),
        format!("{begin}{}{end}\n{begin}{}{end} comment", body(RSA_PEM), body(EC_PEM)),
    ] {
        assert!(KeySet::from_pem(&text).is_ok_and(|keys| keys.keys().len() >= expected), "{text}");
    }
    let wrong_end = RSA_PEM.replace("END PUBLIC KEY", "END RSA PUBLIC KEY");
    assert!(matches!(problem(KeySet::from_pem(wrong_end)), KeyProblem::Unreadable(_)));
}

#[test]
fn private_key_in_pem_is_refused_and_so_is_text_without_a_key() {
    let private = RSA_PEM.replace("PUBLIC", "PRIVATE");

    assert_eq!(problem(KeySet::from_pem(private)), KeyProblem::Private);
    for text in ["", "hello", "\u{0}"] {
        let error = KeySet::from_pem(text).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableKeys { .. }), "{error}");
    }
    let broken = RSA_PEM.replace("MIIB", "MIIC");
    assert!(matches!(problem(KeySet::from_pem(broken)), KeyProblem::Unreadable(_)));
}

#[tokio::test]
async fn jwk_of_every_kind_verifies() {
    // RFC 8037 §2: OKP keys on Ed25519 are read
    for algorithm in Algorithm::ALL {
        let key = key_for(algorithm).with_key_id("k");
        let jwk = key.to_jwk();

        let single = KeySet::from_jwks(jwk.to_string()).unwrap();
        assert_eq!(single.keys()[0].key_id(), Some("k"));
        let set = KeySet::from_jwks(json!({ "keys": [jwk], "x": 1 }).to_string()).unwrap();

        assert!(accepts(single, &key).await, "{algorithm}");
        assert!(accepts(set, &key).await, "{algorithm}");
    }
}

/// A JWK with some members changed; `null` removes one.
fn changed(key: &TestKey, changes: Value) -> Value {
    let mut jwk = key.to_jwk();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => _ = jwk.as_object_mut().unwrap().remove(name),
            value => jwk[name] = value.clone(),
        }
    }
    jwk
}

#[test]
fn jwks_that_are_not_for_verifying_are_skipped() {
    // RFC 7517 §4.2: `use`
    // RFC 7517 §4.3: `key_ops`
    // RFC 7517 §9.2: private keys are skipped
    let rsa = key_for(Algorithm::RS256);
    for (changes, expected) in [
        (json!({ "use": "enc" }), KeyProblem::NotForVerifying),
        (json!({ "use": null, "key_ops": ["sign"] }), KeyProblem::NotForVerifying),
        (json!({ "key_ops": [] }), KeyProblem::NotForVerifying),
        (json!({ "d": "AQAB" }), KeyProblem::Private),
        (json!({ "p": "AQAB" }), KeyProblem::Private),
        (json!({ "oth": [] }), KeyProblem::Private),
        (
            json!({ "alg": "RSA-OAEP" }),
            KeyProblem::AlgorithmNotAllowed { algorithm: "RSA-OAEP".into() },
        ),
        (json!({ "kty": "AKP" }), KeyProblem::UnsupportedType { kty: "AKP".into() }),
        (json!({ "e": "AQ" }), KeyProblem::RsaParameters),
        (json!({ "n": "AQAB" }), KeyProblem::RsaSize { bits: 17 }),
    ] {
        let jwk = changed(&rsa, changes.clone());
        assert_eq!(problem(KeySet::from_jwks(jwk.to_string())), expected, "{changes}");
    }
    for twin in [json!({ "use": null }), json!({ "key_ops": ["verify"] }), json!({ "x5t": "a" })] {
        assert!(KeySet::from_jwks(changed(&rsa, twin).to_string()).is_ok());
    }
}

#[test]
fn jwks_that_contradict_themselves_are_skipped() {
    // RFC 7517 §4.3: `use` and `key_ops` are consistent
    for (key, changes) in [
        (Algorithm::RS256, json!({ "k": "AAAA" })),
        (Algorithm::RS256, json!({ "crv": "P-256" })),
        (Algorithm::ES256, json!({ "n": "AQAB" })),
        (Algorithm::ES256, json!({ "k": "AAAA" })),
        (Algorithm::Ed25519, json!({ "y": "AAAA" })),
        (Algorithm::Ed25519, json!({ "e": "AQAB" })),
        (Algorithm::Ed25519, json!({ "k": "AAAA" })),
        (Algorithm::HS256, json!({ "x": "AAAA" })),
        (Algorithm::HS256, json!({ "n": "AQAB" })),
        (Algorithm::RS256, json!({ "use": "sig", "key_ops": ["verify", "encrypt"] })),
        (Algorithm::RS256, json!({ "use": null, "key_ops": ["verify", "verify"] })),
    ] {
        let jwk = changed(&key_for(key), changes.clone());
        assert_eq!(
            problem(KeySet::from_jwks(jwk.to_string())),
            KeyProblem::Contradiction,
            "{changes}"
        );
    }
    let twin = changed(&key_for(Algorithm::RS256), json!({ "use": "sig", "key_ops": ["verify"] }));
    assert!(KeySet::from_jwks(twin.to_string()).is_ok());
}

#[tokio::test]
async fn certificates_of_version_1_and_3_give_their_key_in_pem_and_der() {
    let private = include_bytes!("../../fixtures/keys/rsa_private.der");
    let key = TestKey::from_encoded(Algorithm::RS256, private);
    for pem in [CERTIFICATE_V1, CERTIFICATE_V3] {
        for keys in [
            KeySet::from_pem(pem).unwrap(),
            KeySet::from_der(der(pem)).unwrap(),
            VerifyingKey::from_pem(Algorithm::RS256, pem).unwrap().into(),
            VerifyingKey::from_der(Algorithm::RS256, der(pem)).unwrap().into(),
        ] {
            assert!(accepts(keys, &key).await);
        }
        let secret = VerifyingKey::from_secret(Algorithm::HS256, der(pem));
        assert_eq!(problem(secret), KeyProblem::PublicKeyAsSecret);
    }
}

#[test]
fn public_keys_in_der_are_read_and_nonsense_is_refused() {
    for pem in [RSA_PEM, RSA_PKCS1_PEM, EC_PEM, ED25519_PEM] {
        assert!(KeySet::from_der(der(pem)).is_ok());
    }
    let pss = KeySet::from_der_for(der(RSA_PEM), &[Algorithm::PS384]).unwrap();
    assert_eq!(pss.keys()[0].algorithm(), Algorithm::PS384);
    for nonsense in [&b""[..], b"nonsense", &[0x30, 0x80]] {
        assert!(matches!(problem(KeySet::from_der(nonsense)), KeyProblem::Unreadable(_)));
    }
    let private = KeySet::from_der(include_bytes!("../../fixtures/keys/rsa_private.der"));
    assert_eq!(problem(private), KeyProblem::Private);
}

#[test]
fn algorithm_of_a_jwk_must_be_for_its_kind_of_key() {
    // RFC 7517 §4.4: `alg` binds the key
    // RFC 7518 §3.4: each algorithm has its curve
    for (key, alg) in [
        (key_for(Algorithm::RS256), "HS256"),
        (key_for(Algorithm::RS256), "ES256"),
        (key_for(Algorithm::ES256), "ES384"),
        (key_for(Algorithm::Ed25519), "ES256"),
        (key_for(Algorithm::HS256), "RS256"),
    ] {
        let jwk = changed(&key, json!({ "alg": alg }));
        let error = problem(KeySet::from_jwks(jwk.to_string()));
        assert!(matches!(error, KeyProblem::AlgorithmMismatch { .. }), "{alg}: {error}");
    }
}

#[test]
fn point_off_the_curve_is_refused() {
    // RFC 8725bis §3.4: points are validated
    let ec = key_for(Algorithm::ES256);
    let x = ec.to_jwk()["x"].clone();

    assert_eq!(
        problem(KeySet::from_jwks(changed(&ec, json!({ "y": x })).to_string())),
        KeyProblem::Curve
    );
    assert!(KeySet::from_jwks(ec.to_jwk().to_string()).is_ok());
}

#[test]
fn rsa_key_without_alg_is_for_rs256_unless_more_is_named() {
    let jwk = changed(&key_for(Algorithm::RS256), json!({ "alg": null })).to_string();
    let algorithms =
        |keys: KeySet| -> Vec<_> { keys.keys().iter().map(VerifyingKey::algorithm).collect() };

    assert_eq!(algorithms(KeySet::from_jwks(&jwk).unwrap()), [Algorithm::RS256]);
    let named = [Algorithm::RS256, Algorithm::PS256];
    assert_eq!(algorithms(KeySet::from_jwks_for(&jwk, &named).unwrap()), named);
}

#[test]
fn secret_in_a_jwk_must_name_its_algorithm() {
    let jwk = changed(&key_for(Algorithm::HS256), json!({ "alg": null })).to_string();

    assert_eq!(problem(KeySet::from_jwks(&jwk)), KeyProblem::SecretWithoutAlgorithm);
    assert!(KeySet::from_jwks_for(&jwk, &[Algorithm::HS256]).is_ok());
    // A secret that is too short for one algorithm may be long enough for another.
    let short = json!({ "kty": "oct", "k": "A".repeat(43) }).to_string();
    let both = [Algorithm::HS512, Algorithm::HS256];
    assert_eq!(
        KeySet::from_jwks_for(&short, &both).unwrap().keys()[0].algorithm(),
        Algorithm::HS256
    );
    let error = problem(KeySet::from_jwks_for(&short, &[Algorithm::HS512]));
    assert_eq!(error, KeyProblem::SecretTooShort { bits: 256, required: 512 });
}

#[tokio::test]
async fn odd_keys_in_a_set_cost_no_other() {
    // RFC 7517 §5: keys that are not understood are ignored
    // RFC 7517 §4: member names are unique
    // RFC 7517 §5: a key of an unknown type is ignored
    let good = key_for(Algorithm::ES256).with_key_id("good");
    let rsa = key_for(Algorithm::RS256);
    let twice = rsa.to_jwk().to_string().replacen("{", "{\"kid\":\"a\",\"kid\":\"a\",", 1);
    let odd = [
        "1".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        twice,
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "kid": "pq" }).to_string(),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }).to_string(),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }).to_string(),
        json!({ "kty": "RSA", "n": 1, "e": "AQAB", "kid": "number" }).to_string(),
        changed(&rsa, json!({ "use": "enc" })).to_string(),
    ];
    let jwks = format!("{{\"keys\":[{},{}]}}", odd.join(","), good.to_jwk());

    let keys = KeySet::from_jwks(&jwks).unwrap();

    assert_eq!(keys.keys().len(), 1);
    assert_eq!(keys.skipped().len(), odd.len());
    assert_eq!(keys.skipped()[5].key_id.as_deref(), Some("pq"));
    assert_eq!(keys.skipped()[8].key_id.as_deref(), Some("number"));
    assert!(accepts(keys, &good).await);
}

#[test]
fn text_that_is_no_key_set_is_a_config_error_that_says_so() {
    for text in ["", "{", "[]", "<html>", "{\"keys\":1}", "{\"keys\":[],\"keys\":[]}"] {
        let error = KeySet::from_jwks(text).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableKeys { .. }), "{text}: {error}");
    }
    let error = KeySet::from_jwks("{\"keys\":[]}").unwrap_err();
    assert_eq!(error, ConfigError::NoUsableKey { skipped: vec![] });
}

#[tokio::test]
async fn several_keys_serve_while_one_replaces_the_other() {
    let old = TestKey::generate(Algorithm::HS256).with_key_id("old");
    let new = TestKey::generate(Algorithm::HS256).with_key_id("new");
    let both: KeySet = [new.verifying_key(), old.verifying_key()].into_iter().collect();
    let only_new: KeySet = new.verifying_key().into();

    for key in [&old, &new] {
        assert!(accepts(both.clone(), key).await);
    }
    let error = verifier_of(only_new).verify(&token().sign(&old)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::UnknownKey);
}

#[tokio::test]
async fn key_id_must_match_when_both_sides_have_one() {
    // RFC 7515 §4.1.4: `kid` is compared to the letter
    let key = key_for(Algorithm::ES256).with_key_id("k1");
    let verifier = verifier_of(KeySet::from(key.verifying_key()));
    for (kid, expected) in
        [("k1", None), ("K1", Some(Reason::UnknownKey)), ("", Some(Reason::UnknownKey))]
    {
        let result = verifier.verify(&token().header("kid", kid).sign(&key)).await;
        assert_eq!(result.err().map(|error| error.reason()), expected, "{kid}");
    }
    let without = token().without_header("kid").sign(&key);
    assert!(verifier.verify(&without).await.is_ok());
}

#[tokio::test]
async fn key_without_a_name_is_tried_for_any_key_id() {
    let key = key_for(Algorithm::ES256);
    let named = key.clone().with_key_id("whatever");

    assert!(accepts(key.verifying_key().into(), &named).await);
}

#[tokio::test]
async fn same_key_id_under_several_types_is_told_apart() {
    // RFC 7517 §4.5: keys of different types may share a kid
    let rsa = key_for(Algorithm::RS256).with_key_id("same");
    let ec = key_for(Algorithm::ES256).with_key_id("same");
    let jwks = json!({ "keys": [rsa.to_jwk(), ec.to_jwk()] }).to_string();
    let keys = KeySet::from_jwks(jwks).unwrap();

    assert!(accepts(keys.clone(), &rsa).await);
    assert!(accepts(keys, &ec).await);
}

#[tokio::test]
async fn token_without_key_id_is_tried_with_16_compatible_keys_and_no_more() {
    // RFC 7517 §4.5: without kid the compatible keys are tried, up to a bound
    let key = key_for(Algorithm::ES256);
    let strangers = |n: usize| (0..n).map(|_| TestKey::generate(Algorithm::ES256).verifying_key());
    let behind = |n| strangers(n).chain([key.verifying_key()]).collect::<KeySet>();

    assert!(accepts(behind(15), &key).await);
    assert!(!accepts(behind(16), &key).await);
    // Keys of other algorithms do not count.
    let others = (0..20).map(|_| TestKey::generate(Algorithm::HS256).verifying_key());
    assert!(accepts(others.chain([key.verifying_key()]).collect(), &key).await);
}

#[tokio::test]
async fn key_in_one_set_never_verifies_for_the_algorithm_of_another() {
    // RFC 8725bis §3.1: consistent with the key's own algorithm
    let rsa = key_for(Algorithm::RS256).with_key_id("k");
    let ec = key_for(Algorithm::ES256).with_key_id("k2");
    let keys: KeySet = [rsa.verifying_key(), ec.verifying_key()].into_iter().collect();
    let verifier = verifier_with(keys, validation());

    let error = verifier.verify(&token().header("alg", "ES256").sign(&rsa)).await.unwrap_err();

    assert_eq!(error.reason(), Reason::AlgorithmNotAllowed);
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = b"a secret that is long enough for HS256";
    let key = VerifyingKey::from_secret(Algorithm::HS256, secret).unwrap().with_key_id("k");
    let keys: KeySet = [key.clone()].into_iter().collect();

    for shown in [format!("{key:?}"), format!("{keys:?}"), format!("{:?}", verifier_of(keys))] {
        assert!(!shown.contains("secret that"), "{shown}");
        assert!(!shown.contains("97, 32, 115"), "{shown}");
    }
}

#[test]
fn unknown_key_id_is_unknown_whatever_its_algorithm() {
    use tower_bearer::keys::{KeySource, Lookup};
    // So that a custom source refreshes when a provider replaces RS256 by ES256, or when it starts
    // empty.
    let named = key_for(Algorithm::RS256).with_key_id("old").verifying_key();
    let header = |algorithm: Algorithm, kid: &str| {
        let key = key_for(algorithm).with_key_id(kid);
        struct Spy(std::sync::Mutex<Option<tower_bearer::jose::Header>>);
        impl KeySource for Spy {
            fn lookup(&self, header: &tower_bearer::jose::Header) -> Lookup {
                *self.0.lock().unwrap() = Some(header.clone());
                Lookup::Unknown
            }
        }
        let spy = std::sync::Arc::new(Spy(std::sync::Mutex::default()));
        let token = token().sign(&key);
        _ = futures::executor::block_on(verifier_of(std::sync::Arc::clone(&spy)).verify(&token));
        let header = spy.0.lock().unwrap().clone();
        header.unwrap()
    };
    let (new, old) = (header(Algorithm::ES256, "new"), header(Algorithm::ES256, "old"));

    assert!(matches!(KeySet::default().lookup(&new), Lookup::Unknown));
    for source in [&KeySet::from(named.clone()) as &dyn Asked, &named] {
        assert!(matches!(source.ask(&new), Lookup::Unknown));
        assert!(matches!(source.ask(&old), Lookup::WrongAlgorithm));
    }
}

trait Asked {
    fn ask(&self, header: &tower_bearer::jose::Header) -> tower_bearer::keys::Lookup;
}

impl<K: tower_bearer::keys::KeySource> Asked for K {
    fn ask(&self, header: &tower_bearer::jose::Header) -> tower_bearer::keys::Lookup {
        self.lookup(header)
    }
}

pub fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

pub const RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq6JOYr3Yvugmq3mMG88u
VtdZDnokMHAOcdVn+4SxnHHXlGsAbsRckhcSAMYlNMV59JYegI9MaxnN/uEZwabH
2uOjKaMh/oqlQ2Kk8NeQGrlTVYKtwbTyTgn+gEDVkRWtwL8YQUjsHAYnCrxp+9HF
4OGDQG/UurGtTq72YYjo3E60aZOaZnEV5AGuj41gWh8wER3gg5C8CzLBIuf/wdYk
4q8r4Me1EAN+/COn18VqQ1Xg5u5HI9+iRsUGo/OUE2+xcSZoHt4ctO9wu9ic+cU2
bwwggx3kE6b0B1TG5O6wVhYGhfaLcxEYYW9UFm4o1LPzz7QurN6ikjTh+hh5BGq6
xwIDAQAB
-----END PUBLIC KEY-----
";

pub const RSA_PKCS1_PEM: &str = "\
-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAq6JOYr3Yvugmq3mMG88uVtdZDnokMHAOcdVn+4SxnHHXlGsAbsRc
khcSAMYlNMV59JYegI9MaxnN/uEZwabH2uOjKaMh/oqlQ2Kk8NeQGrlTVYKtwbTy
Tgn+gEDVkRWtwL8YQUjsHAYnCrxp+9HF4OGDQG/UurGtTq72YYjo3E60aZOaZnEV
5AGuj41gWh8wER3gg5C8CzLBIuf/wdYk4q8r4Me1EAN+/COn18VqQ1Xg5u5HI9+i
RsUGo/OUE2+xcSZoHt4ctO9wu9ic+cU2bwwggx3kE6b0B1TG5O6wVhYGhfaLcxEY
YW9UFm4o1LPzz7QurN6ikjTh+hh5BGq6xwIDAQAB
-----END RSA PUBLIC KEY-----
";

pub const EC_PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEikTI8+Y9k+8afOE51BdvgAgCHcJ9
O/hnhzVdNuGDKnbTVgZouhfu7DE+Xz4+nR9AKFUE1ylMsbM8yGhKUbVORg==
-----END PUBLIC KEY-----
";

pub const ED25519_PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAoQECdkaILlqhnTZVwE/ipzWsWWWGo11s/w0qvntn6AA=
-----END PUBLIC KEY-----
";

const CERTIFICATE_V1: &str = "\
-----BEGIN CERTIFICATE-----
MIICvzCCAacCFGQQoa/6tPejHDiwJaWcufRT7ubyMA0GCSqGSIb3DQEBCwUAMBwx
GjAYBgNVBAMMEXRvd2VyLWJlYXJlci10ZXN0MB4XDTI2MTEyMzAxNTE0N1oXDTI2
MTEyNDAxNTE0N1owHDEaMBgGA1UEAwwRdG93ZXItYmVhcmVyLXRlc3QwggEiMA0G
CSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCrok5ivdi+6CareYwbzy5W11kOeiQw
cA5x1Wf7hLGccdeUawBuxFySFxIAxiU0xXn0lh6Aj0xrGc3+4RnBpsfa46MpoyH+
iqVDYqTw15AauVNVgq3BtPJOCf6AQNWRFa3AvxhBSOwcBicKvGn70cXg4YNAb9S6
sa1OrvZhiOjcTrRpk5pmcRXkAa6PjWBaHzARHeCDkLwLMsEi5//B1iTiryvgx7UQ
A378I6fXxWpDVeDm7kcj36JGxQaj85QTb7FxJmge3hy073C72Jz5xTZvDCCDHeQT
pvQHVMbk7rBWFgaF9otzERhhb1QWbijUs/PPtC6s3qKSNOH6GHkEarrHAgMBAAEw
DQYJKoZIhvcNAQELBQADggEBAILPl7WPyqMunehnOo/SV6GZg48laVTrlf+136Dj
dcT15wVUoxYUIwNHoD4ZXQY7tLE34hJuqTfku8FF76PGI45dWlE8q/cbEUcE6wQ1
CbxuZUwNuofPINYCzMkHZk6fLO9q6kJUpkQ3C+0NyZcNn6i6Rjz3wYg8d5W1yfVK
eLRe8TuuuAQlussTZt5XMRIvXeF1wRgBixszvGMBFxWLFm4JjvRZMoM8hWz1tQZt
VOLyDqlrXy++yJHvCv9KyqYcF/ftX1cB5jfaAkKTKnGKjhqaM7sxoaA0GcRqshAm
xRMIrJy38++yMDGDhXGjja2qjVX7B+Fwg/jNWkwOpoQHuiQ=
-----END CERTIFICATE-----
";

const CERTIFICATE_V3: &str = "\
-----BEGIN CERTIFICATE-----
MIIDGTCCAgGgAwIBAgIUdYE/aMLamdCaIL2jDtcutEswOHwwDQYJKoZIhvcNAQEL
BQAwHDEaMBgGA1UEAwwRdG93ZXItYmVhcmVyLXRlc3QwHhcNMjYxMTIzMDE1MTQ3
WhcNMjYxMTI0MDE1MTQ3WjAcMRowGAYDVQQDDBF0b3dlci1iZWFyZXItdGVzdDCC
ASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAKuiTmK92L7oJqt5jBvPLlbX
WQ56JDBwDnHVZ/uEsZxx15RrAG7EXJIXEgDGJTTFefSWHoCPTGsZzf7hGcGmx9rj
oymjIf6KpUNipPDXkBq5U1WCrcG08k4J/oBA1ZEVrcC/GEFI7BwGJwq8afvRxeDh
g0Bv1LqxrU6u9mGI6NxOtGmTmmZxFeQBro+NYFofMBEd4IOQvAsywSLn/8HWJOKv
K+DHtRADfvwjp9fFakNV4ObuRyPfokbFBqPzlBNvsXEmaB7eHLTvcLvYnPnFNm8M
IIMd5BOm9AdUxuTusFYWBoX2i3MRGGFvVBZuKNSz88+0LqzeopI04foYeQRquscC
AwEAAaNTMFEwHQYDVR0OBBYEFODmBr9iyZtz54ZfsfekeKUcsFXvMB8GA1UdIwQY
MBaAFODmBr9iyZtz54ZfsfekeKUcsFXvMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZI
hvcNAQELBQADggEBAGI+ePfdF8wOqQEreDk1bhlWObX7ayBdrHJ70NrxRAbk+UV7
ou5n62e1L1js/sqJstqUKcxIM676vZNT3WWz5GjxxV7jF9vybvn5lBsN4b+7AW+e
w3VMRzOrqYd++Ocf3byMne8yPe4C3n7AAppATfOS/01/NAriZFnX+7ozA8TQT6w6
qLpAWpM0hUri/VE/vI6E9AMZ/lT+QT3qfnmSCDLrkwMsTWoPz+yrEZrT16zUk+cv
SB1A63RnE/OTwEjYRmuRtxAe5wWGmRwReClTp+oF2LZI0KM/CbSWFZZYLOE78Iyb
p9+uXAUSDFsZZk9JCAdpbrorzQMjcsoyvXiSvp8=
-----END CERTIFICATE-----
";
