//! Checks tokens that are bound to the certificate of a client (mutual TLS, RFC 8705 §3).
//!
//! The TLS of a connection, or a proxy in front of this service, has checked that the client has the private key of its
//! certificate. [`CertificateBinding`] compares that certificate with the one that the token names. No chain is
//! verified here: the thumbprint in the token is enough.

mod certificate;
mod xfcc;
mod field;
mod certificate_binding;
mod layer;
mod settings;
mod connection;
mod listener;

pub use certificate::{ClientCertificate, InvalidCertificate};
pub use certificate_binding::CertificateBinding;
pub use connection::TlsConnection;
pub use field::CertificateField;
pub use layer::{ClientCertificateLayer, ClientCertificateService};
pub use listener::TlsListener;
pub use settings::{ClientAuthorities, TlsSettings};
