use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE,
    EXPECT, FORWARDED, HOST, ORIGIN, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::xfcc::last_element;
use super::{ClientCertificate, InvalidCertificate};
use crate::config_error::ConfigError;

/// The header field in which a proxy sends the certificate of the client, and its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateField {
    name: HeaderName,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    ByteSequence,
    Xfcc,
    EscapedPem,
}

impl CertificateField {
    /// `Client-Cert` of RFC 9440: the DER in base64 between colons. Haproxy and Caddy can write it too.
    pub const fn client_cert() -> Self {
        Self { name: CLIENT_CERT, format: Format::ByteSequence }
    }

    /// Envoy's `x-forwarded-client-cert`: `Hash=` (SHA-256 in hexadecimal digits), `Cert=` (PEM, percent-encoded), or
    /// both, which then agree.
    ///
    /// Of several elements the last one counts, which the nearest proxy has added. Let that proxy replace the field:
    /// `forward_client_cert_details: SANITIZE_SET`. An element behind one with `URI=` or `DNS=` is refused,
    /// because Envoy does not quote these names and a client can write commas into those of its certificate. A quoted
    /// value with `Hash=` in it is refused for the same reason.
    pub const fn xfcc() -> Self {
        Self { name: XFCC, format: Format::Xfcc }
    }

    /// PEM with percent-encoding, in a field of this name: `$ssl_client_escaped_cert` of nginx, or
    /// `X-Amzn-Mtls-Clientcert-Leaf` of an AWS Application Load Balancer.
    ///
    /// # Errors
    ///
    /// [`ConfigError::CertificateField`] when requests need the field otherwise (`authorization`, `host`, `cookie`, say):
    /// it is removed from every request.
    pub fn escaped_pem(name: HeaderName) -> Result<Self, ConfigError> {
        if NEEDED.contains(&name) || NEEDED_TOO.contains(&name.as_str()) {
            return Err(ConfigError::CertificateField { name: name.as_str().to_owned() });
        }
        Ok(Self { name, format: Format::EscapedPem })
    }

    /// Returns the name of the field.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Returns the certificate in the field. An empty field is one without a certificate.
    pub(super) fn read(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<ClientCertificate>, &'static str> {
        let mut fields = headers.get_all(&self.name).iter();
        let Some(field) = fields.next() else { return Ok(None) };
        // RFC 9440 §2.2: the field stands once. A client may have sent the other one.
        if fields.next().is_some() {
            return Err("the field is there more than once");
        }
        if field.len() > MAX_LENGTH {
            return Err("the field is longer than 65536 bytes");
        }
        let value = field.to_str().map_err(|_| "the field is not ASCII")?.trim();
        if value.is_empty() {
            return Ok(None);
        }
        match self.format {
            Format::ByteSequence => from_byte_sequence(value),
            Format::Xfcc => from_xfcc(value),
            Format::EscapedPem => from_escaped_pem(value),
        }
        .map(Some)
    }
}

/// The fields that no request has behind the layer, beside those that are configured.
pub(super) const WELL_KNOWN: [HeaderName; 3] =
    [CLIENT_CERT, HeaderName::from_static("client-cert-chain"), XFCC];

fn from_byte_sequence(value: &str) -> Result<ClientCertificate, &'static str> {
    let base64 = value.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    let der = base64.and_then(|base64| LENIENT_BASE64.decode(base64).ok());
    // RFC 9440 §2.2: an item without parameters.
    of_der(der.ok_or("the field is not one byte sequence (base64 between colons)")?)
}

fn from_xfcc(value: &str) -> Result<ClientCertificate, &'static str> {
    let element = last_element(value)?;
    let by_hash = element.hash.as_deref().map(|hash| from_hex(hash).ok_or(NO_HASH)).transpose()?;
    let by_pem = element.certificate.as_deref().map(from_escaped_pem).transpose()?;
    match (by_hash, by_pem) {
        (Some(one), Some(other)) if one != other => {
            Err("`Hash` and `Cert` are of two certificates")
        }
        (one, other) => other.or(one).ok_or("the last element has neither `Hash` nor `Cert`"),
    }
}

fn from_escaped_pem(value: &str) -> Result<ClientCertificate, &'static str> {
    let pem: Cow<'_, [u8]> = percent_decode_str(value).into();
    let mut certificates = CertificateDer::pem_slice_iter(&pem);
    match (certificates.next(), certificates.next()) {
        (Some(Ok(der)), None) => of_der(der),
        _ => Err("the field is not one certificate in percent-encoded PEM"),
    }
}

fn from_hex(text: &str) -> Option<ClientCertificate> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(ClientCertificate::from_sha256(bytes))
}

fn of_der(der: impl AsRef<[u8]>) -> Result<ClientCertificate, &'static str> {
    ClientCertificate::from_der(der).map_err(|InvalidCertificate(problem)| problem)
}

/// Fields that requests have for another reason.
const NEEDED: [HeaderName; 16] = [
    ACCEPT,
    AUTHORIZATION,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    FORWARDED,
    HOST,
    ORIGIN,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
];
const NEEDED_TOO: [&str; 6] = [
    "dpop",
    "sec-fetch-site",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// The header fields of a request have 64 KiB together in most proxies.
const MAX_LENGTH: usize = 64 * 1024;

const NO_HASH: &str = "`Hash` is not 64 hexadecimal digits";

/// RFC 8941 §4.2.7: padding may be missing, and bits behind the end may be set.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
