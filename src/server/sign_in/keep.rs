use serde::de::value::{Error, StrDeserializer};
use serde::de::{Deserialize as _, IntoDeserializer as _};

use crate::middleware::cookies::Cookies;

/// The place where the client keeps the tokens of a session. Requests name it in the member `keep`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Keep {
    /// The answer holds both tokens. The default, when a request names no other place.
    #[default]
    #[serde(skip_deserializing)]
    Client,
    /// `refresh-cookie`: the answer holds the access token, for the memory of a page. The refresh token is in a cookie
    /// that no script can read.
    RefreshCookie,
    /// `cookies`: the answer holds no token. Both are in cookies that no script can read.
    Cookies,
}

impl Keep {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        let word: StrDeserializer<'_, Error> = word.into_deserializer();
        Self::deserialize(word).ok()
    }
}

/// The place where an answer puts the tokens.
#[derive(Clone, Copy)]
pub(super) enum Place<'c> {
    Body,
    /// The refresh token in a cookie of its own, the access token in the body.
    RefreshCookie(&'c Cookies),
    Cookies(&'c Cookies),
}

impl<'c> Place<'c> {
    pub(super) fn cookies(self) -> Option<&'c Cookies> {
        match self {
            Self::Body => None,
            Self::RefreshCookie(cookies) | Self::Cookies(cookies) => Some(cookies),
        }
    }
}
