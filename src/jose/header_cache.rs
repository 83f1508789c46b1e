//! Keeps the headers of accepted tokens: 12 of at most 512 bytes in base64url. A header is found by its very
//! letters, so a kept one cannot become untrue. The first 4 never move, and reading them writes nothing, no
//! count either (30 ns of a token with HS256). 8 more are in a list that is copied; when it is full, one in 64
//! new headers takes a place.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::Header;

/// Headers of tokens that were good, so that the next token with the same one is not read again.
///
/// What is kept for a segment is what would be read from it, so nothing here can go out of date. Only
/// what was verified enters: a stranger can neither fill it nor push out what is there.
#[derive(Default)]
pub(crate) struct KnownHeaders {
    /// Those that came first stay. For most verifiers these are all, and to read them nothing is written.
    first: [OnceLock<Known>; FIRST],
    later: ArcSwap<Vec<Known>>,
    learnt: AtomicUsize,
}

#[derive(Clone)]
struct Known {
    segment: Arc<str>,
    header: Header,
}

impl KnownHeaders {
    /// The header that is written so, to the letter.
    pub(crate) fn find(&self, segment: &str) -> Option<Header> {
        let mut first = self.first.iter().map_while(OnceLock::get);
        if let Some(known) = first.find(|one| *one.segment == *segment) {
            return Some(known.header.clone());
        }
        self.find_later(segment)
    }

    fn find_later(&self, segment: &str) -> Option<Header> {
        // There are none as long as there is room among the first.
        self.first.last()?.get()?;
        let known = self.later.load();
        known.iter().find(|one| *one.segment == *segment).map(|one| one.header.clone())
    }

    /// Keeps the header of a token that was good and had one that was not known.
    pub(crate) fn learn(&self, segment: &str, header: &Header) {
        if segment.len() > MAX_SEGMENT {
            return;
        }
        let learnt = || Known { segment: segment.into(), header: header.clone() };
        // Many threads may learn the same one, when a server begins; it takes one place all the same.
        if self.first.iter().any(|place| *place.get_or_init(learnt).segment == *segment) {
            return;
        }
        let count = self.learnt.fetch_add(1, Ordering::Relaxed);
        // Where each token has a header of its own, keeping them all would be work for nothing.
        if count >= MOST && !count.is_multiple_of(RARELY) {
            return;
        }
        let before = self.later.load();
        let mut known = Vec::clone(&before);
        if known.len() < MOST {
            known.push(learnt());
        } else {
            known[count / RARELY % MOST] = learnt();
        }
        // Whoever was quicker has made something newer; this one is learnt another time.
        self.later.compare_and_swap(&*before, Arc::new(known));
    }
}

impl fmt::Debug for KnownHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, later) = (self.first.iter().map_while(OnceLock::get), self.later.load());
        f.debug_list().entries(first.chain(later.iter()).map(|one| &one.header)).finish()
    }
}

/// As many as an issuer has keys in use at once.
const FIRST: usize = 4;
/// All of them, and the first, are compared with a header that is new.
const MOST: usize = 8;
/// In bytes of base64url.
const MAX_SEGMENT: usize = 512;
/// One in so many unknown headers takes the place of another.
const RARELY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kid: usize) -> Header {
        Header::parse(format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn header_is_found_by_its_very_letters() {
        let known = KnownHeaders::default();
        known.learn("abc", &header(1));

        assert_eq!(known.find("abc"), Some(header(1)));
        for other in ["", "ab", "abcd", "abC"] {
            assert_eq!(known.find(other), None, "{other}");
        }
    }

    #[test]
    fn header_that_is_learnt_again_takes_no_second_place() {
        let known = KnownHeaders::default();
        for _ in 0..FIRST {
            known.learn("abc", &header(1));
        }

        assert_eq!(known.first.iter().filter(|place| place.get().is_some()).count(), 1);
    }

    #[test]
    fn number_and_length_are_bounded_and_what_is_used_now_gets_in_before_long() {
        let known = KnownHeaders::default();
        let segments: Vec<String> = (0..FIRST + MOST).map(|n| format!("header {n}")).collect();
        for (n, segment) in segments.iter().enumerate() {
            known.learn(segment, &header(n));
        }
        assert!(segments.iter().all(|segment| known.find(segment).is_some()));

        known.learn(&"a".repeat(MAX_SEGMENT + 1), &header(0));
        let mut tries = 0;
        while known.find("new").is_none() {
            known.learn("new", &header(99));
            tries += 1;
        }

        assert!((2..=RARELY).contains(&tries), "{tries}");
        assert_eq!(known.later.load().len(), MOST);
        let first = known.first.iter().map_while(OnceLock::get);
        let later = known.later.load();
        assert!(first.chain(later.iter()).all(|one| one.segment.len() <= MAX_SEGMENT));
    }
}
