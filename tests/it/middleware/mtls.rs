//! Tests tokens that are bound to the certificate of a client: the binding, the fields of proxies, real TLS.

mod binding;
pub mod fields;
mod hops;
pub mod identities;
pub mod connections;
pub mod servers;
mod terminators;

use std::net::IpAddr;

use axum::Router;
use axum::routing::get as on_get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::json;
use tower_bearer::binding::TrustedHops;
use tower_bearer::mtls::{CertificateBinding, ClientCertificate};
use tower_bearer::{BearerLayer, Principal};

use crate::support::{User, key, layer, token};

/// The certificate of RFC 8705, appendix A, and its thumbprint there.
pub const RFC_8705: &str = "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEy\
MzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS\
7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV\
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=";
pub const RFC_8705_THUMBPRINT: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";

/// The certificate of the client in RFC 9440, appendix A.
pub const RFC_9440: &str = "MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMM\
EkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0D\
AQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAf\
BgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRj\
QGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmu\
ydBVoU4hBVZ1yhk=";

pub fn der_of(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap()
}

pub fn certificate(base64: &str) -> ClientCertificate {
    ClientCertificate::from_der(der_of(base64)).unwrap()
}

/// A token that is bound to a certificate.
pub fn bound_to(certificate: &ClientCertificate) -> String {
    token().claim("cnf", json!({ "x5t#S256": certificate.thumbprint() })).sign(&key())
}

pub fn bound() -> String {
    bound_to(&certificate(RFC_9440))
}

pub fn checked() -> BearerLayer<User> {
    layer().with_binding(CertificateBinding::new())
}

/// Answers with the subject at `/`, and at `/fields` with the names of all fields that application code sees.
pub fn app(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    let fields = async |headers: HeaderMap| {
        let names: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.join(" ")
    };
    Router::new().route("/", on_get(name)).layer(layer).route("/fields", on_get(fields))
}

/// The address of the connection, as a test puts it into the extensions.
#[derive(Clone, Copy)]
pub struct Peer(pub IpAddr);

pub fn hops() -> TrustedHops {
    TrustedHops::new(["10.0.0.0/8"], |extensions| extensions.get::<Peer>().map(|peer| peer.0))
        .unwrap()
}

pub const NO_CERTIFICATE: &str = "The token is bound to a key, which bearer tokens are not";
pub const ANOTHER: &str = "The token is bound to another key";
