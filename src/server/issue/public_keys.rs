use serde::Serialize;

use crate::keys::PublicJwk;

/// Public keys, as a JWK set (RFC 7517 §5). Serialises to one.
#[derive(Clone, Debug, Serialize)]
pub struct PublicKeys {
    keys: Vec<PublicJwk>,
}

impl PublicKeys {
    pub(super) fn new(keys: impl IntoIterator<Item = PublicJwk>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// These keys and others, while one replaces the other: publish the next key before the first
    /// token is signed with it, and the last one until its tokens have expired.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.keys.extend(others.keys);
        self
    }

    /// The set as JSON text.
    ///
    /// # Panics
    ///
    /// Never: strings can always be written.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings serialise")
    }
}
