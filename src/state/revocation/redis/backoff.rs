use std::time::Duration;

/// The pauses between attempts to reach Redis.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    longest: Duration,
}

impl Backoff {
    /// No pause is longer than a quarter of the gap that is borne, so that one lost attempt does not
    /// use it up.
    pub(super) fn new(max_gap: Duration) -> Self {
        Self { failures: 0, longest: (max_gap / 4).clamp(FIRST, LONGEST) }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The next pause: from half to the whole of one that doubles, by `jitter` from 0 to 1, so that
    /// two hundred nodes do not come back in the same millisecond.
    pub(super) fn next(&mut self, jitter: f64) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(4));

        let pauses: Vec<_> = (0..7).map(|_| backoff.next(1.0).as_millis()).collect();
        backoff.succeeded();

        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.next(1.0).as_millis(), 50);
    }

    #[test]
    fn pause_is_never_less_than_half_and_never_overflows() {
        let mut backoff = Backoff::new(Duration::MAX);

        for _ in 0..100 {
            backoff.next(0.0);
        }

        assert_eq!(backoff.next(0.0), LONGEST / 2);
        assert_eq!(backoff.next(7.0), LONGEST);
    }
}
