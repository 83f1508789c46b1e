//! A server whose TLS is tonic's own: tokens are bound to the certificate of the connection.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Server, ServerTlsConfig};
use tower_bearer::mtls::{CertificateBinding, ClientCertificate, ClientCertificateLayer};
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, Validation, Verifier, render};

use crate::orders::Orders;
use crate::{AUDIENCE, ISSUER, User, ask};

pub async fn check() {
    let key = TestKey::generate(Algorithm::ES256);
    let authority = Authority::new();
    let (server, own, other) =
        (authority.sign("localhost"), authority.sign("own"), authority.sign("other"));
    let validation = Validation::new(ISSUER, AUDIENCE);
    let verifier = Verifier::<User>::new(key.verifying_key(), validation).unwrap();
    let layer = BearerLayer::new(verifier)
        .with_rejection(render::Grpc::new())
        .with_binding(CertificateBinding::new().with_required_certificates());
    // tonic puts the certificates of each connection into the extensions.
    let certificates = ClientCertificateLayer::from_connection(|extensions| {
        let peer = extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?;
        ClientCertificate::from_der(peer.peer_certs()?.first()?).ok()
    });
    let tls = ServerTlsConfig::new()
        .identity(server.identity())
        .client_ca_root(Certificate::from_pem(&authority.certificate))
        .client_auth_optional(true);
    let server = Server::builder().tls_config(tls).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let router = server.layer(certificates).layer(layer).add_service(Orders);
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));

    let cnf = json!({ "x5t#S256": own.client_certificate().thumbprint() });
    let token = || TestToken::new(ISSUER, AUDIENCE).claim("sub", "alice");
    let bound = format!("Bearer {}", token().claim("cnf", cnf).sign(&key));
    let unbound = format!("Bearer {}", token().sign(&key));
    for (name, certificate, field, code, message) in [
        ("a bound token with its certificate", Some(&own), &bound, Code::Ok, "alice: read"),
        (
            "a bound token with another certificate",
            Some(&other),
            &bound,
            Code::Unauthenticated,
            "The token is bound to another key",
        ),
        (
            "a bound token without a certificate",
            None,
            &bound,
            Code::Unauthenticated,
            "The token is bound to a key, which bearer tokens are not",
        ),
        (
            "a token that is not bound",
            Some(&own),
            &unbound,
            Code::Unauthenticated,
            "A token that is bound to a key is needed",
        ),
    ] {
        let tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.certificate));
        let tls = match certificate {
            Some(certificate) => tls.identity(certificate.identity()),
            None => tls,
        };
        let channel = Channel::from_shared(url.clone()).unwrap().tls_config(tls).unwrap();
        let channel = channel.connect().await.unwrap();
        // Twice over one connection.
        for _ in 0..2 {
            let (seen, text) = match ask(&channel, Some(field), "read").await {
                Ok(text) => (Code::Ok, text),
                Err(status) => (status.code(), status.message().to_owned()),
            };
            assert_eq!((seen, &*text), (code, message), "{name}");
        }
        println!("grpc: {name} is answered {code:?}: {message}");
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, name: &str) -> Signed {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Signed { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

impl Signed {
    fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.pem(), self.key.serialize_pem())
    }

    fn client_certificate(&self) -> ClientCertificate {
        ClientCertificate::from_der(self.certificate.der()).unwrap()
    }
}
