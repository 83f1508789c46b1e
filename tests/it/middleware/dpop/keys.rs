use serde_json::json;
use tower_bearer::keys::{KeyProblem, RsaSize};
use tower_bearer::{ConfigError, SigningKey};

use super::*;
use crate::support::send;

#[tokio::test]
async fn proof_may_be_signed_with_every_algorithm_that_has_a_public_key() {
    // RFC 9449 §4.3: alg is asymmetric, supported and allowed
    for algorithm in Algorithm::ALL.into_iter().filter(|one| !one.as_str().starts_with('H')) {
        let key = SigningKey::generate(algorithm).unwrap();
        let (app, token) = (required(), bound_to(&key));
        for _ in 0..2 {
            send(&app, with_proof(&token, Proof::new(&key, &token).sign())).await.is_ok("alice");
        }
        let others = Algorithm::ALL.into_iter().filter(|other| *other != algorithm);
        let one = dpop().with_algorithms(others.filter(|one| !one.as_str().starts_with('H')));
        let app = super::app(layer().with_dpop(one.unwrap()));
        let answer = send(&app, with_proof(&token, Proof::new(&key, &token).sign())).await;
        let is_other_name = ["EdDSA", "Ed25519"].contains(&algorithm.as_str());
        match is_other_name {
            true => _ = answer.is_ok("alice"),
            false => assert_eq!(answer.reason, Some(Reason::InvalidProof), "{algorithm}"),
        }
    }
}

#[tokio::test]
async fn proof_that_is_signed_with_a_secret_or_not_at_all_is_refused() {
    for alg in ["none", "None", "HS256", "HS384", "HS512", "es256", "ES256K", "", "RSA-OAEP"] {
        let answer =
            send(&required(), with_proof(&bound(), Proof::good().member("alg", alg).sign())).await;
        is_refused(&answer, Reason::InvalidProof);
    }
    let secret = json!({"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
    for alg in ["HS256", "ES256"] {
        let proof = Proof::good().member("alg", alg).member("jwk", secret.clone());
        is_refused(
            &send(&required(), with_proof(&bound(), proof.sign())).await,
            Reason::InvalidProof,
        );
    }
    for wrong in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let error = dpop().with_algorithms([Algorithm::ES256, wrong]).unwrap_err();
        let problem = KeyProblem::AlgorithmNotAllowed { algorithm: wrong.to_string() };
        assert_eq!(error, ConfigError::Key(problem));
    }
    assert_eq!(dpop().with_algorithms([]).unwrap_err(), ConfigError::NoAlgorithms);
}

#[tokio::test]
async fn key_that_another_layer_knows_is_refused_where_its_algorithm_is_not_allowed() {
    // A clone knows the keys of the first.
    let wide = dpop();
    let narrow = wide.clone().with_algorithms([Algorithm::PS256]).unwrap();
    let (wide, narrow) = (layer().with_dpop(wide), layer().with_dpop(narrow));
    let (wide, narrow) = (super::app(wide), super::app(narrow));
    let proof = || with_proof(&bound(), Proof::good().sign());

    send(&wide, proof()).await.is_ok("alice");
    let refused = send(&narrow, proof()).await;
    assert_eq!(
        (refused.status, refused.reason),
        (http::StatusCode::UNAUTHORIZED, Some(Reason::InvalidProof))
    );
    assert!(challenges(&refused)[0].contains(r#"error="invalid_dpop_proof""#), "{refused:?}");
    send(&wide, proof()).await.is_ok("alice");
}

#[tokio::test]
async fn private_key_in_a_proof_is_refused() {
    // RFC 9449 §4.3: jwk holds no private key
    let private: Value = serde_json::from_str(client().to_private_jwk().as_str()).unwrap();
    let with_private = Proof::good().member("jwk", private);
    is_refused(
        &send(&required(), with_proof(&bound(), with_private.sign())).await,
        Reason::InvalidProof,
    );
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        let mut jwk = public_jwk(&client());
        jwk[member] = json!("AA");
        let proof = Proof::good().member("jwk", jwk);
        is_refused(
            &send(&required(), with_proof(&bound(), proof.sign())).await,
            Reason::InvalidProof,
        );
    }
}

#[tokio::test]
async fn key_that_is_no_good_is_refused() {
    let jwk = public_jwk(&client());
    let change = |member: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        jwk
    };
    let x = jwk["x"].as_str().unwrap();
    for wrong in [
        json!([jwk]),
        json!({"keys": [jwk]}),
        json!({"kty": "EC"}),
        change("kty", json!("RSA")),
        change("kty", json!("OKP")),
        change("crv", json!("P-384")),
        change("crv", json!("secp256k1")),
        // Not on the curve, too short, too long.
        change("y", json!(x)),
        change("x", json!("AA")),
        change("x", json!(format!("{x}AAAA"))),
        change("alg", json!("ES384")),
    ] {
        let proof = Proof::good().member("jwk", wrong.clone());
        let answer = send(&required(), with_proof(&bound(), proof.sign())).await;
        // A key that is read is first compared with that of the token.
        let reason = answer.reason.filter(|reason| *reason == Reason::WrongBinding);
        is_refused(&answer, reason.unwrap_or(Reason::InvalidProof));
    }
    // A token that is bound to a point that is not on its curve.
    let token = bound_to_members(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{x}"}}"#));
    let proof = Proof::new(&client(), &token).member("jwk", change("y", json!(x)));
    let answer = send(&required(), with_proof(&token, proof.sign())).await;
    is_refused(&answer, Reason::InvalidProof);
    for good in [
        jwk.clone(),
        change("alg", json!("ES256")),
        change("use", json!("sig")),
        change("key_ops", json!(["verify"])),
        // Those of the private key, as some libraries write them.
        change("key_ops", json!(["sign"])),
        change("key_ops", json!([])),
        change("ext", json!(true)),
        change("kid", json!("k1")),
    ] {
        let proof = Proof::good().member("jwk", good.clone());
        send(&required(), with_proof(&bound(), proof.sign())).await.is_ok("alice");
    }
}

#[tokio::test]
async fn rsa_keys_have_2048_to_4096_bits() {
    for (size, accepted) in [(RsaSize::Bits2048, true), (RsaSize::Bits4096, true)] {
        let key = SigningKey::generate_rsa(Algorithm::PS256, size).unwrap();
        let token = bound_to(&key);
        let answer = send(&required(), with_proof(&token, Proof::new(&key, &token).sign())).await;
        assert_eq!(answer.status.is_success(), accepted);
    }
    let modulus = |bits: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bits / 8]);
    for bits in [1024, 4104, 8192] {
        let n = modulus(bits);
        let jwk = json!({"kty": "RSA", "e": "AQAB", "n": n});
        let own = bound_to_members(&format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#));
        // The key of a stranger is not looked at.
        for (token, reason) in [(own, Reason::InvalidProof), (bound(), Reason::WrongBinding)] {
            let proof = Proof::new(&client(), &token);
            let proof = proof.member("alg", "RS256").member("jwk", jwk.clone());
            is_refused(&send(&required(), with_proof(&token, proof.sign())).await, reason);
        }
    }
}

/// A token that is bound to a key with these members, to the letter (RFC 7638 §3).
fn bound_to_members(members: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, members.as_bytes());
    let cnf = json!({"jkt": URL_SAFE_NO_PAD.encode(hash)});
    token().claim("cnf", cnf).sign(&key())
}

#[tokio::test]
async fn keys_are_kept_as_far_as_there_is_room_and_decide_as_new_ones() {
    for room in [0, 1, 100] {
        let app = app(layer().with_dpop(dpop().with_max_keys(room)));
        let keys: Vec<_> =
            (0..5).map(|_| SigningKey::generate(Algorithm::Ed25519).unwrap()).collect();
        for _ in 0..3 {
            for key in &keys {
                let token = bound_to(key);
                send(&app, with_proof(&token, Proof::new(key, &token).sign())).await.is_ok("alice");
                let wrong = Proof::new(&keys[0], &token).member("jwk", public_jwk(key));
                let answer = send(&app, with_proof(&token, wrong.sign())).await;
                assert_eq!(answer.status == 200, key.key_id() == keys[0].key_id());
            }
        }
    }
}
