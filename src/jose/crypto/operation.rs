/// A key, parsed once and bound to one algorithm.
pub(crate) trait Verify: Send + Sync {
    /// Returns whether `signature` is this key's signature of `message`.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A private key or secret, parsed once and bound to one algorithm.
#[cfg(feature = "issue")]
pub(crate) trait Sign: Send + Sync {
    /// Signs a message. Returns `None` only if the back end fails, for lack of memory or
    /// randomness.
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>>;
}
