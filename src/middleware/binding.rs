use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request;

use crate::claims::Principal;
use crate::error::AuthError;
use crate::verify::presented::Presented;

/// Checks that the sender of a request has the key that its token is bound to (proof of
/// possession): DPoP (RFC 9449), mutual TLS (RFC 8705).
///
/// A layer calls its bindings for every accepted token, cache hits included, before any policy. It
/// accepts tokens that are bound to a key (`cnf`, RFC 7800) if its bindings answer
/// [`Proved`](BindingVerdict::Proved) once for each key that `cnf` names, and none refuses. A layer without a binding refuses such
/// tokens.
pub trait Binding: Send + Sync + 'static {
    /// Checks one request. [`Principal::confirmation`] names the key that the token is bound to.
    ///
    /// May be called twice for a request whose token is not kept in the cache, if the first answer is
    /// [`BindingVerdict::Pending`]: remember a proof in the future, not in this call.
    fn check(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict;
}

/// The answer of a [`Binding`].
#[non_exhaustive]
pub enum BindingVerdict {
    /// The token is not bound in the way that this binding checks.
    NotApplicable,
    /// The sender has the key that the token is bound to.
    Proved,
    /// The request is refused.
    Refused(AuthError),
    /// The check takes time, for example to ask a store of seen proofs. `Ok` counts as proved.
    Pending(Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send>>),
}

impl<B: Binding + ?Sized> Binding for Arc<B> {
    fn check(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict {
        (**self).check(request, presented, principal)
    }
}

impl fmt::Debug for BindingVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplicable => f.write_str("NotApplicable"),
            Self::Proved => f.write_str("Proved"),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Pending(_) => f.debug_tuple("Pending").finish_non_exhaustive(),
        }
    }
}
