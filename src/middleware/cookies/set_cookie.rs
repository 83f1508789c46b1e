//! Builds the values of `Set-Cookie`.
//!
//! `Path=/` and no `Domain`, because `__Host-` requires both. A narrower path for the refresh token
//! would need another prefix, and a browser then accepts a cookie of the same name from a sibling
//! domain. A path protects nothing in return: every page of the origin can send requests to it.

use std::time::Duration;

use cookie::time::{self, OffsetDateTime};
use cookie::{Cookie, SameSite};
use http::HeaderValue;

use super::error::CookieError;
use super::scan::CookieName;

/// The attributes that all cookies of one configuration share.
#[derive(Clone, Copy)]
pub(super) struct Attributes {
    pub(super) is_secure: bool,
    pub(super) is_strict: bool,
}

/// The readers of a cookie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Only servers: `HttpOnly`.
    Server,
    ServerAndScripts,
}

impl Attributes {
    /// Sets a cookie whose value holds legal characters only.
    pub(super) fn set(
        self,
        name: &CookieName,
        value: &str,
        lifetime: Duration,
        readers: Readers,
    ) -> Result<HeaderValue, CookieError> {
        let mut cookie = self.cookie(name, value, readers);
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        cookie.set_max_age(time::Duration::seconds(seconds));
        let text = cookie.to_string();
        if text.len() > MAX_BYTES {
            let (cookie, bytes) = (name.as_str().to_owned(), text.len());
            return Err(CookieError::TooLarge { cookie, bytes, most: MAX_BYTES });
        }
        Ok(field(&text))
    }

    /// Removes a cookie.
    pub(super) fn remove(self, name: &CookieName, readers: Readers) -> HeaderValue {
        let mut cookie = self.cookie(name, "", readers);
        cookie.set_max_age(time::Duration::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        field(&cookie.to_string())
    }

    fn cookie<'c>(self, name: &'c CookieName, value: &'c str, readers: Readers) -> Cookie<'c> {
        let same_site = if self.is_strict { SameSite::Strict } else { SameSite::Lax };
        let cookie = Cookie::build((name.as_str(), value)).path("/").same_site(same_site);
        cookie.secure(self.is_secure).http_only(readers == Readers::Server).build()
    }
}

fn field(text: &str) -> HeaderValue {
    let mut field = HeaderValue::from_str(text).expect("names and values are printable ASCII");
    field.set_sensitive(true);
    field
}

// RFC 6265 §6.1: the length that every browser stores, name, value and attributes together.
const MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const SECURE: Attributes = Attributes { is_secure: true, is_strict: false };
    const MINUTE: Duration = Duration::from_secs(60);

    fn name() -> CookieName {
        CookieName::new("__Host-access")
    }

    #[test]
    fn cookie_has_the_attributes_that_its_prefix_requires() {
        let field = SECURE.set(&name(), "a.b.c", MINUTE, Readers::Server).unwrap();

        let expected = "__Host-access=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60";
        assert_eq!(field, expected);
        assert!(field.is_sensitive());
    }

    #[test]
    fn cookie_for_scripts_lacks_http_only_and_one_over_http_lacks_secure() {
        let plain = Attributes { is_secure: false, is_strict: true };

        let field = plain.set(&name(), "a", MINUTE, Readers::ServerAndScripts).unwrap();

        assert_eq!(field, "__Host-access=a; SameSite=Strict; Path=/; Max-Age=60");
    }

    #[test]
    fn removed_cookie_keeps_its_attributes_and_ends_at_once() {
        let field = SECURE.remove(&name(), Readers::Server);

        assert_eq!(
            field,
            "__Host-access=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
             Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }

    #[test]
    fn cookie_of_4096_bytes_is_set_and_a_larger_one_is_an_error() {
        let around = SECURE.set(&name(), "", MINUTE, Readers::Server).unwrap().len();
        let longest = "a".repeat(4096 - around);

        let set = SECURE.set(&name(), &longest, MINUTE, Readers::Server).unwrap();
        let refused = SECURE.set(&name(), &format!("{longest}a"), MINUTE, Readers::Server);

        assert_eq!(set.len(), 4096);
        let expected =
            CookieError::TooLarge { cookie: "__Host-access".into(), bytes: 4097, most: 4096 };
        assert_eq!(refused.unwrap_err(), expected);
    }

    #[test]
    fn lifetime_without_end_is_no_panic() {
        SECURE.set(&name(), "a", Duration::MAX, Readers::Server).unwrap();
    }
}
