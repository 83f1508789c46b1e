//! Keeps which names were dated ahead: such a token has a date that is still to come, so another revocation
//! within these seconds must cover that date. But no further, and only tokens that were issued up to the new
//! moment, or a repeated revocation would move the boundary and end a session that began after it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::name::HashedName;
use crate::claims::NumericDate;

/// Remembers tokens that are dated later than they were issued, because a moment had been revoked
/// and an issuer that heeds revocations dates its tokens after it.
///
/// A revocation that comes within the same seconds must cover them, whichever of their names it is
/// by. Tokens dated by an issuer in this program are known, each with its names. Tokens dated by
/// issuers in other programs are not known: for them, the moments are kept by which they may have
/// been dated.
#[derive(Default)]
pub(super) struct RecentDates(Mutex<Dates>);

/// Dates are in seconds since 1970. Past dates are left out.
#[derive(Default)]
pub(super) struct Dates {
    own: Generations,
    of_subjects: Moments,
    of_clients: Moments,
    /// Moments that were restored and so are no longer kept under their names.
    taken_back: Moments,
}

impl RecentDates {
    pub(super) fn lock(&self) -> MutexGuard<'_, Dates> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dates {
    /// Notes that an issuer in this program has dated a token with this name.
    pub(super) fn note_own(&mut self, name: HashedName, date: u32, issued: NumericDate, now: u32) {
        self.own.note(name, date, issued, now);
    }

    /// Returns the last date of a token with this name that an issuer in this program issued up to
    /// a moment.
    pub(super) fn last_own(
        &self,
        name: HashedName,
        up_to: NumericDate,
        within: Range<u32>,
    ) -> Option<u32> {
        within.rev().find(|date| self.own.first(name, *date).is_some_and(|first| first <= up_to))
    }

    /// Notes that other programs may date tokens by this moment of a subject from `since` on.
    #[cfg(feature = "redis")]
    pub(super) fn note_subject(&mut self, moment: u32, since: NumericDate, now: u32) {
        self.of_subjects.note(moment, since, now);
    }

    /// Notes that other programs may date tokens by this moment of a client from `since` on.
    pub(super) fn note_client(&mut self, moment: u32, since: NumericDate, now: u32) {
        self.of_clients.note(moment, since, now);
    }

    pub(super) fn note_taken_back(&mut self, moment: u32, now: u32) {
        let known = [&self.of_subjects, &self.of_clients];
        let since = known.into_iter().filter_map(|moments| moments.0.get(&moment).copied()).min();
        if let Some(since) = since {
            self.taken_back.note(moment, since, now);
        }
    }

    /// Returns the last moment by which a token of a subject, issued up to `up_to`, may have been
    /// dated. `own` is the moment of the subject; the token has no other subject.
    pub(super) fn last_for_subject(
        &self,
        own: Option<u32>,
        up_to: NumericDate,
        within: &Range<u32>,
    ) -> Option<u32> {
        let is_own = |at: &u32| within.contains(at) && self.of_subjects.is_before(*at, up_to);
        let beside = self.of_clients.last(up_to, within).max(self.taken_back.last(up_to, within));
        own.filter(is_own).max(beside)
    }

    /// Returns the same for a token of a client, which may have any subject and other clients.
    pub(super) fn last_for_client(&self, up_to: NumericDate, within: &Range<u32>) -> Option<u32> {
        let of_others =
            self.of_clients.last(up_to, within).max(self.taken_back.last(up_to, within));
        self.of_subjects.last(up_to, within).max(of_others)
    }
}

/// The moment of issue of the first token with a name and a date. Entries are forgotten a whole
/// generation at a time.
#[derive(Default)]
struct Generations {
    new: HashMap<(HashedName, u32), NumericDate>,
    old: HashMap<(HashedName, u32), NumericDate>,
    began: u32,
}

impl Generations {
    fn note(&mut self, name: HashedName, date: u32, issued: NumericDate, now: u32) {
        if now.abs_diff(self.began) >= KEPT {
            self.old = std::mem::take(&mut self.new);
            self.began = now;
        }
        self.new.entry((name, date)).or_insert(issued);
    }

    fn first(&self, name: HashedName, date: u32) -> Option<NumericDate> {
        self.old.get(&(name, date)).or_else(|| self.new.get(&(name, date))).copied()
    }
}

/// Moments, each with the time since which it may date tokens.
#[derive(Default)]
struct Moments(BTreeMap<u32, NumericDate>);

impl Moments {
    fn note(&mut self, moment: u32, since: NumericDate, now: u32) {
        let first = now.saturating_sub(KEPT);
        if self.0.first_key_value().is_some_and(|(past, _)| *past < first) {
            self.0 = self.0.split_off(&first);
        }
        if moment >= first {
            self.0.entry(moment).or_insert(since);
        }
    }

    /// Returns the last moment that dated tokens before `up_to`, and not at `up_to`: a token must
    /// come from another program.
    fn last(&self, up_to: NumericDate, within: &Range<u32>) -> Option<u32> {
        let moments = self.0.range(within.clone()).rev();
        moments.filter(|(_, since)| **since < up_to).map(|(moment, _)| *moment).next()
    }

    fn is_before(&self, moment: u32, up_to: NumericDate) -> bool {
        self.0.get(&moment).is_some_and(|since| *since < up_to)
    }
}

/// In seconds. A clock may be set back, and a moment may be older than the call that revokes up to
/// it.
const KEPT: u32 = 60;

#[cfg(test)]
mod tests {
    use super::super::Revocable;
    use super::super::name::NameKey;
    use super::*;

    fn seconds(seconds: u32) -> NumericDate {
        NumericDate::from_seconds(seconds.into())
    }

    fn alice() -> HashedName {
        NameKey::from_bytes([7; 16]).name("issuer", Revocable::Subject("alice"))
    }

    #[cfg(feature = "redis")]
    #[test]
    fn token_of_a_subject_may_be_dated_by_its_own_moment_and_by_no_other_subjects() {
        let mut dates = Dates::default();
        dates.note_subject(103, seconds(100), 100);
        let last = |own, up_to| dates.last_for_subject(own, seconds(up_to), &(101..106));

        assert_eq!(last(Some(103), 101), Some(103));
        // Not in the same moment: it would have to come from another program.
        assert_eq!((last(Some(103), 100), last(Some(103), 99)), (None, None));
        assert_eq!((last(None, 101), last(Some(104), 101)), (None, None));
        assert_eq!(dates.last_for_subject(Some(103), seconds(101), &(104..106)), None);
    }

    #[test]
    fn token_of_any_subject_may_be_dated_by_the_moment_of_a_client() {
        let mut dates = Dates::default();
        dates.note_client(103, seconds(100), 100);
        dates.note_client(104, seconds(101), 101);
        let within = 101..106;

        for (up_to, last) in [(100, None), (101, Some(103)), (102, Some(104))] {
            assert_eq!(dates.last_for_subject(None, seconds(up_to), &within), last, "{up_to}");
            assert_eq!(dates.last_for_client(seconds(up_to), &within), last, "{up_to}");
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn token_of_a_client_may_be_dated_by_the_moment_of_any_subject() {
        let mut dates = Dates::default();
        dates.note_subject(103, seconds(100), 100);

        assert_eq!(dates.last_for_client(seconds(101), &(101..106)), Some(103));
        assert_eq!(dates.last_for_client(seconds(100), &(101..106)), None);
    }

    #[cfg(feature = "redis")]
    #[test]
    fn moment_that_was_taken_back_has_dated_tokens_of_names_that_nothing_tells_of_any_more() {
        let mut dates = Dates::default();
        dates.note_client(103, seconds(102), 102);
        dates.note_subject(103, seconds(100), 102);
        dates.note_subject(104, seconds(100), 102);

        dates.note_taken_back(103, 102);
        dates.note_taken_back(105, 102);

        // Since the first of the two that have noted it.
        assert_eq!(dates.last_for_subject(None, seconds(101), &(101..110)), Some(103));
        assert_eq!(dates.last_for_subject(None, seconds(100), &(101..110)), None);
    }

    #[test]
    fn moments_are_kept_for_a_minute() {
        let mut dates = Dates::default();
        dates.note_client(100, seconds(90), 100);
        dates.note_client(101, seconds(90), 160);
        assert_eq!(dates.last_for_client(seconds(200), &(90..101)), Some(100));

        dates.note_client(102, seconds(90), 161);
        // Too old to be noted at all.
        dates.note_client(100, seconds(90), 161);

        assert_eq!(dates.last_for_client(seconds(200), &(90..101)), None);
        assert_eq!(dates.last_for_client(seconds(200), &(90..102)), Some(101));
    }

    #[test]
    fn own_dates_are_kept_for_one_to_two_minutes() {
        let (mut dates, within) = (Dates::default(), 1000..1010);
        dates.note_own(alice(), 1002, seconds(1000), 1000);
        dates.note_own(alice(), 1060, seconds(1059), 1059);
        dates.note_own(alice(), 1061, seconds(1060), 1060);
        dates.note_own(alice(), 1120, seconds(1119), 1119);
        assert_eq!(dates.last_own(alice(), seconds(1001), within.clone()), Some(1002));

        dates.note_own(alice(), 1121, seconds(1120), 1120);

        assert_eq!(dates.last_own(alice(), seconds(1001), within), None);
        assert_eq!(dates.last_own(alice(), seconds(1200), 1000..1100), Some(1061));
    }
}
