//! Remembers which proofs were used, so that each is accepted once (RFC 9449 §11.1).

mod table;
mod memory;
#[cfg(feature = "redis")]
mod redis;

#[cfg(feature = "redis")]
pub use self::redis::RedisReplays;
pub use memory::MemoryReplays;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ReplaysUnavailable;

/// Remembers the proofs that were used. All nodes of an API need one store, or a proof can be used
/// once on each. All users of one store have the same lifetime of proofs, or those of the shorter one are forgotten too
/// early for the others.
pub trait ReplayStore: Send + Sync + 'static {
    /// Remembers a proof for this time at least, and says whether it is known already. Of several
    /// calls with one proof, at the same time too, exactly one is told [`ProofUse::First`].
    ///
    /// A store that cannot tell, or has no room, answers with an error, and the request is refused
    /// with 503.
    fn remember(&self, proof: ProofId, lifetime: Duration) -> ReplayCheck;
}

/// The answer of a [`ReplayStore`].
pub enum ReplayCheck {
    /// The answer, without waiting.
    Done(Result<ProofUse, ReplaysUnavailable>),
    /// The answer comes from elsewhere. Nothing is remembered before the future is polled.
    Pending(Pin<Box<dyn Future<Output = Result<ProofUse, ReplaysUnavailable>> + Send>>),
}

/// Says whether a proof was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofUse {
    /// The proof is used for the first time, and is remembered now.
    First,
    /// The proof was used before.
    Replayed,
}

/// Names a proof: 16 bytes of a hash of its key, its URI and its `jti`. So no client can use up the
/// proofs of another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofId([u8; 16]);

impl ProofId {
    /// Creates a name from its bytes, for tests of a store.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, which a client cannot choose.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

// Names a request of a client to readers who know its parts.
impl fmt::Debug for ProofId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofId")
    }
}

impl<S: ReplayStore + ?Sized> ReplayStore for Arc<S> {
    fn remember(&self, proof: ProofId, lifetime: Duration) -> ReplayCheck {
        (**self).remember(proof, lifetime)
    }
}

impl fmt::Debug for ReplayCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
            Self::Pending(_) => f.debug_tuple("Pending").finish_non_exhaustive(),
        }
    }
}
