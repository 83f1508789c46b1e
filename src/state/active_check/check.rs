use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::claims::Principal;

/// The answer of an active check: whether the subject of a token may still use it.
///
/// A `bool` converts into it, where `true` is [`Active`](Self::Active).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActiveVerdict {
    /// The token is accepted.
    Active,
    /// The token is refused, with [`Reason::Inactive`](crate::Reason::Inactive).
    Inactive,
}

impl From<bool> for ActiveVerdict {
    fn from(is_active: bool) -> Self {
        if is_active { Self::Active } else { Self::Inactive }
    }
}

/// Asks the application whether the subject of a token is still active, for example in a database.
///
/// Implemented by functions and closures that take a [`Principal`] and return a future of a `bool`
/// or an [`ActiveVerdict`]:
///
/// ```
/// use std::io;
/// use tower_bearer::active_check::ActiveCheck;
/// use tower_bearer::Principal;
///
/// # async fn is_locked(subject: &str) -> io::Result<bool> { Ok(false) }
/// async fn is_active(principal: Principal) -> io::Result<bool> {
///     let Some(subject) = principal.subject() else { return Ok(false) };
///     Ok(!is_locked(subject).await?)
/// }
///
/// let check = ActiveCheck::new(is_active);
/// ```
///
/// The request of this principal has not been admitted yet: guards refuse the principal.
pub trait CheckActive: Send + Sync + 'static {
    /// Returns whether the token is still accepted. The request waits for the answer.
    ///
    /// # Errors
    ///
    /// When there is no answer. The error is logged, so it must hold no secret;
    /// [`ActiveCheck`](super::ActiveCheck) decides how the request is answered.
    fn check(
        &self,
        principal: &Principal,
    ) -> impl Future<Output = Result<ActiveVerdict, Box<dyn Error + Send + Sync>>> + Send;
}

impl<F, A, V, E> CheckActive for F
where
    F: Fn(Principal) -> A + Send + Sync + 'static,
    A: Future<Output = Result<V, E>> + Send,
    V: Into<ActiveVerdict>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    async fn check(
        &self,
        principal: &Principal,
    ) -> Result<ActiveVerdict, Box<dyn Error + Send + Sync>> {
        self(principal.clone()).await.map(Into::into).map_err(Into::into)
    }
}

impl<K: CheckActive + ?Sized> CheckActive for Arc<K> {
    fn check(
        &self,
        principal: &Principal,
    ) -> impl Future<Output = Result<ActiveVerdict, Box<dyn Error + Send + Sync>>> + Send {
        (**self).check(principal)
    }
}

/// Erases the type of a [`CheckActive`].
pub(super) trait ErasedCheck: Send + Sync {
    fn check<'a>(&'a self, principal: &'a Principal) -> CheckFuture<'a>;
}

type CheckFuture<'a> =
    Pin<Box<dyn Future<Output = Result<ActiveVerdict, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

impl<K: CheckActive> ErasedCheck for K {
    fn check<'a>(&'a self, principal: &'a Principal) -> CheckFuture<'a> {
        Box::pin(CheckActive::check(self, principal))
    }
}
