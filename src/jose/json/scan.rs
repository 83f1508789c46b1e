//! A scanner for JSON that has nothing unusual about it.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// Walks over a text that is valid JSON and stops at everything that is not, or that it does not know.
///
/// `None` says "ask serde_json" and never "wrong": what is good for the scanner is good for serde_json
/// and means the same, and what is wrong, and why, serde_json finds out.
///
/// It always stands where a token begins, or at the end: whoever takes a token takes the whitespace behind
/// it too, so that it is looked for once.
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

    /// The byte with which the next token begins.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes this byte, which must be the next token.
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.go_to(self.at + 1))
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// What lies between here and where another stands, without the whitespace at its end.
    pub(crate) fn up_to(&self, other: &Self) -> Option<&'t str> {
        self.text.get(self.at..other.at).map(str::trim_ascii_end)
    }

    /// Goes to where a token has ended, and on to the next.
    fn go_to(&mut self, end: usize) {
        self.at = end;
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
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
                    self.go_to(self.at + 1);
                    return Some(true);
                }
                byte if byte != end => return None,
                _ => {}
            }
        }
        self.go_to(self.at + 1);
        Some(false)
    }

    /// A string without escapes.
    pub(crate) fn string(&mut self) -> Option<&'t str> {
        let start = self.after(b'"')?;
        let end = self.special(start)?;
        if self.text.as_bytes()[end] != b'"' {
            return None;
        }
        self.go_to(end + 1);
        self.text.get(start..end)
    }

    /// A string, with or without escapes.
    pub(crate) fn text(&mut self) -> Option<Cow<'t, str>> {
        if let Some(string) = self.string() {
            return Some(Cow::Borrowed(string));
        }
        serde_json::from_str(self.escaped()?).ok().map(Cow::Owned)
    }

    /// An integer of at most 18 digits.
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

    /// A string with escapes, with its quotation marks.
    fn escaped(&mut self) -> Option<&'t str> {
        let mut at = self.after(b'"')?;
        loop {
            at = self.special(at)?;
            match self.text.as_bytes()[at] {
                b'\\' => at += 2,
                b'"' => break,
                _ => return None,
            }
        }
        let string = self.text.get(self.at..=at);
        self.go_to(at + 1);
        string
    }

    /// A number as it is written, which may be anything that looks like one.
    pub(crate) fn number(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let is_other = |c| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        let number = &rest[..rest.find(is_other).unwrap_or(rest.len())];
        self.go_to(self.at + number.len());
        number
    }

    /// Passes over a value of any kind that lies at most so much deeper, and gives it as it is written.
    pub(crate) fn skip(&mut self, deeper: usize) -> Option<&'t str> {
        let start = self.clone();
        self.pass(deeper)?;
        start.up_to(self)
    }

    fn pass(&mut self, deeper: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                if self.string().is_none() {
                    is_json(self.escaped()?)?;
                }
            }
            b'{' => {
                let deeper = deeper.checked_sub(1)?;
                self.go_to(self.at + 1);
                let mut is_first = true;
                while self.goes_on(b'}', &mut is_first)? {
                    self.name()?;
                    self.pass(deeper)?;
                }
            }
            b'[' => {
                let deeper = deeper.checked_sub(1)?;
                self.go_to(self.at + 1);
                let mut is_first = true;
                while self.goes_on(b']', &mut is_first)? {
                    self.pass(deeper)?;
                }
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => {
                if self.integer().is_none() {
                    is_json(self.number())?;
                }
            }
        }
        Some(())
    }

    /// Takes `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes()).then(|| self.go_to(self.at + word.len()))
    }

    /// Where it goes on behind this byte, if that comes next; inside of a string, as it were.
    fn after(&self, byte: u8) -> Option<usize> {
        (self.peek()? == byte).then_some(self.at + 1)
    }

    /// Where the next quotation mark, backslash or control character is.
    fn special(&self, start: usize) -> Option<usize> {
        const ONES: u64 = u64::MAX / 0xff;
        const TOPS: u64 = ONES << 7;
        let mut rest = self.text.as_bytes().get(start..)?;
        while let Some((eight, after)) = rest.split_first_chunk::<8>() {
            let eight = u64::from_le_bytes(*eight);
            // Seven-bit bytes that are less than this: the top bit is set. Above the first it may err.
            let below = |bytes: u64, bound: u8| bytes.wrapping_sub(ONES * u64::from(bound));
            // With its second bit turned over, a quotation mark comes next to the control characters.
            let control_or_quote = below(eight ^ (ONES * 0b10), b' ' + 1);
            let backslash = below(eight ^ (ONES * u64::from(b'\\')), 1);
            let special = (control_or_quote | backslash) & !eight & TOPS;
            if special != 0 {
                let ahead = special.trailing_zeros() as usize / 8;
                return Some(self.text.len() - rest.len() + ahead);
            }
            rest = after;
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
        rest.iter().position(is_special).map(|ahead| self.text.len() - rest.len() + ahead)
    }
}

/// The number that eight digits are, if they are digits.
fn eight_digits(bytes: [u8; 8]) -> Option<i64> {
    const ONES: u64 = u64::MAX / 0xff;
    let bytes = u64::from_le_bytes(bytes);
    // A digit is in the same row of ASCII as `0`, and so is what comes six after it.
    let is_other = |bytes: u64| (bytes & (ONES * 0xf0)) ^ (ONES * 0x30);
    if is_other(bytes) | is_other(bytes.wrapping_add(ONES * 6)) != 0 {
        return None;
    }
    // Each time two neighbours become one number of twice the width; the first of them, which lies lower,
    // counts more. What flows over is what lies above the numbers.
    let pairs = ((bytes & (ONES * 0x0f)).wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000 << 32 | 1) >> 32).cast_signed())
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

                    let found = Scanner::new(&text).special(0);

                    assert_eq!(found, text.bytes().position(|byte| is_special(&byte)));
                }
            }
        }
    }

    #[test]
    fn eight_digits_are_the_number_that_they_spell() {
        for number in [0, 1, 9, 10, 12_345_678, 87_654_321, 90_909_090, 99_999_999] {
            let digits: [u8; 8] = format!("{number:08}").into_bytes().try_into().unwrap();
            assert_eq!(eight_digits(digits), Some(number));
            for at in 0..8 {
                for byte in 0..=u8::MAX {
                    let mut other = digits;
                    other[at] = byte;
                    let expected = str::from_utf8(&other).ok().filter(|_| byte.is_ascii_digit());
                    assert_eq!(eight_digits(other), expected.map(|text| text.parse().unwrap()));
                }
            }
        }
    }
}
