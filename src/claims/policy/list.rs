use std::borrow::Cow;

use super::tree::{cheapest, together};
use super::{Access, Policy, PolicyDescription, Remedy};

/// Requires one of several permissions, for example from a configuration. An empty list refuses
/// every request.
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

/// Requires all of several permissions. An empty list refuses every request, since it is more often
/// a mistake than intended.
pub fn all_of<P: Policy>(policies: impl IntoIterator<Item = P>) -> AllOf<P> {
    AllOf(policies.into_iter().collect())
}

/// The policy that [`any_of`] returns.
#[derive(Clone, Debug)]
pub struct AnyOf<P>(Vec<P>);

/// The policy that [`all_of`] returns.
#[derive(Clone, Debug)]
pub struct AllOf<P>(Vec<P>);

impl<P: Policy> Policy for AnyOf<P> {
    fn allows(&self, access: &Access<'_>) -> bool {
        self.0.iter().any(|policy| policy.allows(access))
    }

    fn remedy(&self, access: &Access<'_>) -> Option<Remedy> {
        cheapest(self.0.iter().filter_map(|policy| policy.remedy(access)), access)
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        self.0.iter().find_map(|policy| policy.misuse(access))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::AnyOf(self.0.iter().map(Policy::describe).collect())
    }
}

impl<P: Policy> Policy for AllOf<P> {
    fn allows(&self, access: &Access<'_>) -> bool {
        !self.0.is_empty() && self.0.iter().all(|policy| policy.allows(access))
    }

    fn remedy(&self, access: &Access<'_>) -> Option<Remedy> {
        together(self.0.iter().map(|policy| policy as &dyn Policy), access)
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        self.0.iter().find_map(|policy| policy.misuse(access))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::AllOf(self.0.iter().map(Policy::describe).collect())
    }
}
