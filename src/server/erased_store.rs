use std::future::Future;
use std::pin::Pin;

use crate::error::RevocationsUnavailable;
use crate::state::revocation::{Revocation, RevocationStore};

/// Erases the type of a [`RevocationStore`].
pub(crate) trait ErasedStore: Send + Sync {
    fn add_all(&self, revocations: Vec<Revocation>) -> Adding<'_>;
}

type Adding<'a> = Pin<Box<dyn Future<Output = Result<(), RevocationsUnavailable>> + Send + 'a>>;

impl<S: RevocationStore> ErasedStore for S {
    fn add_all(&self, revocations: Vec<Revocation>) -> Adding<'_> {
        Box::pin(RevocationStore::add_all(self, revocations))
    }
}
