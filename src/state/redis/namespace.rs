use std::fmt;

use crate::config_error::ConfigError;

/// The namespace with which all keys in Redis begin.
///
/// It is a hash tag, so in a cluster one server keeps all keys, and one script can touch them.
#[derive(Clone, Debug)]
pub(in crate::state) struct Namespace {
    prefix: String,
}

impl Namespace {
    pub(in crate::state) fn new(namespace: &str) -> Result<Self, ConfigError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        if namespace.is_empty() || !namespace.chars().all(is_plain) {
            return Err(ConfigError::Namespace { namespace: namespace.to_owned() });
        }
        Ok(Self::of(namespace))
    }

    pub(in crate::state) fn usual() -> Self {
        Self::of("tower-bearer")
    }

    // The number is the version of the format, so that another version can stand beside it.
    fn of(namespace: &str) -> Self {
        Self { prefix: format!("{{{namespace}}}:1:") }
    }

    /// Returns the key of this name.
    pub(in crate::state) fn key(&self, name: impl fmt::Display) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_share_one_hash_tag() {
        assert_eq!(Namespace::new("shop").unwrap().key("stream"), "{shop}:1:stream");
    }

    #[test]
    fn namespace_without_a_hash_tag_is_refused() {
        for namespace in ["", "a}b", "{", "a b", "ä"] {
            assert!(Namespace::new(namespace).is_err(), "{namespace}");
        }
        assert!(Namespace::new("tower-bearer").is_ok());
    }
}
