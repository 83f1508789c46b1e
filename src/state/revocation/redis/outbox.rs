//! Holds revocations that Redis does not have yet.
//!
//! One writer: no write is under way twice, a caller who gives up cancels nothing, and ten thousand calls
//! become forty scripts. A revocation whose caller was told of a failure is written under a condition (not if
//! the name was restored later); one whose caller still waits is the latest word. Where the order cannot be
//! known, revoking wins.
//!
//! The writes of the last ten minutes (100,000 revocations) are repeated after a reconnection, after a gap, and
//! when a bucket lacks the oldest name of this node: a Redis that fails or evicts has lost what it had
//! confirmed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::sync::oneshot;

use super::entry::RevocationEntry;
use super::position::StreamId;

/// Keeps the revocations of this node that Redis does not have yet, or has had for a short time
/// only.
///
/// Has no clock and no network of its own, so that its rules can be tested.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: WriteQueue,
    /// Taken by the one writer, and not answered yet.
    under_way: Vec<PendingWrite>,
    written: WriteQueue,
    next: u64,
}

/// The outcome that a caller receives.
pub(super) type WriteOutcome = Result<(), String>;

struct PendingWrite {
    /// Its place in the order of writes.
    number: u64,
    entry: RevocationEntry,
    /// The position in the stream before which everything is older: its own entry, or the position
    /// of this node when it revoked. `None` counts everything as older.
    behind: Option<StreamId>,
    /// The waiting callers: several, if they revoked the same.
    waiters: Vec<oneshot::Sender<WriteOutcome>>,
    /// Set when it must be written in one step with the next.
    goes_with_next: bool,
    /// The moment when it was written.
    at: Duration,
}

/// The answer of Redis to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteAnswer {
    Written(StreamId),
    /// It was there already when the stream ended here.
    Known(Option<StreamId>),
    /// It was taken back after it was revoked, and before it was written.
    TakenBack,
}

impl Outbox {
    /// Adds revocations to be written in one step, unless too many are waiting. `read_up_to` is the
    /// position of this node in the stream.
    pub(super) fn add(
        &mut self,
        entries: Vec<RevocationEntry>,
        read_up_to: Option<StreamId>,
    ) -> Option<Vec<oneshot::Receiver<WriteOutcome>>> {
        if self.waiting.len() + entries.len() > MAX_WAITING {
            return None;
        }
        let mut before = None;
        let writes = entries.into_iter().map(|entry| {
            let (waiter, told) = oneshot::channel();
            let write = PendingWrite {
                number: self.next_number(),
                entry,
                behind: read_up_to,
                waiters: vec![waiter],
                goes_with_next: false,
                at: Duration::ZERO,
            };
            if let Some(waiting) = self.waiting.find(&write.entry) {
                waiting.merge_later(write);
                before = None;
                return told;
            }
            if let Some(before) = before.and_then(|it| self.waiting.writes.get_mut(&it)) {
                before.goes_with_next = true;
            }
            before = Some(write.number);
            self.waiting.insert(write);
            told
        });
        Some(writes.collect())
    }

    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes the next revocations to write, each with its condition.
    ///
    /// A caller that waits has revoked just now, after any restoration of the name so far. A write
    /// without a waiting caller is older: if its name was restored since, that stays so.
    pub(super) fn take(&mut self) -> Vec<(RevocationEntry, String)> {
        let goes_on = |writes: &[PendingWrite]| {
            writes.len() < AT_ONCE
                || writes.len() < MAX_TOGETHER && writes.last().is_some_and(PendingWrite::has_next)
        };
        while goes_on(&self.under_way) {
            let Some(write) = self.waiting.pop_first() else { break };
            self.under_way.push(write);
        }
        let condition = |write: &PendingWrite| match write.behind {
            Some(place) if !write.is_waited_for() => place.to_string(),
            _ => "*".to_owned(),
        };
        self.under_way.iter().map(|write| (write.entry.clone(), condition(write))).collect()
    }

    /// Handles the answers to the revocations that were taken.
    pub(super) fn settle(&mut self, answers: &[WriteAnswer], now: Duration) {
        let under_way = std::mem::take(&mut self.under_way);
        for (mut write, answer) in under_way.into_iter().zip(answers) {
            let is_new = !write.waiters.is_empty() || write.at.is_zero();
            write.tell(&match answer {
                WriteAnswer::TakenBack => Err("it was taken back meanwhile".to_owned()),
                WriteAnswer::Written(_) | WriteAnswer::Known(_) => Ok(()),
            });
            match answer {
                WriteAnswer::Written(place) => write.behind = Some(*place),
                WriteAnswer::Known(place) => write.behind = place.or(write.behind),
                WriteAnswer::TakenBack => continue,
            }
            // Revocations that were written in one step need not be again.
            write.goes_with_next = false;
            // A revocation that was still there when it was written again is as old as before.
            if is_new || matches!(answer, WriteAnswer::Written(_)) {
                write.at = now;
                write.number = self.next_number();
            }
            if let Some(before) = self.written.remove(&write.entry) {
                write.entry.moment = write.entry.moment.max(before.entry.moment);
            }
            self.written.insert(write);
        }
        while self.written.len() > MAX_WRITTEN {
            self.written.pop_first();
        }
    }

    /// Puts the revocations that were taken back. They may not have been written, and are tried
    /// again.
    pub(super) fn put_back(&mut self) {
        for write in std::mem::take(&mut self.under_way) {
            self.wait_again(write);
        }
    }

    fn wait_again(&mut self, write: PendingWrite) {
        match self.waiting.find(&write.entry) {
            Some(later) => later.merge_earlier(write),
            None => self.waiting.insert(write),
        }
    }

    /// Tells waiting callers that nothing can be written for now. The revocations are tried again,
    /// without a caller that waits.
    pub(super) fn give_up(&mut self, problem: &str) {
        self.put_back();
        let problem = Err(problem.to_owned());
        self.waiting.writes.values_mut().for_each(|write| write.tell(&problem));
    }

    /// Queues the recently written revocations again, for a Redis that has lost them.
    pub(super) fn write_again(&mut self, now: Duration) {
        self.forget_old(now);
        for write in std::mem::take(&mut self.written).writes.into_values() {
            self.wait_again(write);
        }
    }

    pub(super) fn forget_old(&mut self, now: Duration) {
        self.written.retain(|write| now.saturating_sub(write.at) <= WRITTEN_AGAIN_FOR);
    }

    /// Handles a restoration of a name at this position of the stream. Returns whether it holds for
    /// this node: not if this node has revoked the name later.
    pub(super) fn restore(&mut self, name: &str, place: StreamId) -> bool {
        let is_it = |write: &PendingWrite| write.entry.name == name;
        // A write with a waiting caller may be on its way to a later position.
        let stays = |write: &PendingWrite| {
            !is_it(write)
                || write.is_waited_for()
                || write.behind.is_none_or(|behind| behind >= place)
        };
        self.written.retain(stays);
        self.waiting.retain(stays);
        // A write that is under way and does not stay will not be written, either.
        let mut left = self.waiting.writes.values().chain(&self.under_way);
        !left.any(|write| is_it(write) && stays(write)) && !self.written.writes.values().any(is_it)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// Returns the oldest write of each bucket that Redis should have. Where one is missing, Redis
    /// has lost revocations.
    pub(super) fn probes(&self) -> Vec<(u64, String)> {
        let mut oldest = Vec::new();
        let mut next = 0;
        while let Some(&(end, number)) = self.written.by_end.range((next, 0)..).next() {
            let write = self.written.writes.get(&number);
            oldest.extend(write.map(|write| (end, write.entry.name.clone())));
            next = end.saturating_add(1);
        }
        oldest
    }
}

impl PendingWrite {
    fn tell(&mut self, outcome: &WriteOutcome) {
        // A caller that has stopped listening was told by a time-out.
        self.waiters.drain(..).for_each(|waiter| drop(waiter.send(outcome.clone())));
    }

    fn is_waited_for(&self) -> bool {
        self.waiters.iter().any(|waiter| !waiter.is_closed())
    }

    fn has_next(&self) -> bool {
        self.goes_with_next
    }

    /// Merges a later revocation of the same name, so that the name is written once.
    fn merge_later(&mut self, later: Self) {
        self.entry.moment = self.entry.moment.max(later.entry.moment);
        self.behind = later.behind;
        self.waiters.retain(|waiter| !waiter.is_closed());
        self.waiters.extend(later.waiters);
    }

    fn merge_earlier(&mut self, earlier: Self) {
        self.entry.moment = self.entry.moment.max(earlier.entry.moment);
        self.waiters.extend(earlier.waiters);
    }
}

/// Keeps writes in their order: one for each name in a bucket.
#[derive(Default)]
struct WriteQueue {
    writes: BTreeMap<u64, PendingWrite>,
    /// The numbers of the writes, by a hash of bucket and name. Of two with one hash the later is
    /// found.
    numbers: HashMap<u64, u64>,
    /// The numbers of the writes, in the order of their buckets.
    by_end: BTreeSet<(u64, u64)>,
    hasher: RandomState,
}

impl WriteQueue {
    fn len(&self) -> usize {
        self.writes.len()
    }

    fn hash(&self, entry: &RevocationEntry) -> u64 {
        self.hasher.hash_one((&entry.name, entry.end))
    }

    fn number(&self, entry: &RevocationEntry) -> Option<u64> {
        let number = *self.numbers.get(&self.hash(entry))?;
        let found = &self.writes.get(&number)?.entry;
        (found.name == entry.name && found.end == entry.end).then_some(number)
    }

    fn find(&mut self, entry: &RevocationEntry) -> Option<&mut PendingWrite> {
        let number = self.number(entry)?;
        self.writes.get_mut(&number)
    }

    fn insert(&mut self, write: PendingWrite) {
        self.numbers.insert(self.hash(&write.entry), write.number);
        self.by_end.insert((write.entry.end, write.number));
        self.writes.insert(write.number, write);
    }

    fn remove(&mut self, entry: &RevocationEntry) -> Option<PendingWrite> {
        let number = self.number(entry)?;
        self.numbers.remove(&self.hash(entry));
        self.by_end.remove(&(entry.end, number));
        self.writes.remove(&number)
    }

    fn pop_first(&mut self) -> Option<PendingWrite> {
        let (number, write) = self.writes.pop_first()?;
        self.by_end.remove(&(write.entry.end, number));
        let hash = self.hash(&write.entry);
        if self.numbers.get(&hash) == Some(&number) {
            self.numbers.remove(&hash);
        }
        Some(write)
    }

    fn retain(&mut self, stays: impl Fn(&PendingWrite) -> bool) {
        let before = self.writes.len();
        self.writes.retain(|_, write| stays(write));
        if self.writes.len() < before {
            self.numbers.retain(|_, number| self.writes.contains_key(number));
            self.by_end.retain(|(_, number)| self.writes.contains_key(number));
        }
    }
}

/// The number that Redis writes in some milliseconds.
const AT_ONCE: usize = 256;
/// Includes those that go with the last of them. More would occupy Redis for too long.
const MAX_TOGETHER: usize = 2 * AT_ONCE;
/// The time for which a written revocation is kept to be written again.
const WRITTEN_AGAIN_FOR: Duration = Duration::from_secs(10 * 60);
// Fewer in the tests of this file, which fill it.
const MAX_WRITTEN: usize = if cfg!(test) { 4_000 } else { 100_000 };
const MAX_WAITING: usize = if cfg!(test) { 10_000 } else { 1_000_000 };

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn id(text: &str) -> StreamId {
        StreamId::read(text).unwrap()
    }

    fn entry(name: &str) -> RevocationEntry {
        RevocationEntry { end: 60, moment: None, name: name.to_owned() }
    }

    fn add(outbox: &mut Outbox, name: &str) -> oneshot::Receiver<WriteOutcome> {
        let told = outbox.add(vec![entry(name)], Some(id("1-0"))).unwrap();
        told.into_iter().next().unwrap()
    }

    fn conditions(outbox: &mut Outbox) -> Vec<(String, String)> {
        outbox.take().into_iter().map(|(entry, known)| (entry.name, known)).collect()
    }

    fn pair(name: &str, condition: &str) -> (String, String) {
        (name.to_owned(), condition.to_owned())
    }

    #[test]
    fn what_goes_together_is_bounded_however_often_one_of_a_pair_comes_again() {
        let mut outbox = Outbox::default();
        for number in 0..3000 {
            let pair = vec![entry(&format!("session {number}")), entry("alice")];
            drop(outbox.add(pair, Some(id("1-0"))).unwrap());
        }
        assert!(outbox.take().len() <= AT_ONCE + 1);

        // The same when all are written again.
        while outbox.waiting() > 0 {
            let answers: Vec<WriteAnswer> =
                outbox.take().iter().map(|_| WriteAnswer::Written(id("2-0"))).collect();
            assert!(answers.len() <= AT_ONCE + 1, "{}", answers.len());
            outbox.settle(&answers, NOW);
        }
        outbox.write_again(NOW);
        assert!(outbox.take().len() <= AT_ONCE + 1);
    }

    fn entries(names: impl Iterator<Item = usize>) -> Vec<RevocationEntry> {
        names.map(|name| entry(&name.to_string())).collect()
    }

    #[test]
    fn so_many_may_wait_to_be_written_and_no_more() {
        let mut outbox = Outbox::default();
        assert!(outbox.add(entries(0..=MAX_WAITING), None).is_none());

        assert!(outbox.add(entries(0..MAX_WAITING), None).is_some());

        assert!(outbox.add(vec![entry("one more")], None).is_none());
        assert_eq!(outbox.waiting(), MAX_WAITING);
    }

    #[test]
    fn revocations_that_were_written_last_may_be_written_again() {
        let mut outbox = Outbox::default();
        drop(outbox.add(entries(0..=MAX_WRITTEN), None));
        while outbox.waiting() > 0 {
            let answers = vec![WriteAnswer::Known(None); outbox.take().len()];
            outbox.settle(&answers, NOW);
        }

        outbox.write_again(NOW);

        assert_eq!((outbox.waiting(), &*outbox.take()[0].0.name), (MAX_WRITTEN, "1"));
    }

    #[test]
    fn so_many_are_taken_at_once_and_twice_as_many_that_go_together() {
        let mut outbox = Outbox::default();
        let _told: Vec<_> =
            (0..2 * AT_ONCE).map(|number| add(&mut outbox, &number.to_string())).collect();
        assert_eq!((outbox.take().len(), outbox.waiting()), (AT_ONCE, 2 * AT_ONCE));

        let mut outbox = Outbox::default();
        let together = (0..3 * AT_ONCE).map(|number| entry(&number.to_string()));
        drop(outbox.add(together.collect(), None));
        assert_eq!((outbox.take().len(), outbox.waiting()), (MAX_TOGETHER, 3 * AT_ONCE));
    }

    #[test]
    fn revocation_that_was_given_up_and_is_in_redis_counts_as_written_when_that_is_known() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.give_up("away");
        outbox.take();

        outbox.settle(&[WriteAnswer::Known(None)], NOW);
        outbox.write_again(NOW + WRITTEN_AGAIN_FOR);

        assert_eq!(outbox.take().len(), 1);
    }

    #[test]
    fn both_callers_are_told_of_a_revocation_that_was_repeated_while_it_was_under_way() {
        let mut outbox = Outbox::default();
        let of = |moment| vec![RevocationEntry { moment: Some(moment), ..entry("a") }];
        let mut first = outbox.add(of(9), None).unwrap().remove(0);
        outbox.take();
        let mut second = outbox.add(of(5), None).unwrap().remove(0);
        outbox.put_back();

        let taken = outbox.take();
        outbox.settle(&[WriteAnswer::Written(id("2-0"))], NOW);

        assert_eq!(taken.iter().map(|(entry, _)| entry.moment).collect::<Vec<_>>(), [Some(9)]);
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(Ok(())), Ok(Ok(()))));
    }

    #[test]
    fn names_that_wait_are_told_apart() {
        let mut outbox = Outbox::default();
        let _told = ["a", "b", "a", "b"].map(|name| add(&mut outbox, name));
        assert_eq!(outbox.waiting(), 2);

        assert_eq!(conditions(&mut outbox), [pair("a", "*"), pair("b", "*")]);

        // Nothing is left of them but what is under way.
        assert!(outbox.waiting.numbers.is_empty() && outbox.waiting.by_end.is_empty());
    }

    #[test]
    fn later_moment_of_two_that_were_written_for_one_name_is_written_again() {
        let mut outbox = Outbox::default();
        for moment in [9, 5] {
            let _told =
                outbox.add(vec![RevocationEntry { moment: Some(moment), ..entry("a") }], None);
            outbox.take();
            outbox.settle(&[WriteAnswer::Known(None)], NOW);
        }

        // The first makes room for the second.
        assert_eq!(outbox.written.len(), 1);
        outbox.write_again(NOW);

        let again: Vec<_> = outbox.take().into_iter().map(|(entry, _)| entry.moment).collect();
        assert_eq!(again, [Some(9)]);
    }

    #[test]
    fn pair_at_the_edge_of_what_is_taken_at_once_goes_together() {
        let mut outbox = Outbox::default();
        for number in 0..AT_ONCE - 1 {
            drop(add(&mut outbox, &number.to_string()));
        }
        drop(outbox.add(vec![entry("session"), entry("alice")], Some(id("1-0"))).unwrap());
        drop(add(&mut outbox, "later"));

        assert_eq!(outbox.take().len(), AT_ONCE + 1);
    }

    #[test]
    fn who_waits_is_told_when_it_is_written() {
        let mut outbox = Outbox::default();
        let mut told = add(&mut outbox, "a");

        assert_eq!(conditions(&mut outbox), [pair("a", "*")]);
        assert!(told.try_recv().is_err());
        outbox.settle(&[WriteAnswer::Written(id("2-0"))], NOW);

        assert_eq!(told.try_recv(), Ok(Ok(())));
        assert_eq!(outbox.waiting(), 0);
    }

    #[test]
    fn what_was_not_written_is_tried_again_in_its_order_and_told_when_it_is_given_up() {
        let mut outbox = Outbox::default();
        let mut told = add(&mut outbox, "a");
        let _b = add(&mut outbox, "b");
        outbox.take();

        outbox.put_back();
        assert!(told.try_recv().is_err(), "it may be written yet");
        outbox.give_up("gone");

        assert_eq!(told.try_recv(), Ok(Err("gone".to_owned())));
        assert_eq!(conditions(&mut outbox), [pair("a", "1-0"), pair("b", "1-0")]);
    }

    #[test]
    fn what_was_written_lately_is_written_again_and_what_was_so_long_ago_is_not() {
        let mut outbox = Outbox::default();
        let _told = [add(&mut outbox, "old"), add(&mut outbox, "new")];
        outbox.take();
        outbox.settle(&[WriteAnswer::Written(id("2-0")), WriteAnswer::Known(Some(id("3-0")))], NOW);
        let _told = add(&mut outbox, "newer");
        outbox.take();
        outbox.settle(&[WriteAnswer::Written(id("4-0"))], NOW + WRITTEN_AGAIN_FOR);

        outbox.write_again(NOW + WRITTEN_AGAIN_FOR);
        let again = conditions(&mut outbox);
        outbox.settle(&[WriteAnswer::Known(None); 3], NOW + WRITTEN_AGAIN_FOR);
        outbox.write_again(NOW + 3 * WRITTEN_AGAIN_FOR);

        assert_eq!(again, [pair("old", "2-0"), pair("new", "3-0"), pair("newer", "4-0")]);
        assert_eq!(outbox.take().len(), 0);
    }

    #[test]
    fn what_was_taken_back_is_not_written_again() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.take();
        outbox.settle(&[WriteAnswer::Written(id("2-0"))], NOW);

        assert!(outbox.restore("a", id("3-0")));
        outbox.write_again(NOW);

        assert_eq!(outbox.take().len(), 0);
    }

    #[test]
    fn what_was_revoked_after_it_was_taken_back_stays() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.take();
        outbox.settle(&[WriteAnswer::Written(id("4-0"))], NOW);

        assert!(!outbox.restore("a", id("3-0")));
        outbox.write_again(NOW);

        assert_eq!(conditions(&mut outbox), [pair("a", "4-0")]);
    }

    #[test]
    fn what_is_under_way_while_it_is_taken_back_stays() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.take();

        assert!(!outbox.restore("a", id("2-0")));
    }

    #[test]
    fn what_is_written_again_while_it_is_taken_back_does_not_stay() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.take();
        outbox.settle(&[WriteAnswer::Written(id("2-0"))], NOW);
        outbox.write_again(NOW);
        outbox.take();

        assert!(outbox.restore("a", id("3-0")));
    }

    #[test]
    fn what_waited_for_redis_goes_when_redis_says_that_it_was_taken_back_since() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.give_up("away");

        assert_eq!(conditions(&mut outbox), [pair("a", "1-0")]);
        outbox.settle(&[WriteAnswer::TakenBack], NOW);
        outbox.write_again(NOW);

        assert_eq!(outbox.take().len(), 0);
    }

    #[test]
    fn what_was_revoked_before_the_stream_was_read_is_written_whatever_was_taken_back() {
        let mut outbox = Outbox::default();
        let _told = outbox.add(vec![entry("a")], None);
        outbox.give_up("away");

        assert!(!outbox.restore("a", id("2-0")));
        assert_eq!(conditions(&mut outbox), [pair("a", "*")]);
    }

    #[test]
    fn hundred_who_revoke_the_same_are_told_when_it_is_written_once() {
        let mut outbox = Outbox::default();
        let told: Vec<_> = (0..100).map(|_| add(&mut outbox, "a")).collect();

        assert_eq!(conditions(&mut outbox), [pair("a", "*")]);
        outbox.settle(&[WriteAnswer::Written(id("2-0"))], NOW);

        for mut told in told {
            assert_eq!(told.try_recv(), Ok(Ok(())));
        }
        assert_eq!(outbox.waiting(), 0);
    }

    #[test]
    fn what_is_revoked_again_and_again_pushes_out_nothing_else_that_is_written_again() {
        let mut outbox = Outbox::default();
        for name in ["first", "again", "again", "again"] {
            let _told = add(&mut outbox, name);
            outbox.take();
            outbox.settle(&[WriteAnswer::Known(Some(id("2-0")))], NOW);
        }

        outbox.write_again(NOW);

        assert_eq!(conditions(&mut outbox), [pair("first", "2-0"), pair("again", "2-0")]);
    }

    #[test]
    fn what_is_written_again_and_was_there_is_as_old_as_before() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.take();
        outbox.settle(&[WriteAnswer::Written(id("2-0"))], NOW);
        for (answer, is_left) in
            [(WriteAnswer::Known(None), false), (WriteAnswer::Written(id("3-0")), true)]
        {
            let half = NOW + WRITTEN_AGAIN_FOR / 2;
            outbox.write_again(half);
            assert_eq!(outbox.take().len(), 1);
            outbox.settle(&[answer], half);
            // Only a revocation that was lost counts as written anew.
            let written = outbox.written.writes.values().map(|write| write.at);
            let later = written.filter(|at| *at == half).count();
            assert_eq!(later == 1, is_left, "{answer:?}");
        }
    }

    #[test]
    fn later_moment_of_two_that_wait_for_one_name_is_written() {
        let mut outbox = Outbox::default();
        let of = |moment| RevocationEntry { moment: Some(moment), ..entry("a") };
        let _told = [5, 9, 7].map(|moment| outbox.add(vec![of(moment)], None));

        let taken = outbox.take();

        assert_eq!(taken.iter().map(|(entry, _)| entry.moment).collect::<Vec<_>>(), [Some(9)]);
    }

    #[test]
    fn revocations_that_belong_together_are_written_in_one_step() {
        let mut outbox = Outbox::default();
        let _told: Vec<_> = (1..AT_ONCE).map(|n| add(&mut outbox, &format!("t{n}"))).collect();
        let _both = outbox.add(vec![entry("session"), entry("subject")], None);
        let _told = add(&mut outbox, "last");

        let first = outbox.take();

        assert_eq!(first.len(), AT_ONCE + 1);
        assert_eq!(first[AT_ONCE].0.name, "subject");
    }

    #[test]
    fn probes_are_the_oldest_of_each_bucket() {
        let mut outbox = Outbox::default();
        for (name, end) in [("a", 60), ("b", 120), ("c", 60)] {
            let _told = outbox.add(vec![RevocationEntry { end, ..entry(name) }], None);
            outbox.take();
            outbox.settle(&[WriteAnswer::Written(id("2-0"))], NOW);
        }

        assert_eq!(outbox.probes(), [(60, "a".to_owned()), (120, "b".to_owned())]);
        outbox.restore("a", id("3-0"));
        assert_eq!(outbox.probes(), [(60, "c".to_owned()), (120, "b".to_owned())]);
    }
}
