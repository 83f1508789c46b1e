//! The types of jsonwebtoken, converted from and to.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm as TheirAlgorithm, DecodingKey, EncodingKey, Header as TheirHeader};
use serde_json::json;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeyProblem, KeySource as _, Lookup, SigningKey, VerifyingKey};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, ConfigError, KeySet, Reason};

use crate::keys::loading::{EC_PEM, ED25519_PEM, RSA_PEM, RSA_PKCS1_PEM, accepts, der, problem};
use crate::support::key_for;

/// Those that jsonwebtoken does not know.
const OURS_ONLY: [Algorithm; 2] = [Algorithm::ES512, Algorithm::Ed25519];

#[test]
fn algorithms_of_one_name_are_converted_both_ways() {
    for ours in Algorithm::ALL {
        match TheirAlgorithm::try_from(ours) {
            Ok(theirs) => {
                assert_eq!(serde_json::to_value(theirs).unwrap(), ours.as_str());
                assert_eq!(Algorithm::try_from(theirs), Ok(ours));
            }
            Err(_) => assert!(OURS_ONLY.contains(&ours), "{ours}"),
        }
    }
}

#[tokio::test]
async fn decoding_keys_of_jsonwebtoken_verify() {
    for algorithm in Algorithm::ALL {
        let key = key_for(algorithm);
        let jwk = key.to_jwk();
        let member = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let decoding = match &*member("kty") {
            "RSA" => DecodingKey::from_rsa_components(&member("n"), &member("e")).unwrap(),
            "EC" => DecodingKey::from_ec_components(&member("x"), &member("y")).unwrap(),
            "OKP" => DecodingKey::from_ed_components(&member("x")).unwrap(),
            _ => {
                use base64::Engine as _;
                let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
                DecodingKey::from_secret(&engine.decode(member("k")).unwrap()).unwrap()
            }
        };

        let loaded = VerifyingKey::from_decoding_key(algorithm, &decoding).unwrap();

        assert!(accepts(loaded.into(), &key).await, "{algorithm}");
    }
}

#[tokio::test]
async fn bare_ed25519_key_is_read_whatever_its_first_byte() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    // As a key in DER begins: one in 256 of the bare keys does.
    let bytes =
        |key: &TestKey| URL_SAFE_NO_PAD.decode(key.to_jwk()["x"].as_str().unwrap()).unwrap();
    let key = std::iter::repeat_with(|| TestKey::generate(Algorithm::Ed25519))
        .find(|key| bytes(key)[0] == 0x30)
        .unwrap();

    let decoding = DecodingKey::from_ed_der(&bytes(&key));
    let loaded = VerifyingKey::from_decoding_key(Algorithm::Ed25519, &decoding).unwrap();

    assert!(accepts(loaded.into(), &key).await);
}

#[test]
fn decoding_keys_made_from_pem_and_der_are_read() {
    for (algorithm, key) in [
        (Algorithm::RS256, DecodingKey::from_rsa_pem(RSA_PEM.as_bytes())),
        (Algorithm::PS512, DecodingKey::from_rsa_pem(RSA_PKCS1_PEM.as_bytes())),
        (Algorithm::ES256, DecodingKey::from_ec_pem(EC_PEM.as_bytes())),
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(ED25519_PEM.as_bytes())),
        (Algorithm::RS256, Ok(DecodingKey::from_rsa_der(&der(RSA_PEM)))),
        (Algorithm::ES256, Ok(DecodingKey::from_ec_der(&der(EC_PEM)))),
        (Algorithm::EdDSA, Ok(DecodingKey::from_ed_der(&der(ED25519_PEM)))),
    ] {
        assert!(VerifyingKey::from_decoding_key(algorithm, &key.unwrap()).is_ok(), "{algorithm}");
    }
}

#[test]
fn decoding_key_of_another_family_or_strength_is_refused() {
    let rsa = DecodingKey::from_rsa_pem(RSA_PEM.as_bytes()).unwrap();
    let ec = DecodingKey::from_ec_pem(EC_PEM.as_bytes()).unwrap();
    let short = DecodingKey::from_secret(b"short").unwrap();
    let pem_as_secret = DecodingKey::from_secret(RSA_PEM.as_bytes()).unwrap();

    for (algorithm, key) in [(Algorithm::HS256, &rsa), (Algorithm::ES256, &rsa)] {
        let error = problem(VerifyingKey::from_decoding_key(algorithm, key));
        assert!(matches!(error, KeyProblem::AlgorithmMismatch { .. }), "{error}");
    }
    let error = problem(VerifyingKey::from_decoding_key(Algorithm::ES384, &ec));
    assert!(matches!(error, KeyProblem::AlgorithmMismatch { .. }), "{error}");
    let error = problem(VerifyingKey::from_decoding_key(Algorithm::HS256, &short));
    assert_eq!(error, KeyProblem::SecretTooShort { bits: 40, required: 256 });
    let error = problem(VerifyingKey::from_decoding_key(Algorithm::HS256, &pem_as_secret));
    assert_eq!(error, KeyProblem::PublicKeyAsSecret);
}

#[tokio::test]
async fn verifying_key_becomes_a_decoding_key_of_the_same_numbers() {
    for algorithm in Algorithm::ALL {
        let key = key_for(algorithm);

        let theirs = DecodingKey::try_from(&key.verifying_key());

        if algorithm == Algorithm::ES512 {
            assert!(theirs.is_err());
            continue;
        }
        let back = VerifyingKey::from_decoding_key(algorithm, &theirs.unwrap()).unwrap();
        assert!(accepts(back.into(), &key).await, "{algorithm}");
    }
}

#[test]
fn signing_key_becomes_an_encoding_key_of_the_same_numbers() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();

        let theirs = EncodingKey::try_from(&key);

        if algorithm == Algorithm::ES512 {
            assert!(theirs.is_err());
            continue;
        }
        let theirs = theirs.unwrap();
        let back = SigningKey::from_encoding_key(algorithm, &theirs).unwrap();
        assert_eq!(back.key_id(), key.key_id());
        assert_eq!(EncodingKey::try_from(&back).unwrap().as_bytes(), theirs.as_bytes());
    }
}

#[test]
fn encoding_key_of_another_family_or_strength_is_refused() {
    let pem = include_str!("../../fixtures/keys/p256_pkcs8.pem");
    let ec = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
    let short = EncodingKey::from_secret(b"short").unwrap();
    let public = EncodingKey::from_secret(RSA_PEM.as_bytes()).unwrap();
    let of = |algorithm, key| problem(SigningKey::from_encoding_key(algorithm, key));

    assert!(SigningKey::from_encoding_key(Algorithm::ES256, &ec).is_ok());
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES384] {
        assert!(matches!(of(algorithm, &ec), KeyProblem::AlgorithmMismatch { .. }), "{algorithm}");
    }
    let expected = KeyProblem::SecretTooShort { bits: 40, required: 256 };
    assert_eq!(of(Algorithm::HS256, &short), expected);
    assert_eq!(of(Algorithm::HS256, &public), KeyProblem::PublicKeyAsSecret);
}

#[tokio::test]
async fn jwks_are_converted_both_ways_with_their_names() {
    for algorithm in Algorithm::ALL {
        let key = key_for(algorithm).with_key_id("k");
        let is_secret = algorithm.as_str().starts_with("HS");

        let theirs = Jwk::try_from(&key.verifying_key());

        if is_secret || algorithm == Algorithm::ES512 {
            assert!(theirs.is_err(), "{algorithm}");
            continue;
        }
        let theirs = theirs.unwrap();
        assert_eq!(theirs.common.key_id.as_deref(), Some("k"));
        let back = VerifyingKey::try_from(&theirs).unwrap();
        assert_eq!(back.key_id(), Some("k"));
        assert!(accepts(back.into(), &key).await, "{algorithm}");
    }
}

#[tokio::test]
async fn jwk_sets_are_converted_both_ways() {
    let (rsa, ec) = (key_for(Algorithm::PS256), key_for(Algorithm::ES384));
    let keys: KeySet = [rsa.verifying_key(), ec.verifying_key()].into_iter().collect();

    let theirs = JwkSet::try_from(&keys).unwrap();
    let back = KeySet::try_from(&theirs).unwrap();

    assert_eq!(theirs.keys.len(), 2);
    assert!(accepts(back.clone(), &rsa).await && accepts(back, &ec).await);
    let secret = KeySet::from(key_for(Algorithm::HS256).verifying_key());
    assert!(JwkSet::try_from(&secret).is_err());
    let weak: JwkSet = serde_json::from_value(json!({
        "keys": [{ "kty": "RSA", "n": "AQAB", "e": "AQAB" }],
    }))
    .unwrap();
    assert_eq!(problem(KeySet::try_from(&weak)), KeyProblem::RsaSize { bits: 17 });
    let error = VerifyingKey::try_from(&weak.keys[0]).unwrap_err();
    assert!(matches!(error, ConfigError::NoUsableKey { .. }), "{error}");
}

#[test]
fn header_finds_its_key_in_a_source_of_ours() {
    let key = key_for(Algorithm::ES256).with_key_id("k");
    let keys = KeySet::from(key.verifying_key());
    let mut theirs = TheirHeader::new(TheirAlgorithm::ES256);
    theirs.kid = Some("k".to_owned());

    let ours = Header::try_from(&theirs).unwrap();

    assert!(matches!(keys.lookup(&ours), Lookup::Found(_)));
    assert_eq!(ours.token_type(), Some("JWT"));
    let back = TheirHeader::try_from(&ours).unwrap();
    assert_eq!((back.alg, back.kid, back.typ), (theirs.alg, theirs.kid, theirs.typ));
}

#[test]
fn header_that_this_crate_would_refuse_is_not_converted() {
    let with = |change: fn(&mut TheirHeader)| {
        let mut header = TheirHeader::new(TheirAlgorithm::ES256);
        change(&mut header);
        Header::try_from(&header).map_err(|error| error.reason())
    };

    assert!(with(|header| header.kid = Some("k".repeat(256))).is_ok());
    assert_eq!(with(|header| header.kid = Some("k".repeat(257))), Err(Reason::Malformed));
    assert_eq!(with(|header| header.crit = Some(vec![])), Err(Reason::CriticalHeader));
}
