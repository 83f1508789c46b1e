//! Tests that this crate and other libraries give the same answers about each other's tokens.
//!
//! `differential.rs` asks the same about thousands of generated tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::keys::KeySource;
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::{Algorithm, KeySet, TokenIssuer, Validation, Verifier};

use crate::support::libraries::{self, JOSE, JOSERFC, Library, PYJWT, question};
use crate::support::{AUDIENCE, ISSUER, NOW};

mod needs_second_opinion {
    use super::*;

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn jose_agrees_about_tokens_good_and_broken() {
        assert_agreement(&JOSE).await;
    }

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn pyjwt_agrees_about_tokens_good_and_broken() {
        assert_agreement(&PYJWT).await;
    }

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn joserfc_agrees_about_tokens_good_and_broken() {
        assert_agreement(&JOSERFC).await;
    }

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn token_signed_by_jose_is_accepted() {
        assert_minted_tokens_are_accepted(&JOSE).await;
    }

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn token_signed_by_pyjwt_is_accepted() {
        assert_minted_tokens_are_accepted(&PYJWT).await;
    }

    #[tokio::test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    async fn token_signed_by_joserfc_is_accepted() {
        assert_minted_tokens_are_accepted(&JOSERFC).await;
    }

    #[test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    fn token_issued_with_a_key_made_by_jose_is_accepted_by_all() {
        assert_issued_tokens_are_accepted(&JOSE);
    }

    #[test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    fn token_issued_with_a_key_made_by_pyjwt_is_accepted_by_all() {
        assert_issued_tokens_are_accepted(&PYJWT);
    }

    #[test]
    #[ignore = "needs jose, pyjwt and joserfc: scripts/interop"]
    fn token_issued_with_a_key_made_by_joserfc_is_accepted_by_all() {
        assert_issued_tokens_are_accepted(&JOSERFC);
    }
}

/// Every algorithm, valid tokens and broken ones: the library and this crate give the same answers.
async fn assert_agreement(library: &Library) {
    let cases: Vec<Case> = library.algorithms().flat_map(Case::all).collect();
    let questions: Vec<Value> = cases.iter().map(Case::question).collect();

    for (case, theirs) in cases.iter().zip(library.ask(&questions)) {
        let ours = ours(case.key.verifying_key(), &case.token).await;

        let told = format!("{} {}: they say {theirs}, we {ours}", case.key.algorithm(), case.name);
        assert_eq!(theirs == "ok", case.is_good, "{told}");
        assert_eq!(ours == "ok", case.is_good, "{told}");
    }
}

async fn assert_minted_tokens_are_accepted(library: &Library) {
    for (algorithm, minted) in library.mint() {
        let keys = KeySet::from_jwks(minted.jwk.to_string()).unwrap();

        assert_eq!(ours(keys, &minted.token).await, "ok", "{algorithm}");

        let another = TestKey::generate(algorithm).verifying_key();
        assert_ne!(ours(another, &minted.token).await, "ok", "{algorithm}: another key");
    }
}

/// With a key of the library's, the issuer makes tokens and a key set that all libraries accept.
fn assert_issued_tokens_are_accepted(maker: &Library) {
    for (algorithm, minted) in maker.mint() {
        let issuer = TokenIssuer::new(ISSUER, AUDIENCE, minted.signing_key(algorithm))
            .unwrap()
            .with_clock(TestClock::at(NOW));
        let token = issuer.token_for("alice").with_roles(["admin"]).issue().unwrap();
        let jwks = match minted.pem {
            Some(_) => serde_json::to_value(issuer.public_keys()).unwrap(),
            // A secret has no public part to give out.
            None => json!({ "keys": [minted.jwk] }),
        };

        for library in libraries::ALL {
            if library.knows(algorithm) {
                let answers = library.ask(&[question(token.as_str(), &jwks, algorithm)]);
                assert_eq!(answers, ["ok"], "{algorithm}: {}", library.name);
            }
        }
    }
}

struct Case {
    key: TestKey,
    name: &'static str,
    token: String,
    is_good: bool,
}

impl Case {
    fn all(algorithm: Algorithm) -> Vec<Self> {
        let key = TestKey::generate(algorithm);
        let case = |is_good| {
            let key = key.clone();
            move |(name, token)| Self { key: key.clone(), name, token, is_good }
        };
        let good = good_tokens(&key).into_iter().map(case(true));
        good.chain(broken_tokens(&key).into_iter().map(case(false))).collect()
    }

    fn question(&self) -> Value {
        question(&self.token, &json!({ "keys": [self.key.to_jwk()] }), self.key.algorithm())
    }
}

fn good_tokens(key: &TestKey) -> Vec<(&'static str, String)> {
    let signed = |token: TestToken| token.sign(key);
    vec![
        ("as it should be", signed(token())),
        ("for several audiences", signed(token().claim("aud", json!(["other", AUDIENCE])))),
        ("expired within leeway", signed(token().claim("exp", NOW - 59))),
        ("expired at a fraction of a second", signed(token().claim("exp", json!(1_799_999_941.5)))),
        ("too early within leeway", signed(token().claim("nbf", NOW + 60))),
        ("without a type", signed(token().without_header("typ"))),
        ("with characters beyond ASCII", signed(token().claim("sub", "Älice \u{1F511}"))),
    ]
}

fn broken_tokens(key: &TestKey) -> Vec<(&'static str, String)> {
    let signed = |token: TestToken| token.sign(key);
    vec![
        ("tampered with", tampered(&signed(token()))),
        ("signed with another key", token().sign(&TestKey::generate(key.algorithm()))),
        ("without signature", unsigned(&signed(token()))),
        ("with a signature cut short", cut(&signed(token()))),
        ("of the algorithm `none`", unsigned(&signed(token().header("alg", "none")))),
        ("expired beyond leeway", signed(token().claim("exp", NOW - 60))),
        ("too early beyond leeway", signed(token().claim("nbf", NOW + 61))),
        ("without `exp`", signed(token().without("exp"))),
        ("with a word as `exp`", signed(token().claim("exp", "soon"))),
        ("of another issuer", signed(token().claim("iss", "https://id.example.com/"))),
        ("without issuer", signed(token().without("iss"))),
        ("for another audience", signed(token().claim("aud", "https://api.example.com.evil"))),
        ("without audience", signed(token().without("aud"))),
        ("with `crit`", signed(token().header("crit", json!(["exp"])).header("exp", NOW))),
        ("with a list as payload", signed(token().raw_payload("[]"))),
    ]
}

fn token() -> TestToken {
    TestToken::new(ISSUER, AUDIENCE).at(NOW)
}

/// The same token with another subject, under the old signature.
fn tampered(token: &str) -> String {
    let [header, payload, signature] = parts(token);
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let payload = URL_SAFE_NO_PAD.encode(payload.replace("alice", "mallory"));
    format!("{header}.{payload}.{signature}")
}

fn unsigned(token: &str) -> String {
    let [header, payload, _] = parts(token);
    format!("{header}.{payload}.")
}

fn cut(token: &str) -> String {
    let [header, payload, signature] = parts(token);
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let shorter = URL_SAFE_NO_PAD.encode(&signature[..signature.len() - 1]);
    format!("{header}.{payload}.{shorter}")
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

async fn ours(keys: impl KeySource, token: &str) -> String {
    let verifier = Verifier::<Value>::new(keys, Validation::new(ISSUER, AUDIENCE))
        .unwrap()
        .with_clock(TestClock::at(NOW));
    match verifier.verify(token).await {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("no: {:?}", error.reason()),
    }
}
