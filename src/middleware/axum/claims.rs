use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::claims::{Principal, Verified};
use crate::middleware::reject::{self, Rejection};

/// Extracts the application's claims.
///
/// `C` is the claims type of the layer's [`Verifier`](crate::Verifier). `Option<Claims<C>>` is
/// `None` where tokens are [optional](crate::BearerLayer::with_optional_token) and none was sent.
/// `Result<Claims<C>, Rejection>` leaves the answer to the handler. `Claims` dereferences to the
/// claims.
pub struct Claims<C>(pub Arc<C>);

impl<C> Deref for Claims<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> Clone for Claims<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// Claims are personal data.
impl<C> fmt::Debug for Claims<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for Claims<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let claims = reject::claims_in(&parts.extensions)
            .map_err(|no| no.asked_with(&parts.method, &parts.headers))?;
        Ok(Self(Arc::clone(claims)))
    }
}

impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for Claims<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        if is_anonymous(parts) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for Verified<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        reject::verified_in(&parts.extensions)
            .map_err(|no| no.asked_with(&parts.method, &parts.headers))
    }
}

impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for Verified<C> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        if is_anonymous(parts) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let principal = reject::known(&parts.extensions)
            .map_err(|no| no.asked_with(&parts.method, &parts.headers))?;
        Ok(principal.clone())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        if is_anonymous(parts) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

pub(super) fn is_anonymous(parts: &Parts) -> bool {
    reject::is_anonymous(&parts.extensions)
}
