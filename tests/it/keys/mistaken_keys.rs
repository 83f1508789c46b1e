//! Tests texts that users give for keys by mistake, and the errors they get.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_bearer::keys::{FileKeys, HttpFetch, SigningKey, VerifyingKey};
use tower_bearer::test_util::TestKey;
use tower_bearer::{
    Algorithm, Config, ConfigError, KeySet, Reason, TokenIssuer, Validation, Verifier,
};

use crate::examples::resource_server::TempFile;
use crate::net::inner_networks::problem_of;
use crate::support::{AUDIENCE, ISSUER, User, key_for, token, verifier_of, verifier_with};

use private_keys::{P256_PKCS8, RSA_PKCS8};

#[allow(dead_code)]
mod private_keys {
    include!("../support/private_keys.rs");
}

const RSA_PEM: &str = include_str!("../../fixtures/keys/rsa_public.pem");

fn jwks() -> String {
    json!({ "keys": [key_for(Algorithm::ES256).to_jwk()] }).to_string()
}

fn metadata() -> String {
    json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys") }).to_string()
}

/// RSA's public key as DER.
fn der_of(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

/// A key on the curve of this name, as RFC 5480 §2 writes it.
fn on_curve(name: &[u8; 5]) -> Vec<u8> {
    let head = b"\x30\x56\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05";
    [&head[..], name, b"\x03\x42\x00\x04", &[7; 64]].concat()
}

fn utf_16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn keys_that_cannot_be_misunderstood_are_read_however_they_were_carried() {
    let key = key_for(Algorithm::ES256);
    for text in [
        format!("\u{feff}{}", jwks()),
        format!("\u{feff}\r\n {}\r\n", jwks()),
        format!("\u{feff}{}", key.to_jwk()),
    ] {
        let file = TempFile::new("carried.json", &text);
        for keys in [KeySet::from_jwks(&text).unwrap()] {
            assert!(verifier_of(keys).verify(&token().sign(&key)).await.is_ok(), "{text}");
        }
        let opened = FileKeys::open(file.path()).unwrap();
        assert!(verifier_of(opened).verify(&token().sign(&key)).await.is_ok(), "{text}");
    }

    let line = RSA_PEM.trim_end().replace('\n', "\\n");
    for text in [
        format!("\u{feff}{RSA_PEM}"),
        line.clone(),
        format!("{line}\\n"),
        format!("\"{line}\""),
        format!("\"{line}\\n\"\n"),
        format!("'{RSA_PEM}'"),
        format!("PUBLIC_KEY=\"{}\"", RSA_PEM.replace('\n', "\\r\\n")),
        RSA_PEM.replace('\n', "\r\n"),
        format!("{{\"key\": \"{line}\"}}"),
    ] {
        let keys = KeySet::from_pem(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(keys.keys().len(), 1, "{text}");
        assert!(VerifyingKey::from_pem(Algorithm::RS512, &text).is_ok(), "{text}");
        if !text.starts_with('{') {
            let file = TempFile::new("carried.pem", &text);
            assert!(FileKeys::open(file.path()).is_ok(), "{text}");
        }
    }
}

#[test]
fn other_texts_than_keys_are_called_what_they_are() {
    let ssh = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 alice@example.com";
    let (html, pem) = ("<!DOCTYPE html>\n<html><title>Sign in</title></html>", RSA_PEM);
    let bare: String = RSA_PEM.lines().filter(|line| !line.starts_with('-')).collect();
    let csr = RSA_PEM.replace("PUBLIC KEY", "CERTIFICATE REQUEST");
    let compressed: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0];
    type Read = fn(&[u8]) -> Result<KeySet, ConfigError>;
    let (jwk, pem_keys, der, file): (Read, Read, Read, Read) = (
        |text| KeySet::from_jwks(text),
        |text| KeySet::from_pem(text),
        |text| KeySet::from_der(text),
        |text| {
            let path = TempFile::new("mistaken", "");
            std::fs::write(path.path(), text).unwrap();
            FileKeys::open(path.path()).map(|_| KeySet::default())
        },
    );
    for (read, text, expected) in [
        (jwk, &b""[..], "it is empty"),
        (jwk, html.as_bytes(), "HTML"),
        (jwk, pem.as_bytes(), "it is PEM; read it with `from_pem`"),
        (jwk, metadata().as_bytes(), "metadata of an issuer"),
        (jwk, compressed, "gzip"),
        (jwk, &utf_16(&jwks()), "UTF-16; save it as UTF-8"),
        (jwk, &utf_16(&jwks())[2..], "UTF-16"),
        (jwk, ssh.as_bytes(), "ssh-keygen -e -m PKCS8"),
        (jwk, json!([key_for(Algorithm::ES256).to_jwk()]).to_string().as_bytes(), "{\"keys\""),
        (jwk, json!(jwks()).to_string().as_bytes(), "string"),
        (jwk, token().sign(&key_for(Algorithm::ES256)).as_bytes(), "token"),
        (jwk, format!("{ISSUER}/keys").as_bytes(), "address"),
        (jwk, &der_of(RSA_PEM), "DER"),
        (pem_keys, b"", "it is empty"),
        (pem_keys, jwks().as_bytes(), "it is JSON; read a JWK set with `from_jwks`"),
        (pem_keys, html.as_bytes(), "HTML"),
        (pem_keys, bare.as_bytes(), "put it between the lines -----BEGIN PUBLIC KEY-----"),
        (pem_keys, ssh.as_bytes(), "ssh-keygen"),
        (pem_keys, &utf_16(pem), "UTF-16"),
        (pem_keys, &der_of(RSA_PEM), "DER"),
        (pem_keys, RSA_PKCS8.as_bytes(), "`openssl pkey -pubout`"),
        (pem_keys, P256_PKCS8.as_bytes(), "it is a private key"),
        (pem_keys, csr.as_bytes(), "\"CERTIFICATE REQUEST\" is not supported"),
        (pem_keys, &pem.as_bytes()[..200], "may be cut off"),
        (pem_keys, pem.replace("MIIB", "M*IB").as_bytes(), "not base64"),
        (pem_keys, pem.replace("END PUBLIC", "END RSA PUBLIC").as_bytes(), "does not end as"),
        (der, b"", "it is empty"),
        (der, b"hello", "it is no SubjectPublicKeyInfo"),
        // A sequence of a version that no private key has, and the content of a private key in no sequence.
        (der, &[0x30, 5, 2, 1, 7, 5, 0], "it is no SubjectPublicKeyInfo"),
        (der, &[0x04, 5, 2, 1, 0, 5, 0], "it is no SubjectPublicKeyInfo"),
        (der, &on_curve(b"\x2b\x81\x04\x00\x0a"), "the curve \"secp256k1\" is not supported"),
        (der, &on_curve(b"\x2b\x81\x04\x00\x21"), "the curve \"1.3.132.0.33\" is not supported"),
        (der, pem.as_bytes(), "read it with `from_pem`"),
        (der, &der_of(RSA_PKCS8), "it is a private key"),
        (der, &der_of(P256_PKCS8), "it is a private key"),
        (der, include_bytes!("../../fixtures/keys/rsa_private.der"), "it is a private key"),
        (file, b"", "it is empty"),
        (file, html.as_bytes(), "HTML"),
        (file, &utf_16(pem), "UTF-16"),
        (file, compressed, "gzip"),
        (file, metadata().as_bytes(), "metadata of an issuer"),
        (file, b"[]", "{\"keys\""),
        (file, ssh.as_bytes(), "ssh-keygen"),
        (file, b"hello", "it is neither"),
    ] {
        let error = read(text).unwrap_err().to_string();
        let shown = String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned();
        assert!(error.contains(expected), "{shown}\n{error}");
        assert!(!error.contains("encapsulation"), "{error}");
    }
}

/// Returns the problem of a fetch with this as every answer.
async fn told(fetch: Result<HttpFetch, ConfigError>, answer: &[u8]) -> Option<String> {
    let answer = Bytes::copy_from_slice(answer);
    let client = move |_: Request<Bytes>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(answer.clone()))))
    };
    problem_of(&fetch.unwrap().with_client(client)).await
}

#[tokio::test]
async fn answers_that_hold_no_keys_are_called_what_they_are() {
    let mut encryption = key_for(Algorithm::RS256).to_jwk();
    encryption["use"] = json!("enc");
    let encryption = json!({ "keys": [encryption] }).to_string();
    for (answer, expected) in [
        (&b""[..], "it is empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "HTML"),
        (metadata().as_bytes(), "metadata of an issuer; give the address that it names"),
        (b"{\"error\":\"not_found\"}", "there is no member `keys`"),
        (b"{\"keys\":[]}", "the key set is empty"),
        (b"[]", "{\"keys\""),
        (RSA_PEM.as_bytes(), "it is PEM"),
        (encryption.as_bytes(), "not for verifying signatures but for encryption"),
        (&utf_16(&jwks()), "UTF-16"),
        (&[0x1f, 0x8b, 8, 0], "gzip"),
    ] {
        let told = told(HttpFetch::new(ISSUER), answer).await.unwrap();
        assert!(told.contains("no keys to use") && told.contains(expected), "{told}");
        assert!(told.starts_with(&format!("the keys are not available: {ISSUER}: ")), "{told}");
    }
    let marked = format!("\u{feff}{}", jwks());
    assert_eq!(told(HttpFetch::new(ISSUER), marked.as_bytes()).await, None);
}

#[tokio::test]
async fn answers_that_are_no_metadata_are_called_what_they_are() {
    let of = |issuer: &str| json!({ "issuer": issuer, "jwks_uri": "https://a.example" });
    for (answer, expected) in [
        (String::new(), "it is empty"),
        ("<!DOCTYPE html><title>Sign in</title>".to_owned(), "HTML"),
        (jwks(), "it is a JWK set and not metadata; give its address to `HttpFetch::new`"),
        ("{}".to_owned(), "missing field `issuer`"),
        (json!({ "issuer": ISSUER }).to_string(), "missing field `jwks_uri`"),
        (of("https://login.microsoftonline.com/{tenantid}/v2.0").to_string(), "one tenant"),
        (of("https://id.example.org").to_string(), "configure that one, to the letter"),
    ] {
        let told = told(HttpFetch::discover(ISSUER), answer.as_bytes()).await.unwrap();
        assert!(told.contains(expected), "{told}");
    }
    // Valid as metadata, and then used as the keys.
    let marked = format!("\u{feff}{}", metadata());
    let told = told(HttpFetch::discover(ISSUER), marked.as_bytes()).await.unwrap();
    assert!(told.contains(&format!("{ISSUER}/keys: the answer has no keys to use")), "{told}");
}

#[test]
fn jwks_that_cannot_be_used_say_what_is_wrong_with_them() {
    let changed = |changes: Value| {
        let mut jwk = key_for(Algorithm::ES256).to_jwk();
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jwk
    };
    let (short, long) = ("AQAB".repeat(10) + "AA", "AQAB".repeat(11));
    assert_eq!(URL_SAFE_NO_PAD.decode(&short).unwrap().len(), 31);
    assert_eq!(URL_SAFE_NO_PAD.decode(&long).unwrap().len(), 33);
    for (jwk, expected) in [
        (changed(json!({ "x": short })), "has 32 bytes (RFC 7518 §6.2.1.2) and not 31; zeros"),
        (changed(json!({ "y": long })), "has 32 bytes (RFC 7518 §6.2.1.2) and not 33; no zeros"),
        (changed(json!({ "crv": "secp256k1" })), "the curve \"secp256k1\" is not supported; P-256"),
        (changed(json!({ "crv": null })), "`crv` is missing"),
        (changed(json!({ "use": "enc" })), "for encryption"),
        (changed(json!({ "x": "a+b/" })), "`x` is not base64url"),
        (json!({ "kty": "OKP", "crv": "X25519", "x": long }), "\"X25519\" is not supported"),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": long }), "Ed25519 has 32 bytes"),
        (json!({ "kty": "oct", "k": long }), "must name its `alg`"),
        (changed(json!({ "d": "AA" })), "it is a private key"),
        (changed(json!({ "alg": "ECDH-ES" })), "\"ECDH-ES\" is not among those"),
    ] {
        let error =
            KeySet::from_jwks(json!({ "keys": [jwk] }).to_string()).unwrap_err().to_string();
        assert!(error.contains(expected), "{jwk}\n{error}");
    }
    // The twin: the same without the change is valid.
    assert!(KeySet::from_jwks(changed(json!({})).to_string()).is_ok());
}

#[tokio::test]
async fn token_of_another_algorithm_than_its_key_is_told_of_both() {
    let key = key_for(Algorithm::RS512).with_key_id("k");
    let mut jwk = key.to_jwk();
    jwk.as_object_mut().unwrap().remove("alg");
    let signed = token().sign(&key);
    let usual = KeySet::from_jwks(jwk.to_string()).unwrap();
    let told = KeySet::from_jwks_for(jwk.to_string(), &[Algorithm::RS512]).unwrap();

    let error = verifier_of(usual.clone()).verify(&signed).await.unwrap_err();

    assert_eq!(error.reason(), Reason::AlgorithmNotAllowed);
    let detail = error.detail().unwrap();
    assert!(detail.contains("says RS512, and the key is for RS256"), "{detail}");
    assert!(detail.contains("`with_algorithms`"), "{detail}");
    assert!(verifier_of(told).verify(&signed).await.is_ok());

    let rules = Validation::new(ISSUER, AUDIENCE).with_algorithms([Algorithm::ES256]);
    let error = verifier_with(usual, rules).verify(&signed).await.unwrap_err();
    assert_eq!(error.reason(), Reason::AlgorithmNotAllowed);
    assert!(error.detail().unwrap().contains("says RS512, which is not among"), "{error:?}");
}

#[test]
fn secrets_that_are_not_base64url_are_told_apart_and_not_shown() {
    for (secret, expected) in [
        ("+/abcdefabcdefabcdefabcdefabcdefabcdefabcd", "write - for + and _ for /"),
        ("not as secret as it should be, is it", "blank"),
        ("p4$$word-p4$$word-p4$$word-p4$$word", "its bytes in base64url"),
        ("", "0 bits"),
        (RSA_PEM, "public key was given as a secret"),
    ] {
        let error = VerifyingKey::from_base64url_secret(Algorithm::HS256, secret).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{text}");
        assert!(secret.is_empty() || !text.contains(secret), "{text}");
    }
    let good = URL_SAFE_NO_PAD.encode([7; 32]);
    assert!(VerifyingKey::from_base64url_secret(Algorithm::HS256, &good).is_ok());
}

#[test]
fn issuer_and_audience_hold_no_placeholders() {
    let refused = |result: Result<(), ConfigError>, member: &str, problem: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, ConfigError::Name { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the {member} \"")) && text.contains(problem), "{text}");
    };
    let verifier = |issuer: &str, audience: &str| {
        let key = key_for(Algorithm::ES256).verifying_key();
        Verifier::<User>::new(key, Validation::new(issuer, audience)).map(|_| ())
    };
    let issuing = |issuer: &str, audience: &str| {
        let key = SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
        TokenIssuer::new(issuer, audience, key).map(|_| ())
    };
    let entra = "https://login.microsoftonline.com/{tenantid}/v2.0";
    for set_up in [&verifier as &dyn Fn(&str, &str) -> _, &issuing] {
        refused(set_up(entra, AUDIENCE), "issuer", "configure an issuer for each");
        refused(set_up("https://<tenant>.auth0.com/", AUDIENCE), "issuer", "placeholder");
        refused(set_up("https://id.example.com\n", AUDIENCE), "issuer", "line break");
        refused(set_up(ISSUER, "${AUDIENCE}"), "audience", "placeholder");
        refused(set_up(ISSUER, "https://api.example.com "), "audience", "blank");
        assert_eq!(set_up(&entra.replace("{tenantid}", "9188040d"), "Orders API"), Ok(()));
    }
    let second = Validation::new(ISSUER, AUDIENCE).with_audience("<client id>");
    let key = key_for(Algorithm::ES256).verifying_key();
    refused(Verifier::<User>::new(key, second).map(|_| ()), "audience", "placeholder");
}

#[test]
fn configuration_says_which_name_holds_a_placeholder() {
    let config = |issuer: &str, audience: &str, keys: Value| {
        let issuer = json!({ "issuer": issuer, "audiences": [audience], "keys": keys });
        let config = Config::from_json(&json!({ "issuers": [issuer] }).to_string()).unwrap();
        config.issuers().map(|_| ()).map_err(|error| error.to_string())
    };
    let url = json!({ "jwks_url": "https://id.example.com/keys" });
    for (result, place) in [
        (config("https://{tenant}.example.com", AUDIENCE, url.clone()), "issuers[0].issuer: "),
        (config(ISSUER, "api://{client}", url.clone()), "issuers[0].audiences: "),
        (
            config(ISSUER, AUDIENCE, json!({ "jwks_url": "https://${HOST}/keys" })),
            "issuers[0].keys.jwks_url: ",
        ),
        (
            config(ISSUER, AUDIENCE, json!({ "metadata_url": "https://<host>/a" })),
            "issuers[0].keys.metadata_url: ",
        ),
    ] {
        let error = result.unwrap_err();
        assert!(error.starts_with(place) && error.contains("placeholder"), "{error}");
    }
    assert_eq!(config(ISSUER, AUDIENCE, url), Ok(()));
}

#[test]
fn files_of_a_configuration_may_have_a_byte_order_mark_and_are_called_what_they_are() {
    let key = TestKey::generate(Algorithm::ES256);
    let config = json!({ "issuers": [{
        "issuer": ISSUER, "audiences": [AUDIENCE], "keys": { "jwks": key.to_jwk() },
    }] });
    let (json, toml) = (config.to_string(), Config::from_json(&config.to_string()).unwrap());
    let toml = toml.to_toml();
    for (name, text) in [("marked.json", &json), ("marked.toml", &toml)] {
        let file = TempFile::new(name, &format!("\u{feff}{text}"));
        assert!(Config::from_file(file.path()).is_ok(), "{name}");
        for unmarked in [0, 2] {
            std::fs::write(file.path(), &utf_16(text)[unmarked..]).unwrap();
            let error = Config::from_file(file.path()).unwrap_err().to_string();
            assert!(error.contains("UTF-16; save it as UTF-8"), "{error}");
        }
    }
    let secret =
        TempFile::new("secret", &format!("\u{feff}{}\r\n", URL_SAFE_NO_PAD.encode([7; 32])));
    let with_secret = json!({ "issuers": [{
        "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["HS256"],
        "keys": { "secret_file": secret.path() },
    }] });
    let read = || Config::from_json(&with_secret.to_string()).unwrap().issuers();
    assert!(read().is_ok());
    std::fs::write(secret.path(), utf_16("AAAA")).unwrap();
    let error = read().unwrap_err().to_string();
    assert!(
        error.starts_with("issuers[0].keys.secret_file: ") && error.contains("UTF-16"),
        "{error}"
    );
}

#[test]
fn addresses_are_told_apart() {
    for (issuer, expected) in [
        ("https://id.example.com/.well-known/openid-configuration", "before /.well-known/"),
        ("id.example.com", "https:// and a host"),
        ("id.example.com/realms/shop", "https:// and a host"),
        ("localhost:8080", "https:// and a host"),
        ("", "empty"),
        ("https://login.microsoftonline.com/{tenantid}/v2.0", "placeholder"),
        ("http://keycloak:8080/realms/shop", "`allow_plain_http`"),
    ] {
        let error = HttpFetch::discover(issuer).unwrap_err().to_string();
        assert!(error.contains(expected), "{issuer}: {error}");
    }
}

#[test]
fn dashes_that_are_missing_show_nothing_of_the_key_behind_them() {
    let secret = "MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for begin in ["-----BEGIN PRIVATE KEY----", "-----BEGIN PRIVATE KEY", "-----BEGIN "] {
        for end in ["-----END PRIVATE KEY-----", "----", ""] {
            let text = format!("{begin}\n{secret}\n{end}");
            let error = VerifyingKey::from_pem(Algorithm::EdDSA, &text).unwrap_err();

            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("MC4C") && shown.contains("BEGIN"), "{shown}");
        }
    }
    // No longer than a kind of key may be, and in capitals throughout but for a part.
    for short in ["\nMC4CAQAw\n", " MC4CAQAw", "MC4CAQAwBQYDK2VwBCIE", "+MC4C/"] {
        let text = format!("-----BEGIN {short}-----\n-----END PUBLIC KEY-----");
        let error = VerifyingKey::from_pem(Algorithm::EdDSA, &text).unwrap_err();

        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("MC4C") && shown.contains("BEGIN"), "{shown}");
    }
}
