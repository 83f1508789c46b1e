use std::fmt;
use std::sync::Arc;

use super::Algorithm;
use crate::error::{AuthError, Reason};
use crate::jose::json::{JsonError, Scanner, VALUE_DEPTH, read_members};

/// The header of a token (RFC 7515 §4), as far as a verifier reads it.
///
/// Before the signature is verified, its values are unauthenticated. They choose among keys that
/// are trusted already and do nothing else: `jku`, `jwk`, `x5u` and `x5c` are not even read.
/// Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Header(Arc<Members>);

#[derive(PartialEq, Eq)]
struct Members {
    algorithm: Algorithm,
    key_id: Option<Box<str>>,
    token_type: Option<Box<str>>,
    content_type: Option<Box<str>>,
}

impl Header {
    /// Returns `alg`.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// Returns `kid`, which has at most 256 bytes.
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    /// Returns `typ` as it was written.
    pub fn token_type(&self) -> Option<&str> {
        self.0.token_type.as_deref()
    }

    /// Returns `cty` as it was written.
    pub fn content_type(&self) -> Option<&str> {
        self.0.content_type.as_deref()
    }

    /// Returns the same header with another algorithm, to find out which algorithms a key is for.
    pub(crate) fn with_algorithm(&self, algorithm: Algorithm) -> Self {
        let Members { key_id, token_type, content_type, .. } = &*self.0;
        Self(Arc::new(Members {
            algorithm,
            key_id: key_id.clone(),
            token_type: token_type.clone(),
            content_type: content_type.clone(),
        }))
    }

    /// Returns the memory that the header takes. All tokens with the same header may share it.
    pub(crate) fn heap_bytes(&self) -> usize {
        let Members { key_id, token_type, content_type, .. } = &*self.0;
        let texts = [key_id, token_type, content_type].into_iter().flatten();
        size_of::<Members>() + texts.map(|text| text.len()).sum::<usize>()
    }

    /// Parses the decoded first segment of a token.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, AuthError> {
        let malformed = |detail: &'static str| AuthError::with_detail(Reason::Malformed, detail);
        // RFC 7515 §5.2: UTF-8 throughout, also in members that are not read.
        let text = str::from_utf8(bytes).map_err(|_| malformed("the header is not UTF-8"))?;
        let fields = Fields::read(text).map_err(|error| match error {
            JsonError::TooDeep => malformed("the header nests too deeply"),
            _ => malformed("the header is not an object as RFC 7515 describes it"),
        })?;
        fields.into_header()
    }
}

// The header may be unauthenticated, so only the members that identify an unknown key are shown.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

/// The members that matter, before they are checked. They are checked after all have been read, so
/// that the reason of a refusal does not depend on the order of members.
#[derive(Default)]
struct Fields {
    algorithm: Option<String>,
    key_id: Option<Box<str>>,
    token_type: Option<Box<str>>,
    content_type: Option<Box<str>>,
    critical: bool,
    unencoded: bool,
}

impl Fields {
    fn read(text: &str) -> Result<Self, JsonError> {
        let mut fields = Self::default();
        let mut scanner = Scanner::new(text);
        read_members(&mut scanner, MAX_MEMBERS, |name, scanner| {
            match name {
                "alg" => fields.algorithm = Some(scanner.text()?.into_owned()),
                "kid" => fields.key_id = Some(scanner.text()?.into()),
                "typ" => fields.token_type = Some(scanner.text()?.into()),
                "cty" => fields.content_type = Some(scanner.text()?.into()),
                "b64" => fields.unencoded = scanner.skip(VALUE_DEPTH)? != "true",
                "crit" => {
                    scanner.skip(VALUE_DEPTH)?;
                    fields.critical = true;
                }
                _ => _ = scanner.skip(VALUE_DEPTH)?,
            }
            Ok(())
        })?;
        scanner.finish()?;
        Ok(fields)
    }

    fn into_header(self) -> Result<Header, AuthError> {
        // RFC 7515 §4.1.11: an extension that is not understood makes the whole JWS invalid. None
        // is understood here, and an empty or malformed list is forbidden too.
        if self.critical {
            return Err(AuthError::with_detail(Reason::CriticalHeader, "the header has `crit`"));
        }
        // RFC 7797 §7: no JWT may be unencoded.
        if self.unencoded {
            return Err(AuthError::with_detail(Reason::CriticalHeader, "`b64` is not true"));
        }
        let name = self
            .algorithm
            .ok_or_else(|| AuthError::with_detail(Reason::Malformed, "the header has no `alg`"))?;
        let algorithm = name.parse().map_err(|_| Reason::UnsupportedAlgorithm)?;
        if self.key_id.as_ref().is_some_and(|kid| kid.len() > MAX_KEY_ID) {
            return Err(AuthError::with_detail(Reason::Malformed, "`kid` is too long"));
        }
        Ok(Header(Arc::new(Members {
            algorithm,
            key_id: self.key_id,
            token_type: self.token_type,
            content_type: self.content_type,
        })))
    }
}

/// The longest token that is read by default, in bytes.
pub(crate) const DEFAULT_MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The longest `kid` that is read, in bytes (RFC 8725bis §3.10).
pub(crate) const MAX_KEY_ID: usize = 256;

/// The limit on the members of an unauthenticated header. RFC 7515 registers a dozen.
const MAX_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(header: &str) -> Reason {
        Header::parse(header.as_bytes()).unwrap_err().reason()
    }

    #[test]
    fn header_with_the_usual_members_is_read() {
        // RFC 7515 §4: parameters that are not understood are ignored
        let header = Header::parse(br#"{"typ":"at+jwt","alg":"ES256","kid":"k1","gty":["x"]}"#);

        let header = header.unwrap();
        assert_eq!(header.algorithm(), Algorithm::ES256);
        assert_eq!(header.key_id(), Some("k1"));
        assert_eq!(header.token_type(), Some("at+jwt"));
    }

    #[test]
    fn header_that_is_not_one_whole_object_is_malformed() {
        // RFC 7515 §5.2: the header is a UTF-8 JSON object and nothing else
        for header in ["", "[]", "null", "\"alg\"", r#"{"alg":"HS256"} "#, r#"{"alg":"HS256"}x"#] {
            let expected = header.ends_with(' ');
            assert_eq!(Header::parse(header.as_bytes()).is_ok(), expected, "{header}");
        }
        assert_eq!(
            Header::parse(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}").unwrap_err().reason(),
            Reason::Malformed
        );
    }

    #[test]
    fn repeated_member_is_malformed_even_if_it_is_not_read() {
        // RFC 7515 §4: header parameter names are unique
        assert_eq!(reason(r#"{"alg":"HS256","alg":"HS256"}"#), Reason::Malformed);
        assert_eq!(reason(r#"{"alg":"HS256","x":1,"x":1}"#), Reason::Malformed);
        assert_eq!(reason(r#"{"alg":"HS256","x":1,"\u0078":1}"#), Reason::Malformed);
    }

    #[test]
    fn header_of_32_members_is_read_and_one_more_is_refused() {
        let header = |n: usize| {
            let mut members = vec!["\"alg\":\"HS256\"".to_owned()];
            members.extend((1..n).map(|i| format!("\"x{i}\":1")));
            format!("{{{}}}", members.join(","))
        };

        assert!(Header::parse(header(32).as_bytes()).is_ok());
        assert_eq!(reason(&header(33)), Reason::Malformed);
    }

    #[test]
    fn members_of_the_wrong_type_are_malformed() {
        // RFC 7515 §4.1.4: a `kid` that is not a string is malformed
        // RFC 7515 §4.1.1: alg is there, and a string
        for header in [
            r#"{"alg":256}"#,
            r#"{"alg":null}"#,
            r#"{"kid":"a"}"#,
            r#"{"alg":"HS256","kid":1}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":"HS256","typ":["JWT"]}"#,
        ] {
            assert_eq!(reason(header), Reason::Malformed, "{header}");
        }
    }

    #[test]
    fn key_id_of_256_bytes_is_read_and_one_more_is_refused() {
        // RFC 8725bis §3.10: `kid` is limited in length
        let header = |n: usize| format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(n));

        assert!(Header::parse(header(256).as_bytes()).is_ok());
        assert_eq!(reason(&header(257)), Reason::Malformed);
    }

    #[test]
    fn crit_in_any_form_is_refused() {
        // RFC 7515 §4.1.11: extensions that are not understood, and malformed lists of them
        for crit in [r#"["exp"]"#, "[]", r#"["b64"]"#, "null", "1", r#""exp""#] {
            let header = format!(r#"{{"alg":"HS256","crit":{crit}}}"#);
            assert_eq!(reason(&header), Reason::CriticalHeader, "{crit}");
        }
    }

    #[test]
    fn b64_must_be_true_when_it_is_there() {
        // RFC 7797 §7: JWTs are never unencoded
        for b64 in ["false", "null", "0", r#""true""#] {
            let header = format!(r#"{{"alg":"HS256","b64":{b64}}}"#);
            assert_eq!(reason(&header), Reason::CriticalHeader, "{b64}");
        }
        assert!(Header::parse(br#"{"alg":"HS256","b64":true}"#).is_ok());
    }
}
