use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use super::principal::PrincipalBuilder;
use super::{Layer, Principal};

/// A token that passed every check: the application's claims and the [`Principal`].
///
/// Only a [`Verifier`](crate::Verifier) makes these, and in tests the items named dangerous in
/// `test_util`. With axum, this is an extractor behind the layer. Elsewhere, the request's
/// extensions hold the principal, and the principal holds the claims ([`Principal::claims`]).
/// Cloning is cheap. Dereferences to the claims.
pub struct Verified<C> {
    principal: Principal,
    claims: PhantomData<Arc<C>>,
}

impl<C> Verified<C> {
    /// Returns the principal of the token.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn into_principal(self) -> Principal {
        self.principal
    }
}

impl<C: 'static> Verified<C> {
    /// Returns the token of a principal, if its claims are of this type.
    #[cfg(feature = "axum")]
    pub(crate) fn of(principal: &Principal) -> Option<Self> {
        principal.shared_claims::<C>()?;
        Some(Self { principal: principal.clone(), claims: PhantomData })
    }

    /// Returns the application's claims.
    #[expect(clippy::missing_panics_doc, reason = "the principal was made with them")]
    pub fn claims(&self) -> &Arc<C> {
        self.principal.shared_claims().expect("the principal was made with them")
    }
}

impl<C: Send + Sync + 'static> Verified<C> {
    #[inline]
    pub(crate) fn new(builder: PrincipalBuilder<C>, claims: C) -> Self {
        Self { principal: builder.with_claims(claims), claims: PhantomData }
    }

    /// Returns the same token behind this layer, or behind none.
    #[inline]
    pub(crate) fn behind(self, layer: &Layer) -> Self {
        Self { principal: self.principal.behind::<C>(layer), ..self }
    }
}

impl<C> Clone for Verified<C> {
    fn clone(&self) -> Self {
        Self { principal: self.principal.clone(), claims: PhantomData }
    }
}

impl<C: 'static> Deref for Verified<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.claims()
    }
}

impl<C> fmt::Debug for Verified<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("principal", &self.principal).finish_non_exhaustive()
    }
}
