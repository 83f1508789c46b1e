use crate::claims::policy::Policy;
use crate::error::Remedy;

/// The token that a client without a good one should ask for, as far as it is told.
#[derive(Clone, Default)]
pub(crate) struct Invitation {
    remedy: Remedy,
    /// The scopes of the remedy, in the form of a challenge.
    scopes: Option<String>,
    /// Whether sign-ins are named to clients without a token (RFC 9470 §9).
    names_sign_in: bool,
}

impl Invitation {
    /// Invites clients to ask for a token that this policy allows.
    pub(crate) fn new(policy: Option<&dyn Policy>, names_sign_in: bool) -> Self {
        Self { names_sign_in, ..Self::default() }.beside(policy)
    }

    /// Invites clients to ask for a token that another policy allows as well.
    pub(super) fn beside(&self, policy: Option<&dyn Policy>) -> Self {
        let Some(description) = policy.map(Policy::describe) else { return self.clone() };
        let mut remedy = Remedy::scopes(description.scopes_for_strangers());
        if let Some(sign_in) = description.sign_in().filter(|_| self.names_sign_in) {
            remedy = remedy.and(sign_in);
        }
        let remedy = remedy.and(self.remedy.clone());
        let scopes = Some(remedy.needed_scopes().join(" ")).filter(|scopes| !scopes.is_empty());
        Self { remedy, scopes, names_sign_in: self.names_sign_in }
    }

    pub(super) fn remedy(&self) -> &Remedy {
        &self.remedy
    }

    pub(super) fn scopes(&self) -> Option<&str> {
        self.scopes.as_deref()
    }
}
