//! Names of keys that were looked for and are not there.
//!
//! A token of a key that was withdrawn must be answered 401, or its client comes back with it for ever; after
//! an emergency that is every client at once, with far more tokens than there is budget for. So the names that
//! a fetch has not brought are remembered for a minute, and are unknown although the budget is spent.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::quality::RandomState;

/// Remembers for a minute which names of keys a fetch has not found.
///
/// A token of a withdrawn key must be refused with 401, or its client never asks for another one. When
/// the budget for fetches is spent, this tells such a token from one of a key that was not looked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Absent {
    hasher: RandomState,
    /// The hash of each name, and when the fetch without it ended; the latest last.
    names: VecDeque<(u64, Duration)>,
}

impl Absent {
    /// Remembers that a fetch has not brought the key of this name.
    pub(super) fn note(&mut self, key_id: Option<&str>, now: Duration) {
        let hash = self.hasher.hash_one(key_id);
        self.names.retain(|(one, at)| *one != hash && is_recent(*at, now));
        if self.names.len() >= MOST {
            self.names.pop_front();
        }
        self.names.push_back((hash, now));
    }

    /// Whether the key of this name was looked for a short while ago, and was not there.
    pub(super) fn knows(&self, key_id: Option<&str>, now: Duration) -> bool {
        let hash = self.hasher.hash_one(key_id);
        self.names.iter().any(|(one, at)| *one == hash && is_recent(*at, now))
    }
}

fn is_recent(at: Duration, now: Duration) -> bool {
    now.saturating_sub(at) < REMEMBERED_FOR
}

const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Some times as many as can wait for one fetch.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn name_is_known_to_be_absent_for_a_minute_after_it_was_looked_for() {
        let mut absent = Absent::default();
        absent.note(Some("a"), seconds(100));
        absent.note(None, seconds(130));

        assert!(absent.knows(Some("a"), seconds(159)) && absent.knows(None, seconds(189)));
        assert!(!absent.knows(Some("a"), seconds(160)) && !absent.knows(None, seconds(190)));
        assert!(!absent.knows(Some("b"), seconds(100)));
    }

    #[test]
    fn name_that_is_looked_for_again_stays_whatever_strangers_ask_for_in_between() {
        let mut absent = Absent::default();
        for number in 0..3 * MOST {
            if number % 256 == 0 {
                absent.note(Some("withdrawn"), seconds(1));
            }
            absent.note(Some(&number.to_string()), seconds(1));
        }

        assert!(absent.knows(Some("withdrawn"), seconds(1)));
        assert!(!absent.knows(Some("0"), seconds(1)));
        assert_eq!(absent.names.len(), MOST);
    }

    #[test]
    fn each_name_is_remembered_once_and_for_a_minute() {
        let mut absent = Absent::default();
        absent.note(Some("a"), seconds(1));
        absent.note(Some("b"), seconds(2));
        absent.note(Some("b"), seconds(3));
        assert_eq!(absent.names.len(), 2);

        absent.note(Some("b"), seconds(62));

        assert_eq!(absent.names.len(), 1);
    }
}
