//! Remembers names of keys that a fetch did not bring.
//!
//! A token of a withdrawn key must be answered 401, or its client sends it again for ever. After an emergency, all
//! clients do that at once, with far more tokens than the budget allows fetches. So the names that a fetch did not
//! bring are remembered for a minute, and count as unknown although the budget is spent.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::quality::RandomState;

/// The names that fetches of the last minute did not bring.
#[derive(Clone, Debug, Default)]
pub(super) struct Absent {
    hasher: RandomState,
    /// The hash of each name, and when the fetch without it ended; the latest last.
    names: VecDeque<(u64, Duration)>,
}

impl Absent {
    /// Adds the name of a key that a fetch did not bring.
    pub(super) fn note(&mut self, key_id: Option<&str>, now: Duration) {
        let hash = self.hasher.hash_one(key_id);
        self.names.retain(|(one, at)| *one != hash && is_recent(*at, now));
        if self.names.len() >= MOST {
            self.names.pop_front();
        }
        self.names.push_back((hash, now));
    }

    /// Returns whether the key of this name was looked for in the last minute, and was not there.
    pub(super) fn knows(&self, key_id: Option<&str>, now: Duration) -> bool {
        let hash = self.hasher.hash_one(key_id);
        self.names.iter().any(|(one, at)| *one == hash && is_recent(*at, now))
    }
}

fn is_recent(at: Duration, now: Duration) -> bool {
    now.saturating_sub(at) < REMEMBERED_FOR
}

const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Several times the number of requests that can wait for one fetch.
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
