use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use crate::config_error::ConfigError;

/// The trusted certificates, in place of those of the system.
#[derive(Clone)]
pub(in crate::state) struct Roots(RootCertStore);

impl Roots {
    pub(in crate::state) fn read(pem: &str) -> Result<Self, ConfigError> {
        let unreadable = |problem: String| ConfigError::UnreadableKeys {
            expected: "certificates in PEM",
            problem,
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unreadable("there is none".to_owned()));
        }
        Ok(Self(roots))
    }
}

/// Names the crypto provider. The provider that rustls would find by itself makes it panic if an
/// application has linked two.
pub(in crate::state) fn connector(roots: Option<&Roots>) -> Result<TlsConnector, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?;
    let config = match roots {
        Some(roots) => builder.with_root_certificates(roots.0.clone()).with_no_client_auth(),
        None => builder.with_platform_verifier()?.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}
