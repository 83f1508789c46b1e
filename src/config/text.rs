//! Reads and writes values that are written as text.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::claims::Hierarchy;

/// A value that can be parsed and displayed, written as a string.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ParsedText<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for ParsedText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|problem| D::Error::custom(format!("{text:?}: {problem}")))
    }
}

impl<T: fmt::Display> Serialize for ParsedText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A duration: a number of seconds, or text such as `90s`, `10m` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DurationText(pub(super) Duration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Reads a JSON value first: with serde_json's `arbitrary_precision`, which any crate of a
        // program may switch on, `deserialize_any` presents a number as a map.
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::Number(seconds) => seconds.as_u64().map(Duration::from_secs).map(Self),
            Value::String(text) => Some(humantime::parse_duration(text).map(Self).map_err(
                |problem| D::Error::custom(format!("{text:?} is no duration: {problem}")),
            )?),
            _ => None,
        }
        .ok_or_else(|| {
            D::Error::custom(format!(
                "{value} is no duration: give whole seconds, or text such as \"90s\", \"10m\" or \"4h\""
            ))
        })
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

/// A secret that is read and never shown.
#[derive(Clone)]
pub(super) struct Secret(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new).map(Self)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(NOT_SHOWN)
    }
}

/// The address of a proxy. Its user and password are read and never shown.
#[derive(Clone)]
pub(super) struct ProxyUrl(pub(super) Zeroizing<String>);

impl ProxyUrl {
    fn shown(&self) -> String {
        match self.0.rsplit_once('@') {
            Some((_, rest)) => format!("{NOT_SHOWN}@{rest}"),
            None => self.0.to_string(),
        }
    }
}

impl<'de> Deserialize<'de> for ProxyUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Zeroizing::new).map(Self)
    }
}

impl Serialize for ProxyUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// A JWK set as JSON. Its secret and private members are read and never shown.
#[derive(Clone, Deserialize)]
pub(super) struct InlineJwks(Value);

impl InlineJwks {
    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }
}

impl Serialize for InlineJwks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = self.0.clone();
        hide_secrets(&mut shown);
        shown.serialize(serializer)
    }
}

fn hide_secrets(value: &mut Value) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(hide_secrets),
        Value::Object(members) => {
            for (name, value) in members {
                if SECRET_MEMBERS.contains(&name.as_str()) {
                    *value = NOT_SHOWN.into();
                } else {
                    hide_secrets(value);
                }
            }
        }
        _ => {}
    }
}

impl fmt::Debug for InlineJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NOT_SHOWN)
    }
}

/// RFC 7518 §6: the members that must not be public.
const SECRET_MEMBERS: [&str; 8] = ["k", "d", "p", "q", "dp", "dq", "qi", "oth"];
const NOT_SHOWN: &str = "(not shown)";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NOT_SHOWN)
    }
}

/// Claims and their values, in the order they were written. A map would keep the last one of a claim that stands there
/// twice, and forget the first one without a word.
#[derive(Clone, Debug)]
pub(super) struct TrustTable(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for TrustTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = TrustTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of claims and their values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TrustTable, A::Error> {
                let mut claims = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    claims.push(entry);
                }
                Ok(TrustTable(claims))
            }
        }

        deserializer.deserialize_map(Table)
    }
}

impl Serialize for TrustTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(claim, value)| (claim, value)))
    }
}

/// A hierarchy: a table of names and lists of names that they imply, or text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HierarchyTable(pub(super) Hierarchy);

impl<'de> Deserialize<'de> for HierarchyTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = HierarchyTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of names and the names that they imply, or text such as \"admin > editor\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HierarchyTable, E> {
                text.parse().map(HierarchyTable).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HierarchyTable, A::Error> {
                let mut hierarchy = Hierarchy::new();
                while let Some((name, implied)) = map.next_entry::<String, Vec<String>>()? {
                    hierarchy = hierarchy.with(name, implied);
                }
                Ok(HierarchyTable(hierarchy))
            }
        }

        deserializer.deserialize_any(Table)
    }
}

impl Serialize for HierarchyTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = BTreeMap::<&str, Vec<&str>>::new();
        for (name, implied) in self.0.steps() {
            table.entry(name).or_default().push(implied);
        }
        table.serialize(serializer)
    }
}
