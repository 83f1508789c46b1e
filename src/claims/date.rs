use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::clock::{LATEST, Time};

/// A moment as RFC 7519 §2 writes it: seconds since 1970 UTC, possibly fractional.
///
/// Every JSON number is accepted. A number outside the range of 64-bit seconds becomes the nearest
/// end of the range, so that absurd dates do not wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate {
    seconds: i64,
    nanos: u32,
}

impl NumericDate {
    pub(crate) const MIN: Self = Self::from_seconds(i64::MIN);
    pub(crate) const MAX: Self = Self { seconds: i64::MAX, nanos: NANOS - 1 };

    /// Creates a moment in whole seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Returns the whole seconds since 1970, rounded towards the past.
    pub const fn as_seconds(self) -> i64 {
        self.seconds
    }

    /// Converts the moment to system time. Before 1970 becomes 1970, and after the year 9999
    /// becomes the end of that year.
    pub fn to_system_time(self) -> SystemTime {
        let since = match u64::try_from(self.seconds) {
            Ok(seconds) => Duration::new(seconds, self.nanos),
            Err(_) => Duration::ZERO,
        };
        UNIX_EPOCH + since.min(END_OF_9999)
    }

    pub(crate) fn saturating_add(self, duration: Duration) -> Self {
        let nanos = self.nanos + duration.subsec_nanos();
        let carry = i64::from(nanos >= NANOS);
        let whole = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let seconds = self.seconds.saturating_add(whole).checked_add(carry);
        seconds.map_or(Self::MAX, |seconds| Self { seconds, nanos: nanos % NANOS })
    }

    pub(crate) fn saturating_sub(self, duration: Duration) -> Self {
        let part = duration.subsec_nanos();
        let borrowed = u32::from(self.nanos < part);
        let whole = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let seconds = self.seconds.saturating_sub(whole).checked_sub(borrowed.into());
        let nanos = self.nanos + NANOS * borrowed - part;
        seconds.map_or(Self::MIN, |seconds| Self { seconds, nanos })
    }

    /// Returns the end of the second that contains the moment. A whole second stays as it is.
    pub(crate) fn rounded_up(self) -> Self {
        Self::from_seconds(self.seconds.saturating_add(i64::from(self.nanos > 0)))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    fn from_f64(value: f64) -> Self {
        let seconds = value.floor();
        Self {
            seconds: seconds as i64,
            nanos: (((value - seconds) * f64::from(NANOS)) as u32).min(NANOS - 1),
        }
    }
}

impl From<SystemTime> for NumericDate {
    #[inline]
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self::from_seconds(0).saturating_add(since),
            Err(before) => Self::from_f64(-before.duration().as_secs_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_any`: with serde_json's `arbitrary_precision`, which any crate of an
        // application may switch on, it presents numbers as maps.
        deserializer.deserialize_f64(DateVisitor)
    }
}

struct DateVisitor;

impl Visitor<'_> for DateVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds since 1970")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<NumericDate, E> {
        Ok(NumericDate::from_seconds(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<NumericDate, E> {
        Ok(NumericDate::from_seconds(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<NumericDate, E> {
        Ok(NumericDate::from_f64(value))
    }
}

/// The value of a claim that is a date, or says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DateClaim {
    #[default]
    Absent,
    Null,
    // Not a `NumericDate`, in which the tag of the enum has no room.
    Date {
        seconds: i64,
        nanos: u32,
    },
    /// A value that is no number.
    Other,
}

impl DateClaim {
    pub(super) fn of(NumericDate { seconds, nanos }: NumericDate) -> Self {
        Self::Date { seconds, nanos }
    }

    pub(super) fn date(self) -> Option<NumericDate> {
        match self {
            Self::Date { seconds, nanos } => Some(NumericDate { seconds, nanos }),
            Self::Absent | Self::Null | Self::Other => None,
        }
    }
}

/// A span of time: includes its start, excludes its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: NumericDate,
    end: NumericDate,
}

impl Span {
    pub(crate) fn new(start: NumericDate, end: NumericDate) -> Self {
        Self { start, end }
    }

    pub(crate) fn end(self) -> NumericDate {
        self.end
    }

    pub(crate) fn contains(self, now: NumericDate) -> bool {
        self.start <= now && now < self.end
    }

    /// Returns whether the span contains the present.
    #[inline]
    pub(crate) fn contains_now(&self, time: &Time) -> bool {
        self.about_now(time).is_some() || self.contains_exactly_now(time)
    }

    #[inline(never)]
    fn contains_exactly_now(&self, time: &Time) -> bool {
        self.contains(time.now().into())
    }

    /// Returns the present, exactly enough to decide whether it is in the span.
    #[inline]
    pub(crate) fn now(&self, time: &Time) -> NumericDate {
        match self.about_now(time) {
            Some(about) => NumericDate::from_seconds(about),
            None => time.now().into(),
        }
    }

    /// Returns the present to about a second, if that is enough to know that it is in the span.
    /// Close to either end the exact time is worth its cost.
    #[inline]
    fn about_now(&self, time: &Time) -> Option<i64> {
        time.about_now().filter(|about| self.surely_contains(*about, LATEST))
    }

    /// Returns whether the span contains this second and all moments in the `late` seconds after
    /// it.
    #[inline]
    pub(crate) fn surely_contains(&self, second: i64, late: i64) -> bool {
        self.start.rounded_up().seconds <= second && second.saturating_add(late) < self.end.seconds
    }
}

const NANOS: u32 = 1_000_000_000;
const END_OF_9999: Duration = Duration::from_secs(253_402_300_799);

#[cfg(test)]
mod tests {
    use super::*;

    fn date(json: &str) -> NumericDate {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn fractions_are_kept() {
        // RFC 7519 §2: dates may be fractional
        assert!(date("1.5") > date("1"));
        assert!(date("1.5") < date("2"));
        assert!(date("-1.5") < date("-1"));
        assert_eq!(date("-1.5").as_seconds(), -2);
    }

    #[test]
    fn absurd_numbers_become_the_nearest_end() {
        // RFC 7519 §2: huge and negative dates do not overflow
        for huge in ["9223372036854775807", "18446744073709551615", "1e300", "99999999999999999999"]
        {
            assert_eq!(date(huge).as_seconds(), i64::MAX, "{huge}");
            assert_eq!(date(huge).saturating_add(Duration::MAX).as_seconds(), i64::MAX);
            assert_eq!(date(huge).to_system_time(), UNIX_EPOCH + END_OF_9999);
        }
        assert_eq!(date("-1e300").as_seconds(), i64::MIN);
        assert_eq!(date("-1e300").to_system_time(), UNIX_EPOCH);
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        // RFC 7519 §2: a date is a JSON number
        for json in ["\"1\"", "null", "true", "[1]", "{}"] {
            assert!(serde_json::from_str::<NumericDate>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn time_is_exact_wherever_it_decides() {
        let now = || NumericDate::from(Time::OfSystem.now());
        let soon = |seconds| now().saturating_add(Duration::from_secs(seconds));
        for (start, end) in [
            (NumericDate::MIN, soon(2)),
            (now(), NumericDate::MAX),
            (soon(2), NumericDate::MAX),
            (NumericDate::MIN, now()),
        ] {
            let before = now();
            let said = Span::new(start, end).now(&Time::OfSystem);
            assert!(before <= said && said <= now(), "{before:?} {said:?}");
            assert_eq!(
                Span::new(start, end).contains_now(&Time::OfSystem),
                start <= said && said < end
            );
        }

        let far = Span::new(NumericDate::MIN, NumericDate::MAX);
        let late = soon(0).seconds - far.now(&Time::OfSystem).seconds;
        assert!((0..=LATEST).contains(&late), "{late}");
    }

    #[test]
    fn times_before_1970_are_dates_too() {
        let time = UNIX_EPOCH - Duration::from_millis(1500);

        assert_eq!(NumericDate::from(time), date("-1.5"));
    }

    #[test]
    fn sums_and_differences_carry_into_the_next_second() {
        let at = |seconds, nanos| NumericDate { seconds, nanos };
        for (one, duration, other) in [
            (at(5, 300), Duration::new(2, 0), at(7, 300)),
            (at(5, 300), Duration::new(2, 500), at(7, 800)),
            (at(5, 0), Duration::new(2, 500), at(7, 500)),
            (at(5, 300), Duration::new(2, NANOS - 301), at(7, NANOS - 1)),
            (at(5, 300), Duration::new(2, NANOS - 300), at(8, 0)),
            (at(-5, 300), Duration::new(2, NANOS - 1), at(-2, 299)),
        ] {
            assert_eq!(one.saturating_add(duration), other, "{one:?} + {duration:?}");
            assert_eq!(other.saturating_sub(duration), one, "{other:?} - {duration:?}");
        }
    }

    #[test]
    fn fraction_that_is_rounded_to_a_whole_second_stays_below_it() {
        let just_before_1970 = NumericDate { seconds: -1, nanos: NANOS - 1 };

        assert_eq!(date("-1e-17"), just_before_1970);
    }

    #[test]
    fn span_surely_contains_what_is_far_enough_from_both_ends() {
        let span = Span::new(NumericDate { seconds: 3, nanos: 1 }, NumericDate::from_seconds(10));

        let sure: Vec<i64> = (0..12).filter(|second| span.surely_contains(*second, 2)).collect();

        assert_eq!(sure, [4, 5, 6, 7]);
    }

    #[test]
    fn what_is_no_date_is_told_what_one_is() {
        let error = serde_json::from_str::<NumericDate>("\"1\"").unwrap_err().to_string();

        assert!(error.contains("expected a number of seconds since 1970"), "{error}");
    }
}
