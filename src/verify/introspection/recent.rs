use std::time::Duration;

use super::token_hash::TokenHash;
use crate::clock::Moment;
use crate::verify::generations::Generations;

/// Keeps something about a bounded number of tokens, for a time.
pub(super) struct RecentTokens<V> {
    entries: Generations<TokenHash, (V, Moment)>,
    keep_for: Duration,
}

impl<V: Copy> RecentTokens<V> {
    pub(super) fn new(most: usize, keep_for: Duration) -> Self {
        Self { entries: Generations::new(most), keep_for }
    }

    pub(super) fn get(&self, token: &TokenHash, now: Moment) -> Option<V> {
        let (value, since) = self.entries.get(token)?;
        (now.since(*since) < self.keep_for).then_some(*value)
    }

    /// Keeps a value from this moment on, in place of the former one.
    pub(super) fn insert(&mut self, token: TokenHash, value: V, since: Moment) {
        if !self.keep_for.is_zero() {
            self.entries.insert(token, (value, since));
        }
    }

    pub(super) fn forget(&mut self, token: &TokenHash) {
        self.entries.remove(token);
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::super::token_hash::HashKey;
    use super::*;
    use crate::clock::pretend_to_be_suspended as pass;

    #[test]
    fn entry_is_kept_for_its_time_and_no_longer() {
        let (key, mut recent) =
            (HashKey::generate().unwrap(), RecentTokens::new(10, Duration::from_secs(5)));
        recent.insert(key.hash("a"), 1, Moment::now());

        assert_eq!(recent.get(&key.hash("a"), Moment::now()), Some(1));
        assert_eq!(recent.get(&key.hash("b"), Moment::now()), None);
        pass(Duration::from_secs(4));
        assert_eq!(recent.get(&key.hash("a"), Moment::now()), Some(1));
        pass(Duration::from_secs(1));
        assert_eq!(recent.get(&key.hash("a"), Moment::now()), None);
    }

    #[test]
    fn hash_depends_on_the_key_and_on_every_byte_of_the_token() {
        let (one, other) = (HashKey::generate().unwrap(), HashKey::generate().unwrap());

        assert!(one.hash("token") == one.hash("token"));
        for token in ["token ", "tokem", "", "Token"] {
            assert!(one.hash("token") != one.hash(token), "{token}");
        }
        assert!(one.hash("token") != other.hash("token"));
        assert_eq!(format!("{:?}", one.hash("token")), "TokenHash");
    }
}
