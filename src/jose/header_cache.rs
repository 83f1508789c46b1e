//! Caches the headers of accepted tokens: 12 of at most 512 bytes in base64url.
//!
//! A header is found by an exact comparison, so its entry never becomes stale. The first 4 entries
//! never move, and reading them writes nothing, not even a count (30 ns of a token with HS256). 8
//! more are in a list that is copied. When the list is full, one in 64 new headers replaces an
//! entry.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use super::Header;

/// Caches the headers of good tokens, so that the next token with the same header is not parsed
/// again.
///
/// An entry depends on its segment alone, so it never becomes stale. Only headers of verified
/// tokens enter, so a client without a token can neither fill the cache nor evict an entry.
#[derive(Default)]
pub(crate) struct HeaderCache {
    /// The first headers, which are never evicted. For most verifiers these are all, and a look-up
    /// writes nothing.
    first: [OnceLock<CachedHeader>; FIRST],
    later: ArcSwap<Vec<CachedHeader>>,
    learnt: AtomicUsize,
}

#[derive(Clone)]
struct CachedHeader {
    segment: Arc<str>,
    header: Header,
}

impl HeaderCache {
    /// Returns the header that this segment spells. The comparison is exact.
    pub(crate) fn find(&self, segment: &str) -> Option<Header> {
        let mut first = self.first.iter().map_while(OnceLock::get);
        if let Some(known) = first.find(|one| *one.segment == *segment) {
            return Some(known.header.clone());
        }
        self.find_later(segment)
    }

    fn find_later(&self, segment: &str) -> Option<Header> {
        // `later` is empty as long as there is room in `first`.
        self.first.last()?.get()?;
        let known = self.later.load();
        known.iter().find(|one| *one.segment == *segment).map(|one| one.header.clone())
    }

    /// Adds the header of a good token that was not found.
    pub(crate) fn learn(&self, segment: &str, header: &Header) {
        if segment.len() > MAX_SEGMENT {
            return;
        }
        let learnt = || CachedHeader { segment: segment.into(), header: header.clone() };
        // When a server starts, many threads may add the same header at once. It takes one place
        // all the same.
        if self.first.iter().any(|place| *place.get_or_init(learnt).segment == *segment) {
            return;
        }
        let count = self.learnt.fetch_add(1, Ordering::Relaxed);
        // Where each token has a header of its own, it is useless to keep them all.
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
        // If another thread was quicker, its list is newer and stays. This header is added another
        // time.
        self.later.compare_and_swap(&*before, Arc::new(known));
    }
}

impl fmt::Debug for HeaderCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, later) = (self.first.iter().map_while(OnceLock::get), self.later.load());
        f.debug_list().entries(first.chain(later.iter()).map(|one| &one.header)).finish()
    }
}

/// The usual number of keys that an issuer uses at once.
const FIRST: usize = 4;
/// The entries that a new header is compared with, after the first ones.
const MOST: usize = 8;
/// The length of the longest segment that is kept, in bytes of base64url.
const MAX_SEGMENT: usize = 512;
/// One in this many unknown headers replaces an entry.
const RARELY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kid: usize) -> Header {
        Header::parse(format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn header_is_found_by_its_very_letters() {
        let known = HeaderCache::default();
        known.learn("abc", &header(1));

        assert_eq!(known.find("abc"), Some(header(1)));
        for other in ["", "ab", "abcd", "abC"] {
            assert_eq!(known.find(other), None, "{other}");
        }
    }

    #[test]
    fn header_that_is_learnt_again_takes_no_second_place() {
        let known = HeaderCache::default();
        for _ in 0..FIRST {
            known.learn("abc", &header(1));
        }

        assert_eq!(known.first.iter().filter(|place| place.get().is_some()).count(), 1);
    }

    #[test]
    fn number_and_length_are_bounded_and_a_header_in_use_enters_before_long() {
        let known = HeaderCache::default();
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
