use super::Events;
use super::text_range::TextRange;

/// Claims that tell kinds of JWT apart (RFC 8725bis §3.12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeMarkers {
    /// `nonce`: an ID token's (OIDC Core §2).
    pub(crate) nonce: Presence,
    /// `at_hash`: an ID token's.
    pub(crate) at_hash: Presence,
    /// `c_hash`: an ID token's.
    pub(crate) c_hash: Presence,
    /// `events`: a security event's, a logout token's for example (RFC 8417 §2.2).
    pub(crate) events: Option<Events>,
    /// `cnf`: bound to a key, so not a bearer token (RFC 7800 §3.1).
    pub(crate) cnf: JsonClaim,
    /// `typ` as a claim: how Keycloak and others name the kind.
    pub(crate) typ: Option<TextClaim>,
    /// `token_use`: how Cognito names the kind.
    pub(crate) token_use: Option<TextClaim>,
    /// `idtyp`: `app` in Entra's tokens for clients of their own.
    pub(crate) idtyp: Option<TextClaim>,
}

/// The presence of a claim. Its value is read only to distinguish `null` from other values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    #[default]
    Absent,
    Null,
    Value,
}

impl Presence {
    /// Returns whether the claim is present, even as `null`: that is enough to mark a kind of token.
    pub(crate) fn is_there(self) -> bool {
        self != Self::Absent
    }
}

/// The value of a claim that may be of any type, and says something only as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextClaim {
    /// Kept with the [registered claims](super::RegisteredClaims).
    Text(TextRange),
    /// `null`.
    Null,
    /// A value that is no string, and so names nothing.
    Other,
}

impl TextClaim {
    pub(super) fn range(self) -> Option<TextRange> {
        match self {
            Self::Text(range) => Some(range),
            Self::Null | Self::Other => None,
        }
    }
}

/// The value of a claim that is kept as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum JsonClaim {
    #[default]
    Absent,
    Null,
    /// JSON, kept with the [registered claims](super::RegisteredClaims).
    Json(TextRange),
}

impl JsonClaim {
    /// Says whether the claim is there, even as `null`: then the token is bound to a key.
    pub(crate) fn is_there(self) -> bool {
        self != Self::Absent
    }

    pub(super) fn range(self) -> Option<TextRange> {
        match self {
            Self::Json(range) => Some(range),
            Self::Absent | Self::Null => None,
        }
    }
}

/// The value of `sid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionClaim {
    #[default]
    Absent,
    Id(TextRange),
    /// A value that is no string, `null` among them: it names no session.
    Other,
}

impl SessionClaim {
    pub(super) fn range(self) -> Option<TextRange> {
        match self {
            Self::Id(range) => Some(range),
            Self::Absent | Self::Other => None,
        }
    }
}
