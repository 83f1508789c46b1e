use std::fmt;

use serde_json::{Map, Value};

use crate::jose::json::weight;

/// A way to name the key that a token is bound to: a member of the claim `cnf` (RFC 7800 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfirmationMethod {
    /// `jkt`: the thumbprint of the key that signs DPoP proofs (RFC 9449 §6.1).
    Dpop,
    /// `x5t#S256`: the thumbprint of the client's certificate (RFC 8705 §3.1).
    Certificate,
    /// A member that this crate does not read, or none: `cnf` is empty or no object.
    Other,
}

/// The keys that a token is bound to: the claim `cnf` (RFC 7800).
///
/// A [`Binding`](crate::binding::Binding) compares them with the proof in the request.
#[derive(Clone, PartialEq, Eq)]
pub struct Confirmation {
    jwk_thumbprint: Option<String>,
    certificate_thumbprint: Option<String>,
    /// The members that are not read here.
    others: Map<String, Value>,
    is_readable: bool,
}

impl Confirmation {
    /// Reads the value of `cnf`. A value that is no object counts as a method of another kind.
    pub(super) fn read(json: Option<&str>) -> Self {
        let members = json.and_then(|json| serde_json::from_str::<Map<String, Value>>(json).ok());
        let is_readable = members.as_ref().is_some_and(|members| !members.is_empty());
        let (mut jwk_thumbprint, mut certificate_thumbprint, mut others) = (None, None, Map::new());
        for (name, value) in members.unwrap_or_default() {
            match (&*name, value) {
                ("jkt", Value::String(text)) => jwk_thumbprint = Some(text),
                ("x5t#S256", Value::String(text)) => certificate_thumbprint = Some(text),
                (_, value) => drop(others.insert(name, value)),
            }
        }
        Self { jwk_thumbprint, certificate_thumbprint, others, is_readable }
    }

    /// Returns the largest number of bytes that this takes, read from this text.
    pub(super) fn heap_bytes(&self, json: Option<&str>) -> usize {
        size_of_val(self) + json.map_or(0, weight)
    }

    /// Returns whether a key is named by this method. The sender must have every key that is named.
    pub fn names(&self, method: ConfirmationMethod) -> bool {
        match method {
            ConfirmationMethod::Dpop => self.jwk_thumbprint.is_some(),
            ConfirmationMethod::Certificate => self.certificate_thumbprint.is_some(),
            ConfirmationMethod::Other => !self.is_readable || !self.others.is_empty(),
        }
    }

    /// Returns `jkt`: the SHA-256 thumbprint of the key for DPoP, in base64url (RFC 9449 §6.1).
    pub fn jwk_thumbprint(&self) -> Option<&str> {
        self.jwk_thumbprint.as_deref()
    }

    /// Returns `x5t#S256`: the SHA-256 thumbprint of the client's certificate, in base64url (RFC 8705 §3.1).
    pub fn certificate_thumbprint(&self) -> Option<&str> {
        self.certificate_thumbprint.as_deref()
    }

    /// Returns the names of the members that this crate does not read: other methods, or those above with a value that
    /// is no string. A binding that answers [`ConfirmationMethod::Other`] vouches for all of them.
    pub fn other_names(&self) -> impl Iterator<Item = &str> {
        self.others.keys().map(String::as_str)
    }

    /// Returns the value of such a member, as JSON.
    pub fn other(&self, name: &str) -> Option<String> {
        self.others.get(name).map(Value::to_string)
    }
}

impl fmt::Display for ConfirmationMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dpop => "DPoP",
            Self::Certificate => "mutual TLS",
            Self::Other => "another method",
        })
    }
}

impl ConfirmationMethod {
    /// Every method.
    pub(crate) const ALL: [Self; 3] = [Self::Dpop, Self::Certificate, Self::Other];
}

// Thumbprints identify a device.
impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = ConfirmationMethod::ALL.into_iter().filter(|method| self.names(*method));
        f.debug_set().entries(methods).finish()
    }
}
