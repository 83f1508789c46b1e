//! Computes the pauses between attempts.
//!
//! The randomness is an argument, so a schedule decides the same for the same input, and tests can compare it with a
//! model. (Crates for retrying, for example `backon`, draw random numbers themselves.)

use std::time::Duration;

/// A pause that doubles with each failure, up to a longest one.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Starts again with the shortest pause, because an attempt has succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns the pause after one more failure, from half to the whole of it by `jitter` from 0 to 1: two
    /// hundred nodes do not come back in the same millisecond.
    pub(crate) fn next(&mut self, jitter: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(self.failures);
        let pause = self.first.saturating_mul(doubled).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        part_of(pause, 0.5 + 0.5 * jitter)
    }
}

/// Returns a part of a duration. It is exact enough for jitter, and never more than the whole.
pub(crate) fn part_of(duration: Duration, part: f64) -> Duration {
    let share = Duration::try_from_secs_f64(duration.as_secs_f64() * part);
    share.map_or(duration, |share| share.min(duration))
}

/// Returns a random number from 0 to 1. Without randomness there is no jitter, which is no reason to stop.
pub(crate) fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

        let pauses: Vec<_> = (0..7).map(|_| backoff.next(1.0).as_millis()).collect();
        backoff.reset();

        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.next(1.0).as_millis(), 50);
    }

    #[test]
    fn jitter_is_anything_from_0_to_1() {
        let jitter: Vec<f64> = (0..100).map(|_| jitter()).collect();

        assert!(jitter.iter().all(|one| (0.0..=1.0).contains(one)), "{jitter:?}");
        // More than the two that whole numbers would be.
        assert!(jitter.iter().any(|one| (0.1..0.9).contains(one)), "{jitter:?}");
    }

    #[test]
    fn pause_is_never_less_than_half_and_never_overflows() {
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(5));
        for (first, longest) in [(first, longest), (Duration::MAX, Duration::MAX)] {
            let mut backoff = Backoff::new(first, longest);

            for _ in 0..100 {
                backoff.next(0.0);
            }

            // Floating point has 53 bits.
            let inexact = Duration::from_secs(longest.as_secs() >> 50);
            assert!(backoff.next(0.0).abs_diff(longest / 2) <= inexact);
            assert_eq!(backoff.next(7.0), longest);
        }
    }
}
