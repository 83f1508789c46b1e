use crate::error::{AuthError, Reason};

/// Refuses a proof that breaks a rule.
#[cold]
pub(super) fn invalid(detail: &'static str) -> AuthError {
    AuthError::with_detail(Reason::InvalidProof, detail)
}
