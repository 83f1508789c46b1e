//! Checks the keys of a JWK set (RFC 7517), or of a PEM text.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tower_bearer::keys::KeyProblem;
use tower_bearer::{Algorithm, ConfigError, KeySet};

use super::super::encode;
use super::certificate;
use super::finding::{Report, SeenKey};
use crate::output::printable;

/// Returns whether the text is a JWK set.
pub(super) fn is_set(text: &str) -> bool {
    keys_of(text).is_ok_and(|keys| keys.is_some())
}

/// Checks a JWK set, or a single JWK.
pub(super) fn check(text: &str, report: &mut Report) {
    let keys = match keys_of(text) {
        Ok(Some(keys)) => keys,
        Ok(None) if text.contains("\"kty\"") => {
            report.note(
                "single_key",
                "keys",
                "This is a single JWK, and verifiers that fetch keys want a set.",
                "Publish it as {\"keys\": […]}: `bearer keys convert FILE --to jwks --public`.",
            );
            vec![text]
        }
        Ok(None) => {
            return report.error(
                "no_keys",
                "keys",
                "There is no member `keys`, which is a list, so this is no JWK set.",
                "Publish the keys as {\"keys\": […]}.",
            );
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return report.error(
                "unreadable",
                "keys",
                format!("It is no JSON object with a list `keys` (line {line}, column {column})."),
                "Publish the keys as {\"keys\": […]}.",
            );
        }
    };
    if keys.is_empty() {
        report.error(
            "empty",
            "keys",
            "The set is empty, so every token is refused.",
            "Publish the public key of each key that signs.",
        );
    }
    if keys.len() > READ_KEYS {
        report.error(
            "too_many",
            "keys",
            format!(
                "There are {} keys, and tower-bearer reads the first {READ_KEYS}: tokens of the others are refused.",
                keys.len()
            ),
            "Remove keys whose tokens have all expired.",
        );
    }
    let many = keys.len() > 1;
    let mut names: HashMap<String, (String, Option<String>)> = HashMap::new();
    let mut thumbprints: HashMap<String, String> = HashMap::new();
    let before = report.keys.len();
    for (index, key) in keys.into_iter().enumerate() {
        let seen = Entry::new(index, key).check(many, report);
        if let Some(key_id) = &seen.key_id {
            let known = names.insert(key_id.clone(), (seen.place.clone(), seen.kty.clone()));
            if let Some((first, kty)) = known {
                repeated_name(&seen, &first, kty == seen.kty, report);
            }
        }
        if let Some(thumbprint) = &seen.thumbprint
            && let Some(first) = thumbprints.insert(thumbprint.clone(), seen.place.clone())
        {
            report.note(
                "same_key",
                &seen.place,
                format!("It is the same key as {first}."),
                "Keep one of the two, unless they are for two algorithms.",
            );
        }
        report.keys.push(seen);
    }
    if report.keys.len() > before && !report.keys.iter().any(|key| key.usable) {
        report.error(
            "no_usable_key",
            "keys",
            "No key of the set verifies tokens, so every token is refused.",
            "Publish a public key for signatures, such as one of `bearer keys generate`.",
        );
    }
}

/// Checks public keys in PEM.
pub(super) fn check_pem(text: &str, report: &mut Report) {
    let blocks = text.match_indices(BEGIN).map(|(start, _)| {
        let block = &text[start..];
        block[BEGIN.len()..].find(BEGIN).map_or(block, |end| &block[..end + BEGIN.len()])
    });
    for (index, block) in blocks.enumerate() {
        let place = format!("block {}", index + 1);
        let set = KeySet::from_pem(block);
        let key = set.as_ref().ok().and_then(|set| set.keys().first());
        if let Some(problem) = problem_of(&set) {
            explain(&problem, None, &place, report);
        }
        let certificate = certificate_of(block);
        if let Some(certificate) = &certificate {
            certificate::check_dates(certificate, &place, report);
        }
        report.keys.push(SeenKey {
            place,
            key_id: None,
            kty: Some(if certificate.is_some() { "certificate" } else { "key" }.to_owned()),
            algorithm: key.map(|key| key.algorithm().to_string()),
            thumbprint: key.and_then(tower_bearer::keys::VerifyingKey::thumbprint),
            usable: key.is_some(),
        });
    }
}

fn certificate_of(block: &str) -> Option<x509_cert::Certificate> {
    let (label, der) = der::pem::decode_vec(block.trim().as_bytes()).ok()?;
    label.ends_with("CERTIFICATE").then(|| encode::certificate(&der)).flatten()
}

fn keys_of(text: &str) -> serde_json::Result<Option<Vec<&str>>> {
    #[derive(Deserialize)]
    struct Set<'t> {
        #[serde(borrow)]
        keys: Option<Vec<&'t RawValue>>,
    }
    let set: Set<'_> = serde_json::from_str(text)?;
    Ok(set.keys.map(|keys| keys.into_iter().map(RawValue::get).collect()))
}

fn repeated_name(key: &SeenKey, first: &str, is_same_kind: bool, report: &mut Report) {
    let remedy =
        "Give each key a `kid` of its own, such as its thumbprint (`bearer keys thumbprint`).";
    if is_same_kind {
        let problem = format!(
            "{first} has the same `kid`. Many verifiers try only one of the two, and refuse the tokens of the other."
        );
        report.error("duplicate_kid", &key.place, problem, remedy);
    } else {
        let problem = format!(
            "{first} has the same `kid` and is of another kind. Verifiers must tell them apart by `alg`."
        );
        report.warning("duplicate_kid", &key.place, problem, remedy);
    }
}

/// One entry of a set.
struct Entry<'t> {
    text: &'t str,
    members: Map<String, Value>,
    place: String,
}

impl<'t> Entry<'t> {
    fn new(index: usize, text: &'t str) -> Self {
        let members: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let place = match members.get("kid").and_then(Value::as_str) {
            // A long name would hide the rest.
            Some(kid) if kid.chars().count() <= 80 => format!("keys[{index}] (kid \"{kid}\")"),
            _ => format!("keys[{index}]"),
        };
        Self { text, members, place }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    fn check(self, is_one_of_many: bool, report: &mut Report) -> SeenKey {
        let place = &*self.place;
        let is_secret = self.text("kty") == Some("oct");
        let private: Vec<_> =
            PRIVATE.into_iter().filter(|name| self.members.contains_key(*name)).collect();
        if is_secret {
            report.error(
                "symmetric_key",
                place,
                "This is a shared secret. Each reader of the set can make tokens with it.",
                "Remove it, replace the secret, and use a key pair, such as ES256, where keys are published.",
            );
        } else if !private.is_empty() {
            let names = private.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            report.error(
                "private_key",
                place,
                format!("The private members {} are in it: each reader of the set can make tokens.", names.join(", ")),
                "Replace the key, and publish the public half alone: `bearer keys convert FILE --to jwks --public`.",
            );
        }
        let is_for_encryption = self.text("use") == Some("enc");
        if is_for_encryption {
            report.note(
                "encryption_key",
                place,
                "`use` is \"enc\", so verifiers leave the key out.",
                "If it signs tokens, write \"use\": \"sig\"; otherwise leave it as it is.",
            );
        } else {
            self.check_purpose(report);
        }
        self.check_name(is_one_of_many, report);
        let (thumbprint, is_good) = self.check_key(is_secret, is_for_encryption, report);
        if let Some(chain) = self.members.get("x5c") {
            certificate::check_chain(chain, thumbprint.as_deref(), place, report);
        }
        let text = |name: &str| self.text(name).map(str::to_owned);
        SeenKey {
            key_id: text("kid"),
            kty: text("kty"),
            algorithm: text("alg"),
            thumbprint,
            usable: is_good && !is_for_encryption && !is_secret && private.is_empty(),
            place: self.place,
        }
    }

    /// Checks that the key says what it is for.
    fn check_purpose(&self, report: &mut Report) {
        let place = &*self.place;
        if !self.members.contains_key("use") && !self.members.contains_key("key_ops") {
            report.note(
                "missing_use",
                place,
                "`use` is missing, so verifiers must guess that the key is for signatures.",
                "Add \"use\": \"sig\".",
            );
        }
        match (self.text("alg"), self.text("kty")) {
            (None, Some("RSA")) => report.warning(
                "missing_alg",
                place,
                "`alg` is missing, so a verifier takes RS256, or lets the token choose.",
                "Add the algorithm that the key signs with, such as \"alg\": \"RS256\".",
            ),
            (None, Some("EC" | "OKP")) => report.note(
                "missing_alg",
                place,
                "`alg` is missing, so verifiers derive it from the curve.",
                "Add the algorithm, such as \"alg\": \"ES256\".",
            ),
            (Some(name), _) if name.parse::<Algorithm>().is_err() => {
                let problem = format!(
                    "The algorithm {} is none that verifiers of tower-bearer know, so the key is left out.",
                    printable(name)
                );
                let known = Algorithm::ALL.map(Algorithm::as_str).join(", ");
                let remedy = format!(
                    "Use one of {known}, or mark the key with \"use\": \"enc\" if it encrypts."
                );
                report.warning("unknown_alg", place, problem, remedy);
            }
            _ => {}
        }
    }

    fn check_name(&self, is_one_of_many: bool, report: &mut Report) {
        let place = &*self.place;
        match self.text("kid") {
            None if is_one_of_many && !self.members.contains_key("kid") => report.warning(
                "missing_kid",
                place,
                "`kid` is missing and there are several keys, so verifiers must try one after the other, or refuse.",
                "Give each key a `kid`, and write it into the header of its tokens.",
            ),
            Some(kid) if kid.len() > KEY_ID_BYTES => report.error(
                "long_kid",
                place,
                format!("The `kid` has {} bytes, and verifiers of tower-bearer read {KEY_ID_BYTES}.", kid.len()),
                "Use a shorter `kid`, such as the thumbprint.",
            ),
            _ => {}
        }
    }

    /// Has the library read the key, and returns its thumbprint and whether it can be used.
    fn check_key(
        &self,
        is_secret: bool,
        is_for_encryption: bool,
        report: &mut Report,
    ) -> (Option<String>, bool) {
        let place = &*self.place;
        if self.text("kty") == Some("RSA") && self.has_small_exponent() {
            report.warning(
                "small_exponent",
                place,
                "The RSA exponent `e` is below 65537, which some verifiers refuse.",
                "Make a new key with the usual exponent: `bearer keys generate --algorithm RS256`.",
            );
        }
        if is_secret {
            return (None, false);
        }
        // As it was written, since the map below has lost members that come twice.
        if let Some(problem @ KeyProblem::Unreadable(_)) = problem_of(&KeySet::from_jwks(self.text))
        {
            explain(&problem, None, place, report);
            return (None, false);
        }
        // Without the members whose mistakes are reported already, so that others are found as well.
        let mut rest = self.members.clone();
        rest.retain(|name, _| !PRIVATE.contains(&name.as_str()));
        if is_for_encryption {
            rest.retain(|name, _| name != "use" && name != "key_ops");
        }
        let is_unknown = self.text("alg").is_some_and(|name| name.parse::<Algorithm>().is_err());
        if is_unknown {
            drop(rest.remove("alg"));
        }
        let set = KeySet::from_jwks(Value::Object(rest).to_string());
        if let Some(problem) = problem_of(&set) {
            explain(&problem, Some(&self.members), place, report);
            return (None, false);
        }
        let key = set.ok().and_then(|set| set.keys().first().cloned());
        (
            key.as_ref().and_then(tower_bearer::keys::VerifyingKey::thumbprint),
            key.is_some() && !is_unknown,
        )
    }

    fn has_small_exponent(&self) -> bool {
        let exponent = self.text("e").and_then(|e| URL_SAFE_NO_PAD.decode(e).ok());
        exponent.is_some_and(|exponent| {
            let exponent =
                exponent.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
            exponent > 1 && exponent < 65537
        })
    }
}

/// Returns the problem of a set of one key.
fn problem_of(set: &Result<KeySet, ConfigError>) -> Option<KeyProblem> {
    match set.as_ref().err()? {
        ConfigError::NoUsableKey { skipped } => Some(skipped.first()?.problem.clone()),
        ConfigError::Key(problem) => Some(problem.clone()),
        other => Some(KeyProblem::Unreadable(other.to_string())),
    }
}

/// Says why the library does not use a key.
fn explain(
    problem: &KeyProblem,
    members: Option<&Map<String, Value>>,
    place: &str,
    report: &mut Report,
) {
    let left_out = format!("Verifiers leave the key out: {}.", printable(&problem.to_string()));
    match problem {
        KeyProblem::Private => report.error(
            "private_key",
            place,
            "This is a private key: each reader of it can make tokens.",
            "Give out the public half alone: `bearer keys convert FILE --to pem --public`.",
        ),
        KeyProblem::NotForVerifying => report.warning(
            "not_for_verifying",
            place,
            "`use` or `key_ops` says that the key is not for verifying, so verifiers leave it out.",
            "Write \"use\": \"sig\", or \"key_ops\": [\"verify\"].",
        ),
        KeyProblem::Contradiction => report.error(
            "contradiction",
            place,
            left_out,
            "Keep the members of one kind of key, and either `use` or `key_ops`.",
        ),
        KeyProblem::AlgorithmMismatch { algorithm, kind } => {
            let remedy = members.and_then(fitting).map_or_else(
                || "Correct `alg`.".to_owned(),
                |fitting| format!("Write \"alg\": \"{fitting}\", or publish the key that `alg` names."),
            );
            let problem = format!("`alg` is {algorithm}, and this is {kind}: verifiers leave it out.");
            report.error("alg_mismatch", place, problem, remedy);
        }
        KeyProblem::RsaSize { .. } => report.error(
            "rsa_size",
            place,
            left_out,
            "Make a key of 2048 bits or more: `bearer keys generate --algorithm RS256`.",
        ),
        KeyProblem::RsaParameters => report.error(
            "rsa_parameters",
            place,
            left_out,
            "Make a new key: its numbers are wrong, or it was copied wrongly.",
        ),
        KeyProblem::Curve => report.error(
            "not_on_curve",
            place,
            "Verifiers leave the key out: its point is not on its curve, or it is not safe to verify with.",
            "Publish the key again from its private half: `x` or `y` was copied wrongly.",
        ),
        KeyProblem::CoordinateLength { .. } => report.error(
            "coordinate_length",
            place,
            left_out,
            "Write `x` and `y` in the full length of the curve, zeros in front included (RFC 7518 §6.2.1.2).",
        ),
        KeyProblem::UnsupportedCurve { .. } | KeyProblem::UnsupportedType { .. } => report.warning(
            "unsupported_key",
            place,
            left_out,
            "Use P-256, P-384, P-521, Ed25519 or RSA, if the key is to verify tokens.",
        ),
        _ => report.error(
            "unreadable_key",
            place,
            left_out,
            "Correct the key, or publish it again from its private half.",
        ),
    }
}

/// Returns an algorithm that fits the kind of a key.
fn fitting(members: &Map<String, Value>) -> Option<&'static str> {
    match (members.get("kty")?.as_str()?, members.get("crv").and_then(Value::as_str)) {
        ("RSA", _) => Some("RS256"),
        ("EC", Some("P-256")) => Some("ES256"),
        ("EC", Some("P-384")) => Some("ES384"),
        ("EC", Some("P-521")) => Some("ES512"),
        ("OKP", Some("Ed25519")) => Some("EdDSA"),
        _ => None,
    }
}

/// RFC 7517 §9.2: any of these is private.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];
/// The number of keys that `HttpFetch` of the library reads by default.
const READ_KEYS: usize = 100;
/// The longest `kid` that verifiers read, in bytes.
const KEY_ID_BYTES: usize = 256;
const BEGIN: &str = "-----BEGIN ";
