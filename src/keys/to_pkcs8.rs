//! Writes private keys in PKCS#8.

use der::Encode as _;
use der::asn1::{AnyRef, OctetStringRef};
use pkcs8::{PrivateKeyInfo, PrivateKeyInfoRef};
use sec1::EcPrivateKey;
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::der::{EC, ED25519};
use crate::jose::crypto::{Curve, Material};

/// Writes a key on a curve, with its public point. `None` only for numbers that are no key.
pub(crate) fn ec(curve: Curve, scalar: &[u8], public: &Material) -> Option<Zeroizing<Vec<u8>>> {
    let Material::Ec { x, y, .. } = public else { return None };
    let point = Material::uncompressed(x, y);
    let inner = EcPrivateKey { private_key: scalar, parameters: None, public_key: Some(&point) };
    let inner = Zeroizing::new(inner.to_der().ok()?);
    let curve = curve.oid();
    write(AlgorithmIdentifierRef { oid: EC, parameters: Some(AnyRef::from(&curve)) }, &inner)
}

/// Writes an Ed25519 key without its public key, as `openssl genpkey` does.
pub(crate) fn ed25519(seed: &[u8; 32]) -> Option<Zeroizing<Vec<u8>>> {
    let inner = Zeroizing::new(OctetStringRef::new(seed).ok()?.to_der().ok()?);
    write(AlgorithmIdentifierRef { oid: ED25519, parameters: None }, &inner)
}

fn write(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let info: PrivateKeyInfoRef<'_> =
        PrivateKeyInfo::new(algorithm, OctetStringRef::new(key).ok()?);
    info.to_der().ok().map(Zeroizing::new)
}
