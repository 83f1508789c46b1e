//! Reads JSON Web Keys (RFC 7517) and sets of them.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::der;
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::Algorithm;
#[cfg(feature = "jwe")]
use crate::jose::KeyManagement;
use crate::jose::crypto::{Curve, Material};
use crate::jose::json;
use crate::text;

/// One key as it was read, with its name and algorithm.
pub(super) struct Entry {
    pub(super) key_id: Option<String>,
    /// The issuer that the key is for. Microsoft Entra ID names one in each key.
    pub(super) issuer: Option<String>,
    /// The material, and the algorithm if the key names one.
    pub(super) key: Result<(Material, Option<Algorithm>), KeyProblem>,
}

/// Reads a JWK set, or a single JWK. Entries are read one by one, so a bad entry does not spoil the others.
pub(super) fn read_set(text: &str) -> Result<Vec<Entry>, ConfigError> {
    let keys = entries(text).map_err(|problem| ConfigError::UnreadableKeys {
        expected: "a JWK or a JWK set",
        problem,
    })?;
    match keys {
        Some(keys) => Ok(keys.into_iter().map(read).collect()),
        None => match text::metadata_instead_of_keys(text) {
            Some(problem) => Err(ConfigError::UnreadableKeys {
                expected: "a JWK or a JWK set",
                problem: problem.to_owned(),
            }),
            None => Ok(vec![read(text)]),
        },
    }
}

/// Reads the first keys of a JWK set (RFC 7517 §5), and whether there are more. A single key is not a
/// set. Keys behind the first `most` are not read, only skipped.
#[cfg(feature = "jwks")]
pub(super) fn read_public_set(text: &str, most: usize) -> Result<(Vec<Entry>, bool), ConfigError> {
    let keys = entries(text).and_then(|keys| {
        let missing = || {
            let instead = text::instead_of_keys(text).map(str::to_owned);
            instead.unwrap_or_else(|| "there is no member `keys`, which is a list".to_owned())
        };
        keys.ok_or_else(missing)
    });
    let unreadable = |problem| ConfigError::UnreadableKeys { expected: "a JWK set", problem };
    let keys = keys.map_err(unreadable)?;
    let is_too_long = keys.len() > most;
    Ok((keys.into_iter().take(most).map(read).collect(), is_too_long))
}

/// Returns whether the bytes are the text of a public JWK, or of a set with one. The key need not
/// be usable: in any case it is not secret.
pub(super) fn is_public_key(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kty: Cow<'a, str>,
        d: Option<IgnoredAny>,
    }
    let is_public = |text: &str| {
        read_object::<Kind<'_>>(text).is_ok_and(|key| key.kty != "oct" && key.d.is_none())
    };
    let found =
        str::from_utf8(bytes).ok().and_then(|text| entries(text).ok().map(|keys| (text, keys)));
    found.is_some_and(|(text, keys)| match keys {
        Some(keys) => keys.into_iter().any(is_public),
        None => is_public(text),
    })
}

/// Returns the text of each key in a set, or `None` if there is no member `keys`.
pub(super) fn entries(text: &str) -> Result<Option<Vec<&str>>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Option<Vec<IgnoredAny>>,
    }
    let Set { keys } = read_object(text)?;
    Ok(keys.and_then(|_| json::entries_of(text, "keys")))
}

// Members that are not named here are ignored (RFC 7517 §4); `serde` refuses a named one that comes
// twice.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Operations>,
    alg: Option<String>,
    pub(super) kid: Option<String>,
    issuer: Option<KeyIssuer>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<Zeroizing<String>>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
}

/// `issuer`, a member of Microsoft's. RFC 7517 §4 has what is not understood ignored, so another type spoils no key: it is
/// the name of no issuer, with which no token of a tenant fits.
struct KeyIssuer(String);

impl<'de> Deserialize<'de> for KeyIssuer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(value.as_str().unwrap_or_default().to_owned()))
    }
}

/// `key_ops`, for which RFC 7517 §4.3 registers eight values. Each is compared with all before it, so a
/// list that a provider makes long on purpose is not read to its end.
#[derive(Default)]
struct Operations(Vec<String>);

impl<'de> Deserialize<'de> for Operations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Operations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of operations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Operations, A::Error> {
                let mut operations = Vec::new();
                while let Some(operation) = list.next_element()? {
                    if operations.len() >= MAX_OPERATIONS {
                        return Err(A::Error::custom(TOO_MANY_OPERATIONS));
                    }
                    operations.push(operation);
                }
                Ok(Operations(operations))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// Reads a single public key.
#[cfg(feature = "dpop")]
pub(super) fn read_public(text: &str) -> Result<(Material, Option<Algorithm>), KeyProblem> {
    let jwk = read_object::<Jwk>(text).map_err(KeyProblem::Unreadable)?;
    if jwk.kty == "oct" {
        return Err(KeyProblem::UnsupportedType { kty: jwk.kty });
    }
    if jwk.private_members().iter().any(|member| member.is_some()) {
        return Err(KeyProblem::Private);
    }
    Ok((jwk.material()?, jwk.algorithm()?))
}

fn read(text: &str) -> Entry {
    match read_object::<Jwk>(text) {
        Ok(jwk) => Entry {
            key: jwk.read(),
            key_id: jwk.kid,
            issuer: jwk.issuer.map(|KeyIssuer(name)| name),
        },
        Err(problem) => {
            #[derive(Deserialize)]
            struct Named {
                kid: Option<String>,
            }
            let key_id = read_object(text).ok().and_then(|Named { kid }| kid);
            Entry { key_id, issuer: None, key: Err(KeyProblem::Unreadable(problem)) }
        }
    }
}

// serde's derive reads an array as well, one member after the other, which is no JWK (RFC 7517 §4).
pub(super) fn read_object<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, String> {
    if !text.trim_start().starts_with('{') {
        let instead = text::instead_of_keys(text).unwrap_or("there is no JSON object");
        return Err(instead.to_owned());
    }
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        // A value of the wrong type is quoted by serde, and may be a secret in the wrong place.
        let named = ["missing field", "duplicate field", TOO_MANY_OPERATIONS];
        if error.is_data() && !named.iter().any(|start| message.starts_with(start)) {
            format!("a member has the wrong JSON type at column {}", error.column())
        } else {
            message
        }
    })
}

impl Jwk {
    fn read(&self) -> Result<(Material, Option<Algorithm>), KeyProblem> {
        if !self.is_for("verify") {
            return Err(KeyProblem::NotForVerifying);
        }
        if self.private_members().iter().any(|member| member.is_some()) {
            return Err(KeyProblem::Private);
        }
        self.check_consistency()?;
        Ok((self.material()?, self.algorithm()?))
    }

    /// Returns whether the key may be used for this operation (RFC 7517 §4.2, §4.3).
    pub(super) fn is_for(&self, operation: &str) -> bool {
        // `jwt-svid` is how a SPIFFE bundle marks keys for signatures (SPIFFE Trust Domain and Bundle §4.2.2).
        self.usage.as_ref().is_none_or(|usage| matches!(&**usage, "sig" | "jwt-svid"))
            && self.key_ops.as_ref().is_none_or(|ops| ops.0.iter().any(|op| op == operation))
    }

    #[cfg(feature = "issue")]
    pub(super) fn is_secret(&self) -> bool {
        self.kty == "oct"
    }

    /// Returns the algorithm that the key names.
    pub(super) fn algorithm(&self) -> Result<Option<Algorithm>, KeyProblem> {
        let unknown = |name: &String| KeyProblem::AlgorithmNotAllowed { algorithm: name.clone() };
        self.alg.as_ref().map(|name| name.parse().map_err(|_| unknown(name))).transpose()
    }

    /// Returns whether the key may be used to decrypt with (RFC 7517 §4.2, §4.3).
    #[cfg(feature = "jwe")]
    pub(super) fn is_for_decryption(&self) -> bool {
        let decrypts = |op: &String| DECRYPTION_OPERATIONS.contains(&&**op);
        self.usage.as_ref().is_none_or(|usage| usage == "enc")
            && self.key_ops.as_ref().is_none_or(|ops| ops.0.iter().any(decrypts))
    }

    /// Returns whether the key may be used to encrypt with (RFC 7517 §4.2, §4.3).
    #[cfg(feature = "jwe")]
    pub(super) fn is_for_encryption(&self) -> bool {
        // For an agreement, a public key names no operation or that of its owner.
        let encrypts = |op: &String| {
            ENCRYPTION_OPERATIONS.contains(&&**op) && op != "decrypt" && op != "unwrapKey"
        };
        self.usage.as_ref().is_none_or(|usage| usage == "enc")
            && self
                .key_ops
                .as_ref()
                .is_none_or(|ops| ops.0.is_empty() || ops.0.iter().any(encrypts))
    }

    /// Returns whether the key says that it is for encryption, as keys in a set with both kinds do (RFC 7517 §4.2).
    #[cfg(feature = "jwe")]
    pub(super) fn names_encryption(&self) -> bool {
        self.usage.as_deref() == Some("enc")
            || self.key_ops.as_ref().is_some_and(|ops| !ops.0.is_empty())
            || self.alg.as_ref().is_some_and(|name| name.parse::<KeyManagement>().is_ok())
    }

    /// Returns whether a member is private (RFC 7517 §9.2). The `k` of a secret is not among them.
    #[cfg(feature = "jwe")]
    pub(super) fn is_private(&self) -> bool {
        self.private_members().iter().any(|member| member.is_some())
    }

    /// RFC 7517 §9.2: any of these is private.
    fn private_members(&self) -> [&Option<IgnoredAny>; 7] {
        [&self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth]
    }

    /// Returns `alg` as it was written.
    #[cfg(feature = "jwe")]
    pub(super) fn algorithm_name(&self) -> Option<&str> {
        self.alg.as_deref()
    }

    /// Returns the public key of a key on X25519 (RFC 8037 §2). `None` for another kind of key.
    #[cfg(feature = "jwe")]
    pub(super) fn x25519(&self) -> Option<Result<Vec<u8>, KeyProblem>> {
        let is_x25519 = self.kty == "OKP" && self.crv.as_deref() == Some("X25519");
        is_x25519.then(|| decode("x", self.x.as_ref()))
    }

    /// Checks that all members can belong to one key (RFC 7517 §4.3, RFC 7518 §6).
    pub(super) fn check_consistency(&self) -> Result<(), KeyProblem> {
        let operations = |op: &String| match self.usage.as_deref() {
            #[cfg(feature = "jwe")]
            Some("enc") => ENCRYPTION_OPERATIONS.contains(&&**op),
            _ => op == "verify" || op == "sign",
        };
        let uses_differ = self.usage.is_some()
            && self.key_ops.as_ref().is_some_and(|ops| !ops.0.iter().all(operations));
        let ops = self.key_ops.as_ref().map_or(&[][..], |ops| &ops.0);
        let repeated = ops.iter().enumerate().any(|(index, op)| ops[..index].contains(op));
        let (rsa, curve, secret) = (
            self.n.is_some() || self.e.is_some(),
            self.crv.is_some() || self.x.is_some() || self.y.is_some(),
            self.k.is_some(),
        );
        let kinds_differ = match &*self.kty {
            "RSA" => curve || secret,
            "EC" => rsa || secret,
            "OKP" => rsa || secret || self.y.is_some(),
            "oct" => rsa || curve,
            _ => false,
        };
        if uses_differ || repeated || kinds_differ {
            Err(KeyProblem::Contradiction)
        } else {
            Ok(())
        }
    }

    pub(super) fn material(&self) -> Result<Material, KeyProblem> {
        match &*self.kty {
            "oct" => {
                let secret = Zeroizing::new(decode("k", self.k.as_deref())?);
                if der::is_public_key(&secret) || is_public_key(&secret) {
                    return Err(KeyProblem::PublicKeyAsSecret);
                }
                Ok(Material::secret(&secret))
            }
            "RSA" => Material::rsa(&decode("n", self.n.as_ref())?, &decode("e", self.e.as_ref())?),
            "EC" => {
                let name = self.curve()?;
                Material::ec(
                    Curve::from_name(name).ok_or_else(|| unsupported_curve(name))?,
                    &decode("x", self.x.as_ref())?,
                    &decode("y", self.y.as_ref())?,
                )
            }
            "OKP" => match self.curve()? {
                "Ed25519" => Material::ed25519(&decode("x", self.x.as_ref())?),
                other => Err(unsupported_curve(other)),
            },
            other => Err(KeyProblem::UnsupportedType { kty: other.to_owned() }),
        }
    }

    fn curve(&self) -> Result<&str, KeyProblem> {
        let missing = || KeyProblem::Unreadable("`crv` is missing".to_owned());
        self.crv.as_deref().ok_or_else(missing)
    }
}

fn unsupported_curve(name: &str) -> KeyProblem {
    KeyProblem::UnsupportedCurve { curve: name.to_owned() }
}

fn decode(name: &str, value: Option<&String>) -> Result<Vec<u8>, KeyProblem> {
    let value = value.ok_or_else(|| KeyProblem::Unreadable(format!("`{name}` is missing")))?;
    URL_SAFE_NO_PAD
        .decode(value)
        .map_err(|_| KeyProblem::Unreadable(format!("`{name}` is not base64url without padding")))
}

#[cfg(feature = "jwe")]
const DECRYPTION_OPERATIONS: [&str; 4] = ["decrypt", "unwrapKey", "deriveKey", "deriveBits"];
#[cfg(feature = "jwe")]
const ENCRYPTION_OPERATIONS: [&str; 6] =
    ["encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"];
const MAX_OPERATIONS: usize = 32;
const TOO_MANY_OPERATIONS: &str = "`key_ops` has more than 32 entries";
