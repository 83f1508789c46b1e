use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::table::Inserted;

/// The counts of the cache of verified tokens since its verifier was created, and its current size.
///
/// See [`Verifier::cache_stats`](crate::Verifier::cache_stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// The number of hits: tokens that were found and still good.
    pub hits: u64,
    /// The number of misses: tokens that were not found, or were found and not good any more.
    pub misses: u64,
    /// The number of tokens that were evicted before they expired.
    pub evictions: u64,
    /// The number of good tokens that were not kept, because there was no room for them: see
    /// [`Verifier::with_cache`](crate::Verifier::with_cache).
    pub turned_away: u64,
    /// The number of tokens in the cache.
    pub entries: usize,
    /// The memory that is counted for them, in bytes.
    pub bytes: usize,
}

/// Counts in stripes. Each thread writes one stripe, so that cores do not wait for each other.
#[derive(Default)]
pub(super) struct Counters {
    /// The stripes of the first threads, one for each. No other thread writes them.
    own: [Stripe; STRIPES],
    /// The stripes of all other threads.
    shared: [Stripe; STRIPES],
}

/// One stripe. Two cores never share its cache line, nor the next line, which is fetched with it.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
    turned_away: AtomicU64,
}

impl Counters {
    #[inline]
    pub(super) fn count_hit(&self) {
        self.add(1, |stripe| &stripe.hits);
    }

    pub(super) fn count_miss(&self) {
        self.add(1, |stripe| &stripe.misses);
    }

    pub(super) fn count_newcomer(&self, &Inserted { is_kept, evictions }: &Inserted) {
        if !is_kept {
            self.add(1, |stripe| &stripe.turned_away);
        } else if evictions > 0 {
            self.add(evictions, |stripe| &stripe.evictions);
        }
    }

    pub(super) fn stats(&self, entries: usize, bytes: usize) -> CacheStats {
        let sum = |counter: fn(&Stripe) -> &AtomicU64| {
            let all = self.own.iter().chain(&self.shared);
            all.map(|stripe| counter(stripe).load(Ordering::Relaxed)).sum()
        };
        CacheStats {
            hits: sum(|stripe| &stripe.hits),
            misses: sum(|stripe| &stripe.misses),
            evictions: sum(|stripe| &stripe.evictions),
            turned_away: sum(|stripe| &stripe.turned_away),
            entries,
            bytes,
        }
    }

    #[inline]
    fn add(&self, count: u64, counter: impl Fn(&Stripe) -> &AtomicU64) {
        match self.own.get(THREAD.get()) {
            Some(stripe) => Self::add_alone(counter(stripe), count),
            None => self.add_elsewhere(count, counter),
        }
    }

    /// Counts in the first call of a thread, or where the stripe of the thread has other writers.
    #[cold]
    fn add_elsewhere(&self, count: u64, counter: impl Fn(&Stripe) -> &AtomicU64) {
        if THREAD.get() == NO_NUMBER {
            THREAD.set(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        let thread = THREAD.get();
        match self.own.get(thread) {
            Some(stripe) => Self::add_alone(counter(stripe), count),
            None => _ = counter(&self.shared[thread % STRIPES]).fetch_add(count, Ordering::Relaxed),
        }
    }

    /// Counts without the lock on the cache line that a `fetch_add` takes.
    #[inline]
    fn add_alone(counter: &AtomicU64, count: u64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }
}

/// The number of threads that have counted.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread, in the order in which threads first counted.
    static THREAD: Cell<usize> = const { Cell::new(NO_NUMBER) };
}

/// The number of a thread that has not counted yet.
const NO_NUMBER: usize = usize::MAX;

const STRIPES: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_lost_however_many_threads_count() {
        const THREADS: usize = 3 * STRIPES;
        let (counters, start) = (Counters::default(), Barrier::new(THREADS));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    (0..250).for_each(|_| counters.count_hit());
                    (0..750).for_each(|_| counters.count_miss());
                    counters.count_newcomer(&Inserted { is_kept: true, evictions: 7 });
                    counters.count_newcomer(&Inserted { is_kept: false, evictions: 0 });
                });
            }
        });

        let all = u64::try_from(THREADS).unwrap();
        let CacheStats { hits, misses, evictions, turned_away, .. } = counters.stats(0, 0);
        assert_eq!((hits, misses, evictions), (250 * all, 750 * all, 7 * all));
        assert_eq!(turned_away, all);
    }

    #[test]
    fn threads_of_any_number_are_counted() {
        let counters = Counters::default();
        for _ in 0..STRIPES * (STRIPES + 2) {
            thread::scope(|scope| {
                scope.spawn(|| counters.count_hit());
            });
        }

        assert_eq!(counters.stats(0, 0).hits, (STRIPES * (STRIPES + 2)) as u64);
    }
}
