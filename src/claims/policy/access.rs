use std::fmt;
use std::time::SystemTime;

use crate::claims::Principal;
use crate::clock::Time;
use crate::request_head::RequestHead;

/// The question that a [`Policy`](super::Policy) answers: a principal, and the request that it has sent.
///
/// Layers and extractors know the request. [`Principal::check`], which a handler calls, does not:
/// [`Principal::check_for`] does.
///
/// ```
/// use tower_bearer::policy::{Access, Policy};
///
/// /// Allows safe methods to every principal, and the others to editors.
/// struct ReadOrEdit;
///
/// impl Policy for ReadOrEdit {
///     fn allows(&self, access: &Access<'_>) -> bool {
///         let is_safe = access.request().is_some_and(|request| request.method().is_safe());
///         is_safe || access.principal().has_role("editor")
///     }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Access<'r> {
    principal: &'r Principal,
    request: Option<RequestHead<'r>>,
    /// The clock, where it is not that of the layer.
    time: Option<&'r Time>,
}

impl<'r> Access<'r> {
    /// Asks about a principal whose request is not known.
    #[inline]
    pub fn new(principal: &'r Principal) -> Self {
        Self { principal, request: None, time: None }
    }

    /// Asks about this request of the principal.
    #[inline]
    #[must_use]
    pub fn with_request(self, request: RequestHead<'r>) -> Self {
        Self { request: Some(request), ..self }
    }

    /// Asks by this clock.
    pub(crate) fn at(self, time: &'r Time) -> Self {
        Self { time: Some(time), ..self }
    }

    /// Returns the time: by the clock of the layer's verifier, or by the system's for a principal that no layer has
    /// admitted.
    pub fn now(&self) -> SystemTime {
        let of_layer = self.principal.layer().map(|layer| &layer.time);
        self.time.or(of_layer).unwrap_or(&Time::OfSystem).now()
    }

    /// Returns the principal.
    #[inline]
    pub fn principal(&self) -> &'r Principal {
        self.principal
    }

    /// Returns the request. `None` where it is not known: in [`Principal::check`] and in
    /// [`Verifier::explain_with_policy`](crate::Verifier::explain_with_policy).
    ///
    /// Behind a layer, a router has not matched the route yet. A guard of a route sees what the
    /// router has found out.
    #[inline]
    pub fn request(&self) -> Option<RequestHead<'r>> {
        self.request
    }
}

impl fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("principal", self.principal)
            .field("request", &self.request)
            .finish()
    }
}
