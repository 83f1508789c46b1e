//! Makes certificates for servers and clients.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType,
    generate_simple_self_signed,
};
use tower_bearer::mtls::ClientCertificate;

/// A certificate with its private key, both in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
}

impl Identity {
    /// One for a server at this machine, or a client, that no authority has signed.
    pub fn self_signed() -> Self {
        let names = ["localhost", "127.0.0.1"].map(ToOwned::to_owned).to_vec();
        let made = generate_simple_self_signed(names).unwrap();
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().to_vec(),
        }
    }

    pub fn client_certificate(&self) -> ClientCertificate {
        ClientCertificate::from_der(&self.der).unwrap()
    }
}

/// An authority that signs certificates of clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "clients");
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub fn client(&self, name: &str) -> Identity {
        self.client_with_uris(name, &[])
    }

    /// A client with URIs among its names.
    pub fn client_with_uris(&self, name: &str, uris: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        for &uri in uris {
            params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        }
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: made.pem(), key: key.serialize_pem(), der: made.der().to_vec() }
    }
}
