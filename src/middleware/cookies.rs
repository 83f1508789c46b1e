//! Keeps tokens in the cookies of a browser, and keeps other sites from using them.
//!
//! A cookie goes with every request of the browser, whichever page has caused the request. A token
//! in a cookie therefore needs a check that the request comes from a page of this origin, which a
//! token in a header does not need: no page of another site can send it. The check is part of the
//! source, because only there it is known that the token comes from a cookie.
//!
//! Not here: sessions on the server, redirects to sign in, tokens in forms.

mod error;
mod scan;
mod origin;
mod csrf_token;
mod set_cookie;
mod settings;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE};
use http::request;
use http::uri::Scheme;

use self::csrf_token::CsrfKey;
use self::origin::Origins;
use self::scan::CookieName;
use self::set_cookie::{Attributes, Readers};
use self::settings::Settings;
use crate::challenge::is_token_char;
use crate::config_error::ConfigError;
use crate::dangerous::Dangerous;
use crate::error::Reason;
use crate::middleware::reject::Rejection;
use crate::middleware::source::is_b64token;
use crate::observe::trace;

pub use error::CookieError;
pub use source::CookieToken;
pub(in crate::middleware) use source::OtherFields;

/// Keeps the tokens of a session in cookies, and decides which requests may use them.
///
/// | cookie | name | holds |
/// |---|---|---|
/// | access | `__Host-access` | the access token, for [`source`](Self::source) |
/// | refresh | `__Host-refresh` | the refresh token, for [`refresh_token`](Self::refresh_token) |
/// | refresh alone | `__Host-refresh-only` | the refresh token of a page that keeps the access token in memory, for [`refresh_only_token`](Self::refresh_only_token) |
/// | CSRF | `__Host-csrf` | a signed token that scripts of the page read and repeat |
///
/// All of them are `Secure`, `SameSite=Lax` and `Path=/`. The first three are `HttpOnly`. Because of
/// the prefix, a browser accepts them from this host over HTTPS only, so that no sibling domain can
/// set them. Two cookies of one name are refused in every case.
///
/// A session has the first two, set by [`set`](Self::set), or the third one, set by
/// [`set_refresh_only`](Self::set_refresh_only). The two refresh cookies have different names, so that the
/// server knows from the cookie alone whether a script may read the next access token.
///
/// A request with one of the tokens that can do more than read has to come from a page of this
/// origin. These are requests with a method other than `GET`, `HEAD`, `OPTIONS` and `TRACE`,
/// requests that open a web socket, and all requests with a refresh token:
///
/// | `Sec-Fetch-Site` | `Origin` | |
/// |---|---|---|
/// | `same-origin`, `none` | any | accepted |
/// | any other, or absent | trusted | accepted |
/// | absent | that of the request: `https`, the host and the port | accepted |
/// | absent | absent | needs the CSRF token, in the cookie and in the field `X-CSRF-Token` |
/// | any other | any other, or absent | refused |
/// | absent | any other, `null` too | refused |
///
/// Refusals are [`CrossSite`](Reason::CrossSite) and
/// [`MissingCsrfToken`](Reason::MissingCsrfToken), both 403. Browsers since 2023 send
/// `Sec-Fetch-Site`, and those of many years before `Origin`. The CSRF token is for clients older
/// than that, and for programs that are no browsers. It is bound to the tokens of the session.
///
/// The host of the request is that of the target or of `Host`. If a proxy replaces it, name the
/// origin that browsers use with [`with_trusted_origin`](Self::with_trusted_origin).
///
/// Cloning is cheap. [The guide](crate::guide::cookies) compares cookies with other places for
/// tokens.
///
/// ```
/// use std::time::Duration;
/// use http::HeaderMap;
/// use tower_bearer::cookies::{CookieError, Cookies};
/// # use tower_bearer::{BearerLayer, ConfigError};
///
/// # fn layer(layer: BearerLayer<()>, secret: Vec<u8>) -> Result<BearerLayer<()>, ConfigError> {
/// let cookies = Cookies::new(secret)?;
/// let layer = layer.with_source(cookies.source());
/// # Ok(layer)
/// # }
///
/// // The response to a sign-in:
/// fn sign_in(cookies: &Cookies, access: &str, refresh: &str) -> Result<HeaderMap, CookieError> {
///     const MINUTE: Duration = Duration::from_secs(60);
///     let mut headers = HeaderMap::new();
///     cookies.set(&mut headers, (access, 10 * MINUTE), Some((refresh, 60 * 24 * MINUTE)))?;
///     Ok(headers)
/// }
/// ```
#[derive(Clone)]
pub struct Cookies(Arc<Settings>);

impl Cookies {
    /// Creates the cookies of an origin that browsers reach over HTTPS.
    ///
    /// The secret signs CSRF tokens. All servers of the origin need the same.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the secret has less than 32 bytes, or the crate was built without
    /// a back end for signatures.
    pub fn new(csrf_secret: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        let names = ["__Host-access", "__Host-refresh", "__Host-csrf"];
        Self::with(csrf_secret.into(), Scheme::HTTPS, names)
    }

    /// Creates cookies for development with a server on this machine, over plain HTTP: `access`,
    /// `refresh` and `csrf`, without `Secure` and without a prefix. Each call writes a `WARN`.
    ///
    /// In production, the tokens could be read in the network, and set by every server of the same
    /// site. Chrome and Firefox accept the cookies of [`new`](Self::new) from `http://localhost`
    /// too.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn dangerously_for_loopback(csrf_secret: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        let cookies = Self::with(csrf_secret.into(), Scheme::HTTP, ["access", "refresh", "csrf"])?;
        trace::plain_cookies();
        Ok(cookies)
    }

    fn with(csrf_secret: Vec<u8>, scheme: Scheme, names: [&str; 3]) -> Result<Self, ConfigError> {
        let [access, refresh, refresh_only, csrf] = cookie_names(names);
        Ok(Self(Arc::new(Settings {
            access,
            refresh,
            refresh_only,
            csrf,
            attributes: Attributes { is_secure: scheme == Scheme::HTTPS, is_strict: false },
            origins: Origins::new(scheme),
            key: CsrfKey::new(csrf_secret)?,
            checks_site: true,
        })))
    }

    /// Sets the names of the cookies. The defaults are in the table above. The cookie for a refresh token alone has
    /// the name of the refresh cookie with `-only` behind it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::CookieName`] when a name does not begin with `__Host-`, is no token, or is
    /// used twice. Cookies for loopback have no prefix instead.
    pub fn with_names(self, access: &str, refresh: &str, csrf: &str) -> Result<Self, ConfigError> {
        let names = cookie_names([access, refresh, csrf]);
        for (place, name) in names.iter().map(CookieName::as_str).enumerate() {
            let refused = |problem| Err(ConfigError::CookieName { name: name.to_owned(), problem });
            let has_prefix = name.strip_prefix("__Host-").is_some_and(|rest| !rest.is_empty());
            if name.is_empty() || !name.bytes().all(is_token_char) {
                return refused("is empty, or holds a character that no name has");
            } else if self.0.attributes.is_secure && !has_prefix {
                return refused("has to begin with `__Host-`, or a sibling domain can set it");
            } else if !self.0.attributes.is_secure && name.starts_with("__") {
                return refused("has a prefix that browsers do not accept over plain HTTP");
            } else if names[..place].iter().any(|before| before.as_str().eq_ignore_ascii_case(name))
            {
                return refused("is used for two cookies");
            }
        }
        Ok(self.change(|settings| {
            [settings.access, settings.refresh, settings.refresh_only, settings.csrf] = names;
        }))
    }

    /// Sets `SameSite=Strict` instead of `Lax`. The browser then sends the cookies with requests
    /// of pages of the same site only, not when the user follows a link from another site.
    #[must_use]
    pub fn with_strict_same_site(self) -> Self {
        self.change(|settings| settings.attributes.is_strict = true)
    }

    /// Accepts requests from pages of another origin, for a front end at an address of its own:
    /// `https://app.example.com`. By default there is none.
    ///
    /// The origin has to be of the same site, because of `SameSite`. Its pages can do everything
    /// that the user can. They need CORS too.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Origin`] when the origin is not as browsers send it, or is plain HTTP.
    /// Cookies for loopback accept plain HTTP.
    pub fn with_trusted_origin(self, origin: &str) -> Result<Self, ConfigError> {
        let mut trusted = Ok(());
        let cookies = self.change(|settings| trusted = settings.origins.trust(origin));
        trusted.map(|()| cookies)
    }

    /// Returns the switches that weaken the protection.
    pub fn dangerous(self) -> Dangerous<Self> {
        Dangerous(self)
    }

    /// Returns the source for [`BearerLayer::with_source`](crate::BearerLayer::with_source).
    ///
    /// Tokens in the `Authorization` field are accepted beside it, without the check. A request
    /// with a token in both places is refused with 400.
    pub fn source(&self) -> CookieToken {
        CookieToken(Arc::clone(&self.0))
    }

    /// Sets the cookies of a session in a response, after a sign-in or a refresh: the access token
    /// and the refresh token, each with its lifetime, and a new CSRF token.
    ///
    /// The response gets `Cache-Control: no-store` too, and removes the cookie of
    /// [`set_refresh_only`](Self::set_refresh_only). Give an unchanged refresh token again: without one, the refresh
    /// cookie is removed, because the cookies of a session belong together.
    ///
    /// # Errors
    ///
    /// [`CookieError::IllegalToken`], [`CookieError::TooLarge`] when a cookie would have more than
    /// 4096 bytes, and [`CookieError::NoRandomness`]. The headers are then unchanged.
    pub fn set(
        &self,
        headers: &mut HeaderMap,
        access: (&str, Duration),
        refresh: Option<(&str, Duration)>,
    ) -> Result<(), CookieError> {
        let settings = &*self.0;
        let access_field = self.token_field(&settings.access, access)?;
        let refresh_field = match refresh {
            Some(refresh) => self.token_field(&settings.refresh, refresh)?,
            None => settings.attributes.remove(&settings.refresh, Readers::Server),
        };
        // Bound to the token that lives longer, so that it outlives the other.
        let bound_to = refresh.filter(|refresh| refresh.1 >= access.1).unwrap_or(access);
        let csrf_field = self.csrf_field(bound_to)?;
        let refresh_only = settings.attributes.remove(&settings.refresh_only, Readers::Server);
        add(headers, [access_field, refresh_field, refresh_only, csrf_field]);
        Ok(())
    }

    /// Sets the refresh token with its lifetime and a new CSRF token as cookies, for a page that keeps the access
    /// token in memory. Put the access token into the body of the response.
    ///
    /// No script can read the refresh token. A script that was injected into the page can read the access token, and
    /// can get new ones while the page is open.
    ///
    /// The response gets `Cache-Control: no-store` too, and removes the cookies of [`set`](Self::set). Answer a refresh
    /// in the way in which its token came: with the tokens of [`refresh_token`](Self::refresh_token) in cookies, and
    /// with an access token in the body only for [`refresh_only_token`](Self::refresh_only_token). If the request
    /// itself could choose, an injected script would read access tokens that cookies keep from it.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn set_refresh_only(
        &self,
        headers: &mut HeaderMap,
        refresh: (&str, Duration),
    ) -> Result<(), CookieError> {
        let Settings { access, refresh: with_access, refresh_only, attributes, .. } = &*self.0;
        let refresh_field = self.token_field(refresh_only, refresh)?;
        let csrf_field = self.csrf_field(refresh)?;
        let [access, with_access] =
            [access, with_access].map(|cookie| attributes.remove(cookie, Readers::Server));
        add(headers, [access, with_access, refresh_field, csrf_field]);
        Ok(())
    }

    /// Removes the cookies of a session from the browser, after a logout. The response gets
    /// `Cache-Control: no-store` too.
    ///
    /// The tokens stay valid until they are revoked or expire.
    pub fn clear(&self, headers: &mut HeaderMap) {
        let Settings { access, refresh, refresh_only, csrf, attributes, .. } = &*self.0;
        let fields = [
            attributes.remove(access, Readers::Server),
            attributes.remove(refresh, Readers::Server),
            attributes.remove(refresh_only, Readers::Server),
            attributes.remove(csrf, Readers::ServerAndScripts),
        ];
        add(headers, fields);
    }

    /// Returns the refresh token that [`set`](Self::set) has put beside an access token, for endpoints that refresh or
    /// end a session. `None` without one.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] when another site may have caused the request, whatever its method, or when
    /// there are two cookies of the name. The realm of its challenge is `api`.
    pub fn refresh_token<'r>(
        &self,
        request: &'r request::Parts,
    ) -> Result<Option<&'r str>, Rejection> {
        self.token_in(&self.0.refresh, request)
    }

    /// Returns the refresh token that [`set_refresh_only`](Self::set_refresh_only) has set. `None` without one.
    ///
    /// # Errors
    ///
    /// As for [`refresh_token`](Self::refresh_token).
    pub fn refresh_only_token<'r>(
        &self,
        request: &'r request::Parts,
    ) -> Result<Option<&'r str>, Rejection> {
        self.token_in(&self.0.refresh_only, request)
    }

    fn token_in<'r>(
        &self,
        cookie: &CookieName,
        request: &'r request::Parts,
    ) -> Result<Option<&'r str>, Rejection> {
        let token = self.0.refresh_token(cookie, &request.uri, &request.headers);
        // No other token was set here.
        let token = token.map_err(refused)?.filter(|token| is_b64token(token));
        Ok(token.and_then(|token| str::from_utf8(token).ok()))
    }

    fn token_field(
        &self,
        cookie: &CookieName,
        (token, lifetime): (&str, Duration),
    ) -> Result<HeaderValue, CookieError> {
        if !is_b64token(token.as_bytes()) {
            return Err(CookieError::IllegalToken { cookie: cookie.as_str().to_owned() });
        }
        self.0.attributes.set(cookie, token, lifetime, Readers::Server)
    }

    /// Makes a CSRF token that is bound to another token and lives as long.
    fn csrf_field(&self, (token, lifetime): (&str, Duration)) -> Result<HeaderValue, CookieError> {
        let csrf_token = self.0.key.sign(token)?;
        self.0.attributes.set(&self.0.csrf, &csrf_token, lifetime, Readers::ServerAndScripts)
    }

    /// Checks that no other site has caused a request, for services that stand outside of the
    /// layer: a sign-in, for example. Requests that can only read are accepted.
    ///
    /// Requests without `Sec-Fetch-Site`, `Origin` and cookies of a session are accepted too.
    ///
    /// # Errors
    ///
    /// A [`Rejection`], as for [`refresh_token`](Self::refresh_token).
    pub fn check(&self, request: &request::Parts) -> Result<(), Rejection> {
        self.0.check_request(request).map_err(refused)
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Dangerous<Cookies> {
    /// Accepts requests from pages of every site.
    ///
    /// `SameSite` alone then keeps other sites from using the tokens. It does not keep out pages of
    /// sibling domains, and old browsers do not know it.
    pub fn accept_every_site(self) -> Cookies {
        self.0.change(|settings| settings.checks_site = false)
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { access, refresh, refresh_only, csrf, .. } = &*self.0;
        let Settings { attributes, origins, checks_site, .. } = &*self.0;
        f.debug_struct("Cookies")
            .field("names", &[access, refresh, refresh_only, csrf].map(CookieName::as_str))
            .field("is_secure", &attributes.is_secure)
            .field("is_strict", &attributes.is_strict)
            .field("trusted_origins", &origins.trusted())
            .field("checks_site", checks_site)
            .finish_non_exhaustive()
    }
}

fn cookie_names([access, refresh, csrf]: [&str; 3]) -> [CookieName; 4] {
    [access, refresh, &format!("{refresh}-only"), csrf].map(CookieName::new)
}

fn add(headers: &mut HeaderMap, fields: [HeaderValue; 4]) {
    for field in fields {
        headers.append(SET_COOKIE, field);
    }
    // RFC 9111 §7.3: `Set-Cookie` does not keep caches from storing a response.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn refused(reason: Reason) -> Rejection {
    Rejection::new(reason.into(), Arc::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies() -> Cookies {
        Cookies::new(*b"a secret of thirty-two bytes, yes").unwrap()
    }

    #[test]
    fn names_are_tokens_with_the_prefix_that_differ() {
        cookies().with_names("__Host-a", "__Host-r", "__Host-c").unwrap();
        for (access, refresh, csrf) in [
            ("a", "__Host-r", "__Host-c"),
            ("__Host-a", "r", "__Host-c"),
            ("__Host-a", "__Host-r", "c"),
            ("__Host-", "__Host-r", "__Host-c"),
            ("__host-a", "__Host-r", "__Host-c"),
            ("__Secure-a", "__Host-r", "__Host-c"),
            ("__Host-a b", "__Host-r", "__Host-c"),
            ("__Host-a;", "__Host-r", "__Host-c"),
            ("__Host-a=", "__Host-r", "__Host-c"),
            ("__Host-ä", "__Host-r", "__Host-c"),
            ("", "__Host-r", "__Host-c"),
            ("__Host-a", "__Host-a", "__Host-c"),
            ("__Host-a", "__Host-r", "__Host-R"),
            ("__Host-r-only", "__Host-r", "__Host-c"),
            ("__Host-a", "__Host-r", "__Host-r-only"),
        ] {
            let refused = cookies().with_names(access, refresh, csrf);
            assert!(matches!(refused, Err(ConfigError::CookieName { .. })), "{access} {refresh}");
        }
    }

    #[test]
    fn names_over_plain_http_have_no_prefix() {
        let loopback = || {
            let secret = *b"a secret of thirty-two bytes, yes";
            Cookies::dangerously_for_loopback(secret).unwrap()
        };

        loopback().with_names("a", "r", "c").unwrap();
        loopback().with_names("__Host-a", "r", "c").unwrap_err();
    }

    #[test]
    fn debug_output_shows_the_settings_and_no_secret() {
        let cookies = cookies().with_trusted_origin("https://app.example.com").unwrap();

        let shown = format!("{:?} {:?}", cookies, cookies.source());

        assert!(shown.contains("__Host-access") && shown.contains("app.example.com"), "{shown}");
        assert!(!shown.contains("secret of") && !shown.contains("97, 32, 115"), "{shown}");
    }
}
