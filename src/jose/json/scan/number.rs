use super::Scanner;
use crate::jose::json::JsonError;
use crate::jose::json::words::eight_digits;

impl<'t> Scanner<'t> {
    /// Takes an integer of at most 18 digits. Takes nothing if the value is not one.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        let rest = self.text.as_bytes().get(self.at..)?;
        // Today's dates have ten digits.
        let first = rest.first_chunk().and_then(|eight| eight_digits(*eight));
        let mut digits = if first.is_some() { 8 } else { 0 };
        let mut value = first.unwrap_or(0);
        for byte in &rest[digits..] {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            digits += 1;
            if digits > 18 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        let is_ready = !matches!(rest.get(digits), None | Some(b'.' | b'e' | b'E'));
        let is_spelt_once = !matches!(rest[..digits], [] | [b'0', _, ..]);
        (is_ready && is_spelt_once).then(|| {
            self.go_to(self.at + digits);
            value
        })
    }

    /// Takes a number and returns its text, which may still be misspelt.
    #[cold]
    pub(crate) fn number(&mut self) -> Result<&'t str, JsonError> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => Ok(self.spelt_number()),
            _ => Err(self.other_type()),
        }
    }

    /// Takes all characters that a number may contain.
    pub(super) fn spelt_number(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_other = |c| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        let number = &rest[..rest.find(is_other).unwrap_or(rest.len())];
        self.go_to(self.at + number.len());
        number
    }
}
