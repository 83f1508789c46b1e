use std::fmt;

use super::markers::{SessionClaim, TextClaim};
use super::text_range::{TextRange, TextRanges};
use super::{Audience, NumericDate};

/// The claims that RFC 7519 §4.1 registers, and the client that requested the token.
///
/// Each has the JSON type that its RFC defines, or is absent. [`Validation`](crate::Validation)
/// decides which claims are required. `sub`, `aud`, `jti`, `client_id` and `azp` count as absent
/// when they are `null`, as some providers send them; `iss` and the dates must not be `null`.
#[derive(Clone, Default)]
pub struct RegisteredClaims {
    /// The text that holds all strings, those of the grants too: one allocation, however many there are.
    text: String,
    pub(super) issuer: Option<TextRange>,
    /// The configured issuer, where a token that names none was accepted.
    assumed_issuer: Option<TextRange>,
    pub(super) subject: Option<TextRange>,
    pub(super) audience: Option<TextRanges>,
    pub(super) expires_at: Option<NumericDate>,
    pub(super) not_before: Option<NumericDate>,
    pub(super) issued_at: Option<NumericDate>,
    pub(super) token_id: Option<TextRange>,
    pub(super) session: SessionClaim,
    pub(super) client_id: Option<TextRange>,
    pub(super) authorized_party: Option<TextRange>,
    /// `cid`: the client in Okta's access tokens, and in no ID token.
    pub(super) okta_client: Option<TextClaim>,
    /// `appid`: the client in Entra's access tokens of version 1, and in no ID token.
    pub(super) entra_client: Option<TextClaim>,
    /// `tid`: the tenant in tokens of Entra. Read for verifiers with tenants only.
    pub(super) tenant: Option<TextClaim>,
}

impl RegisteredClaims {
    /// Returns `iss`: the issuer of the token. See [`Principal::issuer`](crate::Principal::issuer)
    /// for tokens without `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.get(self.issuer)
    }

    /// Returns `iss`, or the configured issuer in its place.
    pub(super) fn issuer_or_assumed(&self) -> Option<&str> {
        self.get(self.issuer.or(self.assumed_issuer))
    }

    /// Sets the configured issuer for a token that names none.
    #[cold]
    pub(crate) fn assume_issuer(&mut self, issuer: &str) {
        self.assumed_issuer = Some(self.keep(issuer));
    }

    /// Returns `sub`: the subject, a user or a client.
    pub fn subject(&self) -> Option<&str> {
        self.get(self.subject)
    }

    /// Returns `aud`: the audiences that the token is for. An empty list names none.
    pub fn audience(&self) -> Option<Audience<'_>> {
        let ranges = self.audience.as_ref()?;
        Some(Audience::new(&self.text, ranges.as_slice()))
    }

    /// Returns `exp`: the moment from which the token is no longer valid. See
    /// [`Principal::time_left`](crate::Principal::time_left) for how long it is accepted here.
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.expires_at
    }

    /// Returns `nbf`: the moment before which the token is not valid yet.
    pub fn not_before(&self) -> Option<NumericDate> {
        self.not_before
    }

    /// Returns `iat`: the moment at which the token was issued.
    pub fn issued_at(&self) -> Option<NumericDate> {
        self.issued_at
    }

    /// Returns `jti`: the name of this one token.
    pub fn token_id(&self) -> Option<&str> {
        self.get(self.token_id)
    }

    /// Returns `sid`: the session at the provider that the token belongs to (OpenID Connect
    /// Front-Channel Logout §3). A value that is no string counts as absent.
    pub fn session_id(&self) -> Option<&str> {
        self.get(self.session.range())
    }

    /// Returns the client that requested the token: `client_id` (RFC 9068 §2.2), or a provider's
    /// claim in its place, `azp`, `cid` (Okta) or `appid` (Entra).
    pub fn client_id(&self) -> Option<&str> {
        self.clients().next()
    }

    /// Returns `client_id`, and no provider's claim in its place.
    pub(crate) fn client_id_itself(&self) -> Option<&str> {
        self.get(self.client_id)
    }

    /// Returns `azp`, and no other claim in its place.
    pub(crate) fn authorized_party(&self) -> Option<&str> {
        self.get(self.authorized_party)
    }

    /// Returns all names of clients in the token. They may differ.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &str> {
        self.client_claims().into_iter().filter_map(|client| self.get(client))
    }

    fn client_claims(&self) -> [Option<TextRange>; 4] {
        let [okta, entra] =
            [self.okta_client, self.entra_client].map(|client| client.and_then(TextClaim::range));
        [self.client_id, self.authorized_party, okta, entra]
    }

    /// Returns whether a tenant was read, of whatever type.
    pub(crate) fn has_tenant(&self) -> bool {
        self.tenant.is_some_and(|tenant| tenant != TextClaim::Null)
    }

    /// Returns `tid`, if a tenant was read and is a string.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.get(self.tenant.and_then(TextClaim::range))
    }

    /// Returns whether there is a `sid` that names no session because it is not a string.
    pub(crate) fn has_odd_session(&self) -> bool {
        self.session == SessionClaim::Other
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let audiences = match &self.audience {
            Some(TextRanges::Many(many)) => many.capacity() * size_of::<TextRange>(),
            Some(TextRanges::One(_)) | None => 0,
        };
        self.text.capacity() + audiences
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn get(&self, range: Option<TextRange>) -> Option<&str> {
        range.map(|range| range.of(&self.text))
    }

    /// Keeps a string, to be named by one of the fields.
    pub(super) fn keep(&mut self, string: &str) -> TextRange {
        if self.text.is_empty() {
            // Those of most tokens.
            self.text.reserve(string.len().max(256));
        }
        let start = self.text.len();
        self.text.push_str(string);
        TextRange::new(start, self.text.len())
    }
}

impl PartialEq for RegisteredClaims {
    fn eq(&self, other: &Self) -> bool {
        let dates = |it: &Self| (it.expires_at, it.not_before, it.issued_at);
        self.issuer() == other.issuer()
            && self.subject() == other.subject()
            && self.audience() == other.audience()
            && dates(self) == dates(other)
            && self.token_id() == other.token_id()
            && self.session_id() == other.session_id()
            && self.client_claims().map(|client| self.get(client))
                == other.client_claims().map(|client| other.get(client))
    }
}

impl Eq for RegisteredClaims {}

// `sub`, `jti` and `sid` name a person, or can be linked to one.
impl fmt::Debug for RegisteredClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClaims")
            .field("issuer", &self.issuer())
            .field("audience", &self.audience())
            .field("expires_at", &self.expires_at)
            .field("not_before", &self.not_before)
            .field("issued_at", &self.issued_at)
            .field("clients", &self.clients().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
