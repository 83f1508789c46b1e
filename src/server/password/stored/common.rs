//! Holds the parts that all kinds of hashes share.

use argon2::password_hash::phc::Output;

/// The reason why a stored hash cannot be verified. Never a part of the hash.
pub(super) type Problem = &'static str;

/// Compares two outputs, in constant time.
pub(super) fn is_same(computed: &[u8], stored: &Output) -> bool {
    // The comparison of `Output` is the one that takes constant time.
    Output::new(computed).is_ok_and(|computed| computed == *stored)
}
