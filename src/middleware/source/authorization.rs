//! Finds the token in the `Authorization` field.
//!
//! The field stays in the request, since handlers call other services with it. It is marked as
//! sensitive, so that it is not printed. This source is called directly and not through the trait,
//! because it is nearly always the only one: one look-up in the header map finds the field and
//! marks it.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::{Presented, TokenSource};
use crate::challenge::{AuthScheme, is_token_char};
use crate::error::Reason;

/// Finds the token in the `Authorization` field (RFC 6750 §2.1). The default source of a layer.
///
/// The field stays in the request, marked as sensitive (`HeaderValue::is_sensitive`).
///
/// The scheme is read in any case. A field with another scheme counts as no token. A field that
/// says `Bearer` and does not follow the grammar is an error, and so is a second field of any
/// scheme.
#[derive(Clone, Debug)]
pub struct AuthorizationHeader {
    schemes: Cow<'static, [AuthScheme]>,
    /// Whether it reads bearer tokens alone.
    is_usual: bool,
}

impl AuthorizationHeader {
    /// Creates a source that accepts the scheme `Bearer` alone.
    pub const fn new() -> Self {
        Self { schemes: Cow::Borrowed(&[AuthScheme::BEARER]), is_usual: true }
    }

    /// Creates a source that accepts these schemes. The credentials of each have to be one token.
    pub fn with_schemes(schemes: impl IntoIterator<Item = AuthScheme>) -> Self {
        let schemes: Cow<'static, [AuthScheme]> = schemes.into_iter().collect();
        let is_usual = *schemes == [AuthScheme::BEARER];
        Self { schemes, is_usual }
    }

    /// Returns whether it reads bearer tokens alone.
    #[inline]
    pub(crate) fn is_usual(&self) -> bool {
        self.is_usual
    }

    /// Combines `find` and `strip` for bearer tokens in one look-up.
    ///
    /// The field stays for inner layers, and for handlers that call other services on behalf of the
    /// user. It is marked so that inner layers do not log it.
    pub(crate) fn find_and_mark(headers: &mut HeaderMap) -> Result<Option<&[u8]>, Reason> {
        refuse_several(headers)?;
        let Some(field) = headers.get_mut(AUTHORIZATION) else { return Ok(None) };
        field.set_sensitive(true);
        match usual_token_in(field) {
            Some(token) => Ok(Some(token)),
            None => Ok(token_in(field, &[AuthScheme::BEARER])?.map(|presented| presented.token())),
        }
    }
}

impl Default for AuthorizationHeader {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenSource for AuthorizationHeader {
    fn find<'r>(&self, request: &'r Parts) -> Result<Option<Presented<'r>>, Reason> {
        refuse_several(&request.headers)?;
        let Some(field) = request.headers.get(AUTHORIZATION) else { return Ok(None) };
        match usual_token_in(field).filter(|_| self.is_usual) {
            Some(token) => Ok(Some(Presented::bearer(token))),
            None => token_in(field, &self.schemes),
        }
    }

    fn read<'t>(&self, token: &'t [u8]) -> Result<&'t str, Reason> {
        let text = is_b64token(token).then(|| str::from_utf8(token).ok()).flatten();
        text.ok_or(Reason::MalformedAuthorization)
    }

    fn strip(&self, request: &mut Parts) {
        if let Some(field) = request.headers.get_mut(AUTHORIZATION) {
            field.set_sensitive(true);
        }
    }
}

// RFC 9110 §11.6.2: the field is not a list. A proxy may have checked either field, so neither is
// trusted.
fn refuse_several(headers: &HeaderMap) -> Result<(), Reason> {
    // If no field of any name is repeated, this one is not.
    let has_lists = headers.len() > headers.keys_len();
    if has_lists && headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Err(Reason::RepeatedAuthorization);
    }
    Ok(())
}

/// Returns the token of a field in its usual spelling.
#[inline]
fn usual_token_in(field: &HeaderValue) -> Option<&[u8]> {
    let (b"Bearer ", token) = field.as_bytes().split_at_checked(7)? else { return None };
    token.first().is_some_and(|&first| first != b' ').then_some(token)
}

#[inline(never)]
fn token_in<'r>(
    field: &'r HeaderValue,
    schemes: &[AuthScheme],
) -> Result<Option<Presented<'r>>, Reason> {
    let credentials = field.as_bytes();
    let end = credentials.iter().position(|&byte| !is_token_char(byte));
    let (name, rest) = credentials.split_at(end.unwrap_or(credentials.len()));
    if let Some(&scheme) = schemes.iter().find(|scheme| scheme.is(name)) {
        // RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token
        let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
        let token = &rest[spaces..];
        if spaces == 0 || token.is_empty() {
            return Err(Reason::MalformedAuthorization);
        }
        Ok(Some(Presented::new(scheme, token)))
    } else if !name.is_empty() && (rest.is_empty() || rest[0] == b' ') {
        // Credentials of another scheme are left alone, except for bytes that no field may hold.
        field.to_str().map(|_| None).map_err(|_| Reason::MalformedAuthorization)
    } else {
        Err(Reason::MalformedAuthorization)
    }
}

// b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
pub(crate) fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = &token[..token.len() - padding];
    // Blocks without an early exit, which the compiler turns into vector instructions.
    let (blocks, rest) = body.as_chunks::<32>();
    !body.is_empty()
        && blocks.iter().all(|block| block.iter().fold(true, |good, &byte| good & is_b64(byte)))
        && rest.iter().all(|&byte| is_b64(byte))
}

// Without branches: `&` and `|`, not `&&` and `||`.
#[expect(clippy::needless_bitwise_bool, reason = "a branch would keep it from being vectorised")]
fn is_b64(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.`, `/` and the digits lie side by side.
    let middle = byte.wrapping_sub(b'-') < 13;
    letter | middle | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http::header::ACCEPT;

    fn find(fields: &[&[u8]]) -> Result<Option<String>, Reason> {
        let mut request = Request::new(());
        for field in fields {
            request.headers_mut().append(AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
        }
        let (mut parts, ()) = request.into_parts();
        let found = find_in(&mut parts);
        // Repetitions of other fields make no difference.
        parts.headers.append(ACCEPT, HeaderValue::from_static("text/html"));
        parts.headers.append(ACCEPT, HeaderValue::from_static("text/plain"));
        assert_eq!(find_in(&mut parts), found);
        found
    }

    fn find_in(parts: &mut Parts) -> Result<Option<String>, Reason> {
        let both = [
            AuthorizationHeader::new()
                .find(&parts.clone())
                .map(|found| found.map(|presented| presented.token().to_vec())),
            AuthorizationHeader::find_and_mark(&mut parts.headers)
                .map(|found| found.map(<[u8]>::to_vec)),
        ];
        assert_eq!(both[0], both[1]);
        let [found, _] = both;
        found?.map(|token| AuthorizationHeader::new().read(&token).map(str::to_owned)).transpose()
    }

    #[test]
    fn scheme_is_read_in_any_case_and_before_any_number_of_spaces() {
        // RFC 9110 §11.1: the scheme is case-insensitive
        // RFC 6750 §2.1: one or more spaces
        for field in ["Bearer x", "bearer x", "BEARER x", "bEaReR x", "Bearer   x"] {
            assert_eq!(find(&[field.as_bytes()]), Ok(Some("x".into())), "{field}");
        }
    }

    #[test]
    fn token_may_hold_what_the_grammar_allows() {
        // RFC 6750 §2.1: the characters of a token
        assert_eq!(find(&[b"Bearer aZ09-._~+/=="]), Ok(Some("aZ09-._~+/==".into())));
    }

    #[test]
    fn character_class_is_that_of_the_rfc() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_b64(byte), expected, "{byte:#x}");
        }
    }

    #[test]
    fn anything_doubtful_is_malformed() {
        // RFC 6750 §2.1: the grammar of credentials
        for field in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer\tx",
            b"Bearer \tx",
            b"Bearer a b",
            b"Bearer a ",
            b"Bearer a,b",
            b"Bearer \"a\"",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer a\xc3\xa9",
            b"Bearer %FF",
            b"Bearer, x",
            b"Bearer=x",
            b"",
            b" Bearer x",
            b"\"Bearer\" x",
            b"\xff",
        ] {
            assert_eq!(find(&[field]), Err(Reason::MalformedAuthorization), "{field:?}");
        }
    }

    #[test]
    fn another_scheme_counts_as_nothing_sent() {
        // RFC 6750 §3: another scheme is no bearer token
        for field in ["Basic YWxpY2U6cGFzc3dvcmQ=", "Bearera x", "Digest a=\"b\", c=d", "Negotiate"]
        {
            assert_eq!(find(&[field.as_bytes()]), Ok(None), "{field}");
        }
        assert_eq!(find(&[]), Ok(None));
    }

    #[test]
    fn several_fields_are_refused_whatever_they_hold() {
        // RFC 9110 §11.6.2: Authorization is not a list
        for second in ["Bearer x", "Bearer y", "Basic x", ""] {
            let fields = [b"Bearer x", second.as_bytes()];
            assert_eq!(find(&fields), Err(Reason::RepeatedAuthorization), "{second}");
        }
    }
}
