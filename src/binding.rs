//! Checks that the sender of a request has the key that its token is bound to (proof of possession).
//!
//! A token is verified and cached without its proof. The proof belongs to one request, and is checked
//! for each.

#[cfg(any(feature = "dpop", feature = "mtls"))]
mod alarm;
#[cfg(feature = "dpop")]
pub(crate) mod dpop;

#[cfg(any(feature = "dpop", feature = "mtls"))]
pub use alarm::{Alarm, AlarmCounts, AlarmKind, DowngradeAlarm};
#[cfg(feature = "mtls")]
mod trusted_hops;
#[cfg(feature = "mtls")]
pub(crate) mod mtls;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, request};

use crate::claims::{ConfirmationMethod, Principal};
use crate::error::{AuthError, ResponseFields};
use crate::verify::presented::Presented;

#[cfg(feature = "mtls")]
pub use trusted_hops::TrustedHops;

/// Checks that the sender of a request has the key that its token is bound to (proof of
/// possession): DPoP (RFC 9449), mutual TLS (RFC 8705).
///
/// A layer calls its bindings for every accepted token, cache hits included, before any policy. It
/// accepts a token that is bound to a key (`cnf`, RFC 7800) if a binding answers
/// [`Proved`](BindingVerdict::Proved) for each [method](ConfirmationMethod) that `cnf` names, and none
/// refuses. A layer without a binding refuses such tokens.
pub trait Binding: Send + Sync + 'static {
    /// Checks one request. [`Principal::confirmation`] names the key that the token is bound to.
    ///
    /// Called once for a request, unless the token becomes void while the request waits and is
    /// verified again.
    fn check(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict;

    /// Returns the method whose keys this binding checks, for the metadata that the layer publishes
    /// (RFC 9728). The default is `None`: nothing is published.
    fn method(&self) -> Option<ConfirmationMethod> {
        None
    }
}

/// The answer of a [`Binding`].
#[non_exhaustive]
pub enum BindingVerdict {
    /// The token is not bound in the way that this binding checks.
    NotApplicable,
    /// The sender has the key that the token is bound to.
    Proved(Proved),
    /// The request is refused.
    Refused(AuthError),
    /// The check takes time, for example to ask a store of seen proofs. `Ok` counts as proved.
    Pending(Proved, PendingProof),
}

/// A check of a proof that takes time.
pub type PendingProof = Pin<Box<dyn Future<Output = Result<(), AuthError>> + Send>>;

/// A key that the sender of a request has shown to have.
#[derive(Clone, Debug)]
pub struct Proved {
    method: ConfirmationMethod,
    fields: ResponseFields,
}

impl Proved {
    /// The key that `cnf` names by this method.
    pub fn by(method: ConfirmationMethod) -> Self {
        Self { method, fields: ResponseFields::default() }
    }

    /// Adds a field to the response if the request is admitted, for example the nonce for the next
    /// proof. It replaces a field of this name that the response has. `Vary` and
    /// `Access-Control-Expose-Headers` are added to.
    #[must_use]
    pub fn with_response_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.set(name, value);
        self
    }

    pub(crate) fn into_parts(self) -> (ConfirmationMethod, ResponseFields) {
        (self.method, self.fields)
    }
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

    fn method(&self) -> Option<ConfirmationMethod> {
        (**self).method()
    }
}

impl fmt::Debug for BindingVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplicable => f.write_str("NotApplicable"),
            Self::Proved(proved) => f.debug_tuple("Proved").field(proved).finish(),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Pending(proved, _) => {
                f.debug_tuple("Pending").field(proved).finish_non_exhaustive()
            }
        }
    }
}
