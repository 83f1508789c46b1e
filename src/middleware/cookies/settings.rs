//! Finds tokens in cookies, and decides whether a request may use them.

use http::header::UPGRADE;
use http::{HeaderMap, HeaderName, Method, Uri, request};

use super::csrf_token::CsrfKey;
use super::origin::{Origins, Sender, single};
use super::scan::{CookieName, Repeated};
use super::set_cookie::Attributes;
use crate::error::Reason;
use crate::middleware::source::lists;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) access: CookieName,
    pub(super) refresh: CookieName,
    /// Holds a refresh token without an access token beside it.
    pub(super) refresh_only: CookieName,
    pub(super) csrf: CookieName,
    pub(super) attributes: Attributes,
    pub(super) origins: Origins,
    pub(super) key: CsrfKey,
    /// `false` only by [`Dangerous`](crate::Dangerous).
    pub(super) checks_site: bool,
}

impl Settings {
    /// Returns the access token of a request that may use it.
    pub(super) fn access_token<'r>(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &'r HeaderMap,
    ) -> Result<Option<&'r [u8]>, Reason> {
        let token = self.access.find(headers)?;
        if token.is_some() && changes_state(method, headers) {
            self.check(uri, headers)?;
        }
        Ok(token)
    }

    /// Returns the refresh token in this cookie of a request that may use it. The method makes no difference:
    /// whatever is done with a refresh token changes state.
    pub(super) fn refresh_token<'r>(
        &self,
        cookie: &CookieName,
        uri: &Uri,
        headers: &'r HeaderMap,
    ) -> Result<Option<&'r [u8]>, Reason> {
        let token = cookie.find(headers)?;
        if token.is_some() {
            self.check(uri, headers)?;
        }
        Ok(token)
    }

    /// Checks a request to a service that reads no token here.
    pub(super) fn check_request(&self, request: &request::Parts) -> Result<(), Reason> {
        let request::Parts { method, uri, headers, .. } = request;
        let [access, refresh, refresh_only] = self.tokens(headers);
        let has_session = [access?, refresh?, refresh_only?].iter().any(Option::is_some);
        if !changes_state(method, headers) {
            return Ok(());
        }
        match self.check(uri, headers) {
            // There is no session to abuse.
            Err(Reason::MissingCsrfToken) if !has_session => Ok(()),
            checked => checked,
        }
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Reason> {
        if !self.checks_site {
            return Ok(());
        }
        match self.origins.sender(uri, headers) {
            Sender::Trusted => Ok(()),
            Sender::Foreign => Err(Reason::CrossSite),
            Sender::Unknown if self.has_csrf_token(headers) => Ok(()),
            Sender::Unknown => Err(Reason::MissingCsrfToken),
        }
    }

    /// Returns whether the header repeats the cookie, and the cookie is bound to this session.
    fn has_csrf_token(&self, headers: &HeaderMap) -> bool {
        let cookie = self.csrf.find(headers).ok().flatten();
        let header = single(headers, &CSRF_HEADER).ok().flatten();
        let (Some(cookie), Some(header)) = (cookie, header) else { return false };
        let tokens = self.tokens(headers).into_iter().flatten().flatten();
        cookie == header && self.key.verify(cookie, tokens)
    }

    /// Finds the tokens of a session.
    fn tokens<'r>(&self, headers: &'r HeaderMap) -> [Result<Option<&'r [u8]>, Repeated>; 3] {
        [&self.access, &self.refresh, &self.refresh_only].map(|cookie| cookie.find(headers))
    }
}

impl From<Repeated> for Reason {
    fn from(Repeated: Repeated) -> Self {
        Self::RepeatedCookie
    }
}

/// Returns whether a request can do more than read. A web socket opens with GET, and a page of
/// any site can open one with the cookies of its user. Over HTTP/2 it opens with `CONNECT`, which
/// is not safe.
pub(super) fn changes_state(method: &Method, headers: &HeaderMap) -> bool {
    !method.is_safe() || (headers.contains_key(UPGRADE) && lists(headers, &UPGRADE, "websocket"))
}

pub(super) const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
