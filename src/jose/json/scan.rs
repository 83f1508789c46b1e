//! Scans JSON text value by value.

mod number;
mod string;
mod pass;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::JsonError;

/// The greatest depth of a document. Real tokens need four or five levels.
pub(crate) const MAX_DEPTH: usize = 32;
/// The greatest depth of the value of a member of the outermost object.
pub(crate) const VALUE_DEPTH: usize = MAX_DEPTH - 1;

/// Walks over a text, value by value, and refuses a text that is not JSON.
///
/// Its position is always the begin of a JSON token, or the end of the text: a method that takes a token takes the
/// whitespace behind it too, so that whitespace is looked for once.
///
/// It accepts the same texts as serde_json, except for depth and [reserved names](JsonError::ReservedName), and reads
/// the same values. Tests and fuzzing compare the two.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut scanner = Self { text, at: 0 };
        scanner.go_to(0);
        scanner
    }

    /// Returns the byte with which the next token begins.
    #[inline]
    pub(crate) fn peek(&self) -> Result<u8, JsonError> {
        self.next_byte().ok_or(JsonError::Syntax)
    }

    /// Checks that the text ends here.
    pub(crate) fn finish(&self) -> Result<(), JsonError> {
        if self.at == self.text.len() { Ok(()) } else { Err(JsonError::Syntax) }
    }

    /// Returns the text between this scanner and another one, without the whitespace at its end.
    pub(crate) fn up_to(&self, other: &Self) -> &'t str {
        self.text.get(self.at..other.at).unwrap_or_default().trim_ascii_end()
    }

    /// Takes the bracket with which an object or a list begins.
    pub(crate) fn begin(&mut self, bracket: u8) -> Result<(), JsonError> {
        if self.peek()? == bracket {
            self.go_to(self.at + 1);
            Ok(())
        } else {
            Err(self.other_type())
        }
    }

    /// Returns whether the list or object that ends with this bracket has one more entry or member. Takes the comma
    /// before it, or the bracket.
    #[inline]
    pub(crate) fn goes_on(&mut self, end: u8, is_first: &mut bool) -> Result<bool, JsonError> {
        let next = self.peek()?;
        if std::mem::replace(is_first, false) {
            if next != end {
                return Ok(true);
            }
        } else if next == b',' {
            self.go_to(self.at + 1);
            return Ok(true);
        } else if next != end {
            return Err(JsonError::Syntax);
        }
        self.go_to(self.at + 1);
        Ok(false)
    }

    /// Takes the name of the next member of an object, or the bracket at the end of the object.
    #[expect(clippy::inline_always, reason = "a twentieth of the walk over a payload")]
    #[inline(always)]
    pub(crate) fn next_name(
        &mut self,
        is_first: &mut bool,
    ) -> Result<Option<Cow<'t, str>>, JsonError> {
        if !self.goes_on(b'}', is_first)? {
            return Ok(None);
        }
        let name = match self.string() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(self.decoded()?),
        };
        check_name(&name)?;
        self.take_colon()?;
        Ok(Some(name))
    }

    /// Skips a value of any type that nests at most this deep, and returns its text.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<&'t str, JsonError> {
        let start = self.clone();
        self.pass(depth)?;
        Ok(start.up_to(self))
    }

    /// Takes `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &str) -> Result<(), JsonError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(JsonError::Syntax);
        }
        self.go_to(self.at + word.len());
        Ok(())
    }

    /// Returns the error for a value that does not have the type that was asked for.
    #[cold]
    fn other_type(&mut self) -> JsonError {
        match self.pass(MAX_DEPTH) {
            Ok(()) | Err(JsonError::ReservedName) => JsonError::OtherType,
            Err(error) => error,
        }
    }

    #[inline]
    fn take_colon(&mut self) -> Result<(), JsonError> {
        if self.peek()? != b':' {
            return Err(JsonError::Syntax);
        }
        self.go_to(self.at + 1);
        Ok(())
    }

    fn next_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Moves behind a token, and on to the next one.
    #[inline]
    fn go_to(&mut self, end: usize) {
        self.at = end;
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.next_byte() {
            self.at += 1;
        }
    }
}

/// Refuses the names that serde_json uses inside for values that serde's data model lacks.
///
/// If the application has switched on `raw_value` or `arbitrary_precision`, an object with such a member has another
/// value in a `serde_json::Value` than in the scanner. The names are private to serde_json and may change; their
/// beginning stays the same. `outside/odd_serde_json` asks serde_json for them.
#[inline]
fn check_name(name: &str) -> Result<(), JsonError> {
    if name.starts_with("$serde_json::") { Err(JsonError::ReservedName) } else { Ok(()) }
}

fn check_value(value: &str) -> Result<(), JsonError> {
    serde_json::from_str(value).map(|IgnoredAny| ()).map_err(|_| JsonError::Syntax)
}
