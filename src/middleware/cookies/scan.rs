//! Finds one cookie in the `Cookie` fields of a request.
//!
//! Own code, because the scan is on the path of every request: it looks at the first bytes of each
//! cookie and jumps to the next. The crate `cookie` checks the whole field as UTF-8 and builds a
//! value for each cookie. It also trims names and decodes percent signs on demand; a name that is
//! compared to the letter cannot be imitated by another spelling.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use memchr::memchr;

/// The name of a cookie. Names are compared to the letter.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CookieName {
    /// The name and the `=` that follows it.
    start: Box<str>,
}

/// Two cookies of one name. The browser does not tell which of them another site has set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated;

impl CookieName {
    pub(super) fn new(name: &str) -> Self {
        Self { start: format!("{name}=").into() }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.start[..self.start.len() - 1]
    }

    /// Returns the value of the only cookie of this name, in any of the fields. HTTP/2 may split
    /// the field between cookies (RFC 9113 §8.2.3). An empty cookie counts as none, but not as the
    /// only one beside another.
    pub(super) fn find<'r>(&self, headers: &'r HeaderMap) -> Result<Option<&'r [u8]>, Repeated> {
        self.find_in(headers.get_all(COOKIE))
    }

    /// Returns the value of the only cookie of this name in these fields.
    #[inline]
    pub(super) fn find_in<'r>(
        &self,
        fields: impl IntoIterator<Item = &'r HeaderValue>,
    ) -> Result<Option<&'r [u8]>, Repeated> {
        let mut found = None;
        for field in fields {
            let mut rest = field.as_bytes();
            loop {
                while let [b' ' | b'\t', after @ ..] = rest {
                    rest = after;
                }
                let value = rest.strip_prefix(self.start.as_bytes());
                let end = memchr(b';', rest).unwrap_or(rest.len());
                if let Some(value) = value {
                    let value = &value[..end - self.start.len()];
                    if found.replace(value.trim_ascii_end()).is_some() {
                        return Err(Repeated);
                    }
                }
                match rest.get(end + 1..) {
                    Some(after) => rest = after,
                    None => break,
                }
            }
        }
        Ok(found.filter(|value| !value.is_empty()))
    }
}

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
