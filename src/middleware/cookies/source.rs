//! Finds the access token in its cookie.
//!
//! The cookies stay in the request, as the `Authorization` field does: handlers read others, and
//! the refresh endpoint reads its own. The fields are marked as sensitive.

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, Entry, HeaderMap, HeaderValue, UPGRADE};
use http::{Request, StatusCode, request};

use super::settings::Settings;
use crate::error::Reason;
use crate::middleware::source::{TokenSource, is_b64token};
use crate::verify::presented::Presented;

/// Finds the token in the access cookie of [`Cookies`](super::Cookies).
///
/// A request that can do more than read has to come from this origin or a trusted one. If the
/// cookie holds no token that a browser could have got here, the token is refused and not the
/// request: 401 sends the user to sign in. The `Cookie` fields stay in the request, marked as
/// sensitive (`HeaderValue::is_sensitive`).
///
/// The response says `Cache-Control: private` if the handler does not set the field. Shared caches
/// do not store responses to requests with an `Authorization` field (RFC 9111 §3.5). For cookies
/// there is no such rule.
#[derive(Clone)]
pub struct CookieToken(pub(super) Arc<Settings>);

impl CookieToken {
    /// Combines `strip` and `find` without a [`request::Parts`]. One look-up finds the field and
    /// marks it where the request can only read and repeats no field.
    #[inline]
    pub(in crate::middleware) fn find_and_mark<'r, B>(
        &self,
        request: &'r mut Request<B>,
        other: OtherFields,
    ) -> Result<Option<&'r [u8]>, Reason> {
        let has_lists = request.headers().len() > request.headers().keys_len();
        if has_lists || other.upgrade || !request.method().is_safe() {
            mark(request.headers_mut());
            return self.0.access_token(request.method(), request.uri(), request.headers());
        }
        let Some(field) = request.headers_mut().get_mut(COOKIE) else { return Ok(None) };
        field.set_sensitive(true);
        Ok(self.0.access.find_in([&*field])?)
    }

    /// Returns the token as text.
    pub(in crate::middleware) fn read_token(token: &[u8]) -> Result<&str, Reason> {
        let text = is_b64token(token).then(|| str::from_utf8(token).ok()).flatten();
        text.ok_or(Reason::Malformed)
    }

    /// Completes the headers of a response to a request with a cookie.
    pub(in crate::middleware) fn complete_headers(headers: &mut HeaderMap) {
        if let Entry::Vacant(field) = headers.entry(CACHE_CONTROL) {
            field.insert(const { HeaderValue::from_static("private") });
        }
    }
}

/// The fields that decide how a request with a cookie is checked.
#[derive(Clone, Copy)]
pub(in crate::middleware) struct OtherFields {
    pub(in crate::middleware) authorization: bool,
    upgrade: bool,
}

impl OtherFields {
    /// Finds them in one pass over the names, unless there are so many that look-ups take less time.
    #[inline]
    pub(in crate::middleware) fn of(headers: &HeaderMap) -> Self {
        if headers.keys_len() > MANY {
            let has = |name| headers.contains_key(name);
            return Self { authorization: has(AUTHORIZATION), upgrade: has(UPGRADE) };
        }
        let mut found = Self { authorization: false, upgrade: false };
        for name in headers.keys() {
            found.authorization |= *name == AUTHORIZATION;
            found.upgrade |= *name == UPGRADE;
        }
        found
    }
}

impl TokenSource for CookieToken {
    fn find<'r>(&self, request: &'r request::Parts) -> Result<Option<Presented<'r>>, Reason> {
        let token = self.0.access_token(&request.method, &request.uri, &request.headers)?;
        Ok(token.map(Presented::bearer))
    }

    fn read<'t>(&self, token: &'t [u8]) -> Result<&'t str, Reason> {
        Self::read_token(token)
    }

    fn strip(&self, request: &mut request::Parts) {
        mark(&mut request.headers);
    }

    fn complete(&self, _: StatusCode, headers: &mut HeaderMap) {
        Self::complete_headers(headers);
    }
}

fn mark(headers: &mut HeaderMap) {
    if headers.len() == headers.keys_len() {
        // No field is repeated.
        headers.get_mut(COOKIE).into_iter().for_each(|field| field.set_sensitive(true));
    } else if let Entry::Occupied(mut fields) = headers.entry(COOKIE) {
        fields.iter_mut().for_each(|field| field.set_sensitive(true));
    }
}

impl fmt::Debug for CookieToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieToken")
            .field("cookie", &self.0.access.as_str())
            .finish_non_exhaustive()
    }
}

/// The number of names from which look-ups take less time than a pass over all of them.
const MANY: usize = 16;

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn other_fields_are_found_among_few_and_among_many() {
        let fields = |count: usize, some: &[HeaderName]| {
            let name = |number| HeaderName::try_from(format!("x-{number}")).unwrap();
            let names = (0..count).map(name).chain(some.iter().cloned());
            let fields: HeaderMap =
                names.map(|name| (name, HeaderValue::from_static("x"))).collect();
            let OtherFields { authorization, upgrade } = OtherFields::of(&fields);
            (authorization, upgrade)
        };
        for count in [0, 1, MANY - 2, MANY - 1, MANY, MANY + 1, 3 * MANY] {
            assert_eq!(fields(count, &[]), (false, false), "{count}");
            assert_eq!(fields(count, &[AUTHORIZATION]), (true, false), "{count}");
            assert_eq!(fields(count, &[UPGRADE]), (false, true), "{count}");
            assert_eq!(fields(count, &[UPGRADE, AUTHORIZATION]), (true, true), "{count}");
        }
    }
}
