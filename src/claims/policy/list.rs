use super::tree::cheapest;
use super::{Policy, PolicyDescription, Remedy};
use crate::claims::Principal;

/// Needs one of several permissions, read from a configuration for example. Of none at all it
/// allows nobody.
///
/// ```
/// use tower_bearer::policy::{any_of, role};
///
/// let editors: Vec<String> = vec!["author".into(), "editor".into()];
/// let may_edit = any_of(editors.into_iter().map(role));
/// ```
pub fn any_of<P: Policy>(policies: impl IntoIterator<Item = P>) -> AnyOf<P> {
    AnyOf(policies.into_iter().collect())
}

/// Needs all of several permissions. Of none at all it allows nobody, since an empty list is more
/// often a mistake than a wish.
pub fn all_of<P: Policy>(policies: impl IntoIterator<Item = P>) -> AllOf<P> {
    AllOf(policies.into_iter().collect())
}

/// See [`any_of`].
#[derive(Clone, Debug)]
pub struct AnyOf<P>(Vec<P>);

/// See [`all_of`].
#[derive(Clone, Debug)]
pub struct AllOf<P>(Vec<P>);

impl<P: Policy> Policy for AnyOf<P> {
    fn allows(&self, principal: &Principal) -> bool {
        self.0.iter().any(|policy| policy.allows(principal))
    }

    fn remedy(&self, principal: &Principal) -> Option<Remedy> {
        cheapest(self.0.iter().filter_map(|policy| policy.remedy(principal)), principal)
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::AnyOf(self.0.iter().map(Policy::describe).collect())
    }
}

impl<P: Policy> Policy for AllOf<P> {
    fn allows(&self, principal: &Principal) -> bool {
        !self.0.is_empty() && self.0.iter().all(|policy| policy.allows(principal))
    }

    fn remedy(&self, principal: &Principal) -> Option<Remedy> {
        let mut all = self.0.iter().map(|policy| policy.remedy(principal));
        let first = all.next()??;
        all.try_fold(first, |all, next| Some(all.and(next?)))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::AllOf(self.0.iter().map(Policy::describe).collect())
    }
}
