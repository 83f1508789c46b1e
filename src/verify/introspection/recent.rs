use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::token_hash::TokenHash;
use crate::clock::Moment;

/// Keeps something about a bounded number of tokens, for a time. A full list forgets the oldest.
pub(super) struct RecentTokens<V> {
    entries: HashMap<TokenHash, (V, Moment)>,
    /// The tokens in the order in which they came. Some may have been forgotten.
    order: VecDeque<TokenHash>,
    most: usize,
    keep_for: Duration,
}

impl<V: Copy> RecentTokens<V> {
    pub(super) fn new(most: usize, keep_for: Duration) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), most, keep_for }
    }

    pub(super) fn get(&self, token: &TokenHash, now: Moment) -> Option<V> {
        let (value, since) = self.entries.get(token)?;
        (now.since(*since) < self.keep_for).then_some(*value)
    }

    /// Keeps a value from this moment on, in place of the former one.
    pub(super) fn insert(&mut self, token: TokenHash, value: V, since: Moment) {
        if self.most == 0 || self.keep_for.is_zero() {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&token) {
            *entry = (value, since);
            return;
        }
        let is_over = |entry: &(V, Moment)| since.since(entry.1) >= self.keep_for;
        while self.order.front().is_some_and(|first| {
            self.order.len() >= self.most || self.entries.get(first).is_none_or(is_over)
        }) {
            if let Some(first) = self.order.pop_front() {
                self.entries.remove(&first);
            }
        }
        self.entries.insert(token, (value, since));
        self.order.push_back(token);
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
    fn number_of_entries_is_bounded_and_the_oldest_goes_first() {
        let (key, mut recent) =
            (HashKey::generate().unwrap(), RecentTokens::new(3, Duration::from_secs(60)));
        for number in 0..1_000 {
            let token = key.hash(&number.to_string());
            recent.insert(token, number, Moment::now());
            // A token that comes twice takes one place.
            recent.insert(token, number, Moment::now());
            if number % 5 == 0 {
                recent.forget(&token);
            }
            assert!(recent.entries.len() <= 3 && recent.order.len() <= 3);
        }

        let get = |number: i32| recent.get(&key.hash(&number.to_string()), Moment::now());
        assert_eq!(
            (get(999), get(998), get(997), get(996)),
            (Some(999), Some(998), Some(997), None)
        );
        assert_eq!(RecentTokens::<i32>::new(0, Duration::MAX).entries.len(), 0);
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
