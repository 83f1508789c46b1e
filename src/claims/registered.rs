use super::{Audience, NumericDate};

/// The claims that RFC 7519 §4.1 registers, and who asked for the token.
///
/// Each is of the JSON type its RFC asks for, or absent. Which of them must be there is up to
/// [`Validation`](crate::Validation).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    pub(crate) issuer: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    pub(crate) audience: Option<Audience>,
    pub(crate) expires_at: Option<NumericDate>,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) token_id: Option<Box<str>>,
    pub(crate) session_id: Option<Box<str>>,
    pub(crate) client_id: Option<Box<str>>,
    pub(crate) authorized_party: Option<Box<str>>,
    /// `cid` and `appid`.
    pub(crate) provider_clients: [Option<Box<str>>; 2],
}

impl Registered {
    /// `iss`: who made the token.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// `sub`: whom the token speaks of. `null` counts as absent, as some providers send it.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// `aud`: whom the token is for.
    pub fn audience(&self) -> Option<&Audience> {
        self.audience.as_ref()
    }

    /// `exp`: the moment from which the token is not valid any more.
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.expires_at
    }

    /// `nbf`: the moment before which the token is not valid yet.
    pub fn not_before(&self) -> Option<NumericDate> {
        self.not_before
    }

    /// `iat`: when the token was made.
    pub fn issued_at(&self) -> Option<NumericDate> {
        self.issued_at
    }

    /// `jti`: the name of this one token.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// `sid`: the session at the provider that the token belongs to (OpenID Connect Front-Channel
    /// Logout §3). Anything but a string counts as absent.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Who asked for the token: `client_id` (RFC 9068 §2.2), or where a provider sends that instead,
    /// `azp`, `cid` (Okta) or `appid` (Entra).
    pub fn client_id(&self) -> Option<&str> {
        self.clients().next()
    }

    /// All names of clients in the token. They may differ.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &str> {
        [&self.client_id, &self.authorized_party]
            .into_iter()
            .chain(&self.provider_clients)
            .filter_map(Option::as_deref)
    }
}
