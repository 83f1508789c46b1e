use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::claims::Principal;

/// Answers whether whom a token speaks for is still active: by a row in a database, by token
/// introspection (RFC 7662), by whatever knows.
///
/// A function or closure that takes a [`Principal`] is one:
///
/// ```
/// use std::io;
/// use tower_bearer::{Principal, StillActive};
///
/// # async fn is_locked(subject: &str) -> io::Result<bool> { Ok(false) }
/// async fn is_active(principal: Principal) -> io::Result<bool> {
///     let Some(subject) = principal.subject() else { return Ok(false) };
///     Ok(!is_locked(subject).await?)
/// }
///
/// let check = StillActive::new(is_active);
/// ```
///
/// The principal that it is given is not for guards: its request has not been let in yet.
pub trait ActiveCheck: Send + Sync + 'static {
    /// Whether the token is still to be accepted. Runs while a request waits.
    ///
    /// # Errors
    ///
    /// When nobody knows. The log hears of it, so it should hold no secret; what becomes of the request
    /// is up to [`StillActive`](super::StillActive).
    fn is_active(
        &self,
        principal: &Principal,
    ) -> impl Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send;
}

impl<F, A, E> ActiveCheck for F
where
    F: Fn(Principal) -> A + Send + Sync + 'static,
    A: Future<Output = Result<bool, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    async fn is_active(&self, principal: &Principal) -> Result<bool, Box<dyn Error + Send + Sync>> {
        self(principal.clone()).await.map_err(Into::into)
    }
}

impl<K: ActiveCheck + ?Sized> ActiveCheck for Arc<K> {
    fn is_active(
        &self,
        principal: &Principal,
    ) -> impl Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send {
        (**self).is_active(principal)
    }
}

/// An [`ActiveCheck`] whose type is forgotten.
pub(super) trait ErasedCheck: Send + Sync {
    fn is_active<'a>(&'a self, principal: &'a Principal) -> Asking<'a>;
}

type Asking<'a> =
    Pin<Box<dyn Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

impl<K: ActiveCheck> ErasedCheck for K {
    fn is_active<'a>(&'a self, principal: &'a Principal) -> Asking<'a> {
        Box::pin(ActiveCheck::is_active(self, principal))
    }
}
