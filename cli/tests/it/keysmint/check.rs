use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use crate::keysmint::support::{Answers, Folder, Server, fixture};

/// Certificates of one key on P-256: from 2000 to 2099, from 2000 to 2001, and from 2090 to 2091.
const GOOD_CERTIFICATE: &str = "MIIBDDCBs6ADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHRlc3QwIBcNMDAwMTAxMDAwMDAwWhgPMjA5OTAxMDEwMDAwMDBaMA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARbF1FGodvd5H3aEZwD4pXJRHxpeUqAc+TpLvrcxrygkw9aA9uVRF0hLSxHBmUhDMwnaeL+eyj6b0ZRN6KVV93HMAoGCCqGSM49BAMCA0gAMEUCIQCpy9fy2fXJLjZY5zPR34hg066KlVL9r3WVjRX2zU02wAIgHNqDNSZAtzjba3Bv3xtLDC4lDtlz/9C6MmwD0kvM/JI=";
const EXPIRED_CERTIFICATE: &str = "MIIBCTCBsaADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHRlc3QwHhcNMDAwMTAxMDAwMDAwWhcNMDEwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDAR0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWxdRRqHb3eR92hGcA+KVyUR8aXlKgHPk6S763Ma8oJMPWgPblURdIS0sRwZlIQzMJ2ni/nso+m9GUTeilVfdxzAKBggqhkjOPQQDAgNHADBEAiA/SvDUaOYGMkWrDbBibtjdt3M6xkEIY7RRQgUuEiuNPgIgULmIzJLu0ZttxSKHbs1lFsy95Nu49hPujBzuBuZkZfU=";
const FUTURE_CERTIFICATE: &str = "MIIBDTCBtaADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHRlc3QwIhgPMjA5MDAxMDEwMDAwMDBaGA8yMDkxMDEwMTAwMDAwMFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFsXUUah293kfdoRnAPilclEfGl5SoBz5Oku+tzGvKCTD1oD25VEXSEtLEcGZSEMzCdp4v57KPpvRlE3opVX3ccwCgYIKoZIzj0EAwIDRwAwRAIgXiOMPziC1UvvEJ2UUlPH7D5A3P0vD0uAg+Q+2m4Dxi8CIBeJCbRw7AJvCc0lMj4B5tVignkETtV5TsYO4rHCzVyb";

/// Returns severity and code of each finding.
fn findings(report: &Value) -> Vec<(String, String)> {
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|one| (text(one, "severity"), text(one, "code"))).collect()
}

fn jwk(folder: &Folder, arguments: &str) -> Value {
    folder
        .good(&format!("keys generate --out made.json --public-out made.jwks {arguments} --force"));
    folder.json("made.jwks")["keys"][0].clone()
}

fn with(jwk: &Value, changes: Value) -> Value {
    let mut jwk = jwk.clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(jwk.as_object_mut().unwrap().remove(name)),
            value => jwk[name] = value.clone(),
        }
    }
    jwk
}

#[test]
fn set_that_was_generated_has_no_finding() {
    let folder = Folder::with_key();
    folder.good("keys generate --key-id k1 --out k.json --public-out good.json");

    let ended = folder.run("keys check good.json");

    assert_eq!(ended.code, 0);
    assert_data_eq!(
        ended.text(),
        str![[r#"
good.json: 1 key, 0 errors, 0 warnings, 0 notes
  ✓ keys[0] (kid "k1")  EC ES256

Nothing here would trouble a verifier.

"#]]
    );
}

#[test]
fn every_mistake_of_a_key_has_its_finding_and_the_good_key_beside_it_has_none() {
    let folder = Folder::new();
    let good = jwk(&folder, "--key-id good");
    let rsa = jwk(&folder, "--algorithm RS256 --key-id rsa");
    let p384 = jwk(&folder, "--algorithm ES384 --key-id p384");
    let other = jwk(&folder, "--key-id other");
    let private = folder.json("made.json");
    let named = |jwk: &Value| with(jwk, json!({ "kid": "bad" }));
    let small = "AQAB".repeat(32);
    let cases = [
        ("error", "private_key", with(&private, json!({ "kid": "bad" }))),
        (
            "error",
            "symmetric_key",
            json!({ "kid": "bad", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "use": "sig" }),
        ),
        ("error", "duplicate_kid", with(&other, json!({ "kid": "good" }))),
        ("warning", "duplicate_kid", with(&rsa, json!({ "kid": "good" }))),
        ("warning", "missing_kid", with(&other, json!({ "kid": null }))),
        ("error", "long_kid", with(&other, json!({ "kid": "k".repeat(257) }))),
        ("error", "unreadable_key", with(&other, json!({ "kid": 7 }))),
        ("warning", "missing_alg", with(&named(&rsa), json!({ "alg": null }))),
        ("note", "missing_alg", with(&named(&other), json!({ "alg": null }))),
        ("note", "missing_use", with(&named(&other), json!({ "use": null }))),
        ("note", "encryption_key", with(&named(&rsa), json!({ "use": "enc", "alg": "RSA-OAEP" }))),
        ("warning", "unknown_alg", with(&named(&other), json!({ "alg": "ES256K" }))),
        ("error", "alg_mismatch", with(&named(&p384), json!({ "alg": "ES256" }))),
        ("error", "alg_mismatch", with(&named(&rsa), json!({ "alg": "ES256" }))),
        ("error", "rsa_size", with(&named(&rsa), json!({ "n": small }))),
        ("error", "rsa_parameters", with(&named(&rsa), json!({ "e": "AQ" }))),
        ("warning", "small_exponent", with(&named(&rsa), json!({ "e": "Aw" }))),
        ("error", "coordinate_length", with(&named(&other), json!({ "x": "AAAA" }))),
        ("error", "not_on_curve", with(&named(&other), json!({ "x": other["y"] }))),
        ("error", "contradiction", with(&named(&other), json!({ "n": "AQAB" }))),
        (
            "warning",
            "not_for_verifying",
            with(&named(&other), json!({ "use": null, "key_ops": ["encrypt"] })),
        ),
        (
            "warning",
            "unsupported_key",
            json!({ "kid": "bad", "kty": "OKP", "crv": "X448", "x": "AA", "use": "sig", "alg": "EdDSA" }),
        ),
        ("note", "same_key", named(&good)),
        ("error", "x5c_unreadable", with(&named(&other), json!({ "x5c": ["no"] }))),
    ];
    for (severity, code, bad) in cases {
        folder.write("set.json", json!({ "keys": [good, bad] }).to_string());

        let ended = folder.run("keys check set.json --json");

        let report = ended.json();
        let found = findings(&report);
        assert!(found.contains(&(severity.to_owned(), code.to_owned())), "{code}: {found:?}");
        assert_eq!(found.len(), 1, "{code}: {found:?}");
        assert_eq!(ended.code, i32::from(severity == "error"), "{code}");
        assert_eq!(report["keys"][0]["usable"], true, "{code}");
        for sentence in ["problem", "remedy"] {
            assert!(report["findings"][0][sentence].as_str().unwrap().ends_with('.'), "{report}");
        }
        assert!(!ended.text().contains("c2VjcmV0"), "{code}");
    }
}

#[test]
fn certificate_is_checked_for_its_key_and_its_dates() {
    let folder = Folder::new();
    folder.write(
        "certificate.pem",
        format!("-----BEGIN CERTIFICATE-----\n{GOOD_CERTIFICATE}\n-----END CERTIFICATE-----\n"),
    );
    let own = folder.run("keys convert certificate.pem --to jwk --algorithm ES256").json();
    let other = jwk(&folder, "");
    let found = |jwk: &Value, certificate: &str| {
        let jwk = with(jwk, json!({ "x5c": [certificate] }));
        folder.write("set.json", json!({ "keys": [jwk] }).to_string());
        findings(&folder.run("keys check set.json --json").json())
    };
    let one = |severity: &str, code: &str| vec![(severity.to_owned(), code.to_owned())];

    assert_eq!(found(&own, GOOD_CERTIFICATE), []);
    assert_eq!(found(&other, GOOD_CERTIFICATE), one("error", "x5c_other_key"));
    assert_eq!(found(&own, EXPIRED_CERTIFICATE), one("warning", "certificate_expired"));
    assert_eq!(found(&own, FUTURE_CERTIFICATE), one("warning", "certificate_not_yet_valid"));
    let pem = folder.run("keys check certificate.pem --json");
    assert_eq!((findings(&pem.json()), pem.code), (vec![], 0));
}

#[test]
fn texts_that_are_no_set_are_explained() {
    let folder = Folder::new();
    let good = jwk(&folder, "");
    for (content, code, ends) in [
        ("{}".to_owned(), "no_keys", 1),
        ("[]".to_owned(), "unreadable", 1),
        ("<html>".to_owned(), "unreadable", 1),
        (r#"{"keys":[]}"#.to_owned(), "empty", 1),
        (good.to_string(), "single_key", 0),
    ] {
        folder.write("set.json", content);
        let ended = folder.run("keys check set.json --json");
        assert_eq!((findings(&ended.json())[0].1.as_str(), ended.code), (code, ends));
    }
    folder.write("set.json", [0x30, 0xff, 0x00]);
    assert_eq!(folder.run("keys check set.json").code, 2);
    assert_eq!(folder.run("keys check nothing.json").code, 2);
}

#[test]
fn more_keys_than_verifiers_read_are_an_error_and_as_many_are_none() {
    let folder = Folder::new();
    let good = jwk(&folder, "");
    for (count, ends) in [(100, 0), (101, 1)] {
        let keys: Vec<_> =
            (0..count).map(|number| with(&good, json!({ "kid": number.to_string() }))).collect();
        folder.write("set.json", json!({ "keys": keys }).to_string());

        let ended = folder.run("keys check set.json --json");

        let has = findings(&ended.json()).iter().any(|(_, code)| code == "too_many");
        assert_eq!((has, ended.code), (ends == 1, ends), "{count}");
    }
}

#[test]
fn pem_is_checked_too_and_a_private_key_in_it_is_an_error() {
    let folder = Folder::new();

    let public = folder.run(&format!("keys check {} --json", fixture("p256_public.pem")));
    let private = folder.run(&format!("keys check {} --json", fixture("p256_pkcs8.pem")));

    assert_eq!((findings(&public.json()), public.code), (vec![], 0));
    assert_eq!((findings(&private.json())[0].1.as_str(), private.code), ("private_key", 1));
}

#[test]
fn text_of_a_key_cannot_write_to_the_terminal() {
    let folder = Folder::new();
    let bad = with(&jwk(&folder, ""), json!({ "kid": "a\u{1b}[2Jb", "alg": "\u{1b}c" }));
    folder.write("set.json", json!({ "keys": [bad] }).to_string());

    let ended = folder.run("keys check set.json");

    assert!(!ended.text().contains('\u{1b}') && !ended.stderr.contains('\u{1b}'));
}

/// Returns the answers of a provider with these fields for its keys.
fn provider(url: &str, jwks: &str, fields: &str, change: &Value) -> Answers {
    let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
    let metadata = with(&metadata, change.clone()).to_string();
    let json = "200 OK\r\nContent-Type: application/json";
    vec![
        ("/.well-known/openid-configuration".to_owned(), json.to_owned(), metadata),
        ("/keys".to_owned(), format!("200 OK{fields}"), jwks.to_owned()),
        ("/moved".to_owned(), "302 Found\r\nLocation: /keys".to_owned(), String::new()),
    ]
}

const GOOD: &str =
    "\r\nContent-Type: application/jwk-set+json\r\nCache-Control: public, max-age=600";

#[test]
fn provider_is_checked_by_its_issuer_its_metadata_and_its_keys() {
    let folder = Folder::with_key();
    let jwks = folder.read("jwks.json");
    let server = Server::start(|url| provider(url, &jwks, GOOD, &json!({})));
    let url = &server.url;

    for source in
        [url.clone(), format!("{url}/.well-known/openid-configuration"), format!("{url}/keys")]
    {
        let ended = folder.run(&format!("keys check {source} --json"));

        assert_eq!((findings(&ended.json()), ended.code), (vec![], 0), "{source}");
        assert_eq!(ended.json()["keys_url"], format!("{url}/keys"));
    }
    let slash = folder.run(&format!("keys check {url}/ --json"));
    assert_eq!(findings(&slash.json()), [("error".to_owned(), "issuer_final_slash".to_owned())]);
    let server =
        Server::start(|url| provider(url, &jwks, GOOD, &json!({ "issuer": format!("{url}/") })));
    let metadata = format!("{}/.well-known/openid-configuration", server.url);
    let ends_in_slash = folder.run(&format!("keys check {metadata} --json"));
    assert_eq!(
        findings(&ends_in_slash.json()),
        [("note".to_owned(), "issuer_final_slash".to_owned())]
    );
    let moved = folder.run(&format!("keys check {url}/moved --json"));
    assert_eq!(findings(&moved.json()), [("warning".to_owned(), "redirected".to_owned())]);
}

#[test]
fn fields_of_the_answer_are_checked() {
    let folder = Folder::with_key();
    let jwks = folder.read("jwks.json");
    let json = "\r\nContent-Type: application/json";
    for (fields, expected) in [
        ("\r\nContent-Type: text/plain\r\nCache-Control: max-age=600".to_owned(), "content_type"),
        ("\r\nCache-Control: max-age=600".to_owned(), "content_type"),
        (json.to_owned(), "no_cache_headers"),
        (format!("{json}\r\nCache-Control: no-store"), "not_cacheable"),
        (format!("{json}\r\nCache-Control: max-age=59"), "fresh_too_short"),
        (format!("{json}\r\nCache-Control: max-age=86401"), "fresh_too_long"),
        (format!("{json}\r\nCache-Control: max-age=600\r\nAge: 600"), "stale"),
    ] {
        let server = Server::start(|url| provider(url, &jwks, &fields, &json!({})));

        let ended = folder.run(&format!("keys check {}/keys --json", server.url));

        let found = findings(&ended.json());
        assert_eq!(found.iter().map(|one| &*one.1).collect::<Vec<_>>(), [expected], "{fields}");
        assert_eq!(ended.code, 0);
    }
    for age in [60, 86_400] {
        let fields = format!("{json}\r\nCache-Control: max-age={age}");
        let server = Server::start(|url| provider(url, &jwks, &fields, &json!({})));
        let ended = folder.run(&format!("keys check {}/keys --json", server.url));
        assert_eq!(findings(&ended.json()), [], "{age}");
    }
    let large = format!("{}{}", jwks, " ".repeat(256 * 1024));
    let server = Server::start(|url| provider(url, &large, GOOD, &json!({})));
    let ended = folder.run(&format!("keys check {}/keys --json", server.url));
    assert_eq!((findings(&ended.json())[0].1.as_str(), ended.code), ("too_large", 1));
}

#[test]
fn mistakes_of_metadata_are_found() {
    let folder = Folder::with_key();
    let jwks = folder.read("jwks.json");
    for (change, expected, code) in [
        (json!({ "issuer": "https://other.example" }), "issuer_mismatch", 1),
        (json!({ "issuer": null }), "issuer_missing", 1),
        (json!({ "jwks_uri": null }), "jwks_uri_missing", 1),
        (json!({ "jwks_uri": "/keys" }), "jwks_uri_invalid", 1),
        (json!({ "jwks_uri": "http://keys.example/k" }), "jwks_uri_not_https", 1),
        (json!({ "jwks_uri": "http://127.0.0.1:1/k" }), "jwks_uri_unreachable", 1),
        (json!({ "id_token_signing_alg_values_supported": ["none"] }), "algorithm_none", 0),
        (json!({ "id_token_signing_alg_values_supported": ["HS256"] }), "algorithm_hmac", 0),
    ] {
        let server = Server::start(|url| provider(url, &jwks, GOOD, &change));

        let ended = folder.run(&format!("keys check {} --json", server.url));

        let found = findings(&ended.json());
        assert_eq!(found.iter().map(|one| &*one.1).collect::<Vec<_>>(), [expected], "{change}");
        assert_eq!(ended.code, code, "{change}");
    }
    let server = Server::start(|url| {
        let gone = json!({ "jwks_uri": format!("{url}/gone") });
        provider(url, &jwks, GOOD, &gone)
    });
    let ended = folder.run(&format!("keys check {} --json", server.url));
    assert_eq!(findings(&ended.json()), [("error".to_owned(), "jwks_uri_status".to_owned())]);
}

#[test]
fn address_that_cannot_be_asked_or_says_nothing_is_no_finding() {
    let folder = Folder::new();
    let server = Server::start(|_| Vec::new());

    let nothing = folder.run(&format!("keys check {}/", server.url));
    let plain = folder.run("keys check http://id.example.com/jwks");

    assert_eq!(nothing.code, 2);
    assert_data_eq!(
        nothing.stderr,
        str![[r#"
error: http://127.0.0.1:[..]/ answers with status 404 and a body, which is neither a JWK set nor the metadata of an issuer
hint: give the issuer as it stands in `iss`, or the address of the JWK set

"#]]
    );
    assert_eq!(plain.code, 2);
    assert_data_eq!(
        plain.stderr,
        str![[r#"
error: http://id.example.com/jwks is not HTTPS, so its answer could come from an attacker on the way
hint: use https://; plain HTTP is for this machine (127.0.0.1, [::1], localhost)

"#]]
    );
}

#[test]
fn findings_are_shown_the_worst_first_each_with_its_remedy() {
    let folder = Folder::new();
    let good = jwk(&folder, "--key-id a");
    let secret = json!({ "kty": "oct", "kid": "b", "k": "c2VjcmV0", "alg": "HS256", "use": "sig" });
    let vague = with(&good, json!({ "use": null }));
    folder.write("set.json", json!({ "keys": [vague, secret] }).to_string());

    let ended = folder.run("keys check set.json");

    assert_eq!(ended.code, 1);
    assert_data_eq!(
        ended.text(),
        str![[r#"
set.json: 2 keys, 1 error, 0 warnings, 1 note
  ✓ keys[0] (kid "a")  EC ES256
  ✗ keys[1] (kid "b")  oct HS256

error: keys[1] (kid "b"): This is a shared secret. Each reader of the set can make tokens with it.
  Remove it, replace the secret, and use a key pair, such as ES256, where keys are published.

note: keys[0] (kid "a"): `use` is missing, so verifiers must guess that the key is for signatures.
  Add "use": "sig".

"#]]
    );
}
