//! Reads private keys from JWKs (RFC 7517, RFC 7518 §6).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::UintRef;
use der::{Decode as _, Encode as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::VerifyingKey;
use super::jwk::{self, Jwk};
use super::private_der::PrivateKey;
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::Algorithm;
use crate::jose::crypto::{Curve, Material, PrivateMaterial};

/// A private key, with its name and algorithm.
pub(super) struct PrivateEntry {
    pub(super) key: PrivateKey,
    /// The algorithm that the key names, or else that of its curve; RS256 for RSA, as for public keys.
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

/// Reads a single private JWK.
pub(super) fn read(text: &str) -> Result<PrivateEntry, ConfigError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Option<IgnoredAny>,
    }
    let unreadable = |problem| ConfigError::UnreadableKeys { expected: "a private JWK", problem };
    let set: Set = jwk::read_object(text).map_err(unreadable)?;
    if set.keys.is_some() {
        return Err(unreadable("it is a JWK set; give one of its `keys` alone".to_owned()));
    }
    let public: Jwk = jwk::read_object(text).map_err(unreadable)?;
    let members: PrivateMembers = jwk::read_object(text).map_err(unreadable)?;
    if !public.is_for("sign") {
        return Err(KeyProblem::NotForSigning.into());
    }
    public.check_consistency()?;
    if !public.is_secret() && members.d.is_none() {
        return Err(KeyProblem::Public.into());
    }
    let material = public.material()?;
    let algorithm = public.algorithm()?.or_else(|| material.default_algorithm());
    let algorithm = algorithm.ok_or(KeyProblem::SecretWithoutAlgorithm)?;
    let private = members.private(&material)?;
    let key = PrivateKey { private, public: Some(material) };
    Ok(PrivateEntry { key, algorithm, key_id: public.kid })
}

/// Reads the private numbers of a JWK whose public ones are these. `None` for the public key is X25519.
#[cfg(feature = "jwe")]
pub(super) fn read_private(
    text: &str,
    public: Option<&Material>,
) -> Result<PrivateNumbers, KeyProblem> {
    let members: PrivateMembers = jwk::read_object(text).map_err(KeyProblem::Unreadable)?;
    if !matches!(public, Some(Material::Secret(_))) && members.d.is_none() {
        return Err(KeyProblem::Public);
    }
    Ok(match public {
        Some(public) => PrivateNumbers::Of(members.private(public)?),
        None => PrivateNumbers::X25519(decode("d", members.d.as_ref())?),
    })
}

/// The private part of a key.
#[cfg(feature = "jwe")]
pub(super) enum PrivateNumbers {
    Of(PrivateMaterial),
    X25519(Zeroizing<Vec<u8>>),
}

/// The members that are private (RFC 7517 §9.2). A secret's `k` is read with the public ones.
#[derive(Deserialize)]
struct PrivateMembers {
    d: Option<Zeroizing<String>>,
    p: Option<Zeroizing<String>>,
    q: Option<Zeroizing<String>>,
    dp: Option<Zeroizing<String>>,
    dq: Option<Zeroizing<String>>,
    qi: Option<Zeroizing<String>>,
    oth: Option<IgnoredAny>,
}

impl PrivateMembers {
    fn private(&self, public: &Material) -> Result<PrivateMaterial, KeyProblem> {
        match public {
            Material::Secret(secret) => Ok(PrivateMaterial::secret(secret)),
            Material::Rsa { modulus, exponent } => self.rsa(modulus, exponent),
            Material::Ec { curve, .. } => self.ec(*curve),
            Material::Ed25519(_) => PrivateMaterial::ed25519(&decode("d", self.d.as_ref())?),
        }
    }

    /// RFC 7518 §6.2.2.1: `d` has the full length of the field.
    fn ec(&self, curve: Curve) -> Result<PrivateMaterial, KeyProblem> {
        let d = decode("d", self.d.as_ref())?;
        let (bytes, required) = (d.len(), curve.field_bytes());
        if bytes != required {
            let problem = format!("`d` on {} has {required} bytes and not {bytes}", curve.name());
            return Err(KeyProblem::Unreadable(problem));
        }
        PrivateMaterial::ec(curve, &d)
    }

    fn rsa(&self, modulus: &[u8], exponent: &[u8]) -> Result<PrivateMaterial, KeyProblem> {
        if self.oth.is_some() {
            let problem = "an RSA key of more than two primes is not supported";
            return Err(KeyProblem::Unreadable(problem.to_owned()));
        }
        // RFC 7518 §6.3.2: only `d` is a must, but back ends cannot do without the others.
        let numbers = [
            decode("d", self.d.as_ref())?,
            decode("p", self.p.as_ref())?,
            decode("q", self.q.as_ref())?,
            decode("dp", self.dp.as_ref())?,
            decode("dq", self.dq.as_ref())?,
            decode("qi", self.qi.as_ref())?,
        ];
        let unreadable = |_| KeyProblem::Unreadable("a number of it is too long".to_owned());
        let number = |bytes| UintRef::new(bytes).map_err(unreadable);
        let [d, p, q, dp, dq, qi] = &numbers;
        let key = pkcs1::RsaPrivateKeyRef {
            modulus: number(modulus)?,
            public_exponent: number(exponent)?,
            private_exponent: number(d)?,
            prime1: number(p)?,
            prime2: number(q)?,
            exponent1: number(dp)?,
            exponent2: number(dq)?,
            coefficient: number(qi)?,
            other_prime_infos: None,
        };
        PrivateMaterial::rsa(&key.to_der().map(Zeroizing::new).map_err(unreadable)?)
    }
}

fn decode(name: &str, value: Option<&Zeroizing<String>>) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    let value = value.ok_or_else(|| KeyProblem::Unreadable(format!("`{name}` is missing")))?;
    // The decoder's own error would quote a byte of the key.
    URL_SAFE_NO_PAD
        .decode(value.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| KeyProblem::Unreadable(format!("`{name}` is not base64url without padding")))
}

/// Holds a private key or secret as the text of a JWK.
///
/// Made by [`SigningKey::to_private_jwk`](super::SigningKey::to_private_jwk). The text is overwritten when it is
/// dropped, and `Debug` does not show it.
pub struct PrivateJwk(Zeroizing<String>);

impl PrivateJwk {
    pub(super) fn new(private: &PrivateMaterial, public: &VerifyingKey) -> Self {
        let mut members = Members::new();
        match (private, public.material()) {
            (PrivateMaterial::Secret(secret), _) => {
                members.add("kty", "oct");
                members.add_bytes("k", secret);
            }
            (PrivateMaterial::Rsa(pkcs1), _) => {
                let key = pkcs1::RsaPrivateKeyRef::from_der(pkcs1).expect("it was read before");
                members.add("kty", "RSA");
                for (name, number) in [
                    ("n", key.modulus),
                    ("e", key.public_exponent),
                    ("d", key.private_exponent),
                    ("p", key.prime1),
                    ("q", key.prime2),
                    ("dp", key.exponent1),
                    ("dq", key.exponent2),
                    ("qi", key.coefficient),
                ] {
                    members.add_bytes(name, number.as_bytes());
                }
            }
            (PrivateMaterial::Ec { curve, scalar }, Material::Ec { x, y, .. }) => {
                members.add("kty", "EC");
                members.add("crv", curve.name());
                members.add_bytes("x", x);
                members.add_bytes("y", y);
                members.add_bytes("d", scalar);
            }
            (PrivateMaterial::Ed25519(seed), Material::Ed25519(x)) => {
                members.add("kty", "OKP");
                members.add("crv", "Ed25519");
                members.add_bytes("x", x);
                members.add_bytes("d", &**seed);
            }
            _ => unreachable!("both halves of a pair are of one kind"),
        }
        members.add("alg", public.algorithm().as_str());
        members.add("use", "sig");
        if let Some(key_id) = public.key_id() {
            members.add("kid", key_id);
        }
        members.0.push('}');
        Self(members.0)
    }

    /// Returns the text. It is as secret as the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateJwk").finish_non_exhaustive()
    }
}

/// The members of a JWK, written by hand: a serializer would leave copies of the key behind.
struct Members(Zeroizing<String>);

impl Members {
    fn new() -> Self {
        // A text that outgrows its buffer is copied, and the old buffer is not overwritten.
        Self(Zeroizing::new(String::with_capacity(MOST_BYTES)))
    }

    fn add(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.0.push_str(&serde_json::to_string(value).expect("strings serialise"));
    }

    fn add_bytes(&mut self, name: &str, value: &[u8]) {
        self.begin(name);
        self.0.push('"');
        URL_SAFE_NO_PAD.encode_string(value, &mut self.0);
        self.0.push('"');
    }

    fn begin(&mut self, name: &str) {
        let mark = if self.0.is_empty() { '{' } else { ',' };
        self.0.push(mark);
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }
}

/// An RSA key of 8,192 bits takes 6,500 bytes, and a key id 1,600 with escapes.
const MOST_BYTES: usize = 16 * 1024;

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::super::SigningKey;
    use super::*;

    #[test]
    fn key_of_every_algorithm_that_was_written_down_signs_as_before() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let key = key.with_key_id("a \"name\" \n of one's own").unwrap();

            let again = SigningKey::from_jwk(key.to_private_jwk().as_str()).unwrap();

            assert_eq!((again.algorithm(), again.key_id()), (algorithm, key.key_id()));
            let signature = again.sign(b"message").unwrap();
            assert!(key.verifying_key().verify(algorithm, b"message", &signature), "{algorithm}");
        }
    }

    #[test]
    fn key_without_a_name_is_written_without_one() {
        let key = SigningKey::generate(Algorithm::HS256).unwrap();

        let written = key.to_private_jwk();

        assert!(!written.as_str().contains("kid"));
        assert_eq!(SigningKey::from_jwk(written.as_str()).unwrap().key_id(), None);
    }

    #[test]
    fn debug_output_shows_no_part_of_the_key() {
        let secret = "a secret that is long enough for HS256";
        let key = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();

        let shown = format!("{:?}", key.to_private_jwk());

        assert!(key.to_private_jwk().as_str().contains(&URL_SAFE_NO_PAD.encode(secret)));
        assert_eq!(shown, "PrivateJwk { .. }");
    }
}
