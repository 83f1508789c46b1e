//! Names of keys that were published, and are no more.
//!
//! Strangers can keep a client from asking for its name at the right moment, so these names are remembered
//! until they come back. Only the provider chooses them, so strangers cannot fill the list.

use std::collections::VecDeque;

use crate::keys::KeySet;

/// Remembers which keys a fetch has brought no more, until they come back.
///
/// As [`Absent`](super::absent::Absent) does for names that were asked for. What is here the provider has
/// chosen, so strangers can push nothing out.
#[derive(Clone, Debug, Default)]
pub(super) struct Withdrawn {
    /// The latest last.
    names: VecDeque<Box<str>>,
}

impl Withdrawn {
    /// Remembers the names that were there before and are not there now.
    pub(super) fn note(&mut self, before: &KeySet, now: &KeySet) {
        let is_there = |name: &str| now.keys().iter().any(|key| key.key_id() == Some(name));
        self.names.retain(|name| !is_there(name));
        for name in before.keys().iter().filter_map(|key| key.key_id()) {
            if is_there(name) || self.knows(Some(name)) {
                continue;
            }
            if self.names.len() >= MOST {
                self.names.pop_front();
            }
            self.names.push_back(name.into());
        }
    }

    /// Whether a key of this name was there once, and was not the last time.
    pub(super) fn knows(&self, key_id: Option<&str>) -> bool {
        key_id.is_some_and(|wanted| self.names.iter().any(|name| **name == *wanted))
    }
}

/// Far more than are withdrawn while tokens of them live.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Algorithm;
    use crate::keys::VerifyingKey;

    fn set(names: impl IntoIterator<Item = String>) -> KeySet {
        let key = VerifyingKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
        names.into_iter().map(|name| key.clone().with_key_id(name)).collect()
    }

    fn named<const N: usize>(names: [&str; N]) -> KeySet {
        set(names.map(str::to_owned))
    }

    #[test]
    fn name_that_is_gone_is_known_until_it_comes_back() {
        let mut withdrawn = Withdrawn::default();
        withdrawn.note(&named(["a", "b"]), &named(["b", "c"]));
        withdrawn.note(&named(["b", "c"]), &named(["c"]));

        assert!(withdrawn.knows(Some("a")) && withdrawn.knows(Some("b")));
        assert!(!withdrawn.knows(Some("c")) && !withdrawn.knows(Some("d")));
        assert!(!withdrawn.knows(None));

        withdrawn.note(&named(["c"]), &named(["a", "c"]));

        assert!(!withdrawn.knows(Some("a")) && withdrawn.knows(Some("b")));
    }

    #[test]
    fn of_many_names_the_last_are_remembered() {
        let mut withdrawn = Withdrawn::default();
        for number in 0..=MOST {
            withdrawn.note(&set([number.to_string()]), &named(["other"]));
        }

        assert!(!withdrawn.knows(Some("0")) && withdrawn.knows(Some("1")));
        assert_eq!(withdrawn.names.len(), MOST);
    }
}
