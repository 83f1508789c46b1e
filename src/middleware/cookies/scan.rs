//! Finds one cookie in the `Cookie` fields of a request.
//!
//! Own code, because the scan is on the path of every request: it searches the field for the name, in blocks that the
//! compiler turns into vector instructions, and looks around each place where it stands. To walk from cookie to cookie
//! takes longer, and so does `memmem`, whose calls cost more than its search. The crate `cookie` checks the whole field
//! as UTF-8 and builds a value for each cookie. It also trims names and decodes percent signs on demand; a name that is
//! compared to the letter cannot be imitated by another spelling.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use memchr::memchr;

/// The name of a cookie. Names are compared to the letter.
#[derive(Clone)]
pub(super) struct CookieName {
    name: Box<str>,
    /// The last character of the name.
    last: u8,
}

/// Two cookies of one name. The browser does not tell which of them another site has set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated;

impl CookieName {
    /// Creates a name. An empty name is refused before it is used.
    pub(super) fn new(name: &str) -> Self {
        let last = name.as_bytes().last().copied().unwrap_or_default();
        Self { name: name.into(), last }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the value of the only cookie of this name, in any of the fields. HTTP/2 may split
    /// the field between cookies (RFC 9113 §8.2.3). An empty cookie counts as none, but not as the
    /// only one beside another.
    pub(super) fn find<'r>(&self, headers: &'r HeaderMap) -> Result<Option<&'r [u8]>, Repeated> {
        self.find_in(headers.get_all(COOKIE))
    }

    /// Returns the value of the only cookie of this name in these fields.
    #[expect(clippy::inline_always, reason = "a call takes as long as the end of the scan")]
    #[inline(always)]
    pub(super) fn find_in<'r>(
        &self,
        fields: impl IntoIterator<Item = &'r HeaderValue>,
    ) -> Result<Option<&'r [u8]>, Repeated> {
        let mut found = None;
        for field in fields {
            let mut rest = field.as_bytes();
            while let Some(value) = self.next_value(rest) {
                let (value, after) = value.split_at(memchr(b';', value).unwrap_or(value.len()));
                if found.replace(value.trim_ascii_end()).is_some() {
                    return Err(Repeated);
                }
                rest = after;
            }
        }
        Ok(found.filter(|value| !value.is_empty()))
    }

    /// Returns the bytes behind the name and the `=` of the next cookie of this name. The field
    /// begins with a cookie or with a `;`.
    #[inline]
    fn next_value<'f>(&self, field: &'f [u8]) -> Option<&'f [u8]> {
        // From the first place where the name may end.
        let mut rest = field.get(self.name.len() - 1..)?;
        loop {
            while rest.first_chunk().is_some_and(|block| !self.may_end_in(block)) {
                rest = &rest[STEP..];
            }
            let ahead = match rest.first_chunk() {
                Some(block) => first_equals(block)?,
                // The last block, of which a part was looked at before.
                None if field.last_chunk().is_some_and(|block| !self.may_end_in(block)) => {
                    return None;
                }
                None => rest.iter().position(|&byte| byte == b'=')?,
            };
            let value = &rest[ahead + 1..];
            let before = &field[..field.len() - value.len() - 1];
            if before.strip_suffix(self.name.as_bytes()).is_some_and(begins_cookie) {
                return Some(value);
            }
            // A part of another cookie.
            rest = value;
        }
    }

    /// Returns whether the last character of the name and a `=` stand side by side. Without an
    /// early exit, so that the compiler makes vector instructions of it.
    #[expect(clippy::needless_bitwise_bool, reason = "branches are no vector instructions")]
    #[expect(clippy::inline_always, reason = "a call takes as long as the comparisons")]
    #[inline(always)]
    fn may_end_in(&self, block: &[u8; BLOCK]) -> bool {
        let pairs = block[..STEP].iter().zip(&block[1..]);
        pairs.fold(false, |found, (&one, &next)| found | ((one == self.last) & (next == b'=')))
    }
}

/// Returns the place of the first `=`, eight bytes at a time.
#[inline]
fn first_equals(block: &[u8; BLOCK]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    block[1..].as_chunks().0.iter().zip((1..).step_by(8)).find_map(|(word, start)| {
        let others = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'='));
        // The top bit of each byte that is zero. Above the first it may err.
        let zeros = others.wrapping_sub(ONES) & !others & TOPS;
        (zeros != 0).then(|| start + zeros.trailing_zeros() as usize / 8)
    })
}

/// Returns whether a cookie begins behind these bytes of a field.
#[inline]
fn begins_cookie(before: &[u8]) -> bool {
    before.ends_with(b"; ") || begins_after_spaces(before)
}

fn begins_after_spaces(before: &[u8]) -> bool {
    let last = before.iter().rfind(|&&byte| byte != b' ' && byte != b'\t');
    last.is_none_or(|&byte| byte == b';')
}

/// The places for the end of a name that are looked at together.
const STEP: usize = 32;
/// The bytes that are read for it: the `=` stands behind the name.
const BLOCK: usize = STEP + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(fields: &[&str]) -> Result<Option<String>, Repeated> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        let found = CookieName::new("__Host-access").find(&headers)?;
        Ok(found.map(|value| String::from_utf8(value.to_vec()).unwrap()))
    }

    #[test]
    fn cookie_is_found_wherever_it_stands() {
        for fields in [
            &["__Host-access=a.b.c"][..],
            &["x=1; __Host-access=a.b.c; y=2"],
            &["x=1;__Host-access=a.b.c;y=2"],
            &["x=1;  \t__Host-access=a.b.c \t; y=2"],
            &["x; =; ;; __Host-access=a.b.c;"],
            // RFC 6265 §5.4: cookies of one request in several fields
            &["x=1", "__Host-access=a.b.c", "y=2"],
            &["__Host-accessory=1; __Host-access=a.b.c"],
            &["x=__Host-access=1; __Host-access=a.b.c"],
        ] {
            assert_eq!(find(fields), Ok(Some("a.b.c".into())), "{fields:?}");
        }
    }

    #[test]
    fn cookies_are_found_at_any_distance_from_the_start_from_each_other_and_from_the_end() {
        // What looks like the end of the name, and what does not.
        for filler in ["x", "s=", "=", "_Host-access=", "; ", "; a=s"] {
            for before in 0..80 {
                let before = format!("x={}; ", filler.repeat(before));
                for after in [0, 1, 15, 16, 17, 31, 32, 33, 34, 63, 64, 65] {
                    let after = format!("; y={}", filler.repeat(after));
                    let one = format!("{before}__Host-access=a.b.c{after}");

                    assert_eq!(find(&[&one]), Ok(Some("a.b.c".into())), "{one}");
                    let two = format!("{one}; __Host-access={after}");
                    assert_eq!(find(&[&two]), Err(Repeated), "{two}");
                    assert_eq!(find(&[&before]), Ok(None), "{before}");
                }
            }
        }
    }

    #[test]
    fn other_spellings_are_other_cookies() {
        for fields in [
            &[][..],
            &[""],
            &["__Host-access"],
            &["__host-access=a"],
            &["__HOST-ACCESS=a"],
            &["__Host-Access=a"],
            &["__Secure-access=a"],
            &["access=a"],
            &["__Host-access =a"],
            &["=__Host-access=a"],
            &["\"__Host-access\"=a"],
            &["%5F%5FHost-access=a"],
            &["__Host%2Daccess=a"],
            &["x=1, __Host-access=a"],
            &["x=\"1; __Host-access\"=a"],
        ] {
            assert_eq!(find(fields), Ok(None), "{fields:?}");
        }
    }

    #[test]
    fn value_is_returned_as_it_was_sent() {
        for (field, value) in [
            ("__Host-access=\"a\"", "\"a\""),
            ("__Host-access=a%2Eb", "a%2Eb"),
            ("__Host-access=a=b==", "a=b=="),
            ("__Host-access= a b ", " a b"),
        ] {
            assert_eq!(find(&[field]), Ok(Some(value.into())), "{field}");
        }
    }

    #[test]
    fn empty_cookie_counts_as_none() {
        assert_eq!(find(&["__Host-access="]), Ok(None));
        assert_eq!(find(&["__Host-access= ; x=1"]), Ok(None));
    }

    #[test]
    fn two_cookies_of_the_name_are_repeated_whatever_they_hold() {
        for fields in [
            &["__Host-access=a; __Host-access=b"][..],
            &["__Host-access=a; __Host-access=a"],
            &["__Host-access=a; x=1; __Host-access="],
            &["__Host-access=; __Host-access=a"],
            &["__Host-access=a", "__Host-access=b"],
            &["x=1; __Host-access=a", "y=2; __Host-access=b"],
        ] {
            assert_eq!(find(fields), Err(Repeated), "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn cookies_are_read_as_the_crate_reads_them(
            field in "([a-z_H=; -]|__Host-access=|; ){0,12}",
        ) {
            // The crate trims names, and refuses cookies without one.
            let mut values = cookie::Cookie::split_parse(field.as_str())
                .flatten()
                .filter(|cookie| cookie.name() == "__Host-access")
                .map(|cookie| cookie.value().to_owned());
            let expected = match (values.next(), values.next()) {
                (_, Some(_)) => Err(Repeated),
                (first, None) => Ok(first.filter(|value| !value.is_empty())),
            };
            prop_assume!(!field.contains("__Host-access =") && !field.contains("= "));

            prop_assert_eq!(find(&[&field]), expected);
        }
    }
}
