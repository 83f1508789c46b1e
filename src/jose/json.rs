//! JSON read more strictly than serde does by itself: unique members and a bound on depth.

mod scan;
mod weight;
mod members;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

pub(crate) use members::Members;
pub(crate) use scan::Scanner;
pub(crate) use weight::weight;

/// How deep a document may nest. Real tokens need four or five levels.
pub(crate) const MAX_DEPTH: usize = 32;

/// Whether no value in `text` lies deeper than [`MAX_DEPTH`].
///
/// serde_json bounds its recursion only where it recurses; what it skips it skips at any depth.
pub(crate) fn is_shallow(text: &str) -> bool {
    // Counting brackets is a few nanoseconds, and nearly every document ends here.
    brackets(text.as_bytes()) <= MAX_DEPTH || depth(text) <= MAX_DEPTH
}

fn brackets(text: &[u8]) -> usize {
    // In blocks short enough to count in a byte, so that the compiler counts 16 bytes at once.
    let is_bracket = |&byte: &u8| u8::from(byte | 0x20 == b'{');
    text.chunks(128).map(|block| usize::from(block.iter().map(is_bracket).sum::<u8>())).sum()
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let mut in_string = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => _ = bytes.next(),
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The name of a member, borrowed unless it is written with escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberName<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for MemberName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = MemberName<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(MemberName(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(MemberName(Cow::Owned(name.to_owned())))
    }
}

/// The member names of one object, each of which may come once (RFC 7515 §4, RFC 7519 §4).
pub(crate) struct SeenNames<'de> {
    names: Vec<Cow<'de, str>>,
    most: usize,
}

impl<'de> SeenNames<'de> {
    /// For an object of at most so many members. What a stranger may send wants a low number: a
    /// name is compared with all before it.
    pub(crate) fn at_most(most: usize) -> Self {
        Self { names: Vec::with_capacity(16), most }
    }

    /// Notes a name. `Err` when it was there before, or when there are too many.
    pub(crate) fn insert(&mut self, name: MemberName<'de>) -> Result<&str, RepeatedName> {
        // A scan beats a hash set for the dozen members of a real token.
        if self.names.len() >= self.most || self.names.contains(&name.0) {
            return Err(RepeatedName);
        }
        self.names.push(name.0);
        Ok(self.names.last().expect("a name was just pushed"))
    }
}

pub(crate) struct RepeatedName;

impl fmt::Display for RepeatedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member comes twice, or there are too many")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_inside_strings_do_not_count_as_depth() {
        let text = format!(r#"{{"a":"{}","b":"\"{{"}}"#, "[{".repeat(100));

        assert!(is_shallow(&text));
    }

    #[test]
    fn brackets_are_those_that_open_and_nothing_else() {
        for byte in 0..=u8::MAX {
            let expected = if matches!(byte, b'{' | b'[') { 300 } else { 0 };
            assert_eq!(brackets(&[byte; 300]), expected, "{byte:#x}");
        }
    }

    #[test]
    fn many_flat_values_are_shallow() {
        assert!(is_shallow(&format!("[{}[]]", "[],".repeat(1000))));
    }

    #[test]
    fn nesting_at_the_bound_is_shallow_and_one_more_is_not() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));

        assert!(is_shallow(&nested(MAX_DEPTH)));
        assert!(!is_shallow(&nested(MAX_DEPTH + 1)));
    }
}
