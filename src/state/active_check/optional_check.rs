#[cfg(feature = "active-check")]
use super::ActiveCheck;
use crate::claims::Principal;
use crate::error::AuthError;

/// Holds the active check of a verifier, if it has one. No other type here knows whether the
/// feature is on.
#[derive(Clone, Default)]
pub(crate) struct OptionalCheck(#[cfg(feature = "active-check")] Option<ActiveCheck>);

#[cfg_attr(
    not(feature = "active-check"),
    expect(clippy::unused_self, clippy::unused_async, clippy::unnecessary_wraps)
)]
impl OptionalCheck {
    #[cfg(feature = "active-check")]
    pub(crate) fn new(check: ActiveCheck) -> Self {
        Self(Some(check))
    }

    pub(crate) fn is_set(&self) -> bool {
        #[cfg(feature = "active-check")]
        return self.0.is_some();
        #[cfg(not(feature = "active-check"))]
        false
    }

    /// Returns the verdict, if it is known without waiting.
    pub(crate) fn recall(&self, principal: &Principal) -> Option<Result<(), AuthError>> {
        #[cfg(feature = "active-check")]
        if let Some(check) = &self.0 {
            return check.recall(principal);
        }
        let _ = principal;
        Some(Ok(()))
    }

    /// Returns the verdict, and waits for it if necessary.
    pub(crate) async fn ask(&self, principal: &Principal) -> Result<(), AuthError> {
        #[cfg(feature = "active-check")]
        if let Some(check) = &self.0 {
            return check.ask(principal).await;
        }
        let _ = principal;
        Ok(())
    }
}
