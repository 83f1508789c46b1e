//! Holds one verified token.
//!
//! The key is the text and not a hash of it: equality decides, and a collision of the hash costs a
//! miss. The hash (foldhash of the last 16 characters, 5 ns) only finds the slots. Only verified
//! tokens enter, so an attacker who wants collisions needs signatures. The text is wiped as a
//! slice: `Zeroizing<Box<[u8]>>` wipes one byte at a time, 130 ns for a token.

use zeroize::Zeroize as _;

use crate::claims::{NumericDate, Principal};

/// A token, and its hash under the key of the cache.
#[derive(Clone, Copy)]
pub(super) struct CacheKey<'t> {
    pub(super) hash: u64,
    pub(super) token: &'t [u8],
}

/// A token with its value.
pub(super) struct CacheEntry<V> {
    hash: u64,
    token: TokenText,
    /// The memory that is counted for it.
    bytes: usize,
    pub(super) value: V,
    until: NumericDate,
}

impl<V> CacheEntry<V> {
    /// The memory that is counted for an empty token without claims.
    pub(super) const SMALLEST: usize = size_of::<Self>() + AROUND;

    pub(super) fn new(key: CacheKey<'_>, bytes: usize, value: V, until: NumericDate) -> Self {
        Self { hash: key.hash, token: TokenText(key.token.into()), bytes, value, until }
    }

    /// Returns the memory to count: the token, its claims, and the overhead of both.
    pub(super) fn bytes_of(key: CacheKey<'_>, weight: usize) -> usize {
        key.token.len().saturating_add(weight).saturating_add(Self::SMALLEST)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_of(&self, key: CacheKey<'_>) -> bool {
        self.hash == key.hash && *self.token.0 == *key.token
    }

    pub(super) fn has_expired(&self, now: NumericDate) -> bool {
        self.until <= now
    }
}

/// The text of a token, which is wiped from memory when it is dropped.
struct TokenText(Box<[u8]>);

impl Drop for TokenText {
    fn drop(&mut self) {
        // A slice is wiped at once. A box, or a `Zeroizing`, is wiped byte by byte, which takes 130
        // ns for 500.
        (*self.0).zeroize();
    }
}

/// The overhead: the counts of an `Arc`, the part of an allocator, and the principal, to which an
/// entry has a pointer.
const AROUND: usize = 32 + Principal::BYTES;
