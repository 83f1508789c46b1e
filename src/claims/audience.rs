use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::piece::Piece;

/// The audiences of a token (RFC 7519 §4.1.3): one string, or a list of strings that may be empty.
#[derive(Clone, Copy)]
pub struct Audience<'a> {
    text: &'a str,
    pieces: &'a [Piece],
}

impl<'a> Audience<'a> {
    pub(super) fn new(text: &'a str, pieces: &'a [Piece]) -> Self {
        Self { text, pieces }
    }

    /// Returns whether the token names this audience, compared to the letter.
    pub fn contains(self, audience: &str) -> bool {
        self.iter().any(|one| one == audience)
    }

    /// Returns whether the token names no audience: its list is empty.
    pub fn is_empty(self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns the audiences in the order of the token.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.pieces.iter().map(move |piece| piece.of(self.text))
    }
}

impl PartialEq for Audience<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Audience<'_> {}

impl fmt::Debug for Audience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Audience").field(&self.iter().collect::<Vec<_>>()).finish()
    }
}

/// The value of `aud`, one string or a list, as serde reads it.
pub(super) struct Audiences(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audiences;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: Error>(self, one: &str) -> Result<Audiences, E> {
        Ok(Audiences(vec![one.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audiences, A::Error> {
        let mut audiences = Vec::with_capacity(2);
        while let Some(one) = seq.next_element()? {
            audiences.push(one);
        }
        Ok(Audiences(audiences))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_string_and_a_list_of_strings_are_audiences() {
        // RFC 7519 §4.1.3: array of strings or single string
        for (json, expected) in [
            (r#""a""#, &["a"][..]),
            (r#"["a"]"#, &["a"]),
            (r#"["b","a"]"#, &["b", "a"]),
            ("[]", &[]),
        ] {
            let audiences: Audiences = serde_json::from_str(json).unwrap();
            assert_eq!(audiences.0, expected, "{json}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        // RFC 7519 §4.1.3: nothing but strings
        for json in ["null", "1", r#"["a",1]"#, r#"["a",null]"#, r#"{"a":1}"#, r#"[["a"]]"#] {
            assert!(serde_json::from_str::<Audiences>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn audience_is_compared_to_the_letter_and_as_a_whole() {
        let pieces = [Piece::new(0, 1), Piece::new(1, 3)];
        let audience = Audience::new("abcd", &pieces);

        assert!(audience.contains("a") && audience.contains("bc"));
        assert!(["A", "b", "ab", "c", "d", ""].iter().all(|other| !audience.contains(other)));
        assert_eq!(format!("{audience:?}"), r#"Audience(["a", "bc"])"#);
        assert_eq!(audience, Audience::new("_abc", &[Piece::new(1, 2), Piece::new(2, 4)]));
        assert_ne!(audience, Audience::new("abcd", &pieces[..1]));
    }
}
