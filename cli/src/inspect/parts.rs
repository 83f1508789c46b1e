//! The parts of a token that can be read without a key.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The members of an object, in their order.
pub(super) type Members = IndexMap<String, Value>;

/// The dates of a token, in seconds since 1970.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Times {
    pub(super) issued_at: Option<i64>,
    pub(super) not_before: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) now: i64,
}

/// The names of the members of an object, each as often as it stands there.
pub(super) struct Names(Vec<String>);

impl Names {
    /// Returns the names that stand more than once. A verifier refuses such an object, and `Members` keeps the last.
    pub(super) fn repeated(text: &str) -> Vec<String> {
        let Self(mut names) = serde_json::from_str(text).unwrap_or(Self(Vec::new()));
        names.sort_unstable();
        let mut repeated: Vec<_> = names
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0].clone())
            .collect();
        repeated.dedup();
        repeated
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = map.next_entry()? {
            names.push(name);
        }
        Ok(Names(names))
    }
}
