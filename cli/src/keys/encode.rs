//! Writes keys in DER and PEM: PKCS#8, PKCS#1, SEC 1 and SPKI.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::{AnyRef, BitStringRef, Null, ObjectIdentifier, OctetStringRef, UintRef};
use der::pem::LineEnding;
use der::{Decode as _, Encode as _};
use pkcs8::{PrivateKeyInfo, PrivateKeyInfoRef};
use sec1::{EcParameters, EcPrivateKey};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::jwk::Jwk;

/// A key in DER, with the label that it has in PEM.
pub(crate) struct Encoded {
    pub(crate) label: &'static str,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

impl Encoded {
    /// Returns the key in PEM (RFC 7468).
    pub(crate) fn to_pem(&self) -> Option<Zeroizing<String>> {
        der::pem::encode_string(self.label, LineEnding::LF, &self.der).ok().map(Zeroizing::new)
    }
}

/// Writes a private key in PKCS#8, or in the form of its kind: PKCS#1 for RSA, SEC 1 for keys on curves. `None` for a
/// secret, and where there is no such form.
pub(crate) fn private(jwk: &Jwk, is_traditional: bool) -> Option<Encoded> {
    match (&*jwk.kty, is_traditional) {
        ("RSA", true) => encoded("RSA PRIVATE KEY", rsa_private(jwk)?),
        ("RSA", false) => pkcs8(rsa_algorithm(), &rsa_private(jwk)?),
        ("EC", true) => encoded("EC PRIVATE KEY", ec_private(jwk, true)?),
        ("EC", false) => {
            let curve = curve(jwk)?;
            pkcs8(ec_algorithm(&curve), &ec_private(jwk, false)?)
        }
        ("OKP", false) => {
            let seed = decode(jwk.d.as_ref()?)?;
            // RFC 8410 §7: an octet string within the octet string.
            let inner = Zeroizing::new(OctetStringRef::new(&seed).ok()?.to_der().ok()?);
            pkcs8(ED25519_ALGORITHM, &inner)
        }
        _ => None,
    }
}

/// Writes a public key in SPKI, or in PKCS#1.
pub(crate) fn public(jwk: &Jwk, is_traditional: bool) -> Option<Encoded> {
    match (&*jwk.kty, is_traditional) {
        ("RSA", true) => encoded("RSA PUBLIC KEY", rsa_public(jwk)?),
        ("RSA", false) => spki(rsa_algorithm(), &rsa_public(jwk)?),
        ("EC", false) => {
            let curve = curve(jwk)?;
            spki(ec_algorithm(&curve), &point(jwk)?)
        }
        ("OKP", false) => spki(ED25519_ALGORITHM, &decode(jwk.x.as_ref()?)?),
        _ => None,
    }
}

/// Returns the public key of a certificate in DER, in SPKI.
pub(crate) fn key_of(certificate: &x509_cert::Certificate) -> Option<Vec<u8>> {
    certificate.tbs_certificate().subject_public_key_info().to_der().ok()
}

/// Reads a certificate in DER.
pub(crate) fn certificate(der: &[u8]) -> Option<x509_cert::Certificate> {
    x509_cert::Certificate::from_der(der).ok()
}

fn pkcs8(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Option<Encoded> {
    let info: PrivateKeyInfoRef<'_> =
        PrivateKeyInfo::new(algorithm, OctetStringRef::new(key).ok()?);
    encoded("PRIVATE KEY", Zeroizing::new(info.to_der().ok()?))
}

fn spki(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Option<Encoded> {
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    let info = SubjectPublicKeyInfoRef { algorithm, subject_public_key };
    encoded("PUBLIC KEY", Zeroizing::new(info.to_der().ok()?))
}

#[expect(clippy::unnecessary_wraps, reason = "the end of functions that return an option")]
fn encoded(label: &'static str, der: Zeroizing<Vec<u8>>) -> Option<Encoded> {
    Some(Encoded { label, der })
}

fn rsa_private(jwk: &Jwk) -> Option<Zeroizing<Vec<u8>>> {
    let (modulus, exponent) = (decode(jwk.n.as_ref()?)?, decode(jwk.e.as_ref()?)?);
    let private = [&jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi]
        .map(|number| number.as_ref().and_then(|number| decode(number)));
    let [Some(d), Some(p), Some(q), Some(dp), Some(dq), Some(qi)] = &private else { return None };
    let key = pkcs1::RsaPrivateKeyRef {
        modulus: UintRef::new(&modulus).ok()?,
        public_exponent: UintRef::new(&exponent).ok()?,
        private_exponent: UintRef::new(d).ok()?,
        prime1: UintRef::new(p).ok()?,
        prime2: UintRef::new(q).ok()?,
        exponent1: UintRef::new(dp).ok()?,
        exponent2: UintRef::new(dq).ok()?,
        coefficient: UintRef::new(qi).ok()?,
        other_prime_infos: None,
    };
    key.to_der().ok().map(Zeroizing::new)
}

fn rsa_public(jwk: &Jwk) -> Option<Zeroizing<Vec<u8>>> {
    let (modulus, exponent) = (decode(jwk.n.as_ref()?)?, decode(jwk.e.as_ref()?)?);
    let key = pkcs1::RsaPublicKeyRef {
        modulus: UintRef::new(&modulus).ok()?,
        public_exponent: UintRef::new(&exponent).ok()?,
    };
    key.to_der().ok().map(Zeroizing::new)
}

/// Writes an `ECPrivateKey` with its public point. In PKCS#8 the curve stands around it.
fn ec_private(jwk: &Jwk, names_curve: bool) -> Option<Zeroizing<Vec<u8>>> {
    let (scalar, point) = (decode(jwk.d.as_ref()?)?, point(jwk)?);
    let parameters = names_curve.then(|| curve(jwk).map(EcParameters::NamedCurve));
    let key = EcPrivateKey {
        private_key: &scalar,
        parameters: parameters.flatten(),
        public_key: Some(&point),
    };
    key.to_der().ok().map(Zeroizing::new)
}

/// Returns the point in the uncompressed form of SEC 1 §2.3.3.
fn point(jwk: &Jwk) -> Option<Vec<u8>> {
    let (x, y) = (decode(jwk.x.as_ref()?)?, decode(jwk.y.as_ref()?)?);
    Some([&[4], &x[..], &y].concat())
}

fn curve(jwk: &Jwk) -> Option<ObjectIdentifier> {
    match jwk.crv.as_deref()? {
        "P-256" => Some(ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7")),
        "P-384" => Some(ObjectIdentifier::new_unwrap("1.3.132.0.34")),
        "P-521" => Some(ObjectIdentifier::new_unwrap("1.3.132.0.35")),
        _ => None,
    }
}

fn rsa_algorithm() -> AlgorithmIdentifierRef<'static> {
    // RFC 3279 §2.3.1: the parameters are NULL.
    let oid = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    AlgorithmIdentifierRef { oid, parameters: Some(AnyRef::from(Null)) }
}

fn ec_algorithm(curve: &ObjectIdentifier) -> AlgorithmIdentifierRef<'_> {
    let oid = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    AlgorithmIdentifierRef { oid, parameters: Some(AnyRef::from(curve)) }
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(text).ok().map(Zeroizing::new)
}

const ED25519_ALGORITHM: AlgorithmIdentifierRef<'static> =
    AlgorithmIdentifierRef { oid: ObjectIdentifier::new_unwrap("1.3.101.112"), parameters: None };
