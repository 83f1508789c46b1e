/// Claims that tell kinds of JWT apart (RFC 8725bis §3.12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// `nonce`: an ID token's (OIDC Core §2).
    pub(crate) nonce: bool,
    /// `at_hash`: an ID token's.
    pub(crate) at_hash: bool,
    /// `c_hash`: an ID token's.
    pub(crate) c_hash: bool,
    /// `events`: a security event's, a logout token's for example (RFC 8417 §2.2).
    pub(crate) events: bool,
    /// `cnf`: bound to a key, so not a bearer token (RFC 7800 §3.1).
    pub(crate) cnf: bool,
    /// `typ` as a claim: how Keycloak and others name the kind.
    pub(crate) typ: Option<Named>,
    /// `token_use`: how Cognito names the kind.
    pub(crate) token_use: Option<Named>,
}

/// The value of a claim that names a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Text(Box<str>),
    /// Something that is no string, and so names nothing.
    Other,
}

impl Named {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other => None,
        }
    }
}
