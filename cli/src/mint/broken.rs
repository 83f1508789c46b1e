//! Breaks tokens, each in one way that has a name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, SigningKey};

use super::args::{BrokenArgs, MintArgs};
use super::key::MintKey;
use super::parts::{Parts, encoded, random_text};
use super::provider;
use crate::failure::Failure;
use crate::keys::public_pem;

/// Changes header and claims before they are signed.
pub(super) fn change(broken: &BrokenArgs, parts: &mut Parts, now: i64) {
    if broken.expired {
        parts.set_claim("iat", now - 2 * HOUR);
        parts.set_claim("nbf", now - 2 * HOUR);
        parts.set_claim("exp", now - HOUR);
    }
    if broken.not_yet_valid {
        parts.set_claim("nbf", now + HOUR);
        parts.set_claim("exp", now + 2 * HOUR);
    }
    if broken.too_old {
        parts.set_claim("iat", now - 30 * 24 * HOUR);
        parts.set_claim("nbf", now - 30 * 24 * HOUR);
    }
    if broken.wrong_audience {
        parts.set_claim("aud", "https://another-audience.example");
    }
    if broken.wrong_issuer {
        parts.set_claim("iss", "https://another-issuer.example");
    }
    if broken.wrong_type {
        parts.set_header("typ", "JWT");
        parts.set_claim("nonce", "n-of-a-sign-in");
    }
    for name in &broken.invalid {
        // No claim that verifiers read is `false`.
        parts.set_claim(name, false);
    }
    if broken.bound {
        // The thumbprint of RFC 9449 §6.1.
        parts.set_claim("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }));
    }
    if broken.critical {
        parts.set_header("crit", json!(["unknown"]));
        parts.set_header("unknown", true);
    }
    if broken.too_large {
        parts.set_claim("padding", "x".repeat(20_000));
    }
}

/// Signs the token, and breaks it after that if it is to be broken so.
pub(super) fn sign(
    args: &MintArgs,
    parts: &mut Parts,
    key: Option<&MintKey>,
) -> Result<String, Failure> {
    let broken = &args.broken;
    if broken.encrypted_shape {
        return encrypted_shape(parts);
    }
    if broken.unknown_algorithm {
        parts.set_header("alg", "ES256K");
        return Ok(format!("{}.{}", parts.signing_input(), random_text(64)?));
    }
    if broken.none {
        parts.set_header("alg", "none");
        parts.header.remove("kid");
        return Ok(format!("{}.", parts.signing_input()));
    }
    let token = if broken.alg_confusion {
        confused(parts, key)?
    } else if broken.wrong_key {
        let algorithm = key.map(|key| key.key.algorithm()).or(args.algorithm);
        unknown_key(parts, algorithm.unwrap_or(Algorithm::ES256))?
    } else if let Some(issuer) = &args.provider {
        provider::sign(issuer, args, parts)?
    } else {
        let key = key.ok_or_else(|| {
            Failure::new("there is no key to sign with")
                .with_hint("`bearer keys generate --out key.json` makes one for --key; or name a running provider with --provider")
        })?;
        let input = parts.signing_input();
        let signature = key.key.sign(input.as_bytes()).map_err(Failure::new)?;
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let (input, signature) = token.rsplit_once('.').unwrap_or((&token, ""));
    if broken.malformed {
        return Ok(input.to_owned());
    }
    if broken.wrong_signature {
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        return Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes)));
    }
    Ok(token)
}

/// Returns five parts (RFC 7516 §7.1) with random content.
fn encrypted_shape(parts: &mut Parts) -> Result<String, Failure> {
    let length = encoded(&parts.claims).len() * 3 / 4;
    parts.set_header("alg", "RSA-OAEP-256");
    parts.set_header("enc", "A256GCM");
    Ok([
        encoded(&parts.header),
        random_text(256)?,
        random_text(12)?,
        random_text(length)?,
        random_text(16)?,
    ]
    .join("."))
}

/// Signs with HS256, with the public key as the secret.
fn confused(parts: &mut Parts, key: Option<&MintKey>) -> Result<String, Failure> {
    let pem = key.and_then(|key| public_pem(key.key.verifying_key()));
    let pem = pem.ok_or_else(|| {
        Failure::new("--alg-confusion needs a key pair whose public key is to be the secret")
            .with_hint("give the key with --key; a secret has no public key")
    })?;
    parts.set_header("alg", "HS256");
    let input = parts.signing_input();
    // The only type of the library that signs with a public key.
    let signature = TestKey::from_secret(Algorithm::HS256, pem.as_bytes()).sign(input.as_bytes());
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Signs with a new key, and names it.
fn unknown_key(parts: &mut Parts, algorithm: Algorithm) -> Result<String, Failure> {
    let key = SigningKey::generate(algorithm).map_err(Failure::new)?;
    let key_id = match key.key_id() {
        Some(thumbprint) => thumbprint.to_owned(),
        None => random_text(32)?,
    };
    parts.set_header("alg", algorithm.as_str());
    parts.set_header("kid", key_id);
    let input = parts.signing_input();
    let signature = key.sign(input.as_bytes()).map_err(Failure::new)?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

const HOUR: i64 = 3600;
