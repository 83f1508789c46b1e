//! Permissions that the claim `authorization_details` holds (RFC 9396).

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{Access, Policy, PolicyDescription};

/// Requires an entry of this `type` in `authorization_details` (RFC 9396) for which a function returns `true`.
///
/// An entry that cannot be read as a `T` does not count, and the log of a refusal does not say so. A refusal is 403
/// [`Reason::Forbidden`](crate::Reason::Forbidden): RFC 9396 has no challenge that asks for such an entry.
///
/// ```
/// use serde::Deserialize;
/// use tower_bearer::policy::details;
///
/// #[derive(Deserialize)]
/// struct Payment {
///     #[serde(rename = "instructedAmount")]
///     amount: Amount,
/// }
///
/// #[derive(Deserialize)]
/// struct Amount {
///     currency: String,
/// }
///
/// let in_euros = details("payment_initiation", |payment: &Payment| payment.amount.currency == "EUR");
/// ```
///
/// To compare an entry with the body of a request, read the entries in the handler
/// ([`Principal::authorization_details`](crate::Principal::authorization_details)).
pub fn details<T, F>(kind: impl Into<Cow<'static, str>>, allows: F) -> Details<T, F>
where
    T: DeserializeOwned + 'static,
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    Details { kind: kind.into(), allows, entry: PhantomData }
}

/// The policy that [`details`] returns.
pub struct Details<T, F> {
    kind: Cow<'static, str>,
    allows: F,
    entry: PhantomData<fn(&T)>,
}

impl<T, F> Policy for Details<T, F>
where
    T: DeserializeOwned + 'static,
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn allows(&self, access: &Access<'_>) -> bool {
        let entries = access.principal().authorization_details::<T>(&self.kind);
        entries.iter().any(&self.allows)
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::AuthorizationDetails(self.kind.clone().into_owned())
    }
}

impl<T, F: Clone> Clone for Details<T, F> {
    fn clone(&self) -> Self {
        let (kind, allows) = (self.kind.clone(), self.allows.clone());
        Self { kind, allows, entry: PhantomData }
    }
}

impl<T, F> fmt::Debug for Details<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Details").field(&self.kind).field(&type_name::<F>()).finish()
    }
}
