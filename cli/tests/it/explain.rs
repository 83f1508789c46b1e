//! `bearer explain` says check by check why a token is refused, with an exit code for scripts.

use serde_json::{Value, json};
use snapbox::str;
use tower_bearer::Algorithm;
use tower_bearer::keys::EncryptionKey;
use tower_bearer::test_util::{TestKey, TestToken};

use crate::support::{AUDIENCE, ISSUER, NOW, SECRET, bearer, explain, file, key, token};

#[test]
fn accepted_token_ends_with_zero() {
    explain().stdin(token().sign(&key())).assert().code(0).stderr_eq("").stdout_eq(str![[r#"
Accepted.

  ✓ Size
  ✓ Form
  ✓ Header
  ✓ Algorithm
  ✓ Type in the header
  ✓ Key
  ✓ Signature
  ✓ Payload
  ✓ Bound to a key
  ✓ Kind of token
  ✓ Issuer
  ✓ Audience
  ✓ Expiry
  ✓ Start
  ✓ Age
  ✓ Required claims
  ✓ Claims type

"#]]);
}

#[test]
fn refused_token_ends_with_one_and_says_what_would_help() {
    let token = token().claim("aud", "orders").claim("exp", NOW - 180).sign(&key());

    explain().stdin(token).assert().code(1).stdout_eq(str![[r#"
Refused: the token is for another audience.

  ✓ Size
  ✓ Form
  ✓ Header
  ✓ Algorithm
  ✓ Type in the header
  ✓ Key
  ✓ Signature
  ✓ Payload
  ✓ Bound to a key
  ✓ Kind of token
  ✓ Issuer
  ✗ Audience            the token is for another audience: `aud` is [orders] and holds none of ["https://api.example.com"]
  ✗ Expiry              the token has expired: 2025-12-31 23:57:00 UTC, 3 minutes ago
  ✓ Start
  ✓ Age
  ✓ Required claims
  ✓ Claims type

An API answers 401; its log says `wrong_audience`.

What would make it pass
  The audience is `orders`, and this API expects `https://api.example.com`: ask the provider for that audience, or, if the token is meant for this API, configure the other one.
  Get a new token: refresh, or sign in again.

"#]]);
}

#[test]
fn checks_below_a_bad_signature_are_marked_as_unverified() {
    let token = token().sign(&TestKey::generate(Algorithm::HS256));

    let output = explain().stdin(token).assert().code(1);

    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(text.contains("✗ Signature"), "{text}");
    assert!(text.contains("The signature is not verified"), "{text}");
}

#[test]
fn roles_and_scopes_are_asked_for_too() {
    let token = token().claim("roles", json!(["clerk"])).claim("scope", "orders:read").sign(&key());
    let code = |arguments: &[&str]| {
        let output = explain().args(arguments).stdin(&token).assert();
        output.get_output().status.code()
    };

    assert_eq!(code(&["--role", "clerk", "--scope", "orders:read"]), Some(0));
    assert_eq!(code(&["--role", "admin"]), Some(1));
    assert_eq!(code(&["--scope", "orders:write"]), Some(1));
    assert_eq!(code(&["--role", "clerk", "--scope", "orders:write"]), Some(1));
}

#[test]
fn keys_come_from_a_set_a_single_key_pem_or_a_secret() {
    let key = TestKey::generate(Algorithm::ES256).with_key_id("k1");
    let token = token().sign(&key);
    let set = file("explain-set.json", json!({ "keys": [key.to_jwk()] }).to_string());
    let single = file("explain-key.json", key.to_jwk().to_string());
    let other = TestKey::generate(Algorithm::ES256).with_key_id("k2");
    let other = file("explain-other.json", json!({ "keys": [other.to_jwk()] }).to_string());
    let explained = |path: &std::path::Path| {
        let at = NOW.to_string();
        bearer()
            .args(["explain", "--json", "--issuer", ISSUER, "--audience", AUDIENCE, "--at", &at])
            .arg("--keys")
            .arg(path)
            .stdin(&token)
            .assert()
    };

    explained(&set).code(0);
    explained(&single).code(0);
    let refused = explained(&other).code(1);
    let report: Value = serde_json::from_slice(&refused.get_output().stdout).unwrap();
    assert_eq!(report["reason"], "unknown_key");
    assert_eq!(
        report["change"]["edits"],
        json!([{"sign_with": {"algorithm": "ES256", "key_id": "k2"}}])
    );
    let secret = file("explain-secret", format!("{SECRET}\n"));
    let at = NOW.to_string();
    bearer()
        .args(["explain", "--issuer", ISSUER, "--audience", AUDIENCE, "--at", &at, "--secret-file"])
        .arg(secret)
        .stdin(crate::support::token().sign(&crate::support::key()))
        .assert()
        .code(0);
}

#[test]
fn each_option_of_the_rules_is_heeded() {
    let accepted = |token: &str, arguments: &[&str]| {
        let output = explain().args(arguments).stdin(token).assert();
        output.get_output().status.code() == Some(0)
    };

    let late = token().claim("exp", NOW - 90).sign(&key());
    assert!(!accepted(&late, &[]));
    assert!(accepted(&late, &["--leeway", "2m"]));
    let old = token().claim("iat", NOW - 600).sign(&key());
    assert!(accepted(&old, &[]));
    assert!(!accepted(&old, &["--max-age", "5m"]));
    let good = token().sign(&key());
    assert!(!accepted(&good, &["--algorithm", "HS512"]));
    assert!(!accepted(&good, &["--preset", "keycloak"]));
    assert!(accepted(&token().claim("aud", "second").sign(&key()), &["--audience", "second"]));
}

#[test]
fn configuration_file_is_what_the_api_expects() {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(SECRET);
    let config = file(
        "explain-config.toml",
        format!(
            "[[issuers]]\nissuer = {ISSUER:?}\naudiences = [{AUDIENCE:?}]\nalgorithms = [\"HS256\"]\n\
             keys = {{ secret = {secret:?} }}\n"
        ),
    );
    let explained = |token: String| {
        let at = NOW.to_string();
        bearer().args(["explain", "--at", &at, "--config"]).arg(&config).stdin(token).assert()
    };

    explained(token().sign(&key())).code(0);
    let other = explained(token().claim("iss", "https://id.example.com/").sign(&key())).code(1);
    let text = String::from_utf8(other.get_output().stdout.clone()).unwrap();
    assert!(text.contains("✗ Issuer"), "{text}");
    assert!(text.contains("This API expects `https://id.example.com`"), "{text}");
    let broken = file("explain-broken.toml", "[[issuers]]\nissuer = 1\n");
    let broken =
        bearer().arg("explain").arg("--config").arg(broken).stdin("a.b.c").assert().code(2);
    let text = String::from_utf8(broken.get_output().stderr.clone()).unwrap();
    assert!(text.contains("issuers[0].issuer"), "{text}");
}

#[test]
fn what_is_missing_is_asked_for() {
    for (arguments, word) in [
        (vec!["explain"], "it is not known what the API expects"),
        (
            vec!["explain", "--issuer", ISSUER, "--audience", AUDIENCE],
            "the keys of the issuer are not known",
        ),
        (vec!["explain", "--issuer", ISSUER], "--audience"),
        (
            vec!["explain", "--issuer", ISSUER, "--audience", AUDIENCE, "--secret-env", "NOT_SET"],
            "NOT_SET is not set",
        ),
        (vec!["explain", "--url", "not an address"], "is no address"),
        (vec!["explain", "--url", "http://api.example.com/"], "is not HTTPS"),
    ] {
        let output = bearer().args(&arguments).stdin("a.b.c").assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.contains(word), "{arguments:?}: {text}");
    }
}

#[test]
fn short_secret_is_said_to_be_one() {
    let output = explain().env("SECRET", "short").stdin(token().sign(&key())).assert().code(2);

    let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(text.contains("secret has 40 bits"), "{text}");
}

#[test]
fn moment_beyond_the_calendar_is_refused_and_its_last_is_not() {
    let at = |seconds: &str| {
        let arguments = ["explain", "--issuer", ISSUER, "--audience", AUDIENCE, "--at", seconds];
        let output =
            bearer().args(arguments).args(["--secret-env", "SECRET"]).env("SECRET", SECRET);
        output.stdin(token().sign(&key())).assert().get_output().status.code()
    };

    assert_eq!(at("18446744073709551615"), Some(2));
    assert_eq!(at("253402300799"), Some(1));
}

#[test]
fn verdict_stands_when_the_reader_of_the_output_has_gone() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let mut child = Command::new(env!("CARGO_BIN_EXE_bearer"))
        .args(["explain", "--issuer", ISSUER, "--audience", AUDIENCE, "--secret-env", "SECRET"])
        .env("SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(token().sign(&key()).as_bytes()).unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(1), "the token has expired");
}

#[test]
fn encrypted_token_is_explained_with_the_key_that_decrypts_it() {
    let jwk = r#"{"kty":"oct","alg":"dir","kid":"2026-11","k":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#;
    let path = file("explain-decrypt.json", jwk);
    let encryption = EncryptionKey::from_jwk(jwk).unwrap();
    let token = |claims: TestToken| claims.sign_and_encrypt(&key(), &encryption);
    let with_key = || explain().arg("--decrypt-key").arg(&path);

    let accepted = with_key().stdin(token(crate::support::token())).assert().code(0);
    let output = String::from_utf8(accepted.get_output().stdout.clone()).unwrap();
    assert!(output.contains("✓ Encryption") && output.contains("✓ Claims in the header"));

    let expired = crate::support::token().claim("exp", NOW - 180);
    with_key().stdin(token(expired)).assert().code(1);
    explain().stdin(token(crate::support::token())).assert().code(1);
}
