use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use super::entry::Entry;
use super::position::Id;

/// What this node has revoked and Redis does not have yet, or has not had for long.
///
/// Knows no time and no network, so that its rules can be seen and tested.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Letter>,
    /// Taken by the one writer, whose answer is not here yet.
    under_way: Vec<Letter>,
    written: VecDeque<Written>,
}

/// What whoever revoked is told.
pub(super) type Outcome = Result<(), String>;

struct Letter {
    entry: Entry,
    /// The place of the stream up to which everything is older: where it stands itself, or up to where
    /// this node had read when it revoked. If that is not known, everything counts as older.
    behind: Option<Id>,
    teller: Option<oneshot::Sender<Outcome>>,
}

struct Written {
    letter: Letter,
    at: Duration,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Written(Id),
    /// It was there already when the stream ended here.
    Known(Option<Id>),
    /// It was taken back after it was revoked, and before it came to be written.
    TakenBack,
}

impl Outbox {
    /// Takes a revocation to be written, unless there are too many already. The stream has been read
    /// up to here.
    pub(super) fn add(
        &mut self,
        entry: Entry,
        read_up_to: Option<Id>,
    ) -> Option<oneshot::Receiver<Outcome>> {
        if self.waiting.len() >= WAITING_AT_MOST {
            return None;
        }
        let (teller, told) = oneshot::channel();
        self.waiting.push_back(Letter { entry, behind: read_up_to, teller: Some(teller) });
        Some(told)
    }

    /// The next revocations to write, each with the condition it is to be written under.
    ///
    /// Somebody who waits has revoked just now, and whatever was taken back was so before. What nobody
    /// waits for is from a while ago: what was taken back since, stays so.
    pub(super) fn take(&mut self) -> Vec<(Entry, String)> {
        let count = self.waiting.len().min(AT_ONCE);
        self.under_way.extend(self.waiting.drain(..count));
        let condition = |letter: &Letter| match (&letter.teller, letter.behind) {
            (Some(teller), _) if !teller.is_closed() => "*".to_owned(),
            (_, Some(place)) => place.to_string(),
            (_, None) => "*".to_owned(),
        };
        self.under_way.iter().map(|letter| (letter.entry.clone(), condition(letter))).collect()
    }

    /// What was taken has been answered.
    pub(super) fn settle(&mut self, answers: &[Answer], now: Duration) {
        for (mut letter, answer) in self.under_way.drain(..).zip(answers) {
            let outcome = match answer {
                Answer::TakenBack => Err("it was taken back meanwhile".to_owned()),
                Answer::Written(_) | Answer::Known(_) => Ok(()),
            };
            letter.tell(outcome);
            match answer {
                Answer::Written(place) => letter.behind = Some(*place),
                Answer::Known(place) => letter.behind = place.or(letter.behind),
                Answer::TakenBack => continue,
            }
            self.written.push_back(Written { letter, at: now });
        }
        while self.written.len() > WRITTEN_AT_MOST {
            self.written.pop_front();
        }
    }

    /// What was taken was not written, as far as can be known. It will be tried again.
    pub(super) fn put_back(&mut self) {
        for letter in self.under_way.drain(..).rev() {
            self.waiting.push_front(letter);
        }
    }

    /// Nothing can be written for now: whoever waits is told so. It will be tried again, but nobody waits
    /// for that.
    pub(super) fn give_up(&mut self, problem: &str) {
        self.put_back();
        self.waiting.iter_mut().for_each(|letter| letter.tell(Err(problem.to_owned())));
    }

    /// What was written lately is to be written again, for a Redis that has lost it.
    pub(super) fn write_again(&mut self, now: Duration) {
        self.forget_old(now);
        for written in self.written.drain(..).rev() {
            self.waiting.push_front(written.letter);
        }
    }

    pub(super) fn forget_old(&mut self, now: Duration) {
        let is_old = |written: &Written| now.saturating_sub(written.at) > WRITTEN_AGAIN_FOR;
        while self.written.front().is_some_and(is_old) {
            self.written.pop_front();
        }
    }

    /// A name was taken back at this place of the stream. Whether it is so for this node too: unless it
    /// has revoked the name later.
    pub(super) fn restore(&mut self, name: &str, place: Id) -> bool {
        let is_it = |letter: &Letter| letter.entry.name == name;
        // One that somebody waits for may be on its way to a later place.
        let stays = |letter: &Letter| {
            !is_it(letter)
                || letter.teller.is_some()
                || letter.behind.is_none_or(|behind| behind >= place)
        };
        self.written.retain(|written| stays(&written.letter));
        self.waiting.retain(stays);
        // One that is under way and does not stay will not be written, either.
        let mut left = self.waiting.iter().chain(&self.under_way);
        !left.any(|letter| is_it(letter) && stays(letter))
            && !self.written.iter().any(|written| is_it(&written.letter))
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }
}

impl Letter {
    fn tell(&mut self, outcome: Outcome) {
        // Whoever does not listen any more has been told by a time-out.
        drop(self.teller.take().map(|teller| teller.send(outcome)));
    }
}

/// As many as Redis writes in some milliseconds.
const AT_ONCE: usize = 256;
/// For how long what was written is kept to be written again.
const WRITTEN_AGAIN_FOR: Duration = Duration::from_secs(10 * 60);
const WRITTEN_AT_MOST: usize = 100_000;
const WAITING_AT_MOST: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn id(text: &str) -> Id {
        Id::read(text).unwrap()
    }

    fn entry(name: &str) -> Entry {
        Entry { end: 60, moment: None, name: name.to_owned() }
    }

    fn add(outbox: &mut Outbox, name: &str) -> oneshot::Receiver<Outcome> {
        outbox.add(entry(name), Some(id("1-0"))).unwrap()
    }

    fn conditions(outbox: &mut Outbox) -> Vec<(String, String)> {
        outbox.take().into_iter().map(|(entry, known)| (entry.name, known)).collect()
    }

    fn pair(name: &str, condition: &str) -> (String, String) {
        (name.to_owned(), condition.to_owned())
    }

    #[test]
    fn who_waits_is_told_when_it_is_written() {
        let mut outbox = Outbox::default();
        let mut told = add(&mut outbox, "a");

        assert_eq!(conditions(&mut outbox), [pair("a", "*")]);
        assert!(told.try_recv().is_err());
        outbox.settle(&[Answer::Written(id("2-0"))], NOW);

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
        outbox.settle(&[Answer::Written(id("2-0")), Answer::Known(Some(id("3-0")))], NOW);
        let _told = add(&mut outbox, "newer");
        outbox.take();
        outbox.settle(&[Answer::Written(id("4-0"))], NOW + WRITTEN_AGAIN_FOR);

        outbox.write_again(NOW + WRITTEN_AGAIN_FOR);
        let again = conditions(&mut outbox);
        outbox.settle(&[Answer::Known(None); 3], NOW + WRITTEN_AGAIN_FOR);
        outbox.write_again(NOW + 3 * WRITTEN_AGAIN_FOR);

        assert_eq!(again, [pair("old", "2-0"), pair("new", "3-0"), pair("newer", "4-0")]);
        assert_eq!(outbox.take().len(), 0);
    }

    #[test]
    fn what_was_taken_back_is_not_written_again() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.take();
        outbox.settle(&[Answer::Written(id("2-0"))], NOW);

        assert!(outbox.restore("a", id("3-0")));
        outbox.write_again(NOW);

        assert_eq!(outbox.take().len(), 0);
    }

    #[test]
    fn what_was_revoked_after_it_was_taken_back_stays() {
        let mut outbox = Outbox::default();
        let _told = add(&mut outbox, "a");
        outbox.take();
        outbox.settle(&[Answer::Written(id("4-0"))], NOW);

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
        outbox.settle(&[Answer::Written(id("2-0"))], NOW);
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
        outbox.settle(&[Answer::TakenBack], NOW);
        outbox.write_again(NOW);

        assert_eq!(outbox.take().len(), 0);
    }

    #[test]
    fn what_was_revoked_before_the_stream_was_read_is_written_whatever_was_taken_back() {
        let mut outbox = Outbox::default();
        let _told = outbox.add(entry("a"), None);
        outbox.give_up("away");

        assert!(!outbox.restore("a", id("2-0")));
        assert_eq!(conditions(&mut outbox), [pair("a", "*")]);
    }
}
