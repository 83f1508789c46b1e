//! Tests the fields that set and remove cookies.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use tower_bearer::cookies::{CookieError, Cookies};
use tracing::Level;

use super::{MINUTE, SECRET, cookies, kept};
use crate::support::good;
use crate::support::log::Log;

fn set(cookies: &Cookies, access: &str, refresh: Option<&str>) -> Result<HeaderMap, CookieError> {
    let mut headers = HeaderMap::new();
    let refresh = refresh.map(|refresh| (refresh, 60 * MINUTE));
    cookies.set(&mut headers, (access, 10 * MINUTE), refresh)?;
    Ok(headers)
}

fn fields(headers: &HeaderMap) -> Vec<&str> {
    assert!(headers.get_all(SET_COOKIE).iter().all(http::HeaderValue::is_sensitive));
    headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap()).collect()
}

#[test]
fn cookies_of_a_session_are_set_with_all_attributes() {
    // RFC 6750 §5.3: cookies with tokens are Secure
    let headers = set(&cookies(), "a.b.c", Some("r~/+=")).unwrap();

    let attributes = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age";
    let [access, refresh, refresh_only, csrf] = *fields(&headers) else { panic!() };
    assert_eq!(access, format!("__Host-access=a.b.c; {attributes}=600"));
    assert_eq!(refresh, format!("__Host-refresh=r~/+=; {attributes}=3600"));
    assert!(refresh_only.starts_with("__Host-refresh-only=; HttpOnly;"), "{refresh_only}");
    assert!(refresh_only.contains("; Max-Age=0;"), "{refresh_only}");
    let csrf = csrf.strip_prefix("__Host-csrf=").unwrap().split_at(64);
    assert_eq!(csrf.1, "; SameSite=Lax; Secure; Path=/; Max-Age=3600");
    assert_eq!(headers[CACHE_CONTROL], "no-store");
}

#[test]
fn refresh_token_alone_is_set_with_all_attributes_and_removes_the_cookies_of_the_other_way() {
    let mut headers = HeaderMap::new();

    cookies().set_refresh_only(&mut headers, ("r~/+=", 60 * MINUTE)).unwrap();

    let [access, refresh, refresh_only, csrf] = *fields(&headers) else { panic!() };
    let attributes = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age";
    assert_eq!(refresh_only, format!("__Host-refresh-only=r~/+=; {attributes}=3600"));
    for (field, name) in [(access, "access"), (refresh, "refresh")] {
        assert!(field.starts_with(&format!("__Host-{name}=; {attributes}=0;")), "{field}");
    }
    let csrf = csrf.strip_prefix("__Host-csrf=").unwrap().split_at(64);
    assert_eq!(csrf.1, "; SameSite=Lax; Secure; Path=/; Max-Age=3600");
    assert_eq!(headers[CACHE_CONTROL], "no-store");
}

#[test]
fn refresh_token_alone_that_is_none_or_too_large_is_an_error_and_sets_nothing() {
    let cookie = || "__Host-refresh-only".to_owned();
    let mut headers = HeaderMap::new();
    let mut set = |token: &str| {
        let refused = cookies().set_refresh_only(&mut headers, (token, MINUTE)).unwrap_err();
        assert!(headers.is_empty());
        refused
    };

    assert_eq!(set("a b"), CookieError::IllegalToken { cookie: cookie() });
    let refused = set(&"r".repeat(4096));
    assert!(matches!(refused, CookieError::TooLarge { cookie: named, .. } if named == cookie()));
}

#[test]
fn no_cookie_has_a_domain_and_each_stays_below_the_root() {
    // RFC 6265bis §4.1.3.2: Secure, Path=/ and no Domain behind __Host-
    let headers = set(&cookies(), "a", Some("r")).unwrap();

    for field in fields(&headers) {
        assert!(field.contains("; Secure") && field.contains("; Path=/;"), "{field}");
        assert!(!field.to_ascii_lowercase().contains("domain"), "{field}");
    }
}

#[test]
fn session_without_a_refresh_token_removes_the_refresh_cookie() {
    let headers = set(&cookies(), "a", None).unwrap();

    let kept = kept(&headers);
    assert_eq!(kept[1], ("__Host-refresh".to_owned(), String::new()));
    let fields = fields(&headers);
    assert!(
        fields[1].contains("; Max-Age=0;") && fields[3].ends_with("; Max-Age=600"),
        "{fields:?}"
    );
}

#[test]
fn other_cookies_of_the_response_stay() {
    let mut headers = HeaderMap::new();
    headers.append(SET_COOKIE, "theme=dark".parse().unwrap());

    cookies().set(&mut headers, ("a", MINUTE), None).unwrap();

    assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 5);
    assert_eq!(headers[SET_COOKIE], "theme=dark");
}

#[test]
fn removed_cookies_have_the_attributes_of_the_ones_they_replace() {
    let mut headers = HeaderMap::new();

    cookies().clear(&mut headers);

    let end = "SameSite=Lax; Secure; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(
        fields(&headers),
        [
            format!("__Host-access=; HttpOnly; {end}"),
            format!("__Host-refresh=; HttpOnly; {end}"),
            format!("__Host-refresh-only=; HttpOnly; {end}"),
            format!("__Host-csrf=; {end}"),
        ]
    );
    assert_eq!(headers[CACHE_CONTROL], "no-store");
}

#[test]
fn value_that_is_no_token_is_an_error_and_sets_nothing() {
    for bad in ["", "a b", "a;b", "a,b", "a\"b", "a\\b", "a\r\nb", "ä", "=", "a=b", "a; Domain=x"]
    {
        for (access, refresh, cookie) in [(bad, "r", "access"), ("a", bad, "refresh")] {
            let mut headers = HeaderMap::new();
            let refused =
                cookies().set(&mut headers, (access, MINUTE), Some((refresh, MINUTE))).unwrap_err();
            let cookie = format!("__Host-{cookie}");
            assert_eq!(refused, CookieError::IllegalToken { cookie });
            assert!(headers.is_empty());
        }
    }
    set(&cookies(), &good(), Some("aZ09-._~+/==")).unwrap();
}

#[test]
fn token_that_browsers_would_drop_is_an_error_that_says_so() {
    // RFC 6265 §6.1: 4096 bytes for each cookie
    let attributes = "__Host-access=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600".len();
    let longest = "a".repeat(4096 - attributes);

    set(&cookies(), &longest, None).unwrap();
    let refused = set(&cookies(), &format!("{longest}a"), None).unwrap_err();

    assert_eq!(
        refused.to_string(),
        "the cookie `__Host-access` has 4097 bytes, and browsers drop cookies of more than 4096; \
         put fewer claims into the token"
    );
}

#[test]
fn options_are_heeded() {
    let named = cookies().with_names("__Host-a", "__Host-r", "__Host-c").unwrap();
    let names = set(&named.with_strict_same_site(), "a", Some("r")).unwrap();
    let loopback = Cookies::dangerously_for_loopback(SECRET).unwrap();
    let plain = set(&loopback, "a", Some("r")).unwrap();

    let expected = ["__Host-a=", "__Host-r=", "__Host-r-only=", "__Host-c="];
    for (field, name) in fields(&names).iter().zip(expected) {
        assert!(field.starts_with(name) && field.contains("; SameSite=Strict;"), "{field}");
    }
    for (field, name) in
        fields(&plain).iter().zip(["access=", "refresh=", "refresh-only=", "csrf="])
    {
        assert!(field.starts_with(name) && !field.contains("Secure"), "{field}");
    }
}

#[test]
fn cookies_for_loopback_are_loud_and_others_are_not() {
    let log = Log::default();

    tracing::subscriber::with_default(log.subscriber(), || {
        cookies();
        Cookies::dangerously_for_loopback(SECRET).unwrap();
    });

    let [(level, text)] = &*log.events() else { panic!("{:?}", log.events()) };
    assert_eq!(*level, Level::WARN);
    assert!(text.contains("use `Cookies::new` in production"), "{text}");
}

#[test]
fn lifetime_of_the_csrf_token_is_the_longer_one() {
    for (access, refresh, expected) in [(60, 3600, 3600), (3600, 60, 3600), (60, 60, 60)] {
        let mut headers = HeaderMap::new();
        let seconds = Duration::from_secs;
        cookies().set(&mut headers, ("a", seconds(access)), Some(("r", seconds(refresh)))).unwrap();

        assert!(fields(&headers)[3].ends_with(&format!("; Max-Age={expected}")));
    }
}
