//! Finds the token in a field of its own.
//!
//! Proxies that sign users in put a signed assertion into such a field: the client cannot read it, and the proxy
//! removes what clients send under the name.

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};

use super::authorization::is_b64token;
use super::{Presented, TokenSource};
use crate::challenge::AuthScheme;
use crate::error::Reason;

/// Finds the token in a field of its own, without a scheme: the assertion of a proxy, for example.
///
/// Use it [in place of](crate::BearerLayer::with_source_instead) the `Authorization` field, or beside it: as one of
/// [several sources](crate::BearerLayer::with_source), of which a request may use one, or [before](Self::or) another.
///
/// ```
/// use tower_bearer::keys::RemoteKeys;
/// use tower_bearer::source::HeaderToken;
/// use tower_bearer::{BearerLayer, Validation, Verifier};
///
/// # #[derive(serde::Deserialize)] struct User {}
/// # fn layer() -> Result<BearerLayer<User>, tower_bearer::ConfigError> {
/// let team = "https://example.cloudflareaccess.com";
/// let keys = RemoteKeys::from_url(&format!("{team}/cdn-cgi/access/certs"))?;
/// let verifier = Verifier::<User>::new(keys, Validation::new(team, "the AUD tag of the application"))?;
/// let layer = BearerLayer::new(verifier).with_source_instead(HeaderToken::cloudflare_access());
/// # Ok(layer)
/// # }
/// ```
///
/// Only the signature makes such a field trustworthy: a client that reaches the service past the proxy can send any
/// text in it, and is refused as with any other token. Two fields of the name are refused with
/// [`Reason::SeveralTokens`]. The field stays in the request, marked as sensitive.
///
/// # Requests of other sites
///
/// Such a proxy knows a user by a cookie, so a request that another site causes may carry the assertion too. The layer
/// cannot tell: set the proxy's cookie to `SameSite=Lax` or `Strict`, or put the `csrf` layer of tower-http around
/// routes that change something.
///
/// AWS Application Load Balancers pad the base64url of `x-amzn-oidc-data`, which RFC 7515 §2 forbids and which the
/// signature covers. Such a token is refused as malformed: every reader that removes the padding breaks the signature,
/// and one that keeps it accepts two spellings of one token.
#[derive(Clone)]
pub struct HeaderToken {
    name: HeaderName,
    scheme: AuthScheme,
}

impl HeaderToken {
    /// Finds the token in the field of this name.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_bearer::source::HeaderToken;
    ///
    /// let source = HeaderToken::new(HeaderName::from_static("x-forwarded-access-token"));
    /// ```
    pub const fn new(name: HeaderName) -> Self {
        Self { name, scheme: AuthScheme::BEARER }
    }

    /// Presents the tokens of this field under a scheme, by which an authenticator can tell them from others. The
    /// default is `Bearer`. The scheme does not stand in the field.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_bearer::challenge::AuthScheme;
    /// use tower_bearer::source::HeaderToken;
    ///
    /// let field = HeaderName::from_static("x-api-key");
    /// let source = HeaderToken::new(field).with_scheme(AuthScheme::new("ApiKey")?);
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_scheme(mut self, scheme: AuthScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Finds the assertion of Cloudflare Access, `Cf-Access-Jwt-Assertion`.
    pub const fn cloudflare_access() -> Self {
        Self::new(HeaderName::from_static("cf-access-jwt-assertion"))
    }

    /// Finds the assertion of Google's Identity-Aware Proxy, `X-Goog-IAP-JWT-Assertion`.
    pub const fn google_iap() -> Self {
        Self::new(HeaderName::from_static("x-goog-iap-jwt-assertion"))
    }

    /// Finds the assertion of Pomerium, `X-Pomerium-Jwt-Assertion`.
    pub const fn pomerium() -> Self {
        Self::new(HeaderName::from_static("x-pomerium-jwt-assertion"))
    }

    /// Uses another source for requests without this field. A request that has both is decided by this field, and the
    /// token of the other source is not looked at.
    ///
    /// ```
    /// use tower_bearer::source::{AuthorizationHeader, HeaderToken};
    ///
    /// let source = HeaderToken::cloudflare_access().or(AuthorizationHeader::new());
    /// ```
    #[must_use]
    pub const fn or<S: TokenSource>(self, other: S) -> FirstOf<S> {
        FirstOf { first: self, other }
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(&self.name)
    }
}

impl TokenSource for HeaderToken {
    fn find<'r>(&self, request: &'r Parts) -> Result<Option<Presented<'r>>, Reason> {
        let headers = &request.headers;
        let Some(field) = headers.get(&self.name) else { return Ok(None) };
        // If no field of any name is repeated, this one is not.
        let has_lists = headers.len() > headers.keys_len();
        if has_lists && headers.get_all(&self.name).iter().nth(1).is_some() {
            // A proxy may have checked either.
            return Err(Reason::SeveralTokens);
        }
        Ok(Some(Presented::new(self.scheme, field.as_bytes())))
    }

    fn read<'t>(&self, token: &'t [u8]) -> Result<&'t str, Reason> {
        let text = is_b64token(token).then(|| str::from_utf8(token).ok()).flatten();
        text.ok_or(Reason::Malformed)
    }

    fn strip(&self, request: &mut Parts) {
        if let http::header::Entry::Occupied(mut fields) = request.headers.entry(&self.name) {
            fields.iter_mut().for_each(|field| field.set_sensitive(true));
        }
    }
}

impl fmt::Debug for HeaderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeaderToken").field(&self.name).finish()
    }
}

/// Finds the token in a field, and in another source for requests without the field; see [`HeaderToken::or`].
#[derive(Clone, Debug)]
pub struct FirstOf<S> {
    first: HeaderToken,
    other: S,
}

impl<S: TokenSource> TokenSource for FirstOf<S> {
    fn find<'r>(&self, request: &'r Parts) -> Result<Option<Presented<'r>>, Reason> {
        match self.first.find(request)? {
            Some(found) => Ok(Some(found)),
            None => self.other.find(request),
        }
    }

    // Tokens of either source follow one grammar.
    fn read<'t>(&self, token: &'t [u8]) -> Result<&'t str, Reason> {
        self.first.read(token)
    }

    fn strip(&self, request: &mut Parts) {
        if self.first.is_in(&request.headers) {
            self.first.strip(request);
        }
        // Its token is not looked at, and is a token all the same.
        self.other.strip(request);
    }

    fn complete(&self, status: StatusCode, headers: &mut HeaderMap) {
        self.other.complete(status, headers);
    }
}
