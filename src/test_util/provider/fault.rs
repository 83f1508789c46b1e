use std::time::Duration;

use http::StatusCode;

/// A failure of a [`TestProvider`](super::TestProvider).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Connections are refused, and open ones are closed. The port stays reserved for the provider.
    Down,
    /// Requests are read and never answered.
    Hang,
    /// The good answer, after this time.
    SlowHeaders(Duration),
    /// The good answer with its header at once and its body in pieces, the last of them after this
    /// time.
    SlowBody(Duration),
    /// Another status than 200.
    Status(u16),
    /// An HTML page with status 200, as a login form or a captive portal sends it.
    Html,
    /// A valid set that holds no key. The metadata is as usual.
    EmptySet,
    /// A valid document of 8 MiB, without `Content-Length`.
    Huge,
    /// The connection ends in the middle of the document.
    Truncated,
    /// 302, to the good document below `/elsewhere` of the same origin.
    Redirect,
    /// The metadata names another issuer. The keys are as usual.
    WrongIssuer,
    /// The good keys among some that cannot be used: an ML-DSA key, an RSA key of 1024 bits, a
    /// point beside its curve, a private key, a secret, one that lacks a member, one that is no
    /// object. The metadata is as usual.
    ///
    /// The secret (`odd-secret`) names HS256, and is [`ODD_SECRET`](Self::ODD_SECRET). Everyone can
    /// read it, so a client that takes secrets from a key set accepts tokens from everyone.
    OddKeys,
}

impl Fault {
    /// The secret that [`OddKeys`](Self::OddKeys) publishes.
    pub const ODD_SECRET: &[u8] = b"a secret that everybody can read in the set";
}

/// A document that a provider serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProviderDocument {
    Metadata,
    Jwks,
    /// An answer of the introspection endpoint.
    Introspection,
}

/// The fault of each document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) metadata: Option<Fault>,
    pub(super) jwks: Option<Fault>,
    pub(super) introspection: Option<Fault>,
}

impl Faults {
    pub(super) fn of(self, document: ProviderDocument) -> Option<Fault> {
        match document {
            ProviderDocument::Metadata => self.metadata,
            ProviderDocument::Jwks => self.jwks,
            ProviderDocument::Introspection => self.introspection,
        }
    }

    pub(super) fn is_down(self) -> bool {
        [self.metadata, self.jwks, self.introspection].contains(&Some(Fault::Down))
    }

    /// Panics for a status that no response has.
    pub(super) fn check(self) {
        for fault in [self.metadata, self.jwks, self.introspection].into_iter().flatten() {
            if let Fault::Status(code) = fault {
                let status = StatusCode::from_u16(code).ok();
                assert!(
                    status.is_some_and(|status| !status.is_informational()),
                    "{code} is no status of a response"
                );
            }
        }
    }
}
