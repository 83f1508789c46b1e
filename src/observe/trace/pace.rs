//! Limits how often events are logged that requests can cause at any rate.
//!
//! The first event is loud, and then one a minute for each reason and issuer, with the number of
//! those in between. A [`Pace`] belongs to a layer, an endpoint, a source or a check. Text from a
//! token is never a key in it.

#[cfg(feature = "tracing")]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "tracing")]
use std::time::Duration;

#[cfg(feature = "tracing")]
use crate::clock::Moment;

/// Decides which of many similar events an operator sees: the first, and then one each minute.
///
/// It belongs to something that lasts: a layer, a key source, a verifier. Without the feature
/// `tracing` it is empty.
#[derive(Default)]
pub(crate) struct Pace(#[cfg(feature = "tracing")] Mutex<Vec<LoudEvent>>);

/// The last loud event of a topic.
#[cfg(feature = "tracing")]
struct LoudEvent {
    topic: &'static str,
    about: Box<str>,
    at: Moment,
    /// The number of events since the last loud one.
    suppressed: u64,
}

impl Pace {
    /// Counts an event, and decides whether it is loud. Returns the number of events since the last
    /// loud one, or `None` for a quiet event.
    ///
    /// Events are similar if both `topic` and `about` are equal. Both are kept, so they must not
    /// come from a token or a client: `about` is the configured name of an issuer or of a source,
    /// or empty. When there are too many topics, the ones that find no place count as one.
    pub(crate) fn ask(&self, topic: &'static str, about: &str) -> Option<u64> {
        #[cfg(feature = "tracing")]
        {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ask(&mut all, Moment::now(), topic, about)
        }
        #[cfg(not(feature = "tracing"))]
        {
            let _ = (topic, about);
            None
        }
    }
}

#[cfg(feature = "tracing")]
fn ask(all: &mut Vec<LoudEvent>, now: Moment, topic: &'static str, about: &str) -> Option<u64> {
    let known = all.iter_mut().find(|told| told.topic == topic && *told.about == *about);
    if let Some(told) = known {
        if now.since(told.at) < EVERY {
            told.suppressed = told.suppressed.saturating_add(1);
            return None;
        }
        told.at = now;
        return Some(std::mem::take(&mut told.suppressed));
    }
    if all.len() >= MOST {
        let is_over = |told: &LoudEvent| now.since(told.at) >= EVERY;
        match all.iter().position(is_over) {
            Some(place) => drop(all.swap_remove(place)),
            // One place for all that find no place, or each would evict the next one.
            None if !about.is_empty() => return ask(all, now, topic, ""),
            None => {}
        }
    }
    all.push(LoudEvent { topic, about: about.into(), at: now, suppressed: 0 });
    Some(0)
}

#[cfg(feature = "tracing")]
const EVERY: Duration = Duration::from_secs(60);
/// The largest number of topics. A layer has fewer issuers.
#[cfg(feature = "tracing")]
const MOST: usize = 1024;

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::*;
    use crate::clock::pretend_to_be_suspended as pass;

    #[test]
    fn first_event_is_loud_and_so_is_one_each_minute_which_counts_those_in_between() {
        let pace = Pace::default();

        assert_eq!(pace.ask("away", "a"), Some(0));
        for _ in 0..1000 {
            assert_eq!(pace.ask("away", "a"), None);
        }
        pass(Duration::from_secs(59));
        assert_eq!(pace.ask("away", "a"), None);
        pass(Duration::from_secs(1));
        assert_eq!(pace.ask("away", "a"), Some(1001));
        assert_eq!(pace.ask("away", "a"), None);
        pass(Duration::from_secs(3600));
        assert_eq!(pace.ask("away", "a"), Some(1));
    }

    #[test]
    fn other_topics_and_subjects_are_counted_separately() {
        let pace = Pace::default();
        for topic in ["away", "back"] {
            for about in ["a", "b", ""] {
                assert_eq!(pace.ask(topic, about), Some(0));
                assert_eq!(pace.ask(topic, about), None);
            }
        }
        assert_eq!(Pace::default().ask("away", "a"), Some(0));
    }

    #[test]
    fn number_of_topics_is_bounded() {
        let pace = Pace::default();
        for number in 0..=MOST {
            assert_eq!(pace.ask("away", &number.to_string()), Some(0));
        }

        // Topics without a place are counted together.
        for late in ["late", "later", "0", "1"] {
            assert_eq!(pace.ask("away", late), None, "{late}");
        }
        assert_eq!(pace.0.lock().unwrap().len(), MOST + 1);
        pass(Duration::from_secs(60));
        assert_eq!(pace.ask("away", "late"), Some(0));
        assert_eq!(pace.ask("away", "late"), None);
        assert_eq!(pace.0.lock().unwrap().len(), MOST + 1);
    }
}
