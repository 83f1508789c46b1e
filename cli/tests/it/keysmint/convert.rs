use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use snapbox::{assert_data_eq, str};

use crate::keysmint::support::{Folder, fixture};

/// One algorithm of each kind of key pair.
const KINDS: [&str; 5] = ["RS256", "ES256", "ES384", "ES512", "Ed25519"];

#[test]
fn private_key_comes_back_from_every_form_as_it_was() {
    for algorithm in KINDS {
        let folder = Folder::new();
        folder.good(&format!("keys generate --algorithm {algorithm} --out key.json"));
        let original = folder.json("key.json");
        let mut forms = vec!["jwk", "jwks", "pem", "der"];
        if algorithm != "Ed25519" {
            forms.extend(["pem --traditional", "der --traditional"]);
        }
        for (index, form) in forms.into_iter().enumerate() {
            folder.good(&format!("keys convert key.json --to {form} --out {index}"));

            let back = folder.good(&format!("keys convert {index} --to jwk"));

            let back: Value = serde_json::from_str(&back).unwrap();
            assert_eq!(back, original, "{algorithm} {form}");
        }
    }
}

#[test]
fn public_key_comes_back_from_every_form_and_is_never_private() {
    for algorithm in KINDS {
        let folder = Folder::new();
        folder.good(&format!(
            "keys generate --algorithm {algorithm} --out key.json --public-out jwks.json"
        ));
        let original = folder.json("jwks.json");
        let mut forms = vec!["jwk", "jwks", "pem", "der"];
        if algorithm == "RS256" {
            forms.extend(["pem --traditional", "der --traditional"]);
        }
        for (index, form) in forms.into_iter().enumerate() {
            folder.good(&format!("keys convert key.json --public --to {form} --out {index}"));

            let back = folder.good(&format!("keys convert {index} --to jwks"));
            let of_public = folder.good(&format!("keys convert jwks.json --to {form} --json"));
            let of_private =
                folder.good(&format!("keys convert key.json --public --to {form} --json"));

            let back: Value = serde_json::from_str(&back).unwrap();
            assert_eq!(back, original, "{algorithm} {form}");
            assert_eq!(of_public, of_private);
            assert!(of_public.contains(r#""private": false"#));
            assert!(!of_public.contains(r#""d":"#), "{of_public}");
        }
    }
}

#[test]
fn secret_is_base64url_text_or_a_jwk() {
    let folder = Folder::new();
    let secret = URL_SAFE_NO_PAD.encode([7; 40]);
    folder.write("secret.txt", format!("{secret}\n"));

    folder.good("keys convert secret.txt --algorithm HS256 --to jwk --out secret.json");
    let back = folder.good("keys convert secret.json --to base64url");
    let public = folder.run("keys convert secret.json --to jwks --public");
    let without_algorithm = folder.run("keys convert secret.txt --to jwk");

    assert_eq!(folder.json("secret.json")["alg"], "HS256");
    assert_eq!(back, format!("{secret}\n"));
    assert_eq!((public.code, public.text()), (2, String::new()));
    assert_data_eq!(
        public.stderr,
        str![[r#"
error: a secret has no public key: a program that verifies with it can sign with it
hint: use a key of another kind, such as ES256, if others are to verify

"#]]
    );
    assert_data_eq!(
        without_algorithm.stderr,
        str![[r#"
error: secret.txt holds no usable key: it is neither a JWK, a JWK set, PEM nor DER
hint: a secret in base64url needs its algorithm: --algorithm HS256

"#]]
    );
}

#[test]
fn every_encoding_of_the_fixtures_is_the_same_key() {
    let folder = Folder::new();
    let jwk = |name: &str| {
        let text = folder.good(&format!("keys convert {} --public --to jwk", fixture(name)));
        serde_json::from_str::<Value>(&text).unwrap()
    };

    let public = jwk("p256_public.pem");

    for name in ["p256_pkcs8.pem", "p256_ecparam.pem", "p256_certificate.pem"] {
        assert_eq!(jwk(name), public, "{name}");
    }
}

#[test]
fn algorithm_of_an_rsa_key_in_pem_is_rs256_with_a_note_or_the_one_that_is_named() {
    let folder = Folder::new();
    let path = fixture("rsa_traditional.pem");

    let guessed = folder.run(&format!("keys convert {path} --to jwk --public"));
    let named = folder.run(&format!("keys convert {path} --to jwk --public --algorithm PS512"));

    assert_eq!((&guessed.json()["alg"], &named.json()["alg"]), (&json!("RS256"), &json!("PS512")));
    assert_data_eq!(
        guessed.stderr,
        str![[r#"
note: the file names no algorithm, so `alg` is RS256; --algorithm chooses another one, such as PS256

"#]]
    );
    assert_eq!(named.stderr, "");
}

#[test]
fn algorithm_that_is_named_is_taken_to_the_letter_and_must_fit_the_key() {
    let folder = Folder::with_key();
    folder.good("keys generate --algorithm Ed25519 --out ed.json --public-out ed.jwks");
    folder.good("keys convert ed.json --public --to pem --out ed.pem");

    for file in ["ed.json", "ed.jwks", "ed.pem"] {
        let key = folder.run(&format!("keys convert {file} --to jwk --public --algorithm EdDSA"));
        assert_eq!(key.json()["alg"], "EdDSA", "{file}");
    }
    folder.good("keys convert key.json --to der --out key.der");
    for file in ["ed.json", "ed.jwks", "ed.pem", "key.json", "key.der"] {
        let key = folder.run(&format!("keys convert {file} --to jwk --public --algorithm PS256"));
        assert_eq!(key.code, 2, "{file}");
        assert!(key.stderr.contains("PS256 cannot be used with"), "{}", key.stderr);
    }
}

#[test]
fn what_cannot_be_converted_is_refused_and_nothing_of_it_is_shown() {
    let folder = Folder::with_key();
    folder.good("keys generate --algorithm Ed25519 --out ed.json");
    folder.write("text", "a secret that is nothing else");
    folder.write("broken.json", r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"c2VjcmV0"}"#);
    folder.write("wrong.json", r#"{"kty":"oct","k":["secret"],"alg":"HS256"}"#);
    folder.write("empty.json", r#"{"keys":[]}"#);
    folder.write(
        "metadata.json",
        r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/k"}"#,
    );
    folder.write("empty", "");
    for (arguments, expected) in [
        (
            "missing.json --to jwk",
            "error: missing.json cannot be read: No such file or directory (os error 2)\n",
        ),
        (
            "text --to jwk",
            "error: text holds no usable key: it is neither a JWK, a JWK set, PEM nor DER\n",
        ),
        (
            "empty --to jwk",
            "error: empty holds no usable key: it is neither a JWK, a JWK set, PEM nor DER\n",
        ),
        (
            "wrong.json --to jwk",
            "error: wrong.json holds no usable key: it is no JSON object of the right form (line 1, column 17)\n",
        ),
        ("empty.json --to jwk", "error: empty.json holds no usable key: the JWK set is empty\n"),
        ("ed.json --to pem --traditional", "error: this key for Ed25519 has no older form\n"),
        ("key.json --to base64url", "error: only a secret for HMAC is base64url text\n"),
    ] {
        let ended = folder.run(&format!("keys convert {arguments}"));
        assert_eq!((ended.code, ended.text()), (2, String::new()), "{arguments}");
        let first = ended.stderr.split_inclusive('\n').next().unwrap_or_default();
        assert_eq!(first, expected, "{arguments}");
    }
    for arguments in ["broken.json --to jwk", "metadata.json --to jwk"] {
        let ended = folder.run(&format!("keys convert {arguments}"));
        assert_eq!(ended.code, 2, "{arguments}");
        assert!(
            !ended.stderr.contains("c2VjcmV0") && !ended.stderr.contains("secret"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn several_keys_fit_into_a_set_and_into_pem_and_not_into_a_jwk() {
    let folder = Folder::new();
    folder.good("keys generate --key-id a --out a.json");
    folder.good("keys generate --algorithm RS256 --key-id b --out b.json");
    let set =
        json!({ "keys": [folder.json("a.json"), folder.json("b.json"), { "kty": "unknown" }] });
    folder.write("set.json", set.to_string());

    let public = folder.run("keys convert set.json --to jwks --public");
    let pem = folder.good("keys convert set.json --to pem --public");
    let jwk = folder.run("keys convert set.json --to jwk");
    let renamed = folder.run("keys convert set.json --to jwks --key-id c");

    let ids: Vec<_> =
        public.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(public.stderr.starts_with("note: a key is left out: keys[2]: "), "{}", public.stderr);
    assert_eq!(pem.matches("-----BEGIN PUBLIC KEY-----").count(), 2);
    assert_eq!((jwk.code, renamed.code), (2, 2));
}

#[test]
fn key_is_read_from_standard_input() {
    let folder = Folder::with_key();

    let ended = folder.run_with("keys convert - --to jwks --public", &folder.read("key.json"));

    assert_eq!(ended.json(), folder.json("jwks.json"));
}
