//! Tests that nothing shows tokens, unverified claims, secrets and private keys.

use axum::Router;
use axum::routing::get as on_get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::jose::Header;
use tower_bearer::keys::{
    BoxSigner, Candidates, KeySource, KeysUnavailable, Lookup, SigningKey, VerifyingKey,
};
use tower_bearer::policy::{role, scope};
use tower_bearer::render;
use tower_bearer::render::{Json, ProblemJson};
use tower_bearer::revocation::Revocation;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, KeySet, Reason, TokenIssuer, Verifier, require};
use tracing::instrument::WithSubscriber;

use crate::support::sealed::{decryption_key, sealed};
use crate::support::{
    AUDIENCE, ISSUER, NOW, User, WithBearer, get, key, token, validation, verifier, verifier_of,
};

/// Stands in claims and headers that must not be in a log.
const MARKER: &str = "hunter2-hunter2";

/// A token with the marker in every free place.
fn marked() -> TestToken {
    token()
        .claim("sub", MARKER)
        .claim("email", MARKER)
        .claim("jti", MARKER)
        .claim("client_id", MARKER)
        .claim("roles", json!([MARKER]))
        .claim("scope", MARKER)
        .header("cty", MARKER)
        .header("jku", MARKER)
}

/// All outputs of a refused token: the error as any log would write it, the events of the crate,
/// and the answer to the client.
struct Seen {
    reason: Reason,
    log: String,
    answers: String,
}

async fn refused(verifier: Verifier<User>, token: &str) -> Seen {
    let error = verifier.verify(token).await.expect_err("the token was accepted");
    let mut log = format!("{error} {error:?} {error:#?} {:?}", error.detail());
    let mut source = error.source();
    while let Some(error) = source {
        _ = write!(log, " {error} {error:?}");
        source = error.source();
    }
    let layer = BearerLayer::new(verifier);
    let route = || Router::new().route("/", on_get(|| async {}));
    let mut answers = String::new();
    for app in [
        route().layer(layer.clone()),
        route().layer(layer.clone().with_rejection(Json)),
        route().layer(layer.clone().with_rejection(ProblemJson)),
        // An answer made by hand, with everything that there is.
        route().layer(layer.with_rejection(render::from_fn(|rejection, _| {
            axum::body::Body::from(format!("{rejection}"))
        }))),
    ] {
        let (text, response) = logged(app.oneshot(get("/").bearer(token))).await;
        let (parts, body) = response.unwrap().into_parts();
        log += &text;
        _ = write!(answers, "{:?}", parts.headers);
        answers += str::from_utf8(&body.collect().await.unwrap().to_bytes()).unwrap();
    }
    assert!(log.contains("reason="), "nothing was logged");
    Seen { reason: error.reason(), log, answers }
}

/// Runs a future and returns every event at any level, as an operator would read it.
async fn logged<T>(future: impl Future<Output = T>) -> (String, T) {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let output = future.with_subscriber(subscriber).await;
    let bytes = lines.0.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap(), output)
}

/// Fails when a text holds any twelve characters in a row of a part of the token.
#[track_caller]
fn assert_no_part_of(token: &str, text: &str) {
    for segment in token.split('.').filter(|segment| segment.len() >= 12) {
        for window in segment.as_bytes().windows(12) {
            let window = str::from_utf8(window).unwrap();
            assert!(!text.contains(window), "{window} in {text}");
        }
    }
}

#[tokio::test]
async fn nothing_of_a_token_is_seen_before_its_signature_holds() {
    // RFC 6750 §5.2: tokens are not logged
    // RFC 9068 §6: nor what they say
    let stranger = TestKey::generate(Algorithm::HS256);
    let forged = marked().claim("iss", MARKER).claim("aud", MARKER).sign(&stranger);
    let named = key().with_key_id("own").verifying_key();
    let text = |json: &str| marked().raw_header(json.replace("MARKER", MARKER)).sign(&key());
    let decrypting = || verifier().with_decryption_keys(decryption_key());
    let in_envelope = |members: &str| {
        let header = format!("{{\"enc\":\"A256GCM\",{}}}", members.replace("MARKER", MARKER));
        sealed(&header, &forged)
    };
    for (verifier, token, reason) in [
        (verifier(), forged.clone(), Reason::InvalidSignature),
        (verifier(), format!("{forged}AAAA"), Reason::InvalidSignature),
        (verifier(), format!("{forged}!"), Reason::Malformed),
        (verifier(), format!("{forged}."), Reason::Malformed),
        (verifier(), format!("{forged}.."), Reason::Encrypted),
        (verifier(), forged.replacen('.', "!.", 1), Reason::Malformed),
        (verifier(), format!("{forged}{}", "A".repeat(16 * 1024)), Reason::TokenTooLarge),
        (verifier_of(named), marked().header("kid", "x").sign(&key()), Reason::UnknownKey),
        (verifier(), marked().header("alg", MARKER).sign(&key()), Reason::UnsupportedAlgorithm),
        (verifier(), marked().header("alg", "RS256").sign(&key()), Reason::AlgorithmNotAllowed),
        (verifier(), marked().header("typ", MARKER).sign(&key()), Reason::WrongTokenType),
        (verifier(), marked().header("crit", MARKER).sign(&key()), Reason::CriticalHeader),
        (verifier(), marked().header("b64", MARKER).sign(&key()), Reason::CriticalHeader),
        (verifier(), marked().header("kid", json!([MARKER])).sign(&key()), Reason::Malformed),
        (verifier(), marked().header("kid", MARKER.repeat(18)).sign(&key()), Reason::Malformed),
        (verifier(), marked().header("typ", json!({ MARKER: 1 })).sign(&key()), Reason::Malformed),
        (verifier(), text(r#"{"alg":"HS256","MARKER":1,"MARKER":1}"#), Reason::Malformed),
        (verifier(), text(r#"{"alg":"MARKER" MARKER}"#), Reason::Malformed),
        (
            decrypting(),
            in_envelope(r#""cty":"JWT","kid":"MARKER","alg":"A256KW""#),
            Reason::Encrypted,
        ),
        (decrypting(), in_envelope(r#""cty":"MARKER","alg":"dir""#), Reason::Malformed),
        (decrypting(), in_envelope(r#""cty":"JWT","alg":"MARKER""#), Reason::UnsupportedAlgorithm),
        (
            decrypting(),
            in_envelope(r#""cty":"JWT","alg":"dir","iss":"MARKER""#),
            Reason::InvalidSignature,
        ),
        (decrypting().with_required_encryption(), marked().sign(&key()), Reason::NotEncrypted),
        (verifier(), text(r#""MARKER""#), Reason::Malformed),
    ] {
        let seen = refused(verifier, &token).await;

        assert_eq!(seen.reason, reason);
        for text in [&seen.log, &seen.answers] {
            assert_no_part_of(&token, text);
            assert!(!text.contains("hunter2"), "{reason}: {text}");
        }
    }
}

#[tokio::test]
async fn key_id_is_all_that_is_seen_of_a_token_whose_key_is_unknown() {
    let named = || verifier_of(key().with_key_id("own").verifying_key());
    let unknown = marked().header("kid", format!("no-such-key\n{}", "k".repeat(230)));
    let seen = refused(named(), &unknown.sign(&key())).await;

    assert_eq!(seen.reason, Reason::UnknownKey);
    assert!(seen.log.contains("no-such-key") && !seen.answers.contains("no-such-key"));
    assert!(!seen.log.contains(&"k".repeat(200)) && !seen.log.contains("no-such-key\n"));
    assert!(!seen.log.contains("hunter2"), "{}", seen.log);
    // A token of a key that is known is refused without it.
    let forged = marked().header("kid", "own").sign(&TestKey::generate(Algorithm::HS256));
    let seen = refused(named(), &forged).await;
    assert_eq!(seen.reason, Reason::InvalidSignature);
    assert!(!seen.log.contains("own"), "{}", seen.log);
}

#[tokio::test]
async fn only_the_claim_that_is_wrong_is_seen_behind_the_signature() {
    let wrong = |name: &str, value: Value| marked().claim(name, value).sign(&key());
    let raw = |json: &str| marked().raw_payload(json.replace("MARKER", MARKER)).sign(&key());
    for (token, reason) in [
        (wrong("exp", json!(1)), Reason::Expired),
        (wrong("nbf", json!(9e9)), Reason::NotYetValid),
        (wrong("iss", json!("https://other.example.com")), Reason::WrongIssuer),
        (wrong("aud", json!(["https://other.example.com"])), Reason::WrongAudience),
        (marked().without("exp").sign(&key()), Reason::MissingClaim),
        // Of these not even the wrong value.
        (wrong("exp", json!(MARKER)), Reason::InvalidClaim),
        (wrong("aud", json!({ MARKER: MARKER })), Reason::InvalidClaim),
        (wrong("iss", json!([MARKER])), Reason::InvalidClaim),
        (raw(r#"{"MARKER":1,"MARKER":1}"#), Reason::Malformed),
        (raw("MARKER"), Reason::Malformed),
        // serde names the value that does not fit, which is the seven here.
        (wrong("email", json!(7)), Reason::ClaimsMismatch),
    ] {
        let seen = refused(verifier(), &token).await;

        assert_eq!(seen.reason, reason);
        for text in [&seen.log, &seen.answers] {
            assert_no_part_of(&token, text);
            assert!(!text.contains("hunter2"), "{reason}: {text}");
        }
    }
}

#[tokio::test]
async fn client_does_not_learn_what_is_expected() {
    for (token, reason) in [
        (token().claim("iss", "x").sign(&key()), Reason::WrongIssuer),
        (token().claim("aud", "x").sign(&key()), Reason::WrongAudience),
        (token().claim("email", 7).sign(&key()), Reason::ClaimsMismatch),
        (token().header("kid", "x").sign(&key()), Reason::UnknownKey),
    ] {
        let named = key().with_key_id("own-key").verifying_key();
        let seen = refused(verifier_of(named), &token).await;

        assert_eq!(seen.reason, reason);
        for expected in [ISSUER, AUDIENCE, "own-key", "User", "email"] {
            assert!(!seen.answers.contains(expected), "{reason}: {}", seen.answers);
        }
    }
}

#[tokio::test]
async fn guard_that_refuses_shows_nothing_of_the_token() {
    let token = marked().claim("roles", json!([MARKER])).sign(&key());
    let app = Router::new()
        .route("/role", on_get(|| async {}).layer(require(role("admin"))))
        .route("/scope", on_get(|| async {}).layer(require(scope("admin"))))
        .layer(BearerLayer::new(verifier()).with_rejection(ProblemJson));

    for path in ["/role", "/scope"] {
        let (log, response) = logged(app.clone().oneshot(get(path).bearer(&token))).await;
        let (parts, body) = response.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();

        assert_eq!(parts.status, http::StatusCode::FORBIDDEN);
        for text in [log, format!("{:?}", parts.headers), body] {
            assert_no_part_of(&token, &text);
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

/// A secret in all the forms in which it could turn up.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex = |upper: bool| {
        secret.iter().fold(String::new(), |mut out, byte| {
            _ = if upper { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
            out
        })
    };
    let list = format!("{secret:?}");
    let lines = format!("{secret:#?}");
    vec![
        String::from_utf8_lossy(secret).into_owned(),
        secret.escape_ascii().to_string(),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex(true),
        hex(false),
        list.trim_matches(['[', ']']).to_owned(),
        lines.trim_matches(['[', ']', '\n']).to_owned(),
    ]
}

#[track_caller]
fn assert_hides(secret: &[u8], shown: &impl Debug) {
    for text in [format!("{shown:?}"), format!("{shown:#?}")] {
        for form in forms(secret) {
            assert!(!text.contains(&form), "{text}");
        }
    }
}

/// A source that is always about to have its keys.
struct Slow;

impl KeySource for Slow {
    fn lookup(&self, _: &Header) -> Lookup {
        Lookup::Refresh
    }

    async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn debug_shows_no_secret_and_no_token() {
    let secret = b"a secret of more than thirty-two bytes";
    let signer = TestKey::from_secret(Algorithm::HS256, secret);
    let loaded = VerifyingKey::from_secret(Algorithm::HS256, secret).unwrap();
    let set = KeySet::from_jwks(signer.to_jwk().to_string()).unwrap();
    let signing = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
    let issuer = TokenIssuer::new(ISSUER, AUDIENCE, signing.clone()).unwrap();

    assert_hides(secret, &signer);
    assert_hides(secret, &signing);
    assert_hides(secret, &BoxSigner::new(signing));
    assert_hides(secret, &loaded);
    assert_hides(secret, &set);
    assert_hides(secret, &Candidates::from(loaded.clone()));
    assert_hides(secret, &Lookup::Found(loaded.clone().into()));
    assert_hides(secret, &verifier_of(set));
    assert_hides(secret, &BearerLayer::new(verifier_of(loaded)));
    assert_hides(secret, &issuer);
    assert_hides(secret, &issuer.public_keys());
    assert_hides(secret, &issuer.public_keys().to_json());
    assert_hides(secret, &issuer.jwks_service());
    let claims = json!({ "email": MARKER });
    assert_hides(MARKER.as_bytes(), &issuer.token_for("alice").with_claims(&claims));

    let issued = issuer.token_for("alice").issue().unwrap();
    assert_no_part_of(issued.as_str(), &format!("{issued:?} {issued:#?}"));
    assert_hides(issued.token_id().as_bytes(), &issued);
    assert_hides(MARKER.as_bytes(), &marked());
    let token = marked().claim("sid", MARKER).without("client_id").without("roles");
    let token = token.without("scope").claim("exp", NOW + 901).sign(&key());
    let verified = verifier().verify(&token).await.unwrap();
    let principal = verified.principal();
    assert_hides(MARKER.as_bytes(), &verified);
    assert_hides(MARKER.as_bytes(), principal);
    assert_hides(MARKER.as_bytes(), principal.registered());
    assert_hides(MARKER.as_bytes(), principal.header().unwrap());
    assert_hides(MARKER.as_bytes(), &principal.grants());
    assert_hides(MARKER.as_bytes(), &Revocation::of(principal).unwrap());
    for revocation in [
        Revocation::subject(ISSUER, MARKER, SystemTime::UNIX_EPOCH),
        Revocation::client(ISSUER, MARKER, SystemTime::UNIX_EPOCH),
        Revocation::session(ISSUER, MARKER),
    ] {
        assert_hides(MARKER.as_bytes(), &revocation);
        assert_hides(MARKER.as_bytes(), &revocation.name());
    }
    // The reason of a refusal is shown.
    let shown = format!("{principal:?} {:?}", principal.registered());
    assert!(shown.contains(ISSUER) && shown.contains(AUDIENCE), "{shown}");
    assert!(shown.contains(&(NOW + 901).to_string()), "{shown}");
    assert_no_part_of(&token, &format!("{verified:?} {:?}", verified.principal()));

    // While it waits for keys, the response holds the token.
    let mut service = BearerLayer::new(verifier_of(Slow)).layer(Router::new());
    let mut waiting = Service::call(&mut service, get("/").bearer(&token));
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_no_part_of(&token, &format!("{waiting:?} {service:?}"));
}

#[test]
fn debug_shows_no_private_key() {
    for algorithm in [Algorithm::RS256, Algorithm::PS256] {
        let der = include_bytes!("../fixtures/keys/rsa_private.der");
        let key = SigningKey::from_der(algorithm, der).unwrap();
        let issuer = TokenIssuer::new(ISSUER, AUDIENCE, key.clone()).unwrap();
        // Behind the modulus and the exponent, which are public.
        let private = &der[der.len() - 64..];

        assert_hides(private, &key);
        assert_hides(private, &issuer);
        assert_hides(private, &issuer.verifying_key());
        assert_hides(private, &issuer.public_keys());
        assert_hides(private, &issuer.public_keys().to_json());
        assert_hides(private, &TestKey::from_encoded(algorithm, der).to_jwk().to_string());
    }
}

#[test]
fn key_that_cannot_be_read_is_not_quoted() {
    let secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n");
    let public = pem.replace("PRIVATE", "PUBLIC");
    let jwk = |members: Value| json!({ "keys": [members] }).to_string();
    let mut errors = vec![
        VerifyingKey::from_secret(Algorithm::HS512, secret).unwrap_err(),
        VerifyingKey::from_secret(Algorithm::RS256, secret).unwrap_err(),
        VerifyingKey::from_base64url_secret(Algorithm::HS256, &format!("{secret}!")).unwrap_err(),
        KeySet::from_jwks(jwk(json!({ "kty": "oct", "alg": "HS512", "k": secret }))).unwrap_err(),
        KeySet::from_jwks(jwk(json!({ "kty": "oct", "alg": "HS256", "k": [secret] }))).unwrap_err(),
        KeySet::from_jwks(jwk(json!({ "kty": "oct", "k": format!("{secret}!") }))).unwrap_err(),
        KeySet::from_jwks(jwk(json!({ "kty": "OKP", "crv": "Ed25519", "d": secret }))).unwrap_err(),
        KeySet::from_jwks(secret).unwrap_err(),
    ];
    for text in [&pem, &public, &secret.to_owned()] {
        errors.push(KeySet::from_pem(text).unwrap_err());
        errors.push(VerifyingKey::from_pem(Algorithm::RS256, text).unwrap_err());
        errors.push(SigningKey::from_pem(Algorithm::RS256, text).unwrap_err());
        errors.push(SigningKey::from_pem(Algorithm::ES256, text).unwrap_err());
    }
    for kind in ["RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
        let text = pem.replace("PRIVATE KEY", kind);
        errors.push(SigningKey::from_pem(Algorithm::ES256, text).unwrap_err());
    }
    for jwk in [
        json!({ "kty": "oct", "alg": "HS512", "k": secret }),
        json!({ "kty": "oct", "alg": "HS256", "k": [secret] }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": secret, "d": secret }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([9; 32]), "d": secret }),
        json!({ "kty": "EC", "crv": "P-256", "x": secret, "y": secret, "d": { secret: 1 } }),
        json!({ "kty": "RSA", "n": secret, "e": "AQAB", "d": secret, "p": format!("{secret}!") }),
    ] {
        errors.push(SigningKey::from_jwk(jwk.to_string()).unwrap_err());
    }
    for error in errors {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let error = SigningKey::from_der(Algorithm::RS256, secret).unwrap_err();
    assert_hides(secret.as_bytes(), &error);
    assert_hides(secret.as_bytes(), &validation());
}
