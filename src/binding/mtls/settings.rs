use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::config_error::ConfigError;

/// Says which certificates of clients a [`TlsListener`](super::TlsListener) accepts.
#[derive(Clone)]
pub struct ClientAuthorities(Option<Arc<RootCertStore>>);

impl ClientAuthorities {
    /// Accepts certificates of these authorities, given in PEM. The handshake of a client with another certificate
    /// fails. Whether a certificate was withdrawn (CRL, OCSP) is not checked.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Tls`] when the text holds no certificate, or one that cannot be used.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("client authorities", pem.as_ref())? {
            roots.add(certificate).map_err(|error| wrong("client authorities", &error))?;
        }
        Ok(Self(Some(Arc::new(roots))))
    }

    /// Accepts every certificate, also one that its client has signed itself or that has expired.
    ///
    /// It is enough for tokens: the token names its certificate, and the client proves in the handshake to have the
    /// private key (RFC 8705 §2.2). It says nothing about the names in a certificate.
    pub const fn any_certificate() -> Self {
        Self(None)
    }

    fn verifier(
        &self,
        is_required: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
        let Some(roots) = &self.0 else {
            let algorithms = provider.signature_verification_algorithms;
            return Ok(Arc::new(AnyCertificate { is_required, algorithms }));
        };
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
        let builder = if is_required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| wrong("client authorities", &error))
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(roots) => write!(f, "ClientAuthorities({} authorities)", roots.len()),
            None => f.write_str("ClientAuthorities(any certificate)"),
        }
    }
}

/// Sets up the TLS of a [`TlsListener`](super::TlsListener): TLS 1.2 and 1.3, and `h2` and `http/1.1` by ALPN.
///
/// Most clients choose HTTP/2, so the server must speak it: axum does with its feature `http2`, which is not a default
/// one. For a server that does not, see [`without_http2`](Self::without_http2).
#[derive(Clone)]
pub struct TlsSettings {
    identity: Arc<Identity>,
    config: Arc<ServerConfig>,
}

/// The certificates of the server, its own first, and the private key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl TlsSettings {
    /// Takes the certificate of the server with its chain, and its private key, both in PEM. Clients are not asked for
    /// certificates.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Tls`] when there is no certificate or no private key, or they do not belong together.
    pub fn new(
        certificate: impl AsRef<[u8]>,
        private_key: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        let chain = certificates("certificate", certificate.as_ref())?;
        let key = PrivateKeyDer::from_pem_slice(private_key.as_ref())
            .map_err(|_| wrong("private key", &"there is none in PEM, or it is encrypted"))?;
        // Apart from the certificate, so that the error is about the key.
        let provider = aws_lc_rs::default_provider();
        let loaded = provider.key_provider.load_private_key(key.clone_key());
        loaded.map_err(|error| wrong("private key", &error))?;
        let identity = Identity { chain, key };
        let config = identity.config(None, vec![HTTP_2.to_vec(), HTTP_1.to_vec()])?;
        Ok(Self { identity: Arc::new(identity), config })
    }

    /// Asks clients for a certificate. A client may do without: its requests have no
    /// [`ClientCertificate`](super::ClientCertificate), and a token that is bound to one is answered 401.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Tls`] when the authorities cannot be used.
    pub fn with_client_certificates(
        self,
        authorities: &ClientAuthorities,
    ) -> Result<Self, ConfigError> {
        self.with_clients(authorities, false)
    }

    /// Asks clients for a certificate, and lets the handshake of a client without one fail. Such a client gets no
    /// answer that says why.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Tls`] when the authorities cannot be used.
    pub fn with_required_client_certificates(
        self,
        authorities: &ClientAuthorities,
    ) -> Result<Self, ConfigError> {
        self.with_clients(authorities, true)
    }

    /// Offers HTTP/1.1 alone. By default, HTTP/2 is offered first, and a server that does not speak it answers its clients
    /// nothing they can read.
    #[must_use]
    pub fn without_http2(mut self) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = vec![HTTP_1.to_vec()];
        self
    }

    fn with_clients(
        mut self,
        authorities: &ClientAuthorities,
        is_required: bool,
    ) -> Result<Self, ConfigError> {
        let protocols = self.config.alpn_protocols.clone();
        self.config = self.identity.config(Some((authorities, is_required)), protocols)?;
        Ok(self)
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").finish_non_exhaustive()
    }
}

impl Identity {
    /// Names the crypto provider. The provider that rustls would find by itself makes it panic if an application has
    /// linked two.
    fn config(
        &self,
        clients: Option<(&ClientAuthorities, bool)>,
        protocols: Vec<Vec<u8>>,
    ) -> Result<Arc<ServerConfig>, ConfigError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("certificate", &error))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some((authorities, is_required)) => {
                builder.with_client_cert_verifier(authorities.verifier(is_required, &provider)?)
            }
        };
        let mut config = builder
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| wrong("certificate", &error))?;
        config.alpn_protocols = protocols;
        Ok(Arc::new(config))
    }
}

fn certificates(
    member: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(wrong(member, &"there is no certificate in PEM"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(wrong(member, &error)),
    }
}

fn wrong(member: &'static str, problem: &dyn fmt::Display) -> ConfigError {
    ConfigError::Tls { member, problem: problem.to_string() }
}

/// The names of ALPN.
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Accepts every certificate whose private key the client has.
#[derive(Debug)]
struct AnyCertificate {
    is_required: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
