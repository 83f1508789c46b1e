//! Private keys: how they are written, and what is given in their place by mistake.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_bearer::keys::{KeyProblem, RsaSize, SigningKey, VerifyingKey};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, ConfigError, KeySet, TokenIssuer};

use crate::support::{AUDIENCE, ISSUER, NOW, verifier_of};

const P256_ECPARAM: &str = include_str!("../../fixtures/keys/p256_ecparam.pem");
const P256_PKCS8: &str = include_str!("../../fixtures/keys/p256_pkcs8.pem");
const P256_PUBLIC: &str = include_str!("../../fixtures/keys/p256_public.pem");
const P256_CERTIFICATE: &str = include_str!("../../fixtures/keys/p256_certificate.pem");
const P384_ECPARAM: &str = include_str!("../../fixtures/keys/p384_ecparam.pem");
const P521_ECPARAM: &str = include_str!("../../fixtures/keys/p521_ecparam.pem");
const RSA_TRADITIONAL: &str = include_str!("../../fixtures/keys/rsa_traditional.pem");
const ENCRYPTED_PKCS8: &str = include_str!("../../fixtures/keys/p256_encrypted_pkcs8.pem");
const ENCRYPTED_SEC1: &str = include_str!("../../fixtures/keys/p256_encrypted_sec1.pem");

fn pem(algorithm: Algorithm, pem: &str) -> Result<SigningKey, ConfigError> {
    SigningKey::from_pem(algorithm, pem)
}

fn problem(key: Result<SigningKey, ConfigError>) -> KeyProblem {
    match key.unwrap_err() {
        ConfigError::Key(problem) => problem,
        other => panic!("{other:?}"),
    }
}

/// Returns whether a token of this key is accepted by the public key that `keys` hold.
async fn signs_for(key: SigningKey, keys: impl Into<KeySet>) -> bool {
    let tokens = TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap().with_clock(TestClock::at(NOW));
    let token = tokens.token_for("alice").issue().unwrap();
    verifier_of(keys.into()).verify(token.as_str()).await.is_ok()
}

/// The DER of the last block.
fn der(pem: &str) -> Vec<u8> {
    let (_, block) = pem.rsplit_once("-----BEGIN ").unwrap();
    let body: String = block.lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

#[tokio::test]
async fn what_openssl_writes_is_read() {
    for (algorithm, text) in [
        (Algorithm::ES256, P256_ECPARAM),
        (Algorithm::ES384, P384_ECPARAM),
        (Algorithm::ES512, P521_ECPARAM),
        (Algorithm::ES256, P256_PKCS8),
        (Algorithm::ES256, include_str!("../../fixtures/keys/p256_compressed.pem")),
        (Algorithm::ES256, include_str!("../../fixtures/keys/p256_no_public.pem")),
        (Algorithm::RS256, RSA_TRADITIONAL),
        (Algorithm::PS384, RSA_TRADITIONAL),
    ] {
        let from_pem = pem(algorithm, text).unwrap();
        let from_der = SigningKey::from_der(algorithm, der(text)).unwrap();

        assert_eq!(from_pem.algorithm(), algorithm);
        assert_eq!(from_pem.key_id(), from_der.key_id());
        assert!(signs_for(from_pem, from_der.verifying_key()).await, "{algorithm}");
    }
}

#[tokio::test]
async fn every_form_of_a_key_is_the_same_key() {
    let public = VerifyingKey::from_pem(Algorithm::ES256, P256_PUBLIC).unwrap();
    for text in [
        P256_ECPARAM.to_owned(),
        P256_PKCS8.to_owned(),
        include_str!("../../fixtures/keys/p256_compressed.pem").to_owned(),
        include_str!("../../fixtures/keys/p256_no_public.pem").to_owned(),
        // As environment variables and YAML have it.
        P256_ECPARAM.replace('\n', "\\n"),
        format!("  \"{}\"", P256_PKCS8.replace('\n', "\n  ")),
        format!("\u{feff}{P256_PKCS8}"),
        // As `openssl pkcs12` writes it.
        format!("Bag Attributes\n{P256_CERTIFICATE}Key Attributes: <No Attributes>\n{P256_PKCS8}"),
        format!("{P256_PUBLIC}{P256_PKCS8}"),
    ] {
        let key = pem(Algorithm::ES256, &text).unwrap();

        assert!(signs_for(key, public.clone()).await, "{text}");
    }
}

#[test]
fn encrypted_keys_are_named_as_such() {
    for text in [ENCRYPTED_PKCS8, ENCRYPTED_SEC1] {
        let problem = problem(pem(Algorithm::ES256, text));

        assert_eq!(problem, KeyProblem::Encrypted);
        assert!(problem.to_string().contains("openssl pkey"), "{problem}");
    }
    let der = SigningKey::from_der(Algorithm::ES256, der(ENCRYPTED_PKCS8));
    assert_eq!(problem(der), KeyProblem::Encrypted);
}

#[test]
fn public_keys_and_certificates_are_named_as_such() {
    for text in [P256_PUBLIC, P256_CERTIFICATE, include_str!("../../fixtures/keys/rsa_public.pem")]
    {
        assert_eq!(problem(pem(Algorithm::ES256, text)), KeyProblem::Public);
        let der = SigningKey::from_der(Algorithm::ES256, der(text));
        assert_eq!(problem(der), KeyProblem::Public);
    }
    let public = pem(Algorithm::ES256, P256_PKCS8).unwrap().public_keys().to_json();
    let public: Value = serde_json::from_str(&public).unwrap();
    assert_eq!(problem(SigningKey::from_jwk(public["keys"][0].to_string())), KeyProblem::Public);
}

#[test]
fn key_of_another_curve_or_kind_is_refused_with_its_name() {
    for (algorithm, text, kind) in [
        (Algorithm::ES256, P384_ECPARAM, "a key on P-384"),
        (Algorithm::ES512, P256_PKCS8, "a key on P-256"),
        (Algorithm::RS256, P256_PKCS8, "a key on P-256"),
        (Algorithm::ES256, RSA_TRADITIONAL, "an RSA key"),
        (Algorithm::EdDSA, RSA_TRADITIONAL, "an RSA key"),
        (Algorithm::HS256, RSA_TRADITIONAL, "an RSA key"),
    ] {
        let algorithm_name = algorithm.as_str();
        let expected = KeyProblem::AlgorithmMismatch { algorithm: algorithm_name, kind };
        assert_eq!(problem(pem(algorithm, text)), expected);
        assert_eq!(problem(SigningKey::from_der(algorithm, der(text))), expected);
    }
    let secp256k1 = include_str!("../../fixtures/keys/secp256k1_ecparam.pem");
    let unsupported = KeyProblem::UnsupportedCurve { curve: "secp256k1".into() };
    assert_eq!(problem(pem(Algorithm::ES256, secp256k1)), unsupported);
    for (text, oid) in [
        (include_str!("../../fixtures/keys/x25519.pem"), "1.3.101.110"),
        (include_str!("../../fixtures/keys/rsa_pss.pem"), "1.2.840.113549.1.1.10"),
    ] {
        let expected = KeyProblem::UnsupportedType { kty: oid.into() };
        assert_eq!(problem(pem(Algorithm::PS256, text)), expected);
    }
}

#[test]
fn what_is_no_private_key_is_explained() {
    let explicit = include_str!("../../fixtures/keys/p256_explicit.pem");
    let bare: String = P256_PKCS8.lines().filter(|line| !line.starts_with('-')).collect();
    let cut = P256_PKCS8.replace("MIGH", "MIGI");
    for (text, said) in [
        ("", "it is empty"),
        ("hello", "-----BEGIN"),
        ("{\"kty\":\"EC\"}", "from_jwk"),
        (&*bare, "-----BEGIN PRIVATE KEY-----"),
        ("https://id.example.com/key.pem", "it is an address"),
        ("-----BEGIN EC PARAMETERS-----\nAA==\n-----END EC PARAMETERS-----\n", "PRIVATE KEY"),
        (&*format!("{P256_PKCS8}{P384_ECPARAM}"), "there are several"),
        (&*cut, "PKCS#8"),
        (&*P256_PKCS8.replace("-----END", "-----and"), "cut off"),
        (explicit, "curve"),
        (include_str!("../../fixtures/keys/rsa_three_primes.pem"), "two primes"),
        (include_str!("../../fixtures/keys/openssh.pem"), "ssh-keygen"),
        (&*P256_PKCS8.replace("PRIVATE", "DSA PRIVATE"), "DSA PRIVATE KEY"),
    ] {
        let error = pem(Algorithm::ES256, text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    for (der, said) in [
        (&b""[..], "it is empty"),
        (P256_PKCS8.as_bytes(), "from_pem"),
        (b"nonsense", "no private key"),
    ] {
        let error = SigningKey::from_der(Algorithm::ES256, der).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// The key of RFC 7515 §A.3.
fn ec_jwk() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    })
}

/// The key of RFC 8037 §A.1.
fn ed25519_jwk() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    })
}

fn rsa_jwk() -> Value {
    serde_json::from_str(include_str!("../../fixtures/keys/rsa_private.jwk.json")).unwrap()
}

fn secret_jwk() -> Value {
    json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode([7; 32]) })
}

fn with(mut jwk: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => _ = jwk.as_object_mut().unwrap().remove(name),
            value => jwk[name] = value.clone(),
        }
    }
    jwk
}

#[tokio::test]
async fn private_jwk_signs_what_its_public_part_verifies() {
    // RFC 7518 §6.2.2: private elliptic curve keys
    // RFC 7518 §6.3.2: private RSA keys
    // RFC 8037 §2: private Ed25519 keys
    for (jwk, algorithm) in [
        (ec_jwk(), Algorithm::ES256),
        (ed25519_jwk(), Algorithm::Ed25519),
        (rsa_jwk(), Algorithm::RS256),
        (with(rsa_jwk(), json!({ "alg": "PS512" })), Algorithm::PS512),
        (with(ed25519_jwk(), json!({ "alg": "EdDSA" })), Algorithm::EdDSA),
        (with(ec_jwk(), json!({ "use": "sig", "key_ops": ["sign"] })), Algorithm::ES256),
        (with(ec_jwk(), json!({ "use": null, "key_ops": ["sign", "verify"] })), Algorithm::ES256),
        (secret_jwk(), Algorithm::HS256),
    ] {
        let key = SigningKey::from_jwk(jwk.to_string()).unwrap();
        let private = ["d", "p", "q", "dp", "dq", "qi"];
        let no_private: Value = private.into_iter().map(|name| (name, Value::Null)).collect();
        let public = with(with(jwk, no_private), json!({ "key_ops": null }));

        assert_eq!(key.algorithm(), algorithm);
        let public = KeySet::from_jwks(public.to_string()).unwrap();
        assert!(signs_for(key, public).await, "{algorithm}");
    }
}

#[test]
fn key_id_of_a_jwk_is_its_own_and_the_thumbprint_if_it_has_none() {
    // RFC 8037 §A.3: the thumbprint of the example
    let named = SigningKey::from_jwk(rsa_jwk().to_string()).unwrap();
    let unnamed = SigningKey::from_jwk(ed25519_jwk().to_string()).unwrap();
    let secret = SigningKey::from_jwk(secret_jwk().to_string()).unwrap();
    let too_long = with(ec_jwk(), json!({ "kid": "k".repeat(257) }));
    let just_fits = with(ec_jwk(), json!({ "kid": "k".repeat(256) }));

    assert_eq!(named.key_id(), Some("2026"));
    assert_eq!(unnamed.key_id(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    assert_eq!(secret.key_id(), None);
    let error = SigningKey::from_jwk(too_long.to_string()).unwrap_err();
    assert_eq!(error, ConfigError::KeyIdTooLong { bytes: 257 });
    assert!(SigningKey::from_jwk(just_fits.to_string()).is_ok());
}

#[test]
fn jwk_that_cannot_sign_is_refused() {
    // A key whose `use` or `key_ops` (RFC 7517 §4.2, §4.3) excludes signing.
    let unreadable = |error: &KeyProblem| matches!(error, KeyProblem::Unreadable(_));
    for (jwk, expected) in [
        (with(ec_jwk(), json!({ "use": "enc" })), KeyProblem::NotForSigning),
        (with(ec_jwk(), json!({ "key_ops": ["verify"] })), KeyProblem::NotForSigning),
        (with(ec_jwk(), json!({ "k": "AA" })), KeyProblem::Contradiction),
        (with(ec_jwk(), json!({ "d": null })), KeyProblem::Public),
        (with(rsa_jwk(), json!({ "d": null })), KeyProblem::Public),
        (with(secret_jwk(), json!({ "alg": null })), KeyProblem::SecretWithoutAlgorithm),
        (
            with(secret_jwk(), json!({ "k": "AAAA" })),
            KeyProblem::SecretTooShort { bits: 24, required: 256 },
        ),
        (
            with(ec_jwk(), json!({ "alg": "ES384" })),
            KeyProblem::AlgorithmMismatch { algorithm: "ES384", kind: "a key on P-256" },
        ),
        (
            with(ec_jwk(), json!({ "alg": "none" })),
            KeyProblem::AlgorithmNotAllowed { algorithm: "none".into() },
        ),
        (
            with(ec_jwk(), json!({ "crv": "P-192" })),
            KeyProblem::UnsupportedCurve { curve: "P-192".into() },
        ),
        // The private part of another key.
        (
            with(ec_jwk(), json!({ "d": URL_SAFE_NO_PAD.encode([7; 32]) })),
            KeyProblem::MismatchedPair,
        ),
        (
            with(ed25519_jwk(), json!({ "d": URL_SAFE_NO_PAD.encode([7; 32]) })),
            KeyProblem::MismatchedPair,
        ),
    ] {
        assert_eq!(problem(SigningKey::from_jwk(jwk.to_string())), expected, "{jwk}");
    }
    for changed in [
        with(ec_jwk(), json!({ "d": "AAAA" })),
        with(ec_jwk(), json!({ "d": "!" })),
        with(ed25519_jwk(), json!({ "d": "AAAA" })),
        with(rsa_jwk(), json!({ "p": null })),
        with(rsa_jwk(), json!({ "qi": null })),
        with(rsa_jwk(), json!({ "oth": [] })),
        with(rsa_jwk(), json!({ "d": URL_SAFE_NO_PAD.encode([7; 256]) })),
        with(rsa_jwk(), json!({ "q": rsa_jwk()["p"] })),
    ] {
        let problem = problem(SigningKey::from_jwk(changed.to_string()));
        assert!(unreadable(&problem), "{changed}: {problem}");
    }
    for (text, said) in [
        (json!({ "keys": [ec_jwk()] }).to_string(), "JWK set"),
        (P256_PKCS8.to_owned(), "from_pem"),
        (String::new(), "empty"),
        (json!([ec_jwk()]).to_string(), "list"),
    ] {
        let error = SigningKey::from_jwk(text).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableKeys { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn public_part_beside_a_private_key_must_be_its_own() {
    // In SEC 1, the point is at the end.
    let mut sec1 = der(P256_ECPARAM);
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let other: Value = serde_json::from_str(&other.public_keys().to_json()).unwrap();
    let coordinate =
        |name: &str| URL_SAFE_NO_PAD.decode(other["keys"][0][name].as_str().unwrap()).unwrap();
    let point = [coordinate("x"), coordinate("y")].concat();
    assert!(SigningKey::from_der(Algorithm::ES256, &sec1).is_ok());

    let end = sec1.len();
    sec1[end - 64..].copy_from_slice(&point);

    assert_eq!(problem(SigningKey::from_der(Algorithm::ES256, &sec1)), KeyProblem::MismatchedPair);
}

#[tokio::test]
async fn generated_key_signs_and_no_two_are_the_same() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let other = SigningKey::generate(algorithm).unwrap();
        let is_secret = algorithm.as_str().starts_with("HS");

        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.key_id().is_none(), is_secret);
        assert!(signs_for(key.clone(), key.verifying_key()).await, "{algorithm}");
        let renamed = other.verifying_key().with_key_id(key.key_id().unwrap_or_default());
        assert!(!signs_for(key, renamed).await, "{algorithm}");
    }
}

#[test]
fn secret_is_taken_as_bytes_and_as_base64url() {
    let secret = [7; 32];
    let text = URL_SAFE_NO_PAD.encode(secret);
    let plain = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
    let encoded = SigningKey::from_base64url_secret(Algorithm::HS256, &text).unwrap();

    assert_eq!(plain.sign(b"message"), encoded.sign(b"message"));
    let short = SigningKey::from_secret(Algorithm::HS384, secret);
    assert_eq!(problem(short), KeyProblem::SecretTooShort { bits: 256, required: 384 });
    let not_base64url = SigningKey::from_base64url_secret(Algorithm::HS256, "!");
    assert!(matches!(problem(not_base64url), KeyProblem::Unreadable(_)));
}

#[test]
fn rsa_key_is_generated_for_an_algorithm_of_rsa_and_for_no_other() {
    let key = SigningKey::generate_rsa(Algorithm::PS384, RsaSize::Bits3072).unwrap();

    let error = SigningKey::generate_rsa(Algorithm::ES256, RsaSize::Bits3072).unwrap_err();

    let jwk: Value = serde_json::from_str(&key.public_keys().to_json()).unwrap();
    assert_eq!(jwk["keys"][0]["n"].as_str().map(str::len), Some(3072_usize.div_ceil(6)));
    assert!(matches!(error, ConfigError::Key(KeyProblem::AlgorithmMismatch { .. })), "{error}");
}

#[test]
fn thumbprint_of_a_public_key_is_that_of_the_rfcs_example_and_a_secret_has_none() {
    // RFC 7638 §3: the hash of the required members in their order
    let example = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let keys = KeySet::from_jwks(example).unwrap();
    let secret = SigningKey::generate(Algorithm::HS256).unwrap();

    let thumbprint = keys.keys()[0].thumbprint();

    assert_eq!(thumbprint.as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    assert_eq!(secret.verifying_key().thumbprint(), None);
}
