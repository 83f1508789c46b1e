use std::borrow::Cow;

use super::Scanner;
use crate::jose::json::JsonError;
use crate::jose::json::words::first_special;

impl<'t> Scanner<'t> {
    /// Takes a string.
    #[expect(clippy::inline_always, reason = "as for `next_name`")]
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Cow<'t, str>, JsonError> {
        match self.string() {
            Some(string) => Ok(Cow::Borrowed(string)),
            None if self.peek()? == b'"' => self.decoded().map(Cow::Owned),
            None => Err(self.other_type()),
        }
    }

    /// Takes a string without escapes. Takes nothing if the value is not one.
    #[expect(clippy::inline_always, reason = "as for `next_name`")]
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<&'t str> {
        let start = self.after_quote()?;
        let (end, b'"') = self.special(start)? else { return None };
        self.go_to(end + 1);
        self.text.get(start..end)
    }

    /// Takes a string with escapes and returns it decoded.
    #[cold]
    pub(super) fn decoded(&mut self) -> Result<String, JsonError> {
        serde_json::from_str(self.escaped()?).map_err(|_| JsonError::Syntax)
    }

    /// Takes a string with escapes and returns its text, with its quotation marks.
    #[cold]
    pub(super) fn escaped(&mut self) -> Result<&'t str, JsonError> {
        let mut at = self.after_quote().ok_or(JsonError::Syntax)?;
        loop {
            match self.special(at) {
                Some((backslash, b'\\')) => at = backslash + 2,
                Some((end, b'"')) => {
                    at = end;
                    break;
                }
                _ => return Err(JsonError::Syntax),
            }
        }
        let string = self.text.get(self.at..=at).ok_or(JsonError::Syntax)?;
        self.go_to(at + 1);
        Ok(string)
    }

    /// Returns the position behind the first quotation mark of a string.
    fn after_quote(&self) -> Option<usize> {
        (self.next_byte()? == b'"').then_some(self.at + 1)
    }

    /// Finds the next quotation mark, backslash or control character.
    #[inline]
    fn special(&self, start: usize) -> Option<(usize, u8)> {
        first_special(self.text.as_bytes().get(start..)?).map(|(ahead, byte)| (start + ahead, byte))
    }
}
