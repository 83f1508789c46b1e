use std::fmt;

use super::text_range::TextRange;

/// The audiences of a token (RFC 7519 §4.1.3): one string, or a list of strings that may be empty.
#[derive(Clone, Copy)]
pub struct Audience<'a> {
    text: &'a str,
    ranges: &'a [TextRange],
}

impl<'a> Audience<'a> {
    pub(super) fn new(text: &'a str, ranges: &'a [TextRange]) -> Self {
        Self { text, ranges }
    }

    /// Returns whether the token names this audience, compared to the letter.
    pub fn contains(self, audience: &str) -> bool {
        self.iter().any(|one| one == audience)
    }

    /// Returns whether the token names no audience: its list is empty.
    pub fn is_empty(self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the audiences in the order of the token.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.ranges.iter().map(move |range| range.of(self.text))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audience_is_compared_to_the_letter_and_as_a_whole() {
        let ranges = [TextRange::new(0, 1), TextRange::new(1, 3)];
        let audience = Audience::new("abcd", &ranges);

        assert!(audience.contains("a") && audience.contains("bc"));
        assert!(["A", "b", "ab", "c", "d", ""].iter().all(|other| !audience.contains(other)));
        assert_eq!(format!("{audience:?}"), r#"Audience(["a", "bc"])"#);
        assert_eq!(audience, Audience::new("_abc", &[TextRange::new(1, 2), TextRange::new(2, 4)]));
        assert_ne!(audience, Audience::new("abcd", &ranges[..1]));
    }
}
