use super::Events;
use super::piece::Piece;

/// Claims that tell kinds of JWT apart (RFC 8725bis §3.12), and the names providers give to clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// `nonce`: an ID token's (OIDC Core §2).
    pub(crate) nonce: Mark,
    /// `at_hash`: an ID token's.
    pub(crate) at_hash: Mark,
    /// `c_hash`: an ID token's.
    pub(crate) c_hash: Mark,
    /// `events`: a security event's, a logout token's for example (RFC 8417 §2.2).
    pub(crate) events: Option<Events>,
    /// `cnf`: bound to a key, so not a bearer token (RFC 7800 §3.1).
    pub(crate) cnf: Mark,
    /// `sid`, but not as a string, so that it names no session.
    pub(crate) odd_session: bool,
    /// `typ` as a claim: how Keycloak and others name the kind.
    pub(crate) typ: Option<Named>,
    /// `token_use`: how Cognito names the kind.
    pub(crate) token_use: Option<Named>,
    /// `cid`: the client in Okta's access tokens, and in no ID token.
    pub(crate) cid: Option<Named>,
    /// `appid`: the client in Entra's access tokens of version 1, and in no ID token.
    pub(crate) appid: Option<Named>,
    /// `idtyp`: `app` in Entra's tokens for clients of their own.
    pub(crate) idtyp: Option<Named>,
}

/// Whether a claim is there. Its value is looked at only to tell `null` from all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    #[default]
    Absent,
    Null,
    Value,
}

impl Mark {
    /// Whether the claim is there, even as `null`: enough to tell one kind of token from another.
    pub(crate) fn is_there(self) -> bool {
        self != Self::Absent
    }
}

/// The value of a claim that names a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Kept with the [registered claims](super::RegisteredClaims).
    Text(Piece),
    /// `null`.
    Null,
    /// Something else that is no string, and so names nothing.
    Other,
}

impl Named {
    pub(super) fn piece(self) -> Option<Piece> {
        match self {
            Self::Text(piece) => Some(piece),
            Self::Null | Self::Other => None,
        }
    }
}
