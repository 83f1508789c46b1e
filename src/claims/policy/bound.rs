use super::{Access, Policy, PolicyDescription, Remedy};
use crate::claims::ConfirmationMethod;

/// Requires a token that is bound to a key, whose proof the layer has checked: behind a layer with a
/// [binding](crate::BearerLayer::with_binding).
///
/// A request with another token is answered 401 `invalid_token` with
/// [`Reason::UnboundToken`](crate::Reason::UnboundToken).
///
/// ```
/// use tower_bearer::policy::{bound, scope};
///
/// let may_pay = scope("payments:write").and(bound());
/// ```
pub fn bound() -> Bound {
    Bound(None)
}

/// Requires a token that is bound to a key by this method. See [`bound`].
pub fn bound_by(method: ConfirmationMethod) -> Bound {
    Bound(Some(method))
}

/// The policy that [`bound`] and [`bound_by`] return.
#[derive(Clone, Debug)]
pub struct Bound(Option<ConfirmationMethod>);

impl Policy for Bound {
    fn allows(&self, access: &Access<'_>) -> bool {
        match self.0 {
            None => access.principal().is_bound(),
            Some(method) => access.principal().is_bound_by(method),
        }
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        Some(Remedy::bound_token())
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Bound(self.0)
    }
}
