//! The names by which serde_json asks itself for what is not in serde's model.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

/// Asks for a `RawValue` where there is none, and listens.
pub fn of_raw_values() -> String {
    let name = RefCell::new(String::new());
    let read = Box::<RawValue>::deserialize(Listener(&name));
    assert!(read.is_err() && !name.borrow().is_empty());
    name.into_inner()
}

/// Asks for anything where there is a number, which is shown as an object with one member.
pub fn of_numbers() -> String {
    let mut number = serde_json::Deserializer::from_str("1.5");
    let Name(name) = Name::deserialize(&mut number).unwrap();
    name
}

struct Listener<'n>(&'n RefCell<String>);

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("there is nothing"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.replace(name.to_owned());
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Name, A::Error> {
        let name: Option<String> = map.next_key()?;
        name.map(Name).ok_or_else(|| A::Error::custom("no member"))
    }
}
