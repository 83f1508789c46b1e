use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The latest moments up to which anything of a subject or client was revoked, whosesoever.
///
/// An issuer that knows the revocations dates a token behind the last moment of each of its names. A token
/// of a subject may thus be dated ahead because of its client, and the other way round, so whoever revokes
/// by one name must know of the others.
#[derive(Default)]
pub(super) struct Recent(Mutex<Moments>);

/// In seconds since 1970; those that are past are left out.
#[derive(Default)]
pub(super) struct Moments {
    of_subjects: BTreeSet<u32>,
    of_clients: BTreeSet<u32>,
    /// Nothing under the name itself tells of them any more.
    taken_back: BTreeSet<u32>,
}

impl Recent {
    pub(super) fn lock(&self) -> MutexGuard<'_, Moments> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moments {
    pub(super) fn note_subject(&mut self, moment: u32, now: u32) {
        note(&mut self.of_subjects, moment, now);
    }

    pub(super) fn note_client(&mut self, moment: u32, now: u32) {
        note(&mut self.of_clients, moment, now);
    }

    pub(super) fn note_taken_back(&mut self, moment: u32, now: u32) {
        note(&mut self.taken_back, moment, now);
    }

    /// The last of those by which a token of a subject may have been dated. It has no other subject.
    pub(super) fn last_beside_subject(&self, within: &Range<u32>) -> Option<u32> {
        last(&self.of_clients, within).max(last(&self.taken_back, within))
    }

    /// The last of those by which a token of a client may have been dated. It may have other clients.
    pub(super) fn last_beside_client(&self, within: &Range<u32>) -> Option<u32> {
        last(&self.of_subjects, within).max(self.last_beside_subject(within))
    }
}

fn note(moments: &mut BTreeSet<u32>, moment: u32, now: u32) {
    let first = now.saturating_sub(KEPT);
    if moments.first().is_some_and(|past| *past < first) {
        *moments = moments.split_off(&first);
    }
    if moment >= first {
        moments.insert(moment);
    }
}

fn last(moments: &BTreeSet<u32>, within: &Range<u32>) -> Option<u32> {
    moments.range(within.clone()).next_back().copied()
}

/// In seconds. A clock may be set back, and whoever revokes may have looked at it some time ago.
const KEPT: u32 = 60;
