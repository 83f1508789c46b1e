use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Whom a token is for (RFC 7519 §4.1.3): one string or several, never none.
#[derive(Clone)]
pub struct Audience(Several);

#[derive(Clone)]
enum Several {
    /// Nearly always, and an allocation less.
    One(Box<str>),
    Many(Vec<Box<str>>),
}

impl Audience {
    pub(super) fn one(audience: &str) -> Self {
        Self(Several::One(audience.into()))
    }

    /// `None` when there are none.
    pub(super) fn several(audiences: Vec<Box<str>>) -> Option<Self> {
        (!audiences.is_empty()).then_some(Self(Several::Many(audiences)))
    }

    /// Whether `audience` is among them, to the letter.
    pub fn contains(&self, audience: &str) -> bool {
        self.iter().any(|one| one == audience)
    }

    /// The audiences in the order of the token.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match &self.0 {
            Several::One(one) => std::slice::from_ref(one),
            Several::Many(many) => many,
        };
        all.iter().map(|one| &**one)
    }
}

impl PartialEq for Audience {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Audience {}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Audience").field(&self.iter().collect::<Vec<_>>()).finish()
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings that is not empty")
    }

    fn visit_str<E: Error>(self, one: &str) -> Result<Audience, E> {
        Ok(Audience::one(one))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience, A::Error> {
        let mut audiences = Vec::with_capacity(2);
        while let Some(one) = seq.next_element()? {
            audiences.push(one);
        }
        Audience::several(audiences).ok_or_else(|| A::Error::invalid_length(0, &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_string_and_a_list_of_strings_are_audiences() {
        // RFC 7519 §4.1.3: array of strings or single string
        for json in [r#""a""#, r#"["a"]"#, r#"["b","a"]"#] {
            let audience: Audience = serde_json::from_str(json).unwrap();
            assert!(audience.contains("a") && !audience.contains("A"), "{json}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        // RFC 7519 §4.1.3: no empty list, no other type in it
        for json in ["[]", "null", "1", r#"["a",1]"#, r#"["a",null]"#, r#"{"a":1}"#, r#"[["a"]]"#] {
            assert!(serde_json::from_str::<Audience>(json).is_err(), "{json}");
        }
    }
}
