//! Reads `application/x-www-form-urlencoded`, more strictly than browsers do.

use zeroize::Zeroizing;

/// The parameters of a form. A parameter may come once.
#[cfg_attr(feature = "sign-in", derive(Default))]
pub(in crate::server) struct Form(Vec<(String, Zeroizing<String>)>);

/// The reason why a body cannot be read as a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum FormError {
    Encoding,
    Repeated,
    TooMany,
}

impl Form {
    pub(in crate::server) fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut parameters: Vec<(String, Zeroizing<String>)> = Vec::new();
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default()).ok_or(FormError::Encoding);
            let (name, value) = (half()?, Zeroizing::new(half()?));
            // RFC 6749 §3.1: no parameter more than once, even one that is not known.
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(FormError::Repeated);
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Creates a form of parameters that were read from elsewhere.
    #[cfg(feature = "sign-in")]
    pub(in crate::server) fn of(parameters: Vec<(String, Zeroizing<String>)>) -> Self {
        Self(parameters)
    }

    /// Returns whether there are parameters of other names.
    #[cfg(feature = "sign-in")]
    pub(in crate::server) fn has_others(&self, known: &[&str]) -> bool {
        self.0.iter().any(|(name, _)| !known.contains(&name.as_str()))
    }

    /// Returns a parameter. RFC 6749 §3.1: a parameter without a value counts as absent.
    pub(in crate::server) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find_map(|(one, value)| (one == name).then_some(value))?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Decodes a name or a value. Returns `None` for a broken escape or text that is not UTF-8.
pub(in crate::server) fn decode(encoded: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Each name is compared with all names before it. Real forms have five parameters.
const MAX_PARAMETERS: usize = 64;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_survives_any_encoding(text in "\\PC{0,20}", all in any::<bool>()) {
            let mut encoded = String::new();
            for byte in text.bytes() {
                match byte {
                    b' ' => encoded.push('+'),
                    b'a'..=b'z' if !all => encoded.push(byte.into()),
                    byte => _ = write!(encoded, "%{byte:02x}"),
                }
            }

            prop_assert_eq!(decode(encoded.as_bytes()), Some(text.clone()));
            let form = Form::parse(format!("x=1&{encoded}={encoded}x").as_bytes());
            let value = format!("{text}x");
            prop_assert!(text == "x" || form.unwrap_or_else(|_| panic!()).get(&text) == Some(&value));
        }

        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            drop(Form::parse(&body));
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let form =
            Form::parse(b"token=a%2Fb+c%C3%A9&&empty=&alone&x%3D=y=z").unwrap_or_else(|_| panic!());

        assert_eq!(form.get("token"), Some("a/b cé"));
        assert_eq!(form.get("x="), Some("y=z"));
        for absent in ["empty", "alone", "other", ""] {
            assert_eq!(form.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn form_that_cannot_be_read_in_one_way_only_is_refused() {
        let many: Vec<_> = (0..=MAX_PARAMETERS).map(|n| format!("p{n}=")).collect();
        let many = many.join("&");
        for (body, problem) in [
            ("a=%", FormError::Encoding),
            ("a=%2", FormError::Encoding),
            ("a=%2g", FormError::Encoding),
            ("a=%+1", FormError::Encoding),
            ("a=%FF", FormError::Encoding),
            ("%=a", FormError::Encoding),
            ("a=1&a=1", FormError::Repeated),
            ("a=1&%61=2", FormError::Repeated),
            ("a=&b=1&a", FormError::Repeated),
            (&many, FormError::TooMany),
        ] {
            assert_eq!(Form::parse(body.as_bytes()).err(), Some(problem), "{body}");
        }
        assert!(Form::parse(b"a=1&b=1").is_ok());
    }
}
