//! An object whose members were found once, read again as the type somebody wants.

mod part;

use std::cell::Cell;

use arrayvec::ArrayVec;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Error;

use self::part::{ANOTHER_WAY, Name, PRIVATE, Value, refuse};
use super::weight;

/// The members of one object, in order: each with its name and its value as it is written.
///
/// Whoever puts them in has found them valid, without escapes in a name, and each name once.
pub(crate) struct Members<'t> {
    list: ArrayVec<(&'t str, &'t str), MOST>,
    is_ready: bool,
}

/// More than the tokens of providers have.
const MOST: usize = 32;

impl<'t> Members<'t> {
    pub(crate) fn new() -> Self {
        Self { list: ArrayVec::new(), is_ready: false }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(one, _)| *one == name)
    }

    /// `None` when there are too many.
    pub(crate) fn push(&mut self, name: &'t str, value: &'t str) -> Option<()> {
        self.list.try_push((name, value)).ok()
    }

    /// Says that no member is missing; until then nothing is read.
    pub(crate) fn complete(&mut self) {
        self.is_ready = true;
    }

    /// What serde_json would make of the object, or `None`: then it must be asked, also why it does not
    /// fit.
    ///
    /// Values are handed to serde_json one by one; what is not are those that nobody wants, and strings
    /// without escapes.
    ///
    /// Also says how much memory it takes at the most, besides itself: what has been asked for counts as a
    /// `serde_json::Value`.
    pub(crate) fn read<T: Deserialize<'t>>(&self) -> Option<(T, usize)> {
        if !self.is_ready {
            return None;
        }
        let weight = Cell::new(0);
        let read = T::deserialize(Object { list: &self.list, weight: &weight }).ok()?;
        Some((read, weight.get()))
    }
}

#[derive(Clone, Copy)]
struct Object<'m, 't> {
    list: &'m [(&'t str, &'t str)],
    /// What was taken of it so far.
    weight: &'m Cell<usize>,
}

impl<'t> Object<'_, 't> {
    fn walk<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut walk = Walk { rest: self.list, value: None, weight: self.weight };
        let read = visitor.visit_map(&mut walk)?;
        // serde_json takes no object of which somebody has left something.
        match walk {
            Walk { rest: [], value: None, .. } => Ok(read),
            _ => Err(Error::custom(ANOTHER_WAY)),
        }
    }
}

impl<'t> Deserializer<'t> for Object<'_, 't> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        // A type that does not say which members there are keeps their names as well.
        let names: usize = self.list.iter().map(|(name, _)| name.len()).sum();
        self.weight.set(self.weight.get() + weight::object(self.list.len()) + names);
        self.walk(visitor)
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.walk(visitor)
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

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err(Error::custom(ANOTHER_WAY))
    }

    fn deserialize_unit_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: V,
    ) -> Result<V::Value, Error> {
        Err(Error::custom(ANOTHER_WAY))
    }

    fn deserialize_tuple<V: Visitor<'t>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::custom(ANOTHER_WAY))
    }

    fn deserialize_tuple_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, Error> {
        Err(Error::custom(ANOTHER_WAY))
    }

    refuse! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_seq
        deserialize_identifier
    }
}

struct Walk<'m, 't> {
    rest: &'m [(&'t str, &'t str)],
    /// Whose name was read already.
    value: Option<&'t str>,
    weight: &'m Cell<usize>,
}

impl<'t> MapAccess<'t> for Walk<'_, 't> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'t>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.value.is_some() {
            return Err(Error::custom(ANOTHER_WAY));
        }
        let Some((&(name, value), rest)) = self.rest.split_first() else { return Ok(None) };
        (self.rest, self.value) = (rest, Some(value));
        seed.deserialize(Name(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.value.take().ok_or_else(|| Error::custom(ANOTHER_WAY))?;
        seed.deserialize(Value { text: value, weight: self.weight })
    }
}
