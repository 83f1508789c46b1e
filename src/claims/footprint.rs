//! How much memory the application's claims take, besides their type.
//!
//! serde_json reads them, and does not say which members were asked for. A struct tells its fields to the deserializer
//! before it reads the first one, so a deserializer that has nothing to give is enough to learn them. What does not
//! tell counts as keeping everything.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::jose::json::{object_weight, weight};

/// Adds up how many bytes the application's claims take at the most, before they are read.
///
/// What a type will keep of a payload cannot be known, so it counts as if it were a `serde_json::Value`. A struct
/// keeps no more than the members that it has fields for, and no names.
pub(crate) struct Footprint {
    fields: Option<&'static [&'static str]>,
    bytes: usize,
}

impl Footprint {
    /// Starts with nothing, for claims of this type.
    #[inline]
    pub(crate) fn of<'de, C: Deserialize<'de>>() -> Self {
        let fields = Cell::new(None);
        // Always an error: there is nothing to read.
        drop(C::deserialize(FieldsProbe { fields: &fields }));
        Self { fields: fields.get(), bytes: 0 }
    }

    /// Counts next to nothing: for claims that are not kept.
    pub(crate) fn uncounted() -> Self {
        Self { fields: Some(&[]), bytes: 0 }
    }

    /// Says whether the type may keep the list or the object that this member has.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.fields.is_none_or(|fields| fields.contains(&name))
    }

    /// Adds a list or an object that the type may keep.
    pub(super) fn add(&mut self, value: &str) {
        // Its text is counted with the whole.
        self.bytes += weight(value) - value.len();
    }

    /// Adds the payload itself, which has so many members.
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

/// A deserializer that has nothing to give, and keeps the names of the fields that a struct asks for.
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
        // Without a name there is nothing to rely on.
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

/// The error that is no news: a probe has nothing to give.
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
