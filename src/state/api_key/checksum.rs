//! Computes the checksum of API keys: the CRC-32 of Ethernet, gzip and PNG, in six digits of base 62.
//!
//! It finds every mistake in fewer than 33 neighbouring bits, so each wrong character. It proves nothing: anyone can
//! compute it.

/// Returns the checksum of a text.
pub(super) fn checksum(text: &[u8]) -> [u8; DIGITS] {
    let mut rest = crc32(text) as usize;
    let mut digits = [ALPHABET[0]; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    digits
}

fn crc32(text: &[u8]) -> u32 {
    !text.iter().fold(!0, |crc, byte| TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8))
}

/// The digits of base 62, which no line break and no double click divides.
pub(super) const ALPHABET: &[u8; 62] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Enough for any 32 bits.
pub(super) const DIGITS: usize = 6;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at: usize = 0;
    while at < table.len() {
        #[expect(clippy::cast_possible_truncation, reason = "less than 256")]
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            // The polynomial, reversed, for each bit that leaves.
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_crc_of_gzip() {
        // The check value of CRC-32/ISO-HDLC in Greg Cook's catalogue.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(&checksum(b""), b"000000");
        // 0xcbf43926 in base 62, by Python.
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
    }
}
