//! Remembers names of keys that the provider has withdrawn.
//!
//! Strangers can spend the budget, so that no fetch looks for such a name. So these names are remembered until they
//! come back. Only the provider chooses them, so strangers cannot fill the list.

use std::collections::VecDeque;

use crate::keys::KeySet;

/// The names of keys that an earlier fetch brought and the last one did not.
///
/// [`Absent`](super::absent::Absent) holds the names that tokens asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Withdrawn {
    /// The names, the latest last.
    names: VecDeque<Box<str>>,
}

impl Withdrawn {
    /// Adds the names that were in the set before and are not in it now.
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

    /// Returns whether a key of this name was withdrawn.
    pub(super) fn knows(&self, key_id: Option<&str>) -> bool {
        key_id.is_some_and(|wanted| self.names.iter().any(|name| **name == *wanted))
    }
}

/// Far more keys than a provider withdraws in the lifetime of a token.
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
