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
