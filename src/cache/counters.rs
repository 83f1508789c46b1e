use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What the cache of verified tokens has done since its verifier was made, and what is in it.
///
/// See [`Verifier::cache_stats`](crate::Verifier::cache_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Tokens that were found and still good.
    pub hits: u64,
    /// Tokens that were not found, or were found and not good any more.
    pub misses: u64,
    /// Tokens that had to make room for others before they had expired.
    pub evictions: u64,
    /// Tokens that are kept.
    pub entries: usize,
    /// How much memory is counted for them.
    pub bytes: usize,
}

/// Counters of which each thread writes one, so that cores do not wait for each other's.
#[derive(Default)]
pub(super) struct Counters([Stripe; STRIPES]);

/// As far apart as two cores need it, and the next line that is fetched with the first.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

impl Counters {
    #[inline]
    pub(super) fn count_look_up(&self, found: bool) {
        let stripe = self.own();
        let counter = if found { &stripe.hits } else { &stripe.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_evictions(&self, evictions: u64) {
        if evictions > 0 {
            self.own().evictions.fetch_add(evictions, Ordering::Relaxed);
        }
    }

    pub(super) fn stats(&self, entries: usize, bytes: usize) -> CacheStats {
        let sum = |counter: fn(&Stripe) -> &AtomicU64| {
            self.0.iter().map(|stripe| counter(stripe).load(Ordering::Relaxed)).sum()
        };
        CacheStats {
            hits: sum(|stripe| &stripe.hits),
            misses: sum(|stripe| &stripe.misses),
            evictions: sum(|stripe| &stripe.evictions),
            entries,
            bytes,
        }
    }

    #[inline]
    fn own(&self) -> &Stripe {
        &self.0[OWN.get() % STRIPES]
    }
}

thread_local! {
    /// The number of this thread, in the order in which threads came here.
    static OWN: Cell<usize> = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        Cell::new(THREADS.fetch_add(1, Ordering::Relaxed))
    };
}

const STRIPES: usize = 16;
