use super::hierarchy::Implications;

/// The rules of an issuer that count after a token was accepted, when a policy asks about its principal.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrincipalRules {
    pub(crate) roles: Implications,
    pub(crate) scopes: Implications,
}
