//! Writes `keys.json` and the seeds of every target. Run by hand, in this folder, after a change of
//! what a good token is: `cargo run --example seeds`.
//!
//! `cargo run --example seeds jwe` writes the encrypted tokens alone, and no keys; `seeds dpop_proof` the proofs alone.
//!
//! The private keys are thrown away; what is kept are public keys and what they signed.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::jose::{ContentEncryption, KeyManagement};
use tower_bearer::keys::EncryptionKey;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer_fuzz::{AUDIENCE, Bound, ISSUER, NOW, PROOF_HEADER, bound, proof_claims, signer};

fn main() -> std::io::Result<()> {
    proofs()?;
    if std::env::args().any(|argument| argument == "dpop_proof") {
        return Ok(());
    }
    encrypted_tokens()?;
    if std::env::args().any(|argument| argument == "jwe") {
        return Ok(());
    }
    let keys = Algorithm::ALL.map(|algorithm| match algorithm {
        Algorithm::HS256 => signer(),
        other => TestKey::generate(other).with_key_id(other.as_str()),
    });
    let jwks: Vec<Value> = keys
        .iter()
        .map(|key| {
            let mut jwk = key.to_jwk();
            jwk["kid"] = key.key_id().into();
            jwk
        })
        .collect();
    let jwks = json!({ "keys": jwks });
    fs::write("keys.json", format!("{jwks:#}\n"))?;
    tokens(&keys)?;
    headers(&token().sign(&keys[0]))?;
    key_sets(&jwks["keys"])
}

fn token() -> TestToken {
    TestToken::new(ISSUER, AUDIENCE).at(NOW)
}

/// Proofs, and their headers and claims.
fn proofs() -> std::io::Result<()> {
    let Bound { key, hash, .. } = bound();
    let claims = proof_claims(&hash);
    let input = [PROOF_HEADER, &claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).unwrap());
    seed("dpop_proof", "good", format!("{input}.{signature}"))?;
    let with = |name: &str, member: &str| {
        let claims_with = claims.replacen('{', &format!("{{{member},"), 1);
        seed("dpop_proof", &format!("claims-{name}"), claims_with)
    };
    seed("dpop_proof", "claims", &claims)?;
    with("nonce", r#""nonce":"n""#)?;
    with("dates", r#""exp":1800000060,"nbf":1799999990.5"#)?;
    with("twice", r#""htm":"GET""#)?;
    with("unknown", r#""x":[{"y":"\ud83d\ude00"}]"#)?;
    for (name, htu) in [
        ("query", "/?a=b#c"),
        ("port", ":443/"),
        ("dots", "/./x/../"),
        ("user", "@evil.example/"),
        ("percent", "/%2e%2E/"),
    ] {
        let claims = claims.replace(AUDIENCE, &format!("{AUDIENCE}{htu}"));
        seed("dpop_proof", &format!("uri-{name}"), claims)?;
    }
    for (name, iat) in [("first", 1_799_999_941), ("last", 1_800_000_010)] {
        let claims = claims.replace(&NOW.to_string(), &iat.to_string());
        seed("dpop_proof", &format!("iat-{name}"), claims)?;
    }
    seed("dpop_proof", "header", PROOF_HEADER)?;
    for (name, from, to) in [
        ("name", "EdDSA", "Ed25519"),
        ("secret", "EdDSA", "HS256"),
        ("private", r#""x":"#, r#""d":"AA","x":"#),
        ("hints", r#""x":"#, r#""use":"sig","key_ops":["verify"],"alg":"EdDSA","x":"#),
        ("critical", r#""jwk":"#, r#""crit":["exp"],"jwk":"#),
        ("jwk-twice", r#""x":"#, r#""x":"AA","x":"#),
        ("type", "dpop+jwt", "application/dpop+jwt"),
    ] {
        let header = PROOF_HEADER.replacen(from, to, 1);
        seed("dpop_proof", &format!("header-{name}"), header)?;
    }
    Ok(())
}

/// For the keys that tests have.
fn encrypted_tokens() -> std::io::Result<()> {
    let jwks = include_str!("../../tests/fixtures/keys/encryption.jwk.json");
    let jwks: Value = serde_json::from_str(jwks).unwrap();
    for algorithm in KeyManagement::ALL {
        let secret = vec![7; if algorithm.as_str().starts_with("A128") { 16 } else { 32 }];
        let mut keys: Vec<_> = EncryptionKey::from_secret(algorithm, secret).into_iter().collect();
        for mut jwk in jwks["keys"].as_array().unwrap().clone() {
            let private = ["d", "p", "q", "dp", "dq", "qi"];
            jwk.as_object_mut().unwrap().retain(|name, _| !private.contains(&&**name));
            jwk["alg"] = algorithm.as_str().into();
            keys.extend(EncryptionKey::from_jwk(jwk.to_string()));
        }
        for (number, key) in keys.iter().enumerate() {
            for encryption in ContentEncryption::ALL {
                let Ok(key) = key.clone().with_content_encryption(encryption) else { continue };
                let name = format!("{algorithm}-{number}-{encryption}");
                seed("jwe", &name, token().sign_and_encrypt(&signer(), &key))?;
            }
        }
    }
    seed("jwe", "signed", token().sign(&signer()))?;
    seed("jwe", "claims", r#"{"sub":"alice"}"#)
}

fn tokens(keys: &[TestKey]) -> std::io::Result<()> {
    for key in keys {
        seed("token", &format!("good-{}", key.algorithm()), token().sign(key))?;
    }
    let good = token().sign(&keys[0]);
    seed("token", "no-signature", good.rsplit_once('.').unwrap().0.to_owned() + ".")?;
    seed("token", "jwe", "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d")?;
    let claims = format!(r#""iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{}"#, NOW + 60);
    for (name, rest) in [
        ("plain", String::new()),
        ("grants", r#","roles":["a","b c",1],"role":"c","scope":"x  y","scp":["z"]"#.to_owned()),
        ("realm", r#","realm_access":{"roles":["admin"],"x":[{}]},"sub":null"#.to_owned()),
        ("twice", r#","x":1,"\u0078":2"#.to_owned()),
        (
            "numbers",
            r#","nbf":1.8e9,"iat":-1e300,"x":[1E400,-0.0,18446744073709551616]"#.to_owned(),
        ),
        ("deep", format!(r#","x":{}{}"#, "[".repeat(31), "]".repeat(31))),
        ("surrogates", r#","x":"\ud83d\ude00 \ud800","azp":"\u00e9""#.to_owned()),
        (
            "reserved",
            r#","x":[{"$serde_json::private::RawValue":"{\"roles\":[\"admin\"]}"}]"#.to_owned(),
        ),
        ("many", (0..300).map(|i| format!(r#","{i}":0"#)).collect()),
    ] {
        seed("token", &format!("payload-{name}"), format!("{{{claims}{rest}}}"))?;
    }
    let audiences = format!(r#"{{"iss":"{ISSUER}","aud":["x","{AUDIENCE}"],"exp":18e8}}"#);
    seed("token", "payload-audiences", audiences)?;
    for (name, rest) in [
        ("plain", ""),
        ("full", r#","kid":"HS256","typ":"application/at+JWT","cty":"x","b64":true,"jku":"x""#),
        ("critical", r#","crit":["exp"],"exp":1"#),
        ("unencoded", r#","b64":false"#),
        ("twice", r#","alg":"none""#),
    ] {
        seed("token", &format!("header-{name}"), format!(r#"{{"alg":"HS256"{rest}}}"#))?;
    }
    Ok(())
}

fn headers(good: &str) -> std::io::Result<()> {
    for (name, fields) in [
        ("good", format!("Bearer {good}")),
        ("lower-case", "bearer x".to_owned()),
        ("spaces", "BEARER   aZ09-._~+/==".to_owned()),
        ("tab", "Bearer\tx".to_owned()),
        ("empty", "Bearer ".to_owned()),
        ("trailing-space", "Bearer x ".to_owned()),
        ("equals", "Bearer a=b".to_owned()),
        ("list", "Bearer a, Bearer b".to_owned()),
        ("two", "Bearer a\nBearer a".to_owned()),
        ("basic", "Basic YWxpY2U6cGFzc3dvcmQ=".to_owned()),
        ("digest", "Digest a=\"b\", c=d".to_owned()),
        ("longer-scheme", "Bearera x".to_owned()),
        ("leading-space", " Bearer x".to_owned()),
        ("quoted", "Bearer \"a\"".to_owned()),
        ("not-ascii", "Bearer \u{e9}".to_owned()),
    ] {
        seed("header", name, fields)?;
    }
    Ok(())
}

fn key_sets(jwks: &Value) -> std::io::Result<()> {
    let jwks = jwks.as_array().unwrap();
    let find = |name: &str| jwks.iter().find(|jwk| jwk["kid"] == name).unwrap().clone();
    for name in ["HS256", "RS256", "ES256", "ES384", "ES512", "Ed25519"] {
        seed("jwk_set", &format!("jwk-{name}"), find(name).to_string())?;
    }
    let with = |name: &str, member: &str, value: Value| {
        let mut jwk = find(name);
        jwk[member] = value;
        jwk
    };
    for (name, entries) in [
        ("mixed", vec![find("ES256"), find("Ed25519"), json!({ "kty": "AKP" }), json!(7)]),
        ("no-alg", vec![with("RS256", "alg", Value::Null), with("HS256", "alg", Value::Null)]),
        ("not-for-verifying", vec![with("ES256", "use", json!("enc")), find("ES256")]),
        ("operations", vec![with("ES256", "key_ops", json!(["verify"]))]),
        ("private", vec![with("Ed25519", "d", json!("AA")), find("HS512")]),
        ("wrong-curve", vec![with("ES384", "crv", json!("P-256")), find("ES512")]),
        ("short-secret", vec![with("HS256", "k", json!("AAAA")), find("ES256")]),
        ("exponent-one", vec![with("RS256", "e", json!("AQ")), find("ES256")]),
        ("other-algorithm", vec![with("ES256", "alg", json!("HS256")), find("ES256")]),
        ("same-name", vec![with("ES256", "kid", json!("a")), with("Ed25519", "kid", json!("a"))]),
        ("empty", vec![]),
    ] {
        seed("jwk_set", name, json!({ "keys": entries }).to_string())?;
    }
    let small = json!({ "kty": "OKP", "crv": "Ed25519", "x": format!("AQ{}", "A".repeat(41)) });
    seed("jwk_set", "small-order", json!({ "keys": [small, find("ES256")] }).to_string())?;
    let es256 = find("ES256");
    let array = json!([
        "EC", "sig", null, null, null, "P-256", null, null, es256["x"], es256["y"], null, null
    ]);
    seed("jwk_set", "array", json!({ "keys": [array, es256] }).to_string())?;
    let twice = find("ES256").to_string().replacen('{', r#"{"kty":"oct","#, 1);
    seed("jwk_set", "twice", twice)?;
    let ed25519 = pem("PUBLIC KEY", ED25519_PREFIX, &find("Ed25519"), &["x"]);
    let p256 = pem("PUBLIC KEY", P256_PREFIX, &find("ES256"), &["x", "y"]);
    seed("jwk_set", "pem-ed25519", &ed25519)?;
    seed(
        "jwk_set",
        "pem-several",
        format!("# old\n{ed25519}text\r\n{}", p256.replace('\n', "\r\n")),
    )?;
    seed("jwk_set", "pem-private", ed25519.replace("PUBLIC", "PRIVATE"))?;
    seed("jwk_set", "pem-rsa", include_str!("../../tests/fixtures/keys/rsa_public.pem"))?;
    seed("jwk_set", "secret", tower_bearer_fuzz::SECRET)
}

// The `SubjectPublicKeyInfo` of a curve differs from key to key in its last bytes only.
fn pem(label: &str, prefix: &str, jwk: &Value, members: &[&str]) -> String {
    let mut der = STANDARD.decode(prefix).unwrap();
    for member in members {
        der.extend(URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap());
    }
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn seed(target: &str, name: &str, content: impl AsRef<[u8]>) -> std::io::Result<()> {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), content)
}

const ED25519_PREFIX: &str = "MCowBQYDK2VwAyEA";
const P256_PREFIX: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";
