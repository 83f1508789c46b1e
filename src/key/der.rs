//! Public keys in PEM and DER, and the ones inside of certificates.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use der::asn1::ObjectIdentifier;
use der::{Decode, Document, Encode};
use spki::SubjectPublicKeyInfoRef;
use x509_cert::Certificate;
use zeroize::Zeroizing;

use crate::config_error::{ConfigError, KeyProblem};
use crate::crypto::{Curve, Material};

/// Reads every public key of a PEM text (RFC 7468).
pub(super) fn read_pem(text: &str) -> Result<Vec<Result<Material, KeyProblem>>, ConfigError> {
    let keys: Vec<_> = blocks(text).map(read_block).collect();
    if keys.is_empty() {
        return Err(ConfigError::UnreadableKeys {
            expected: "public keys in PEM",
            problem: "there is no line that says -----BEGIN".to_owned(),
        });
    }
    Ok(keys)
}

/// Reads a public key in DER: SPKI, PKCS#1, or a certificate.
pub(super) fn read_der(bytes: &[u8]) -> Result<Material, KeyProblem> {
    if SubjectPublicKeyInfoRef::from_der(bytes).is_ok() {
        read_spki(bytes)
    } else if pkcs1::RsaPublicKeyRef::from_der(bytes).is_ok() {
        read_pkcs1(bytes)
    } else if Certificate::from_der(bytes).is_ok() {
        read_certificate(bytes)
    } else {
        let problem = "it is no SubjectPublicKeyInfo, RSAPublicKey or Certificate in DER";
        Err(KeyProblem::Unreadable(problem.to_owned()))
    }
}

/// Takes the key out of an X.509 certificate of any version. Dates, names and the chain are not
/// looked at: whoever configures a certificate trusts its key.
fn read_certificate(bytes: &[u8]) -> Result<Material, KeyProblem> {
    let certificate = Certificate::from_der(bytes).map_err(unreadable)?;
    let info = certificate.tbs_certificate().subject_public_key_info();
    read_spki(&info.to_der().map_err(unreadable)?)
}

/// Reads a `SubjectPublicKeyInfo` (RFC 5280 §4.1), which says itself what kind of key it holds.
pub(super) fn read_spki(bytes: &[u8]) -> Result<Material, KeyProblem> {
    let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(unreadable)?;
    let key = info
        .subject_public_key
        .as_bytes()
        .ok_or_else(|| KeyProblem::Unreadable("the key has a broken number of bits".to_owned()))?;
    match info.algorithm.oid {
        RSA => read_pkcs1(key),
        EC => {
            let curve = info.algorithm.parameters_oid().map_err(|_| KeyProblem::Curve)?;
            Material::ec_point(curve_of(curve)?, key)
        }
        ED25519 => Material::ed25519(key),
        other => Err(KeyProblem::UnsupportedType { kty: other.to_string() }),
    }
}

/// Reads an `RSAPublicKey` (RFC 8017 §A.1.1).
pub(super) fn read_pkcs1(bytes: &[u8]) -> Result<Material, KeyProblem> {
    let key = pkcs1::RsaPublicKeyRef::from_der(bytes).map_err(unreadable)?;
    Material::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

/// Whether the bytes are a public key in one of the forms of this file, or in base64 without the
/// lines around it, as some providers show it.
pub(super) fn is_public_key(bytes: &[u8]) -> bool {
    let is_der = |bytes: &[u8]| {
        SubjectPublicKeyInfoRef::from_der(bytes).is_ok()
            || pkcs1::RsaPublicKeyRef::from_der(bytes).is_ok()
            || Certificate::from_der(bytes).is_ok()
    };
    let is_filler = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'=';
    // It may be a secret, after all.
    let bare: Zeroizing<Vec<u8>> =
        Zeroizing::new(bytes.iter().copied().filter(|byte| !is_filler(byte)).collect());
    bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN.as_bytes())
        || is_der(bytes)
        || [STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().any(|base64| {
            base64.decode(&*bare).map(Zeroizing::new).is_ok_and(|bytes| is_der(&bytes))
        })
}

fn read_block(block: &str) -> Result<Material, KeyProblem> {
    let text = in_lines(block);
    let (label, document) = Document::from_pem(&text).map_err(unreadable)?;
    match label {
        "PUBLIC KEY" => read_spki(document.as_bytes()),
        "RSA PUBLIC KEY" => read_pkcs1(document.as_bytes()),
        "CERTIFICATE" => read_certificate(document.as_bytes()),
        label if label.ends_with("PRIVATE KEY") => Err(KeyProblem::Private),
        label => Err(KeyProblem::UnsupportedType { kty: label.to_owned() }),
    }
}

/// The block with its base64 in lines of 64, as RFC 7468 §2 wants it. Keycloak shows keys on one
/// line, and YAML indents them.
fn in_lines(block: &str) -> String {
    let Some((begin, rest)) = block[PEM_BEGIN.len()..].split_once(DASHES) else {
        return block.to_owned();
    };
    let Some((body, end)) = rest.split_once(DASHES) else { return block.to_owned() };
    let body: Vec<char> = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let lines: Vec<String> = body.chunks(64).map(|line| line.iter().collect()).collect();
    format!("{PEM_BEGIN}{begin}{DASHES}\n{}\n{DASHES}{}\n", lines.join("\n"), end.trim_end())
}

/// The PEM blocks of a text; several keys may stand in one file.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(PEM_BEGIN).map(|(start, _)| {
        let block = &text[start..];
        let end = block[PEM_BEGIN.len()..].find(PEM_BEGIN);
        let block = end.map_or(block, |end| &block[..end + PEM_BEGIN.len()]);
        // Whatever stands behind the closing line is a comment.
        let close =
            block.find("-----END ").and_then(|at| block[at..].find('\n').map(|line| at + line + 1));
        close.map_or(block, |close| &block[..close])
    })
}

fn curve_of(oid: ObjectIdentifier) -> Result<Curve, KeyProblem> {
    match oid {
        P256 => Ok(Curve::P256),
        P384 => Ok(Curve::P384),
        P521 => Ok(Curve::P521),
        _ => Err(KeyProblem::Curve),
    }
}

// By value: `map_err` hands it over.
#[expect(clippy::needless_pass_by_value)]
fn unreadable(error: impl ToString) -> KeyProblem {
    KeyProblem::Unreadable(error.to_string())
}

const DASHES: &str = "-----";
const PEM_BEGIN: &str = "-----BEGIN ";
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
