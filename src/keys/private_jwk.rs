//! Reads private keys from JWKs (RFC 7517, RFC 7518 §6).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::Encode as _;
use der::asn1::UintRef;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

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
