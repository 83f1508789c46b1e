//! Tests verifiers that decrypt: a signed token inside of an encrypted one is judged as any other, and all that cannot
//! be decrypted looks alike.

use std::convert::Infallible;

use axum::Router;
use axum::routing::get as on_get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::active_check::ActiveCheck;
use tower_bearer::claims::NumericDate;
use tower_bearer::explain::{ChangeSide, Explanation, Step};
use tower_bearer::jose::{ContentEncryption, KeyManagement};
use tower_bearer::keys::{DecryptionKey, DecryptionKeys, EncryptionKey};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::test_util::TestClock;
use tower_bearer::{
    Algorithm, AuthError, BearerLayer, Claims, Issuers, Principal, Reason, SigningKey, TokenIssuer,
    Verifier,
};

use crate::support::scripted::{self, Scripted};
use crate::support::sealed::{
    decryption_key, encryption_key, private_keys, public_part, sealed, sealed_by,
};
use crate::support::{
    self, AUDIENCE, Answer, ISSUER, NOW, User, WithBearer, get, good, invalid_token, key, send,
    token, validation, verifier_of, verifier_with,
};

const UNVERIFIABLE: &str = "The token cannot be verified";
const HEADER: &str = r#"{"alg":"dir","enc":"A256GCM","cty":"JWT"}"#;

fn verifier() -> Verifier<User> {
    support::verifier().with_decryption_keys(decryption_key())
}

fn strict() -> Verifier<User> {
    verifier().with_required_encryption()
}

fn app(verifier: &Verifier<User>) -> Router {
    let whose = |Claims(user): Claims<User>| async move { user.sub.clone().unwrap_or_default() };
    Router::new().route("/", on_get(whose)).layer(BearerLayer::new(verifier.clone()))
}

async fn answer(verifier: &Verifier<User>, token: impl AsRef<str>) -> Answer {
    send(&app(verifier), get("/").bearer(token)).await
}

async fn is_accepted(verifier: &Verifier<User>, token: impl AsRef<str>) {
    answer(verifier, token).await.is_ok("alice");
}

async fn is_refused(verifier: &Verifier<User>, token: impl AsRef<str>, reason: Reason, says: &str) {
    answer(verifier, token).await.is_refused(401, Some(&invalid_token(says)), reason);
}

/// The good token, encrypted under the usual header with these members.
fn with_header(members: &Value) -> String {
    let mut header: Value = serde_json::from_str(HEADER).unwrap();
    for (name, value) in members.as_object().unwrap() {
        header[name] = value.clone();
    }
    header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    sealed(&header.to_string(), good())
}

/// Key pairs of every kind: what encrypts, and what decrypts.
fn pairs() -> Vec<(EncryptionKey, DecryptionKey)> {
    let pair = |private: Value| {
        let encrypts = EncryptionKey::from_jwk(public_part(&private).to_string()).unwrap();
        (encrypts, DecryptionKey::from_jwk(private.to_string()).unwrap())
    };
    private_keys().into_iter().map(pair).collect()
}

#[tokio::test]
async fn token_that_was_signed_and_then_encrypted_in_any_way_is_accepted() {
    // RFC 9068 §4: an encrypted token is decrypted
    // RFC 7519 §5.2: signed first, then encrypted
    let signing = SigningKey::generate(Algorithm::ES256).unwrap();
    for (encrypts, decrypts) in pairs() {
        for encryption in ContentEncryption::ALL {
            let Ok(encrypts) = encrypts.clone().with_content_encryption(encryption) else {
                assert_eq!(encrypts.algorithm(), KeyManagement::Dir);
                continue;
            };
            let tokens = TokenIssuer::new(ISSUER, AUDIENCE, signing.clone()).unwrap();
            let tokens = tokens.with_clock(TestClock::at(NOW)).with_encryption(encrypts.clone());
            let verifier = verifier_of(tokens.verifying_key())
                .with_decryption_keys(decrypts.clone())
                .with_required_encryption();

            let issued = tokens.token_for("alice").issue().unwrap();

            assert_eq!(issued.as_str().split('.').count(), 5);
            is_accepted(&verifier, issued.as_str()).await;
        }
    }
}

#[tokio::test]
async fn header_of_an_issued_token_names_key_and_content() {
    let key = encryption_key().with_key_id("2026-11").unwrap();
    let token = token().sign_and_encrypt(&support::key(), &key);
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();

    let header: Value = serde_json::from_slice(&header).unwrap();

    let expected = json!({"alg": "dir", "enc": "A256GCM", "kid": "2026-11", "cty": "JWT"});
    assert_eq!(header, expected);
    // RFC 7516 §5.1: each token has an initialisation vector of its own
    assert_ne!(token, support::token().sign_and_encrypt(&support::key(), &key));
}

#[tokio::test]
async fn token_that_comes_again_is_found_as_it_was_sent_and_not_decrypted_again() {
    let (verifier, token) = (verifier(), sealed(HEADER, good()));

    for _ in 0..3 {
        is_accepted(&verifier, &token).await;
    }

    let stats = verifier.cache_stats().unwrap();
    assert_eq!((stats.hits, stats.misses, stats.entries), (2, 1, 1));
    // The token inside is another text.
    is_accepted(&verifier, good()).await;
    assert_eq!(verifier.cache_stats().unwrap().misses, 2);
}

#[tokio::test]
async fn plain_token_is_refused_where_encryption_is_required() {
    // RFC 9068 §4: where encryption was agreed, a plain token is refused
    is_refused(&strict(), good(), Reason::NotEncrypted, UNVERIFIABLE).await;

    is_accepted(&strict(), sealed(HEADER, good())).await;
    is_accepted(&verifier(), good()).await;
}

#[tokio::test]
async fn plain_token_that_was_accepted_before_is_not_recalled_where_encryption_is_required() {
    let verifier = verifier();
    is_accepted(&verifier, good()).await;

    let strict = verifier.clone().with_required_encryption();

    is_refused(&strict, good(), Reason::NotEncrypted, UNVERIFIABLE).await;
    is_accepted(&verifier, good()).await;
}

#[tokio::test]
async fn encrypted_token_is_refused_without_a_key() {
    let token = sealed(HEADER, good());

    is_refused(&support::verifier(), &token, Reason::Encrypted, UNVERIFIABLE).await;
    let without = support::verifier().with_required_encryption();
    is_refused(&without, &token, Reason::Encrypted, UNVERIFIABLE).await;
    is_accepted(&verifier(), &token).await;
}

#[tokio::test]
async fn everything_that_cannot_be_decrypted_looks_alike() {
    let good_token = sealed(HEADER, good());
    let changed = |segment: usize| {
        let mut segments: Vec<String> = good_token.split('.').map(str::to_owned).collect();
        let mut bytes = URL_SAFE_NO_PAD.decode(&segments[segment]).unwrap();
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        } else {
            bytes = vec![1; 32];
        }
        segments[segment] = URL_SAFE_NO_PAD.encode(bytes);
        segments.join(".")
    };
    let tokens = [
        changed(1),
        changed(2),
        changed(3),
        changed(4),
        sealed_by(&[8; 32], HEADER, good()),
        // No key is for it.
        with_header(&json!({"alg": "A256KW"})),
        with_header(&json!({"enc": "A128GCM"})),
        // Two layers, and no text.
        sealed(HEADER, &good_token),
        sealed(HEADER, b"\xff\xfe"),
    ];

    for token in tokens {
        is_refused(&verifier(), &token, Reason::Encrypted, UNVERIFIABLE).await;
        let error = verifier().verify(&token).await.unwrap_err();
        assert_eq!(error.detail(), None, "{token}");
    }
    is_accepted(&verifier(), &good_token).await;
}

#[tokio::test]
async fn nested_token_needs_the_content_type_jwt() {
    // RFC 7519 §5.2: `cty` is `JWT`, and its case does not matter
    for cty in [json!(null), json!(""), json!("JWE"), json!("at+jwt"), json!("json"), json!(1)] {
        let token = with_header(&json!({ "cty": cty }));
        is_refused(&verifier(), token, Reason::Malformed, UNVERIFIABLE).await;
    }
    for cty in ["JWT", "jwt", "application/jwt"] {
        is_accepted(&verifier(), with_header(&json!({ "cty": cty }))).await;
    }
}

#[tokio::test]
async fn claims_in_the_header_are_those_inside() {
    // RFC 7519 §5.3: claims in the header of a JWE are the same inside
    for (name, same) in [
        ("iss", json!(ISSUER)),
        ("sub", json!("alice")),
        ("aud", json!(AUDIENCE)),
        ("aud", json!([AUDIENCE])),
    ] {
        is_accepted(&verifier(), with_header(&json!({ name: same }))).await;
        for other in [json!("other"), json!(null), json!(1), json!([]), json!([AUDIENCE, "b"])] {
            let header = HEADER.replace('}', &format!(",\"{name}\":{other}}}"));
            let token = sealed(&header, good());
            let says = "A claim of the token is invalid";
            is_refused(&verifier(), &token, Reason::InvalidClaim, says).await;
            let error = verifier().verify(&token).await.unwrap_err();
            assert_eq!(error.claim(), Some(name));
        }
    }
    // A claim that is not inside.
    let without = token().without("sub").sign(&key());
    let copied = HEADER.replace('}', r#","sub":"alice"}"#);
    let says = "A claim of the token is invalid";
    is_refused(&verifier(), sealed(&copied, &without), Reason::InvalidClaim, says).await;
    answer(&verifier(), sealed(HEADER, without)).await.is_ok("");
}

#[tokio::test]
async fn content_that_is_not_signed_is_refused() {
    let claims = json!({"sub": "alice", "exp": NOW + 900});
    let unsigned = |header: &str| {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", encoded(header), encoded(&claims.to_string()))
    };
    let signed_none = token().header("alg", "none").sign(&key());

    for (content, reason) in [
        // An encrypted JWT that is not nested.
        (claims.to_string(), Reason::Malformed),
        (unsigned(r#"{"alg":"none"}"#), Reason::Malformed),
        (unsigned(r#"{"alg":"HS256"}"#), Reason::Malformed),
        (signed_none, Reason::UnsupportedAlgorithm),
        (String::new(), Reason::Malformed),
    ] {
        is_refused(&verifier(), sealed(HEADER, content), reason, UNVERIFIABLE).await;
    }
    is_accepted(&verifier(), sealed(HEADER, good())).await;
}

#[tokio::test]
async fn token_inside_is_judged_as_any_other() {
    let of = |token: tower_bearer::test_util::TestToken| sealed(HEADER, token.sign(&key()));
    let other = tower_bearer::test_util::TestKey::generate(Algorithm::HS256);

    for (token, reason, says) in [
        (
            of(token().claim("nonce", "n")),
            Reason::WrongTokenType,
            "The token is not an access token",
        ),
        (of(token().header("typ", "logout+jwt")), Reason::WrongTokenType, UNVERIFIABLE),
        (of(token().at(NOW - 1000)), Reason::Expired, "The token has expired"),
        (of(token().claim("iss", "x")), Reason::WrongIssuer, "The token is from another issuer"),
        (of(token().claim("aud", "x")), Reason::WrongAudience, "The token is for another audience"),
        (of(token().header("crit", json!(["x"]))), Reason::CriticalHeader, UNVERIFIABLE),
        (sealed(HEADER, token().sign(&other)), Reason::InvalidSignature, UNVERIFIABLE),
    ] {
        is_refused(&strict(), token, reason, says).await;
    }
    is_accepted(&strict(), of(token())).await;
}

#[tokio::test]
async fn header_that_asks_for_more_than_is_supported_is_refused() {
    // RFC 8725 §3.2: RSA1_5 and PBES2 are not supported
    for (members, reason) in [
        (json!({"zip": "DEF"}), Reason::Malformed),
        (json!({"crit": ["exp"]}), Reason::CriticalHeader),
        (json!({"alg": "RSA1_5"}), Reason::UnsupportedAlgorithm),
        (json!({"alg": "PBES2-HS256+A128KW"}), Reason::UnsupportedAlgorithm),
        (json!({"alg": "none"}), Reason::UnsupportedAlgorithm),
        (json!({"alg": "HS256"}), Reason::UnsupportedAlgorithm),
        (json!({"enc": "A192GCM"}), Reason::UnsupportedAlgorithm),
        (json!({"enc": null}), Reason::Malformed),
    ] {
        is_refused(&verifier(), with_header(&members), reason, UNVERIFIABLE).await;
    }
    is_accepted(&verifier(), with_header(&json!({"typ": "JWT", "x5t": "x"}))).await;
}

#[tokio::test]
async fn json_serialization_with_an_unprotected_header_is_no_token() {
    let token = sealed(HEADER, good());
    let parts: Vec<&str> = token.split('.').collect();
    let json = json!({
        "protected": parts[0], "unprotected": {"cty": "JWT"}, "iv": parts[2],
        "ciphertext": parts[3], "tag": parts[4],
    });

    let error = verifier().verify(&json.to_string()).await.unwrap_err();

    assert_eq!(error.reason(), Reason::Malformed);
    is_accepted(&verifier(), token).await;
}

#[tokio::test]
async fn key_for_another_algorithm_does_not_decrypt() {
    let kw = EncryptionKey::from_secret(KeyManagement::A256KW, [7; 32]).unwrap();
    let token = token().sign_and_encrypt(&key(), &kw);
    let decrypts = DecryptionKey::from_secret(KeyManagement::A256KW, [7; 32]).unwrap();

    is_refused(&verifier(), &token, Reason::Encrypted, UNVERIFIABLE).await;
    is_accepted(&support::verifier().with_decryption_keys(decrypts), &token).await;
}

#[tokio::test]
async fn token_for_the_old_or_the_new_key_is_accepted_while_both_are_there() {
    let named = |secret: u8, kid: &str| {
        let encrypts = EncryptionKey::from_secret(KeyManagement::Dir, [secret; 32]).unwrap();
        let decrypts = DecryptionKey::from_secret(KeyManagement::Dir, [secret; 32]).unwrap();
        (encrypts.with_key_id(kid).unwrap(), decrypts.with_key_id(kid).unwrap())
    };
    let (old, new) = (named(1, "old"), named(2, "new"));
    let with = |keys: &[&DecryptionKey]| {
        let keys: DecryptionKeys = keys.iter().map(|key| (*key).clone()).collect();
        support::verifier().with_decryption_keys(keys)
    };
    let token = |key: &EncryptionKey| token().sign_and_encrypt(&support::key(), key);

    is_accepted(&with(&[&old.1, &new.1]), token(&old.0)).await;
    is_accepted(&with(&[&old.1, &new.1]), token(&new.0)).await;
    is_refused(&with(&[&new.1]), token(&old.0), Reason::Encrypted, UNVERIFIABLE).await;
}

#[tokio::test]
async fn length_of_the_encrypted_token_is_what_counts() {
    let long = token().claim("note", "x".repeat(15_000)).sign(&key());
    let token = sealed(HEADER, long);

    is_refused(&verifier(), &token, Reason::TokenTooLarge, UNVERIFIABLE).await;
    is_refused(&strict(), "a".repeat(16_385), Reason::TokenTooLarge, UNVERIFIABLE).await;
    is_accepted(&verifier().with_max_token_bytes(64 * 1024), token).await;
}

#[tokio::test]
async fn revoked_token_is_refused_at_its_next_appearance() {
    let view = MemoryRevocations::new();
    let verifier = verifier().with_revocations(view.clone());
    let with_session = token().claim("sid", "s").sign(&key());
    let token = sealed(HEADER, with_session);
    is_accepted(&verifier, &token).await;

    let expires = NumericDate::from_seconds(i64::try_from(NOW + 900).unwrap()).to_system_time();
    view.revoke(Revocation::token(ISSUER, "test-token", expires));

    is_refused(&verifier, &token, Reason::Revoked, "The token was revoked").await;
}

#[tokio::test]
async fn subject_of_an_encrypted_token_is_asked_about() {
    let asks = |is_active: bool| {
        let check = move |_: Principal| async move { Ok::<_, Infallible>(is_active) };
        verifier().with_active_check(ActiveCheck::new(check))
    };
    let token = sealed(HEADER, good());

    is_accepted(&asks(true), &token).await;
    is_refused(&asks(false), &token, Reason::Inactive, "The token is not active any more").await;
}

#[tokio::test]
async fn token_inside_waits_for_keys_that_are_not_loaded_yet() {
    let provider = Scripted::new();
    let verifier = verifier_of(scripted::cached(&provider)).with_decryption_keys(decryption_key());
    let token = sealed(HEADER, token().sign(&provider.key()));

    is_accepted(&verifier, &token).await;
    is_accepted(&verifier, &token).await;

    assert_eq!(verifier.cache_stats().unwrap().hits, 1);
}

#[tokio::test]
async fn issuer_inside_is_the_one_that_counts_among_several() {
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), validation()).unwrap();
    let verifier = Verifier::<User>::multi_issuer(&issuers)
        .with_clock(TestClock::at(NOW))
        .with_decryption_keys(decryption_key());
    let foreign = token().claim("iss", "https://other.example.com").sign(&key());

    is_accepted(&verifier, sealed(HEADER, good())).await;
    is_refused(&verifier, sealed(HEADER, foreign), Reason::WrongIssuer, UNVERIFIABLE).await;
    let verifier = verifier_with(key().verifying_key(), validation().with_at_jwt_only());
    let verifier = verifier.with_decryption_keys(decryption_key());
    let typed = token().claim("client_id", "c");
    let untyped = typed.clone().header("typ", "JWT").sign(&key());
    is_refused(&verifier, sealed(HEADER, untyped), Reason::WrongTokenType, UNVERIFIABLE).await;
    is_accepted(&verifier, sealed(HEADER, typed.sign(&key()))).await;
}

fn outcomes(explanation: &Explanation) -> Vec<(Step, &'static str)> {
    let checks = explanation.checks().iter();
    checks.map(|check| (check.step(), check.outcome().as_str())).collect()
}

fn outcome(explanation: &Explanation, step: Step) -> &'static str {
    outcomes(explanation).iter().find(|(one, _)| *one == step).map_or("absent", |(_, word)| word)
}

#[tokio::test]
async fn explanation_of_an_encrypted_token_shows_each_check_of_the_token_inside() {
    let explanation = strict().explain(&sealed(HEADER, good())).await;

    assert!(explanation.is_accepted());
    let outcomes = outcomes(&explanation);
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == "passed"), "{outcomes:?}");
    for step in [Step::Encryption, Step::Signature, Step::HeaderClaims] {
        assert_eq!(outcome(&explanation, step), "passed");
    }
    let expired = sealed(HEADER, token().at(NOW - 1000).sign(&key()));
    let explanation = strict().explain(&expired).await;
    assert_eq!(outcome(&explanation, Step::Expiry), "failed");
    assert_eq!(outcome(&explanation, Step::Encryption), "passed");
    // A verifier that does not decrypt has no such check.
    assert_eq!(outcome(&support::verifier().explain(&good()).await, Step::Encryption), "absent");
}

#[tokio::test]
async fn explanation_names_the_keys_that_there_are_and_the_one_that_is_missing() {
    let named = decryption_key().with_key_id("2026-11").unwrap();
    let verifier = support::verifier().with_decryption_keys(named);

    let missing = verifier.explain(&with_header(&json!({"kid": "2025-01"}))).await;
    let changed = verifier.explain(&sealed_by(&[8; 32], HEADER, good())).await;

    let sentence = missing.change().unwrap().sentence().to_owned();
    assert!(sentence.contains("`kid` \"2025-01\"") && sentence.contains("dir \"2026-11\""));
    assert_eq!(missing.change().unwrap().side(), ChangeSide::Verifier);
    assert_eq!(outcome(&missing, Step::Signature), "skipped");
    let sentence = changed.change().unwrap().sentence();
    assert!(sentence.contains("does not decrypt"), "{sentence}");
}

#[tokio::test]
async fn explanation_says_which_part_of_the_encryption_is_wrong() {
    let plain = strict().explain(&good()).await;
    assert_eq!(outcome(&plain, Step::Encryption), "failed");
    assert_eq!(outcome(&plain, Step::Signature), "passed");
    assert_eq!(plain.error().unwrap().reason(), Reason::NotEncrypted);

    for (members, step, part) in [
        (json!({"cty": null}), Step::Encryption, "`cty`"),
        (json!({"zip": "DEF"}), Step::Encryption, "`zip`"),
        (json!({"alg": "RSA1_5"}), Step::Encryption, "RSA-OAEP-256"),
        (json!({"iss": "https://other"}), Step::HeaderClaims, "`iss`"),
    ] {
        let explanation = verifier().explain(&with_header(&members)).await;
        assert_eq!(outcome(&explanation, step), "failed", "{members}");
        let sentence = explanation.change().unwrap().sentence();
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[tokio::test]
async fn first_check_that_fails_is_the_verdict() {
    let large = "x".repeat(17_000);
    for token in [
        good(),
        sealed(HEADER, good()),
        with_header(&json!({"cty": "x"})),
        with_header(&json!({"sub": "bob"})),
        sealed_by(&[8; 32], HEADER, good()),
        sealed(HEADER, "no token"),
        sealed(HEADER, token().claim("iss", "x").sign(&key())),
        sealed(HEADER, token().claim("x", &*large).sign(&key())),
        token().claim("x", &*large).sign(&key()),
        "a.b".to_owned(),
        format!("a.b.c.d.{large}"),
    ] {
        for verifier in [verifier(), strict(), support::verifier()] {
            let explanation = verifier.explain(&token).await;
            let verdict = verifier.verify(&token).await.err().map(|error| error.reason());
            let first = explanation.checks().iter().find_map(|check| check.outcome().error());
            assert_eq!(first.map(AuthError::reason), verdict, "{explanation:?}");
        }
    }
}
