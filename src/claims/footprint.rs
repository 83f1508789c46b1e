//! Estimates the memory of the application's claims, besides the size of their type.
//!
//! serde_json reads the claims, and does not report which members it has used. A struct names its fields to the
//! deserializer before it reads the first one, so an empty deserializer is enough to learn them. A type that names no
//! fields counts as if it kept everything.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::jose::json::{object_weight, weight};

/// Adds up the largest number of bytes that the application's claims can take, before they are read.
///
/// It is not known which parts of a payload a type keeps, so it counts as a `serde_json::Value`. A struct
/// keeps only members that it has fields for, and no names.
pub(crate) struct Footprint {
    fields: Option<&'static [&'static str]>,
    bytes: usize,
}

impl Footprint {
    /// Starts with nothing, for claims of this type.
    #[inline]
    pub(crate) fn of<'de, C: Deserialize<'de>>() -> Self {
        let fields = Cell::new(None);
        // This is always an error, because the deserializer is empty.
        drop(C::deserialize(FieldsProbe { fields: &fields }));
        Self { fields: fields.get(), bytes: 0 }
    }

    /// Counts almost nothing, for claims that are not kept.
    pub(crate) fn uncounted() -> Self {
        Self { fields: Some(&[]), bytes: 0 }
    }

    /// Returns whether the type may keep the list or object in this member.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.fields.is_none_or(|fields| fields.contains(&name))
    }

    /// Adds a list or an object that the type may keep.
    pub(super) fn add(&mut self, value: &str) {
        // Its text is counted with the payload.
        self.bytes += weight(value) - value.len();
    }

    /// Adds the payload itself, which has this number of members.
    pub(super) fn add_payload(&mut self, text: &str, members: usize) {
        self.bytes += text.len();
        if self.fields.is_none() {
            self.bytes += object_weight(members);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// An empty deserializer that keeps the names of the fields that a struct asks for.
#[derive(Clone, Copy)]
struct FieldsProbe<'p> {
    fields: &'p Cell<Option<&'static [&'static str]>>,
}

impl<'de> Deserializer<'de> for FieldsProbe<'_> {
    type Error = NoData;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoData> {
        Err(NoData)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NoData> {
        // A field without a name tells nothing.
        self.fields.set(Some(fields).filter(|fields| !fields.is_empty()));
        Err(NoData)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NoData> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NoData> {
        visitor.visit_some(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoData> {
        self.fields.set(Some(&[]));
        Err(NoData)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier
    }
}

/// The expected error of the empty deserializer.
#[derive(Debug)]
struct NoData;

impl serde::de::Error for NoData {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl std::error::Error for NoData {}

impl fmt::Display for NoData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no data")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::IgnoredAny;
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    struct User {
        #[serde(rename = "sub", alias = "user")]
        _sub: String,
        #[serde(default)]
        _roles: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Wrapped(#[expect(dead_code)] User);

    #[derive(Deserialize)]
    struct Open {
        _sub: String,
        #[serde(flatten)]
        _rest: BTreeMap<String, Value>,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code)]
    enum Either {
        User(User),
        Other(Value),
    }

    #[derive(Deserialize)]
    struct Nothing {}

    #[test]
    fn struct_takes_the_members_that_it_has_fields_for() {
        let shapes =
            [Footprint::of::<User>(), Footprint::of::<Wrapped>(), Footprint::of::<Option<User>>()];
        for footprint in shapes {
            for name in ["sub", "user", "_roles"] {
                assert!(footprint.takes(name), "{name}");
            }
            assert!(!footprint.takes("roles") && !footprint.takes(""));
        }
        assert!(!Footprint::of::<IgnoredAny>().takes("sub"));
    }

    #[test]
    fn type_that_may_keep_anything_takes_all_members() {
        let shapes = [
            Footprint::of::<Value>(),
            Footprint::of::<BTreeMap<String, Value>>(),
            Footprint::of::<Open>(),
            Footprint::of::<Either>(),
            Footprint::of::<Nothing>(),
        ];
        for footprint in shapes {
            assert!(footprint.takes("sub") && footprint.takes("roles"));
        }
    }

    #[test]
    fn payload_counts_once_and_its_parts_as_what_they_are() {
        let mut closed = Footprint::of::<User>();
        let mut open = Footprint::of::<Value>();
        for footprint in [&mut closed, &mut open] {
            footprint.add("[1,2]");
            footprint.add_payload(r#"{"sub":"a","_roles":[1,2]}"#, 2);
        }

        let list = weight("[1,2]") - 5;
        assert_eq!(closed.bytes(), 26 + list);
        assert_eq!(open.bytes(), 26 + list + object_weight(2));
    }
}
