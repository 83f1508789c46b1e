//! Examines bytes eight at a time.

const ONES: u64 = u64::MAX / 0xff;

/// Finds the first quotation mark, backslash or control character from a place on. Returns the place behind the end and
/// zero if there is none.
#[inline]
pub(super) fn special_from(bytes: &[u8], mut at: usize) -> (usize, u8) {
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        if let Some((ahead, byte)) = special_of(*eight) {
            return (at + ahead, byte);
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter()
        .position(|byte| is_special(*byte))
        .map_or((bytes.len(), 0), |ahead| (at + ahead, rest[ahead]))
}

/// Finds the first quotation mark, backslash or control character.
#[inline]
pub(super) fn first_special(bytes: &[u8]) -> Option<(usize, u8)> {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk::<8>() {
        if let Some((ahead, byte)) = special_of(*eight) {
            return Some((bytes.len() - rest.len() + ahead, byte));
        }
        rest = after;
    }
    let ahead = rest.iter().position(|byte| is_special(*byte))?;
    Some((bytes.len() - rest.len() + ahead, rest[ahead]))
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..b' ')
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "one byte of eight is wanted")]
fn special_of(eight: [u8; 8]) -> Option<(usize, u8)> {
    const TOPS: u64 = ONES << 7;
    let eight = u64::from_le_bytes(eight);
    // Seven-bit bytes that are less than this: the top bit is set. Above the first it may err.
    let below = |bytes: u64, bound: u8| bytes.wrapping_sub(ONES * u64::from(bound));
    // With its second bit turned over, a quotation mark comes next to the control characters.
    let control_or_quote = below(eight ^ (ONES * 0b10), b' ' + 1);
    let backslash = below(eight ^ (ONES * u64::from(b'\\')), 1);
    let special = (control_or_quote | backslash) & !eight & TOPS;
    if special == 0 {
        return None;
    }
    let bits = special.trailing_zeros() & !7;
    Some((bits as usize / 8, (eight >> bits) as u8))
}

/// Returns the number that eight digits spell, if they are digits.
#[inline]
pub(super) fn eight_digits(bytes: [u8; 8]) -> Option<i64> {
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

                    let found = first_special(text.as_bytes());

                    let at = text.bytes().position(|byte| is_special(&byte)).unwrap();
                    assert_eq!(found, Some((at, text.as_bytes()[at])));
                    for start in 0..=at {
                        let found = special_from(text.as_bytes(), start);
                        assert_eq!(found, (at, text.as_bytes()[at]));
                    }
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
