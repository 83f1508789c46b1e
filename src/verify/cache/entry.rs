//! Holds one verified token.
//!
//! The key is the text and not a hash of it: equality decides, and a collision of the hash costs a miss. The
//! hash (foldhash of the last 16 characters, 5 ns) only finds the slots; only verified tokens enter, so an
//! attacker who wants collisions needs signatures. The text is wiped as a slice: `Zeroizing<Box<[u8]>>` wipes
//! one byte at a time, 130 ns for a token.

use zeroize::Zeroize as _;

use crate::claims::{NumericDate, Principal};

/// A token, and its hash under the key of the cache.
#[derive(Clone, Copy)]
pub(super) struct Key<'t> {
    pub(super) hash: u64,
    pub(super) token: &'t [u8],
}

/// A token and what is kept for it.
pub(super) struct Entry<V> {
    hash: u64,
    token: Text,
    /// What is counted for it.
    bytes: usize,
    pub(super) value: V,
    until: NumericDate,
}

impl<V> Entry<V> {
    /// What is counted for one of no length, from which nothing was read.
    pub(super) const SMALLEST: usize = size_of::<Self>() + AROUND;

    pub(super) fn new(key: Key<'_>, bytes: usize, value: V, until: NumericDate) -> Self {
        Self { hash: key.hash, token: Text(key.token.into()), bytes, value, until }
    }

    /// What is counted: the token, what was read from it, and what surrounds both.
    pub(super) fn bytes_of(key: Key<'_>, weight: usize) -> usize {
        key.token.len().saturating_add(weight).saturating_add(Self::SMALLEST)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_of(&self, key: Key<'_>) -> bool {
        self.hash == key.hash && *self.token.0 == *key.token
    }

    pub(super) fn has_expired(&self, now: NumericDate) -> bool {
        self.until <= now
    }
}

/// Whoever reads this memory later shall not find a token in it.
struct Text(Box<[u8]>);

impl Drop for Text {
    fn drop(&mut self) {
        // As a slice it is wiped at once, as a box or in a `Zeroizing` byte by byte: 130 ns for 500.
        (*self.0).zeroize();
    }
}

/// The counts of an `Arc`, what an allocator adds, and the principal, to which an entry has a pointer.
const AROUND: usize = 32 + Principal::BYTES;
