use std::fmt;

use crate::challenge::AuthScheme;

/// A token as a request presents it: its bytes, and the authentication scheme that they were sent
/// under.
#[derive(Clone, Copy)]
pub struct Presented<'r> {
    scheme: AuthScheme,
    token: &'r [u8],
}

impl<'r> Presented<'r> {
    /// Creates a bearer token.
    #[inline]
    pub const fn bearer(token: &'r [u8]) -> Self {
        Self::new(AuthScheme::BEARER, token)
    }

    /// Creates a token with another scheme.
    #[inline]
    pub const fn new(scheme: AuthScheme, token: &'r [u8]) -> Self {
        Self { scheme, token }
    }

    /// Returns the scheme.
    pub const fn scheme(&self) -> AuthScheme {
        self.scheme
    }

    /// Returns the bytes of the token.
    pub const fn token(&self) -> &'r [u8] {
        self.token
    }
}

// A token must not reach a log.
impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// A token as text, with the scheme that it came under.
#[derive(Clone, Copy)]
pub(crate) struct TokenText<'t> {
    pub(crate) scheme: AuthScheme,
    pub(crate) text: &'t str,
}

impl<'t> TokenText<'t> {
    pub(crate) const fn bearer(text: &'t str) -> Self {
        Self { scheme: AuthScheme::BEARER, text }
    }
}
