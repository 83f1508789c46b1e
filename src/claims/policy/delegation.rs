//! Permissions about parties that act for others (`act`, RFC 8693 §4.1).

use std::borrow::Cow;

use super::{Access, Policy, PolicyDescription};
use crate::claims::PrincipalKind;

/// Requires that the subject acts itself: the token has no `act`.
pub fn no_delegation() -> NoDelegation {
    NoDelegation(())
}

/// Requires that another party acts for a user: the token has `act`, and its subject is a
/// [user](PrincipalKind::User).
pub fn acting_for_user() -> ActingForUser {
    ActingForUser(())
}

/// Requires that this party acts for the subject: the `sub` of the outermost `act`.
///
/// Parties that acted earlier do not count (RFC 8693 §4.1). The name has to be one of the issuer of the token: an actor
/// whose `iss` is another one is refused, unless [`of_issuer`](ActorIs::of_issuer) names it.
///
/// ```
/// use tower_bearer::policy::{actor, no_delegation};
///
/// let by_the_agent = actor("agent-7");
/// let alone_or_by_the_agent = no_delegation().or(actor("agent-7"));
/// ```
pub fn actor(name: impl Into<Cow<'static, str>>) -> ActorIs {
    ActorIs { name: name.into(), issuer: None }
}

/// The policy that [`no_delegation`] returns.
#[derive(Clone, Debug)]
pub struct NoDelegation(());

/// The policy that [`acting_for_user`] returns.
#[derive(Clone, Debug)]
pub struct ActingForUser(());

/// The policy that [`actor`] returns.
#[derive(Clone, Debug)]
pub struct ActorIs {
    name: Cow<'static, str>,
    issuer: Option<Cow<'static, str>>,
}

impl ActorIs {
    /// Sets the issuer that names the actor, where that is not the issuer of the token.
    #[must_use]
    pub fn of_issuer(mut self, issuer: impl Into<Cow<'static, str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }
}

impl Policy for NoDelegation {
    fn allows(&self, access: &Access<'_>) -> bool {
        access.principal().actor().is_none()
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::NoDelegation
    }
}

impl Policy for ActingForUser {
    fn allows(&self, access: &Access<'_>) -> bool {
        let principal = access.principal();
        principal.actor().is_some() && principal.kind() == PrincipalKind::User
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::ActingForUser
    }
}

impl Policy for ActorIs {
    fn allows(&self, access: &Access<'_>) -> bool {
        let principal = access.principal();
        principal.actor().is_some_and(|actor| {
            let named_by = actor.issuer().unwrap_or_else(|| principal.issuer());
            let wanted = self.issuer.as_deref().unwrap_or_else(|| principal.issuer());
            actor.subject() == self.name && named_by == wanted
        })
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Actor(self.name.clone().into_owned())
    }
}
