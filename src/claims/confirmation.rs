use std::fmt;

use serde_json::{Map, Value};

/// The keys that a token is bound to: the claim `cnf` (RFC 7800).
///
/// A [`Binding`](crate::middleware::Binding) compares them with the proof in the request.
#[derive(Clone, PartialEq, Eq)]
pub struct Confirmation {
    jwk_thumbprint: Option<String>,
    certificate_thumbprint: Option<String>,
    has_other: bool,
}

impl Confirmation {
    /// Reads the value of `cnf`. A value that is no object counts as a method of another kind.
    pub(super) fn read(json: Option<&str>) -> Self {
        let members = json.and_then(|json| serde_json::from_str::<Map<String, Value>>(json).ok());
        let mut members = members.unwrap_or_default();
        let count = members.len();
        let mut text = |name: &str| match members.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (jwk_thumbprint, certificate_thumbprint) = (text("jkt"), text("x5t#S256"));
        let known =
            usize::from(jwk_thumbprint.is_some()) + usize::from(certificate_thumbprint.is_some());
        Self { jwk_thumbprint, certificate_thumbprint, has_other: known < count || count == 0 }
    }

    /// Counts the keys, of which the sender must have every one.
    pub(crate) fn count(&self) -> usize {
        let known = [&self.jwk_thumbprint, &self.certificate_thumbprint];
        known.into_iter().flatten().count() + usize::from(self.has_other)
    }

    /// Returns `jkt`: the SHA-256 thumbprint of the key for DPoP, in base64url (RFC 9449 §6.1).
    pub fn jwk_thumbprint(&self) -> Option<&str> {
        self.jwk_thumbprint.as_deref()
    }

    /// Returns `x5t#S256`: the SHA-256 thumbprint of the client's certificate, in base64url (RFC 8705 §3.1).
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.certificate_thumbprint.as_deref()
    }

    /// Returns whether the claim has a member that this crate does not read, or none at all. A binding refuses such
    /// a token unless it knows the member.
    pub fn has_other(&self) -> bool {
        self.has_other
    }
}

// Thumbprints identify a device.
impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation")
            .field("has_jwk_thumbprint", &self.jwk_thumbprint.is_some())
            .field("has_certificate_thumbprint", &self.certificate_thumbprint.is_some())
            .field("has_other", &self.has_other)
            .finish()
    }
}
