//! Tests the resource server with tokens that are bound to certificates.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use tower_bearer::mtls::ClientCertificate;

use super::resource_server::TempFile;
use super::*;
use crate::middleware::mtls::connections::TlsClient;
use crate::middleware::mtls::fields::{escaped, hash};
use crate::middleware::mtls::identities::{Authority, Identity};
use crate::middleware::mtls::{RFC_8705, RFC_9440, certificate};

fn key() -> TestKey {
    key_for(Algorithm::ES256)
}

fn bound_to(certificate: &ClientCertificate) -> String {
    let cnf = json!({ "x5t#S256": certificate.thumbprint() });
    TestToken::new(ISSUER, AUDIENCE).claim("cnf", cnf).sign(&key())
}

/// Starts with a public key and these variables.
fn start(name: &str, more: &[(&str, &str)]) -> Program {
    let keys = key_file(name);
    let base = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWKS_FILE", keys.path())];
    Program::start("resource_server", &[&base[..], more].concat())
}

fn key_file(name: &str) -> TempFile {
    let jwks = json!({ "keys": [key().to_jwk()] }).to_string();
    TempFile::new(&format!("mtls-{name}.json"), &jwks)
}

#[tokio::test]
async fn certificate_comes_from_a_field_of_a_trusted_hop() {
    let own = bound_to(&certificate(RFC_9440));
    for (from, field, value, other) in [
        ("rfc9440", "client-cert", format!(":{RFC_9440}:"), format!(":{RFC_8705}:")),
        (
            "xfcc",
            "x-forwarded-client-cert",
            format!("Hash={}", hash(RFC_9440)),
            format!("Hash={}", hash(RFC_8705)),
        ),
        ("nginx", "x-ssl-client-cert", escaped(RFC_9440, "\n"), escaped(RFC_8705, "\n")),
    ] {
        let program = |hops| start(from, &[("CLIENT_CERT_FROM", from), ("TRUSTED_HOPS", hops)]);
        let (trusting, wary) = (program("10.0.0.0/8, 127.0.0.1"), program("10.0.0.0/8"));
        let ask = async |program: &Program, value: Option<&str>| {
            let mut request = program.get("/protected").bearer(&own);
            if let Some(value) = value {
                request = request.field(field, value);
            }
            program.send(request).await.status().as_u16()
        };

        assert_eq!(ask(&trusting, Some(&value)).await, 200, "{from}");
        assert_eq!(ask(&trusting, Some(&other)).await, 401, "{from}");
        assert_eq!(ask(&trusting, None).await, 401, "{from}");
        assert_eq!(ask(&wary, Some(&value)).await, 401, "{from}");
    }
}

#[tokio::test]
async fn certificate_comes_from_the_connection_over_https() {
    let (server, authority) = (Identity::self_signed(), Authority::new());
    let (own, other) = (authority.client("own"), authority.client("other"));
    let cert = TempFile::new("mtls-cert.pem", &server.certificate);
    let private = TempFile::new("mtls-key.pem", &server.key);
    let clients = TempFile::new("mtls-clients.pem", &authority.certificate);
    let tls = [("TLS_CERT_FILE", cert.path()), ("TLS_KEY_FILE", private.path())];
    let from = [("CLIENT_CERT_FROM", "tls")];
    let authorities = [("TLS_CLIENT_CA_FILE", clients.path())];
    let strict = start("tls", &[&tls[..], &from, &authorities].concat());
    let any = start("tls-any", &[&tls[..], &from].concat());
    let without = start("tls-without", &tls);
    let address = |program: &Program| -> SocketAddr {
        program.url.strip_prefix("https://").unwrap().parse().unwrap()
    };
    let unbound = TestToken::new(ISSUER, AUDIENCE).sign(&key());
    let tokens = [&*bound_to(&own.client_certificate()), &*unbound];
    let ask = async |program: &Program, client: Option<&Identity>| {
        let client = TlsClient::new(&server, client);
        client.ask_for(address(program), "/protected", &tokens).await.map(|asked| asked.statuses)
    };

    assert_eq!(ask(&strict, Some(&own)).await.unwrap(), [200, 200]);
    assert_eq!(ask(&strict, Some(&other)).await.unwrap(), [401, 200]);
    assert_eq!(ask(&strict, None).await.unwrap(), [401, 200]);
    assert!(ask(&strict, Some(&Identity::self_signed())).await.is_err());
    assert_eq!(ask(&any, Some(&Identity::self_signed())).await.unwrap(), [401, 200]);
    assert_eq!(ask(&any, Some(&own)).await.unwrap(), [200, 200]);
    assert_eq!(ask(&without, Some(&own)).await.unwrap(), [401, 200]);
}

#[test]
fn wrong_configuration_names_the_variable_to_mend() {
    let keys = key_file("wrong");
    let base = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWKS_FILE", keys.path())];
    let server = Identity::self_signed();
    let cert = TempFile::new("mtls-wrong-cert.pem", &server.certificate);
    let private = TempFile::new("mtls-wrong-key.pem", &server.key);
    let other = TempFile::new("mtls-wrong-other.pem", &Identity::self_signed().key);
    assert!(Path::new(cert.path()).exists());
    for (variables, variable, more) in [
        (&[("CLIENT_CERT_FROM", "header")][..], "CLIENT_CERT_FROM", "xfcc"),
        (&[("CLIENT_CERT_FROM", "tls")], "TLS_CERT_FILE", "not set"),
        (&[("CLIENT_CERT_FROM", "rfc9440")], "TRUSTED_HOPS", "not set"),
        (
            &[("CLIENT_CERT_FROM", "xfcc"), ("TRUSTED_HOPS", "proxy")],
            "TRUSTED_HOPS",
            "names of hosts",
        ),
        (
            &[("CLIENT_CERT_FROM", "xfcc"), ("TRUSTED_HOPS", "0.0.0.0/0")],
            "TRUSTED_HOPS",
            "every client",
        ),
        (
            &[("CLIENT_CERT_FROM", "nginx"), ("CLIENT_CERT_FIELD", "a b"), ("TRUSTED_HOPS", "::1")],
            "CLIENT_CERT_FIELD",
            "header",
        ),
        (
            &[
                ("CLIENT_CERT_FROM", "nginx"),
                ("CLIENT_CERT_FIELD", "Authorization"),
                ("TRUSTED_HOPS", "::1"),
            ],
            "CLIENT_CERT_FIELD: ",
            "requests need",
        ),
        (&[("TRUSTED_HOPS", "::1")], "TRUSTED_HOPS: ", "CLIENT_CERT_FROM=rfc9440 or xfcc or nginx"),
        (&[("CLIENT_CERT_FROM", "tls"), ("TRUSTED_HOPS", "::1")], "TRUSTED_HOPS: ", "=rfc9440"),
        (&[("CLIENT_CERT_FIELD", "x-cert")], "CLIENT_CERT_FIELD: ", "CLIENT_CERT_FROM=nginx"),
        (
            &[
                ("CLIENT_CERT_FROM", "xfcc"),
                ("TRUSTED_HOPS", "::1"),
                ("CLIENT_CERT_FIELD", "x-cert"),
            ],
            "CLIENT_CERT_FIELD: ",
            "CLIENT_CERT_FROM=nginx",
        ),
        (&[("CLIENT_CERT_FROM", "header"), ("TRUSTED_HOPS", "::1")], "CLIENT_CERT_FROM: ", "xfcc"),
        (&[("TLS_KEY_FILE", private.path())], "TLS_KEY_FILE", "TLS_CERT_FILE"),
        (&[("TLS_CLIENT_CA_FILE", cert.path())], "TLS_CLIENT_CA_FILE", "TLS_CERT_FILE"),
        (&[("TLS_CERT_FILE", cert.path())], "TLS_KEY_FILE", "not set"),
        (
            &[("TLS_CERT_FILE", "/nowhere.pem"), ("TLS_KEY_FILE", private.path())],
            "TLS_CERT_FILE",
            "/nowhere.pem",
        ),
        (
            &[("TLS_CERT_FILE", cert.path()), ("TLS_KEY_FILE", cert.path())],
            "TLS_KEY_FILE: ",
            "private key",
        ),
        (
            &[("TLS_CERT_FILE", cert.path()), ("TLS_KEY_FILE", other.path())],
            "TLS_CERT_FILE: ",
            "certificate",
        ),
        (
            &[
                ("TLS_CERT_FILE", cert.path()),
                ("TLS_KEY_FILE", private.path()),
                ("TLS_CLIENT_CA_FILE", private.path()),
            ],
            "TLS_CLIENT_CA_FILE",
            "no certificate",
        ),
    ] {
        let said = refusal("resource_server", &[&base[..], variables].concat());
        assert!(said.contains(variable) && said.contains(more), "{variables:?}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }
}
