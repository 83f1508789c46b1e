use std::error::Error;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::AnyRef;
use der::{Decode as _, Tag, Tagged as _};
use http::{HeaderName, HeaderValue};
use subtle::ConstantTimeEq as _;

use crate::jose::crypto;

/// The certificate of the client that sent a request, in the extensions of the request.
///
/// Only its SHA-256 thumbprint is kept, and cloning is cheap. `Debug` does not show it, because it identifies a device.
///
/// A [`ClientCertificateLayer`](super::ClientCertificateLayer) puts it there. A server of your own inserts it into
/// every request of a connection:
///
/// ```
/// use tower_bearer::mtls::ClientCertificate;
///
/// /// `certificates` is `peer_certificates()` of rustls: the certificate of the client comes first.
/// fn certificate_of<D: AsRef<[u8]>>(certificates: Option<&[D]>) -> Option<ClientCertificate> {
///     ClientCertificate::from_der(certificates?.first()?).ok()
/// }
/// ```
#[derive(Clone)]
pub struct ClientCertificate {
    /// In base64url without padding, as a token has it.
    thumbprint: Arc<str>,
}

impl ClientCertificate {
    /// Hashes a certificate. Call it once for a connection, not for each request.
    ///
    /// The certificate itself is not verified. It must come from a TLS connection whose client has proved to have the
    /// private key.
    ///
    /// # Errors
    ///
    /// [`InvalidCertificate`] when the bytes are not exactly one DER sequence.
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<Self, InvalidCertificate> {
        let der = der.as_ref();
        // RFC 8705 §3.1: the hash is that of the DER. Bytes behind the certificate would change it.
        let is_sequence = AnyRef::from_der(der).is_ok_and(|any| any.tag() == Tag::Sequence);
        if !is_sequence {
            return Err(InvalidCertificate(NOT_DER));
        }
        crypto::sha256(der)
            .map(Self::from_sha256)
            .ok_or(InvalidCertificate("no signature back end is compiled in"))
    }

    /// Takes the SHA-256 hash of the DER, where only the hash of the certificate is known.
    pub fn from_sha256(hash: [u8; 32]) -> Self {
        Self { thumbprint: URL_SAFE_NO_PAD.encode(hash).into() }
    }

    /// Returns the thumbprint as `x5t#S256` in `cnf` has it: SHA-256 in base64url without padding (RFC 8705 §3.1).
    ///
    /// An authorization server binds a token to it.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Returns whether a token names this certificate. Takes the same time wherever two thumbprints differ.
    pub(super) fn is_named_by(&self, thumbprint: &str) -> bool {
        self.thumbprint.as_bytes().ct_eq(thumbprint.as_bytes()).into()
    }
}

/// Takes the same time wherever two thumbprints differ.
impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.is_named_by(&other.thumbprint)
    }
}

impl Eq for ClientCertificate {}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Marks a request of a trusted hop, in its extensions. The certificate of its connection is that of the hop.
#[derive(Clone)]
pub(super) struct SentByHop {
    /// The field in which the hop sends certificates.
    pub(super) field: HeaderName,
}

impl SentByHop {
    /// Returns the value of `Vary` in an answer that depends on the certificate.
    pub(super) fn vary(&self) -> HeaderValue {
        self.field.clone().into()
    }
}

/// Bytes that are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCertificate(pub(super) &'static str);

impl fmt::Display for InvalidCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidCertificate {}

pub(super) const NOT_DER: &str = "the certificate is not one DER sequence";
