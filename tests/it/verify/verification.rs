//! Tests structure, signature and claims of a token, through the verifier.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::active_check::ActiveCheck;
use tower_bearer::claims::PrincipalKind;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, AuthError, KeySet, Reason, Verifier};

use crate::support::{
    AUDIENCE, ISSUER, NOW, good, key, key_for, reason, token, validation, verifier_of,
    verifier_with, verify,
};

#[tokio::test]
async fn good_token_of_every_algorithm_is_accepted() {
    // RFC 9068 §2.1: RS256 is supported
    for algorithm in Algorithm::ALL {
        let key = key_for(algorithm);
        let verifier = verifier_of(key.verifying_key());

        let verified = verifier.verify(&token().sign(&key)).await.unwrap();

        assert_eq!(verified.sub.as_deref(), Some("alice"));
        assert_eq!(verified.principal().header().unwrap().algorithm(), algorithm);
    }
}

#[tokio::test]
async fn token_signed_by_another_key_of_the_same_algorithm_is_refused() {
    // RFC 7515 §5.2: the signature is verified
    for algorithm in Algorithm::ALL {
        let stranger = TestKey::generate(algorithm);
        let verifier = verifier_of(key_for(algorithm).verifying_key());

        let error = verifier.verify(&token().sign(&stranger)).await.unwrap_err();

        assert_eq!(error.reason(), Reason::InvalidSignature, "{algorithm}");
    }
}

#[tokio::test]
async fn token_altered_in_any_segment_is_refused() {
    // RFC 7515 §5.2: the signature covers header and payload
    for algorithm in Algorithm::ALL {
        let key = key_for(algorithm);
        let verifier = verifier_of(key.verifying_key());
        let good = token().sign(&key);
        let evil = token().claim("sub", "mallory").sign(&TestKey::generate(algorithm));
        let (good, evil): (Vec<_>, Vec<_>) = (good.split('.').collect(), evil.split('.').collect());

        for (mixed, expected) in [
            ([good[0], evil[1], good[2]], Reason::InvalidSignature),
            ([good[0], good[1], evil[2]], Reason::InvalidSignature),
            ([good[0], good[1], ""], Reason::Malformed),
            ([good[0], good[1], "AAAA"], Reason::InvalidSignature),
            ([good[0], "", good[2]], Reason::Malformed),
            (["", good[1], good[2]], Reason::Malformed),
        ] {
            let error = verifier.verify(&mixed.join(".")).await.unwrap_err();
            assert_eq!(error.reason(), expected, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn algorithm_of_the_token_never_chooses_what_a_key_is_used_for() {
    // RFC 8725bis §3.1: each key is used with one algorithm
    for (own, others) in [
        (Algorithm::RS256, vec![Algorithm::PS256, Algorithm::RS384, Algorithm::HS256]),
        (Algorithm::HS256, vec![Algorithm::HS384, Algorithm::RS256]),
        (Algorithm::ES256, vec![Algorithm::ES384, Algorithm::HS256]),
    ] {
        let key = key_for(own);
        let verifier = verifier_of(key.verifying_key());
        for other in others {
            let token = token().header("alg", other.as_str()).sign(&key);
            let error = verifier.verify(&token).await.unwrap_err();
            assert_eq!(error.reason(), Reason::AlgorithmNotAllowed, "{own} as {other}");
        }
    }
}

#[tokio::test]
async fn public_key_is_no_secret() {
    // RFC 8725bis §3.1: an RSA key must not verify HS256
    let rsa = key_for(Algorithm::RS256);
    let jwks = json!({ "keys": [rsa.to_jwk()] }).to_string();
    let modulus = rsa.to_jwk()["n"].as_str().unwrap().to_owned();
    let verifier = verifier_of(KeySet::from_jwks(&jwks).unwrap());

    for secret in [jwks.as_bytes(), modulus.as_bytes()] {
        let forged = token().sign(&TestKey::from_secret(Algorithm::HS256, secret));
        let error = verifier.verify(&forged).await.unwrap_err();
        assert_eq!(error.reason(), Reason::AlgorithmNotAllowed);
    }
}

#[tokio::test]
async fn unsigned_token_is_refused_in_any_spelling() {
    // RFC 7519 §6: unsecured JWTs are refused
    for none in ["none", "None", "NONE", "nOnE"] {
        let token = token().header("alg", none).sign(&key());
        assert_eq!(reason(&token).await, Reason::UnsupportedAlgorithm);
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(reason(&unsigned).await, Reason::Malformed);
    }
}

#[tokio::test]
async fn allowed_algorithms_narrow_what_the_keys_are_for() {
    // RFC 8725bis §3.1: nothing outside of the list is used
    let (hs256, hs384) = (key_for(Algorithm::HS256), key_for(Algorithm::HS384));
    let keys: KeySet = [hs256.verifying_key(), hs384.verifying_key()].into_iter().collect();
    let verifier = verifier_with(keys, validation().with_algorithms([Algorithm::HS384]));

    let refused = verifier.verify(&token().sign(&hs256)).await.unwrap_err();
    let accepted = verifier.verify(&token().sign(&hs384)).await;

    assert_eq!(refused.reason(), Reason::AlgorithmNotAllowed);
    assert!(accepted.is_ok());
}

#[tokio::test]
async fn eddsa_and_ed25519_are_two_names_of_one_algorithm() {
    // RFC 9864: EdDSA on Ed25519 is Ed25519
    let key = key_for(Algorithm::EdDSA);
    for validation in [validation(), validation().with_algorithms([Algorithm::Ed25519])] {
        let verifier = verifier_with(key.verifying_key(), validation);
        for name in ["EdDSA", "Ed25519"] {
            let token = token().header("alg", name).sign(&key);
            assert!(verifier.verify(&token).await.is_ok(), "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_not_three_segments_of_base64url_is_malformed() {
    // RFC 7515 §5.2: three segments of base64url without padding
    let good = good();
    let (input, signature) = good.rsplit_once('.').unwrap();
    for token in [
        "".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "a".to_owned(),
        "a.b".to_owned(),
        input.to_owned(),
        format!("{good}."),
        format!("{good}.."),
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{input}. {signature}"),
        good.replacen('e', "+", 1),
        format!("{{\"payload\":\"{good}\"}}"),
    ] {
        let reason = reason(&token).await;
        assert!(matches!(reason, Reason::Malformed | Reason::Encrypted), "{token:?}: {reason}");
    }
}

#[tokio::test]
async fn bits_behind_the_last_byte_must_be_zero() {
    // RFC 7515 §5.2: Wycheproof 374 and 375, non-zero trailing bits
    let good = good();
    let last = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let twin = format!("{}{next}", &good[..good.len() - 1]);

    assert_eq!(reason(&twin).await, Reason::Malformed);
    assert!(verify(&good).await.is_ok());
}

#[tokio::test]
async fn encrypted_token_is_refused_as_such() {
    // RFC 8725bis §3.3: JWS and JWE are told apart
    let jwe = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d";

    assert_eq!(reason(jwe).await, Reason::Encrypted);
}

#[tokio::test]
async fn token_of_16_kib_is_read_and_one_byte_more_is_not() {
    let sized = |bytes: usize| {
        // base64url makes four of three; the filler is adjusted until the length is right.
        (0..bytes)
            .rev()
            .map(|filler| token().claim("x", "x".repeat(filler)).sign(&key()))
            .find(|token| token.len() <= bytes)
            .unwrap()
    };
    let largest = sized(16 * 1024);

    assert!(largest.len() > 16 * 1024 - 3);
    assert!(verify(&largest).await.is_ok());
    let over = format!("{largest}{}", "A".repeat(16 * 1024 + 1 - largest.len()));
    assert_eq!(reason(&over).await, Reason::TokenTooLarge);
}

#[tokio::test]
async fn critical_extension_is_refused_although_the_signature_is_good() {
    // RFC 7515 §4.1.11: what is critical and not understood is refused
    for crit in [json!(["exp"]), json!([]), json!(["b64"]), json!("exp")] {
        let token = token().header("crit", crit).sign(&key());
        assert_eq!(reason(&token).await, Reason::CriticalHeader);
    }
}

#[tokio::test]
async fn type_of_the_token_is_compared_as_a_media_type() {
    // RFC 7515 §4.1.9: in any case, with or without application/
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
        assert!(verify(&token().header("typ", typ).sign(&key())).await.is_ok(), "{typ}");
    }
    assert!(verify(&token().without_header("typ").sign(&key())).await.is_ok());
}

#[tokio::test]
async fn tokens_of_another_type_are_refused() {
    // RFC 8725bis §3.12: other kinds of JWT are no access tokens
    // RFC 8725bis §3.11: a typ that is there is the expected one
    for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt", "statuslist+jwt", "id_token", "", "JOSE"]
    {
        let token = token().header("typ", typ).sign(&key());
        assert_eq!(reason(&token).await, Reason::WrongTokenType, "{typ:?}");
    }
}

#[tokio::test]
async fn issuer_is_compared_to_the_letter() {
    // RFC 7519 §4.1.1: case-sensitive, no normalisation
    // RFC 9068 §4: iss is the issuer to the letter
    for issuer in ["https://id.example.com/", "https://ID.example.com", "https://id.example.co", ""]
    {
        let token = token().claim("iss", issuer).sign(&key());
        assert_eq!(reason(&token).await, Reason::WrongIssuer, "{issuer}");
    }
}

#[tokio::test]
async fn issuer_with_a_trailing_slash_is_accepted_when_it_is_configured_so() {
    let slash = format!("{ISSUER}/");
    let validation = tower_bearer::Validation::new(&slash, AUDIENCE);
    let verifier = verifier_with(key().verifying_key(), validation);

    assert!(verifier.verify(&token().claim("iss", slash).sign(&key())).await.is_ok());
    assert_eq!(verifier.verify(&good()).await.unwrap_err().reason(), Reason::WrongIssuer);
}

#[tokio::test]
async fn audience_may_be_one_of_several_on_either_side() {
    // RFC 7519 §4.1.3: the audience identifies itself with one of the values
    // RFC 8707 §2: several resources may be configured
    let verifier = verifier_with(key().verifying_key(), validation().with_audience("second"));
    for aud in [json!(AUDIENCE), json!(["x", AUDIENCE]), json!("second"), json!(["second", "x"])] {
        let token = token().claim("aud", aud.clone()).sign(&key());
        assert!(verifier.verify(&token).await.is_ok(), "{aud}");
    }
}

#[tokio::test]
async fn token_for_another_audience_is_refused() {
    // RFC 9068 §4: an audience mismatch is invalid_token
    // RFC 8707 §2: the resource is compared to the letter
    // RFC 9700 §2.3: a token for another resource is refused
    for aud in [json!("x"), json!(["x", "y"]), json!(format!("{AUDIENCE}/"))] {
        let token = token().claim("aud", aud.clone()).sign(&key());
        assert_eq!(reason(&token).await, Reason::WrongAudience, "{aud}");
    }
}

#[tokio::test]
async fn required_claims_must_be_there() {
    // RFC 8725bis §3.9: an absent audience is refused
    for claim in ["iss", "aud", "exp"] {
        assert_eq!(reason(&token().without(claim).sign(&key())).await, Reason::MissingClaim);
    }
}

#[tokio::test]
async fn claims_of_the_wrong_type_are_refused() {
    // RFC 7519 §4.1: types of the registered claims
    for (claim, value) in [
        ("iss", json!([ISSUER])),
        ("iss", json!(null)),
        ("aud", json!([AUDIENCE, 1])),
        ("aud", json!({ "a": AUDIENCE })),
        ("exp", json!("1800000900")),
        ("exp", json!(null)),
        ("nbf", json!("0")),
        ("iat", json!(true)),
        ("sub", json!(1)),
    ] {
        let token = token().claim(claim, value.clone()).sign(&key());
        assert_eq!(reason(&token).await, Reason::InvalidClaim, "{claim}: {value}");
    }
}

#[tokio::test]
async fn optional_claims_may_be_absent() {
    let token = token().without("sub").without("nbf").without("iat").sign(&key());

    assert!(verify(&token).await.is_ok());
}

fn expiring(exp: impl Into<Value>) -> String {
    token().claim("exp", exp).sign(&key())
}

fn now_plus(seconds: i64) -> i64 {
    i64::try_from(NOW).unwrap() + seconds
}

#[tokio::test]
async fn token_expired_within_leeway_is_accepted() {
    assert!(verify(&expiring(now_plus(-59))).await.is_ok());
    assert!(verify(&expiring(now_plus(-60) as f64 + 0.5)).await.is_ok());
}

#[tokio::test]
async fn token_expired_beyond_leeway_is_refused() {
    // RFC 7519 §4.1.4: on or after exp the token must not be accepted
    for exp in [json!(now_plus(-60)), json!(now_plus(-61)), json!(0), json!(-1), json!(-1e300)] {
        assert_eq!(reason(&expiring(exp.clone())).await, Reason::Expired, "{exp}");
    }
}

#[tokio::test]
async fn absurdly_late_expiry_is_accepted_without_overflow() {
    // RFC 7519 §2: huge dates
    for exp in [json!(u64::MAX), json!(i64::MAX), json!(1e300)] {
        let verified = verify(&expiring(exp)).await.unwrap();
        assert!(verified.principal().expires_at().is_some());
    }
}

#[tokio::test]
async fn token_from_the_future_within_leeway_is_accepted_and_beyond_refused() {
    // RFC 7519 §4.1.5: before nbf the token must not be accepted
    let starting = |nbf: i64| token().claim("nbf", nbf).sign(&key());

    assert!(verify(&starting(now_plus(60))).await.is_ok());
    assert_eq!(reason(&starting(now_plus(61))).await, Reason::NotYetValid);
}

#[tokio::test]
async fn leeway_can_be_set() {
    let strict = validation().with_leeway(Duration::ZERO);
    let verifier = verifier_with(key().verifying_key(), strict);

    assert!(verifier.verify(&expiring(now_plus(1))).await.is_ok());
    let error = verifier.verify(&expiring(now_plus(0))).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Expired);
}

#[tokio::test]
async fn payload_that_is_no_object_of_unique_members_is_malformed() {
    // RFC 7519 §4: claim names are unique
    // RFC 7519 §7.2: the payload is a JSON object in UTF-8
    let claims = format!(r#""iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{}"#, NOW + 60);
    for payload in [
        format!("{{{claims}}}x").into_bytes(),
        format!("{{{claims},{claims}}}").into_bytes(),
        format!("{{{claims},\"x\":1,\"x\":1}}").into_bytes(),
        [format!("{{{claims},\"x\":\"").as_bytes(), b"\xff\"}"].concat(),
        format!("[{{{claims}}}]").into_bytes(),
        format!("\u{feff}{{{claims}}}").into_bytes(),
        b"{}{}".to_vec(),
    ] {
        let token = token().raw_payload(payload.clone()).sign(&key());
        assert_eq!(reason(&token).await, Reason::Malformed, "{}", payload.escape_ascii());
    }
    let twin = token().raw_payload(format!(" {{{claims},\"x\":1}}\n")).sign(&key());
    assert!(verify(&twin).await.is_ok());
}

#[tokio::test]
async fn claims_that_do_not_fit_the_type_are_not_the_tokens_fault() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "never made")]
    struct Employee {
        badge: u32,
    }
    let verifier = Verifier::<Employee>::new(key().verifying_key(), validation()).unwrap();
    let verifier = verifier.with_clock(tower_bearer::test_util::TestClock::at(NOW));

    let error = verifier.verify(&good()).await.unwrap_err();
    let twin = verifier.verify(&token().claim("badge", 7).sign(&key())).await;

    assert_eq!(error.reason(), Reason::ClaimsMismatch);
    assert!(error.detail().unwrap().contains("Employee"));
    assert!(twin.is_ok());
}

#[tokio::test]
async fn user_and_client_are_told_apart() {
    // RFC 9700 §4.15: clients of their own and users
    for (token, kind) in [
        (token(), PrincipalKind::User),
        (token().claim("client_id", "shop"), PrincipalKind::User),
        (token().claim("client_id", "alice"), PrincipalKind::Client),
        (token().claim("azp", "alice"), PrincipalKind::Client),
        (token().claim("sub", Value::Null), PrincipalKind::Client),
        (token().without("sub"), PrincipalKind::Client),
    ] {
        let verified = verify(&token.sign(&key())).await.unwrap();
        assert_eq!(verified.principal().kind(), kind);
    }
}

#[tokio::test]
async fn principal_knows_the_registered_claims_and_the_header() {
    // RFC 7519 §4.1.7: jti is read
    // RFC 9068 §6: a subject comes with its issuer
    let key = key().with_key_id("k1");
    let token = token().claim("jti", "t1").claim("azp", "shop").sign(&key);

    let verified = verifier_of(key.verifying_key()).verify(&token).await.unwrap();
    let principal = verified.principal();

    let claims = principal.registered();
    assert_eq!(principal.issuer(), ISSUER);
    assert_eq!(claims.token_id(), Some("t1"));
    assert_eq!(claims.client_id(), Some("shop"));
    assert!(claims.audience().unwrap().contains(AUDIENCE));
    assert_eq!(claims.issued_at().unwrap().as_seconds(), now_plus(0));
    assert_eq!(principal.header().unwrap().key_id(), Some("k1"));
    assert_eq!(principal.header().unwrap().token_type(), Some("at+jwt"));
    let expires = principal.expires_at().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(expires, Duration::from_secs(NOW + 900));
}

#[tokio::test]
async fn token_that_is_meant_for_any_of_a_list_of_audiences_is_accepted() {
    let listed = validation().with_audiences(["https://a.example", "https://b.example"]);
    let verifier = verifier_with(key().verifying_key(), listed);

    for audience in ["https://a.example", "https://b.example", AUDIENCE] {
        assert!(verifier.verify(&token().claim("aud", audience).sign(&key())).await.is_ok());
    }
    let other = verifier.verify(&token().claim("aud", "https://c.example").sign(&key())).await;
    assert_eq!(other.unwrap_err().reason(), Reason::WrongAudience);
    let empty = validation().with_audiences([""]);
    assert!(Verifier::<Value>::new(key().verifying_key(), empty).is_err());
}

#[tokio::test]
async fn verdict_is_given_at_once_where_nothing_has_to_be_waited_for() {
    let verifier = verifier_of(key().verifying_key());
    let expired = token().claim("exp", 1).sign(&key());

    for _ in 0..2 {
        let accepted = verifier.verify_now(&good()).unwrap().unwrap();
        assert_eq!(accepted.principal().subject(), Some("alice"));
        let refused = verifier.verify_now(&expired).unwrap().unwrap_err();
        assert_eq!(refused.reason(), Reason::Expired);
    }
}

/// The usual key, once it was asked for.
struct Late(AtomicBool);

impl KeySource for Late {
    fn lookup(&self, header: &Header) -> Lookup {
        if self.0.load(Ordering::Relaxed) {
            key().verifying_key().lookup(header)
        } else {
            Lookup::Refresh
        }
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.0.store(true, Ordering::Relaxed);
        Ok(self.lookup(header))
    }
}

#[tokio::test]
async fn verdict_that_needs_keys_or_the_active_check_is_left_open() {
    let cold = verifier_of(Late(AtomicBool::new(false)));
    let asking = verifier_of(key().verifying_key())
        .with_active_check(ActiveCheck::new(|_| async { Ok::<_, std::io::Error>(true) }));

    assert!(cold.verify_now(&good()).is_none());
    assert!(asking.verify_now(&good()).is_none());
    assert_eq!(cold.verify_now("x").unwrap().unwrap_err().reason(), Reason::Malformed);
    // After a wait the keys are here; the check does not cache anything.
    assert!(cold.verify(&good()).await.is_ok());
    assert!(cold.verify_now(&good()).unwrap().is_ok());
    assert!(asking.verify(&good()).await.is_ok());
    assert!(asking.verify_now(&good()).is_none());
}

#[tokio::test]
async fn detail_of_an_error_is_written_for_logs_and_not_otherwise() {
    let error = verify(&token().claim("exp", 1).sign(&key())).await.unwrap_err();

    assert_eq!(error.to_string(), "the token has expired");
    assert_eq!(format!("{error:#}"), format!("the token has expired: {}", error.detail().unwrap()));
    let without_detail = AuthError::from(Reason::MissingToken);
    assert_eq!(format!("{without_detail:#}"), without_detail.to_string());
}
