use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::claims::Principal;
use crate::claims::policy::Requirement;
use crate::middleware::reject::{self, Rejection};
use crate::request_head::RequestHead;

/// Guards a handler, which runs only if the [`Requirement`] holds.
///
/// Several guards on one handler must all hold, in any order. `Option<Require<R>>` is `None` where
/// tokens are [optional](crate::BearerLayer::with_optional_token) and none was sent.
/// `Result<Require<R>, Rejection>` leaves the answer to the handler. `Require` dereferences to the
/// [`Principal`].
///
/// ```
/// use tower_bearer::policy::{Policy, role};
/// use tower_bearer::{Require, Requirement};
///
/// struct Admin;
///
/// impl Requirement for Admin {
///     fn policy() -> impl Policy {
///         role("admin")
///     }
/// }
///
/// async fn reports(admin: Require<Admin>) -> String {
///     format!("Good morning, {}", admin.subject().unwrap_or("machine"))
/// }
/// ```
pub struct Require<R> {
    principal: Principal,
    requirement: PhantomData<fn() -> R>,
}

impl<R> Require<R> {
    /// Returns the principal that is allowed.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl<R> Deref for Require<R> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl<S: Sync, R: Requirement> FromRequestParts<S> for Require<R> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let principal = reject::check_in(RequestHead::of_parts(parts), &R::policy())?;
        Ok(Self { principal: principal.clone(), requirement: PhantomData })
    }
}

impl<S: Sync, R: Requirement> OptionalFromRequestParts<S> for Require<R> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        if super::claims::is_anonymous(parts) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

impl<R> Clone for Require<R> {
    fn clone(&self) -> Self {
        Self { principal: self.principal.clone(), requirement: PhantomData }
    }
}

impl<R> fmt::Debug for Require<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Require").field(&self.principal).finish()
    }
}
