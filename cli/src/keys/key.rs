//! Reads keys in every form: JWK, JWK set, PEM, DER and base64url.
//!
//! The library reads them, so a key that is read here is a key that verifiers accept.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tower_bearer::keys::{KeyProblem, PublicKeys, VerifyingKey};
use tower_bearer::{Algorithm, ConfigError, KeySet, SigningKey};
use zeroize::Zeroizing;

use super::encode::{self, Encoded};
use super::jwk::{Jwk, JwkSet};
use crate::failure::Failure;
use crate::input;
use crate::output::printable;

/// A private key or secret, or a public key.
pub(crate) enum Key {
    Private(SigningKey),
    Public(VerifyingKey),
}

/// The keys of one file.
pub(crate) struct KeyFile {
    pub(crate) keys: Vec<Key>,
    /// Keys that cannot be used, each with its problem.
    pub(crate) skipped: Vec<String>,
    /// Whether the file names the algorithm of an RSA key. PEM and DER do not.
    pub(crate) names_algorithm: bool,
    /// Whether the file names its keys.
    pub(crate) names_keys: bool,
}

impl KeyFile {
    /// Reads all keys of a file, for one algorithm if that is given.
    pub(crate) fn read(path: &Path, algorithm: Option<Algorithm>) -> Result<Self, Failure> {
        let bytes = input::read_bytes(path)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let text = str::from_utf8(bytes).ok();
        let problem = |problem: String| {
            Failure::new(format_args!("{} holds no usable key: {problem}", path.display()))
        };
        match text {
            Some(text) if text.trim_start().starts_with('{') => {
                Self::of_json(text, algorithm).map_err(problem)
            }
            Some(text) if text.contains("-----BEGIN ") => {
                Self::of_pem(text, algorithm).map_err(problem)
            }
            _ if bytes.first() == Some(&0x30)
                && text.is_none_or(|text| text.contains(char::is_control)) =>
            {
                Self::of_der(bytes, algorithm).map_err(problem)
            }
            Some(text) if algorithm.is_some_and(is_hmac) => {
                let secret = SigningKey::from_base64url_secret(
                    algorithm.unwrap_or(Algorithm::HS256),
                    text.trim(),
                );
                let key = secret.map_err(|error| problem(said(&error)))?;
                Ok(Self::of(vec![Key::Private(key)], true, false))
            }
            _ => Err(problem("it is neither a JWK, a JWK set, PEM nor DER".to_owned())
                .with_hint("a secret in base64url needs its algorithm: --algorithm HS256")),
        }
    }

    /// Returns the one key of the file.
    pub(crate) fn single(mut self, path: &Path) -> Result<Key, Failure> {
        match (self.keys.pop(), self.keys.len()) {
            (Some(key), 0) => Ok(key),
            _ => Err(Failure::new(format_args!("{} holds several keys", path.display()))
                .with_hint("give a file with one of them alone")),
        }
    }

    fn of(keys: Vec<Key>, names_algorithm: bool, names_keys: bool) -> Self {
        Self { keys, skipped: Vec::new(), names_algorithm, names_keys }
    }

    fn of_json(text: &str, algorithm: Option<Algorithm>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set<'t> {
            #[serde(borrow)]
            keys: Option<Vec<&'t RawValue>>,
            jwks_uri: Option<IgnoredAny>,
        }
        #[derive(Deserialize)]
        struct Named {
            kid: Option<IgnoredAny>,
            alg: Option<IgnoredAny>,
        }
        let set: Set<'_> = serde_json::from_str(text).map_err(|error| json_problem(&error))?;
        if set.jwks_uri.is_some() && set.keys.is_none() {
            return Err("it is the metadata of an issuer; `bearer keys check` reads it, and its \
                        `jwks_uri` says where the keys are"
                .to_owned());
        }
        let is_set = set.keys.is_some();
        let entries = set
            .keys
            .map_or_else(|| vec![text], |keys| keys.into_iter().map(RawValue::get).collect());
        if entries.is_empty() {
            return Err("the JWK set is empty".to_owned());
        }
        let mut file = Self::of(Vec::new(), true, true);
        for (index, entry) in entries.into_iter().enumerate() {
            match read_jwk(entry, algorithm) {
                Ok(key) => file.keys.push(key),
                Err(problem) if is_set => file.skipped.push(format!("keys[{index}]: {problem}")),
                Err(problem) => return Err(problem),
            }
            let named: Option<Named> = serde_json::from_str(entry).ok();
            file.names_keys &= named.as_ref().is_some_and(|named| named.kid.is_some());
            file.names_algorithm &= named.is_some_and(|named| named.alg.is_some());
        }
        if file.keys.is_empty() {
            return Err(file.skipped.join("; "));
        }
        Ok(file)
    }

    fn of_pem(text: &str, algorithm: Option<Algorithm>) -> Result<Self, String> {
        if text.contains("PRIVATE KEY-----") {
            let key = first_that_fits(algorithm, |one| SigningKey::from_pem(one, text))?;
            return Ok(Self::of(vec![Key::Private(key)], false, false));
        }
        let keys = KeySet::from_pem(text).map_err(|error| said(&error))?;
        Self::of_set(&keys, algorithm)
    }

    fn of_der(bytes: &[u8], algorithm: Option<Algorithm>) -> Result<Self, String> {
        let private = match first_that_fits(algorithm, |one| SigningKey::from_der(one, bytes)) {
            Ok(key) => return Ok(Self::of(vec![Key::Private(key)], false, false)),
            Err(problem) => problem,
        };
        let is_private = |error: &ConfigError| match error {
            ConfigError::NoUsableKey { skipped } => {
                skipped.iter().any(|key| key.problem == KeyProblem::Private)
            }
            _ => false,
        };
        let keys = KeySet::from_der(bytes);
        let keys = keys.map_err(|error| if is_private(&error) { private } else { said(&error) })?;
        Self::of_set(&keys, algorithm)
    }

    fn of_set(set: &KeySet, algorithm: Option<Algorithm>) -> Result<Self, String> {
        let mut file = Self::of(Vec::new(), false, false);
        file.skipped = set.skipped().iter().map(|key| printable(&key.to_string())).collect();
        for key in set.keys() {
            match public_for(key, algorithm) {
                Ok(key) => file.keys.push(Key::Public(key)),
                Err(problem) => file.skipped.push(problem),
            }
        }
        if file.keys.is_empty() {
            return Err(file.skipped.join("; "));
        }
        Ok(file)
    }
}

impl Key {
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Private(key) => key.algorithm(),
            Self::Public(key) => key.algorithm(),
        }
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        match self {
            Self::Private(key) => key.key_id(),
            Self::Public(key) => key.key_id(),
        }
    }

    pub(crate) fn is_private(&self) -> bool {
        matches!(self, Self::Private(_))
    }

    pub(crate) fn is_secret(&self) -> bool {
        is_hmac(self.algorithm())
    }

    /// Returns the thumbprint (RFC 7638). `None` for a secret.
    pub(crate) fn thumbprint(&self) -> Option<String> {
        match self {
            Self::Private(key) => key.verifying_key().thumbprint(),
            Self::Public(key) => key.thumbprint(),
        }
    }

    pub(crate) fn with_key_id(self, key_id: &str) -> Result<Self, Failure> {
        match self {
            Self::Private(key) => key.with_key_id(key_id).map(Self::Private).map_err(Failure::new),
            Self::Public(key) => Ok(Self::Public(key.with_key_id(key_id))),
        }
    }

    /// Gives the key its thumbprint as its name, unless it has a name.
    pub(crate) fn or_thumbprint(self) -> Self {
        match (&self, self.key_id(), self.thumbprint()) {
            (Self::Public(key), None, Some(thumbprint)) => {
                Self::Public(key.clone().with_key_id(thumbprint))
            }
            // The library names private keys.
            _ => self,
        }
    }

    /// Returns the public key alone. `None` for a secret.
    pub(crate) fn into_public(self) -> Option<Self> {
        match self {
            Self::Private(key) if is_hmac(key.algorithm()) => None,
            Self::Private(key) => Some(Self::Public(key.verifying_key())),
            public @ Self::Public(_) => Some(public),
        }
    }

    /// Returns the key as a JWK, with its private members if it has some. `None` for a public key that is a secret.
    pub(crate) fn to_jwk(&self) -> Option<Jwk> {
        match self {
            Self::Private(key) => serde_json::from_str(key.to_private_jwk().as_str()).ok(),
            Self::Public(key) => {
                let set = PublicKeys::from(key).to_json();
                serde_json::from_str::<JwkSet>(&set).ok()?.keys.pop()
            }
        }
    }

    /// Returns the key in DER: PKCS#8 or SPKI, or PKCS#1 or SEC 1. `None` where there is no such form.
    pub(crate) fn encode(&self, is_traditional: bool) -> Option<Encoded> {
        let jwk = self.to_jwk()?;
        match self {
            Self::Private(_) => encode::private(&jwk, is_traditional),
            Self::Public(_) => encode::public(&jwk, is_traditional),
        }
    }
}

/// Returns the public key in PEM (SPKI).
pub(crate) fn public_pem(key: VerifyingKey) -> Option<String> {
    let pem = Key::Public(key).encode(false)?.to_pem()?;
    Some(pem.to_string())
}

pub(crate) fn is_hmac(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

fn read_jwk(text: &str, algorithm: Option<Algorithm>) -> Result<Key, String> {
    #[derive(Deserialize)]
    struct Kind {
        kty: Option<String>,
        alg: Option<String>,
        kid: Option<String>,
        d: Option<IgnoredAny>,
        k: Option<Zeroizing<String>>,
    }
    let kind: Kind = serde_json::from_str(text).map_err(|error| json_problem(&error))?;
    let is_secret = kind.kty.as_deref() == Some("oct");
    if let (true, None, Some(algorithm), Some(secret)) = (is_secret, &kind.alg, algorithm, &kind.k)
    {
        let key = SigningKey::from_base64url_secret(algorithm, secret);
        let named = key.and_then(|key| match kind.kid {
            Some(key_id) => key.with_key_id(key_id),
            None => Ok(key),
        });
        return named.map(Key::Private).map_err(|error| said(&error));
    }
    if is_secret || kind.d.is_some() {
        let key = SigningKey::from_jwk(text).map_err(|error| said(&error))?;
        return match algorithm {
            Some(algorithm) if algorithm != key.algorithm() => for_algorithm(&key, algorithm),
            _ => Ok(key),
        }
        .map(Key::Private);
    }
    let set = KeySet::from_jwks(text).map_err(|error| said(&error))?;
    let key = set.keys().first().ok_or_else(|| "there is no key".to_owned())?;
    public_for(key, algorithm).map(Key::Public)
}

/// Returns the same public key for another algorithm of its kind, if one is given.
fn public_for(key: &VerifyingKey, algorithm: Option<Algorithm>) -> Result<VerifyingKey, String> {
    let Some(algorithm) = algorithm.filter(|algorithm| *algorithm != key.algorithm()) else {
        return Ok(key.clone());
    };
    let encoded = Key::Public(key.clone()).encode(false).ok_or("it has no form in DER")?;
    let other = VerifyingKey::from_der(algorithm, &*encoded.der).map_err(|error| said(&error))?;
    Ok(match key.key_id() {
        Some(key_id) => other.with_key_id(key_id),
        None => other,
    })
}

/// Returns the same key for another algorithm of its kind.
pub(crate) fn for_algorithm(key: &SigningKey, algorithm: Algorithm) -> Result<SigningKey, String> {
    let encoded = Key::Private(key.clone()).encode(false);
    let other = if let Some(encoded) = encoded {
        SigningKey::from_der(algorithm, &*encoded.der)
    } else {
        let jwk = Key::Private(key.clone()).to_jwk();
        SigningKey::from_base64url_secret(algorithm, &jwk.and_then(|jwk| jwk.k).unwrap_or_default())
    };
    let named = other.and_then(|other| match key.key_id() {
        Some(key_id) => other.with_key_id(key_id),
        None => Ok(other),
    });
    named.map_err(|error| said(&error))
}

/// Reads a private key whose kind is not known: for each kind until one fits.
fn first_that_fits(
    algorithm: Option<Algorithm>,
    read: impl Fn(Algorithm) -> Result<SigningKey, ConfigError>,
) -> Result<SigningKey, String> {
    if let Some(algorithm) = algorithm {
        return read(algorithm).map_err(|error| said(&error));
    }
    let mut problem = None;
    for algorithm in KINDS {
        match read(algorithm) {
            Ok(key) => return Ok(key),
            Err(ConfigError::Key(KeyProblem::AlgorithmMismatch { .. })) => {}
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    Err(problem
        .map_or_else(|| "it is of no kind that signs tokens".to_owned(), |error| said(&error)))
}

/// Says an error of the library, without its beginning that is said already.
fn said(error: &ConfigError) -> String {
    let problem = match error {
        ConfigError::Key(problem) => problem.to_string(),
        ConfigError::NoUsableKey { skipped } => match &skipped[..] {
            [key] => key.problem.to_string(),
            _ => error.to_string(),
        },
        other => other.to_string(),
    };
    printable(&problem)
}

/// Says where JSON is wrong, and nothing of its values, which may be secret.
fn json_problem(error: &serde_json::Error) -> String {
    format!(
        "it is no JSON object of the right form (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// One algorithm of each kind of key.
const KINDS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::Ed25519];
