use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jose::crypto;
use crate::jose::json::{JsonError, Scanner, VALUE_DEPTH, read_members};

/// The members of a JWK of which its thumbprint is made (RFC 7638 §3.2), as JSON. Empty where there is none.
#[derive(Default)]
pub(super) struct KeyMembers<'t> {
    kty: &'t str,
    crv: &'t str,
    x: &'t str,
    y: &'t str,
    n: &'t str,
    e: &'t str,
}

impl<'t> KeyMembers<'t> {
    /// Reads an object whose members have each a name of their own (RFC 7515 §4).
    pub(super) fn read(scanner: &mut Scanner<'t>) -> Result<Self, JsonError> {
        let mut found = Self::default();
        read_members(scanner, MAX_MEMBERS, |name, scanner| {
            let value = scanner.skip(VALUE_DEPTH - 1)?;
            match name {
                "kty" => found.kty = value,
                "crv" => found.crv = value,
                "x" => found.x = value,
                "y" => found.y = value,
                "n" => found.n = value,
                "e" => found.e = value,
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns whether the key cannot have this thumbprint, as far as the text tells. It costs a hash, and the key need
    /// not be read.
    pub(super) fn is_surely_not(&self, thumbprint: &str) -> bool {
        let mut found = [0; 43];
        let hash = self.thumbprint_input().and_then(|input| crypto::sha256(input.as_bytes()));
        let written = hash.map(|hash| URL_SAFE_NO_PAD.encode_slice(hash, &mut found));
        written == Some(Ok(43)) && found != thumbprint.as_bytes()
    }

    /// Returns the text whose hash is the thumbprint, if the key is good at all. `None` if the text of the key does not
    /// tell it: a member is spelt with escapes, or a number begins with zeros.
    fn thumbprint_input(&self) -> Option<String> {
        let Self { kty, crv, x, y, n, e } = *self;
        let members: &[(&str, &str)] = match kty {
            "\"EC\"" => &[("crv", crv), ("kty", kty), ("x", x), ("y", y)],
            "\"OKP\"" => &[("crv", crv), ("kty", kty), ("x", x)],
            "\"RSA\"" if !has_zeros(n) && !has_zeros(e) => &[("e", e), ("kty", kty), ("n", n)],
            _ => return None,
        };
        let mut input = String::with_capacity(USUAL_INPUT);
        for (name, value) in members {
            if !value.starts_with('"') || value.contains('\\') {
                return None;
            }
            for part in [if input.is_empty() { "{\"" } else { ",\"" }, name, "\":", value] {
                input.push_str(part);
            }
        }
        input.push('}');
        Some(input)
    }
}

/// Returns whether a string in base64url begins with a byte that is zero.
fn has_zeros(json: &str) -> bool {
    matches!(json.as_bytes(), [b'"', b'A', b'A'..=b'P', ..])
}

const MAX_MEMBERS: usize = 32;
/// The greatest length of a text that is hashed for a key on a curve.
const USUAL_INPUT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PublicKey;

    const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"a"}"#;
    const OKP: &str =
        r#"{"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kty":"OKP"}"#;

    fn is_surely_not(jwk: &str, thumbprint: &str) -> bool {
        KeyMembers::read(&mut Scanner::new(jwk)).unwrap().is_surely_not(thumbprint)
    }

    fn rsa(zeros: usize, exponent: &str) -> String {
        let modulus = [&vec![0; zeros][..], &[0x81; 256]].concat();
        let n = URL_SAFE_NO_PAD.encode(modulus);
        format!(r#"{{"kty": "RSA" ,"n":"{n}" , "e":"{exponent}"}}"#)
    }

    #[test]
    fn text_of_a_key_gives_the_thumbprint_that_the_key_has() {
        for jwk in [EC, OKP, &rsa(0, "AQAB"), &rsa(0, "Aw"), &rsa(1, "AQAB"), &rsa(0, "AAEAAQ")] {
            let thumbprint = PublicKey::from_jwk(jwk).unwrap().thumbprint().unwrap();

            assert!(!is_surely_not(jwk, &thumbprint), "{jwk}");
        }
    }

    #[test]
    fn member_nests_as_deep_as_its_place_in_the_header_allows() {
        for (depth, is_read) in [(VALUE_DEPTH - 1, true), (VALUE_DEPTH, false)] {
            let jwk = format!(r#"{{"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));

            assert_eq!(KeyMembers::read(&mut Scanner::new(&jwk)).is_ok(), is_read, "{depth}");
        }
    }

    #[test]
    fn another_thumbprint_is_noticed() {
        for jwk in [EC, OKP, &rsa(0, "AQAB")] {
            assert!(is_surely_not(jwk, &"a".repeat(43)), "{jwk}");
            assert!(is_surely_not(jwk, ""), "{jwk}");
        }
    }

    #[test]
    fn text_that_does_not_tell_the_thumbprint_is_left_to_the_reader_of_keys() {
        for jwk in [
            "{}",
            r#"{"kty":"oct","k":"AA"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":1}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"\u0041A"}"#,
            r#"{"kty":"\u0045C","crv":"P-256","x":"AA","y":"AA"}"#,
            &rsa(1, "AQAB"),
            &rsa(0, "AAEAAQ"),
        ] {
            assert!(!is_surely_not(jwk, &"a".repeat(43)), "{jwk}");
        }
    }

    #[test]
    fn number_begins_with_zeros_if_its_first_eight_bits_are_zero() {
        for (bytes, expected) in [
            (&[0_u8, 1, 2][..], true),
            (&[1, 0, 0], false),
            (&[3], false),
            (&[0], true),
            (&[], false),
        ] {
            let json = format!("\"{}\"", URL_SAFE_NO_PAD.encode(bytes));

            assert_eq!(has_zeros(&json), expected, "{bytes:?}");
        }
    }
}
