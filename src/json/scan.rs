//! A scanner for JSON that has nothing unusual about it.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Walks over a text that is valid JSON and stops at everything that is not, or that it does not know.
///
/// `None` says "ask serde_json" and never "wrong": what is good for the scanner is good for serde_json
/// and means the same, and what is wrong, and why, serde_json finds out.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte with which the next token begins.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if byte > b' ' {
                return Some(byte);
            }
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return None;
            }
            self.at += 1;
        }
    }

    /// Takes this byte, which must be the next token.
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Whether nothing but whitespace is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none() && self.at == self.text.len()
    }

    /// What lies between here and where another stands.
    pub(crate) fn up_to(&self, other: &Self) -> Option<&'t str> {
        self.text.get(self.at..other.at)
    }

    /// The name of a member and the colon behind it.
    pub(crate) fn name(&mut self) -> Option<&'t str> {
        let name = self.string()?;
        self.take(b':')?;
        Some(name)
    }

    /// Whether there is one more in a list or an object that ends so. Its beginning must have been taken.
    pub(crate) fn goes_on(&mut self, end: u8, is_first: &mut bool) -> Option<bool> {
        if std::mem::replace(is_first, false) {
            if self.peek()? != end {
                return Some(true);
            }
        } else {
            match self.peek()? {
                b',' => {
                    self.at += 1;
                    return Some(true);
                }
                byte if byte != end => return None,
                _ => {}
            }
        }
        self.at += 1;
        Some(false)
    }

    /// A string without escapes.
    pub(crate) fn string(&mut self) -> Option<&'t str> {
        self.take(b'"')?;
        let start = self.at;
        self.find_special();
        let string = self.text.get(start..self.at);
        if self.byte()? != b'"' {
            return None;
        }
        self.at += 1;
        string
    }

    /// A string, with or without escapes.
    pub(crate) fn text(&mut self) -> Option<Cow<'t, str>> {
        self.peek()?;
        let start = self.at;
        if let Some(string) = self.string() {
            return Some(Cow::Borrowed(string));
        }
        self.at = start;
        serde_json::from_str(self.escaped()?).ok().map(Cow::Owned)
    }

    /// An integer of at most 18 digits.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        self.peek()?;
        let rest = self.text.as_bytes().get(self.at..)?;
        let mut value = 0;
        let mut digits = 0;
        for byte in rest {
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
        self.at += digits;
        let is_whole = !matches!(rest.get(digits), None | Some(b'.' | b'e' | b'E'));
        let is_spelt_once = !matches!(rest[..digits], [] | [b'0', _, ..]);
        (is_whole && is_spelt_once).then_some(value)
    }

    /// A string with escapes, with its quotation marks.
    fn escaped(&mut self) -> Option<&'t str> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            self.find_special();
            match self.byte()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => return None,
            }
        }
        self.at += 1;
        self.text.get(start..self.at)
    }

    /// What a number may be written with.
    fn digits(&mut self) -> &'t str {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.byte() {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// A number as it is written, which may be anything that looks like one.
    pub(crate) fn number(&mut self) -> Option<&'t str> {
        self.peek()?;
        Some(self.digits())
    }

    /// Passes over a value of any kind that lies at most so much deeper, and gives it as it is written.
    pub(crate) fn skip(&mut self, deeper: usize) -> Option<&'t str> {
        self.peek()?;
        let start = self.at;
        self.pass(deeper)?;
        self.text.get(start..self.at)
    }

    fn pass(&mut self, deeper: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let start = self.at;
                if self.string().is_none() {
                    self.at = start;
                    is_json(self.escaped()?)?;
                }
            }
            b'{' => {
                let deeper = deeper.checked_sub(1)?;
                self.at += 1;
                let mut is_first = true;
                while self.goes_on(b'}', &mut is_first)? {
                    self.name()?;
                    self.pass(deeper)?;
                }
            }
            b'[' => {
                let deeper = deeper.checked_sub(1)?;
                self.at += 1;
                let mut is_first = true;
                while self.goes_on(b']', &mut is_first)? {
                    self.pass(deeper)?;
                }
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => {
                let start = self.at;
                if self.integer().is_none() {
                    self.at = start;
                    is_json(self.digits())?;
                }
            }
        }
        Some(())
    }

    /// Takes `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &str) -> Option<()> {
        self.peek()?;
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes on to the next quotation mark, backslash or control character.
    fn find_special(&mut self) {
        const ONES: u64 = u64::MAX / 0xff;
        const TOPS: u64 = ONES << 7;
        let Some(mut rest) = self.text.as_bytes().get(self.at..) else { return };
        while let Some((eight, after)) = rest.split_first_chunk::<8>() {
            let eight = u64::from_le_bytes(*eight);
            // Seven-bit bytes that are less than this: the top bit is set. Above the first it may err.
            let below = |bytes: u64, bound: u8| bytes.wrapping_sub(ONES * u64::from(bound));
            // With its second bit turned over, a quotation mark comes next to the control characters.
            let control_or_quote = below(eight ^ (ONES * 0b10), b' ' + 1);
            let backslash = below(eight ^ (ONES * u64::from(b'\\')), 1);
            let special = (control_or_quote | backslash) & !eight & TOPS;
            if special != 0 {
                self.at = self.text.len() - rest.len() + special.trailing_zeros() as usize / 8;
                return;
            }
            rest = after;
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
        let plain = rest.iter().position(is_special).unwrap_or(rest.len());
        self.at = self.text.len() - rest.len() + plain;
    }
}

fn is_json(value: &str) -> Option<()> {
    serde_json::from_str(value).ok().map(|IgnoredAny| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_ends_at_the_first_byte_that_is_special_wherever_it_is() {
        let others = ["\u{80}", "é", "€", "😀", "\u{10ffff}"].map(str::to_owned);
        let all = (0..0x80_u8).map(|byte| char::from(byte).to_string()).chain(others);
        for one in all {
            for filler in [" ", "!", "#", "[", "]", "a", "\u{7f}", "é", "\u{10ffff}"] {
                for before in 0..20 {
                    let text = format!("{}{one}{filler}\"\\\u{0}", filler.repeat(before));
                    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
                    let mut scanner = Scanner::new(&text);

                    scanner.find_special();

                    assert_eq!(Some(scanner.at), text.bytes().position(|byte| is_special(&byte)));
                }
            }
        }
    }
}
