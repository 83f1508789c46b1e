//! The parts of a member: its name, and its value as it is written.

use std::cell::Cell;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use crate::jose::json::weight;

/// Refuses what something is not.
macro_rules! refuse {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'t>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom(ANOTHER_WAY))
        }
    )*};
}
pub(super) use refuse;

/// The name of a member, which serde_json reads as a string or, if asked for one, as a number.
#[derive(Clone, Copy)]
pub(super) struct Name<'t>(pub(super) &'t str);

impl<'t> Deserializer<'t> for Name<'t> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name.starts_with(PRIVATE) {
            return Err(Error::custom(ANOTHER_WAY));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        BorrowedStrDeserializer::new(self.0).deserialize_enum(name, variants, visitor)
    }

    refuse! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
    }

    forward_to_deserialize_any! { <V: Visitor<'t>>
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A value as it is written.
#[derive(Clone, Copy)]
pub(super) struct Value<'m, 't> {
    pub(super) text: &'t str,
    /// To which is added what it takes in memory, if it is read.
    pub(super) weight: &'m Cell<usize>,
}

impl<'t> Value<'_, 't> {
    /// What is between the quotation marks of a string, when it means itself.
    fn plain(self) -> Option<&'t str> {
        let string = self.text.strip_prefix('"')?.strip_suffix('"')?;
        memchr::memchr(b'\\', string.as_bytes()).is_none().then_some(string)
    }

    fn string<V: Visitor<'t>>(
        self,
        visitor: V,
        otherwise: impl FnOnce(&mut SerdeJson<'t>, V) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        match self.plain() {
            Some(string) => {
                self.weight.set(self.weight.get() + string.len());
                visitor.visit_borrowed_str(string)
            }
            None => self.by_serde_json(|deserializer| otherwise(deserializer, visitor)),
        }
    }

    fn by_serde_json<R>(
        self,
        read: impl FnOnce(&mut SerdeJson<'t>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.weight.set(self.weight.get() + weight(self.text));
        let mut deserializer = serde_json::Deserializer::from_str(self.text);
        let value = read(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }
}

type SerdeJson<'t> = serde_json::Deserializer<serde_json::de::StrRead<'t>>;

macro_rules! by_serde_json {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
            self.by_serde_json(|deserializer| deserializer.$method(visitor))
        }
    )*};
}

impl<'t> Deserializer<'t> for Value<'_, 't> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.string(visitor, |deserializer, visitor| deserializer.deserialize_any(visitor))
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.string(visitor, |deserializer, visitor| deserializer.deserialize_str(visitor))
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.string(visitor, |deserializer, visitor| deserializer.deserialize_string(visitor))
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.text == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name.starts_with(PRIVATE) {
            return self.by_serde_json(|deserializer| {
                deserializer.deserialize_newtype_struct(name, visitor)
            });
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.by_serde_json(|deserializer| deserializer.deserialize_struct(name, fields, visitor))
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.by_serde_json(|deserializer| deserializer.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.by_serde_json(|deserializer| deserializer.deserialize_unit_struct(name, visitor))
    }

    fn deserialize_tuple<V: Visitor<'t>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.by_serde_json(|deserializer| deserializer.deserialize_tuple(length, visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.by_serde_json(|deserializer| {
            deserializer.deserialize_tuple_struct(name, length, visitor)
        })
    }

    by_serde_json! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_bytes
        deserialize_byte_buf deserialize_unit deserialize_seq deserialize_map
        deserialize_identifier
    }
}

/// How the names begin by which serde_json asks itself for what is not in serde's model.
pub(super) const PRIVATE: &str = "$serde_json::";
/// Nobody reads it: serde_json is asked next, and says what is wrong if anything is.
pub(super) const ANOTHER_WAY: &str = "to be read another way";
