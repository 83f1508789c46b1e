//! Says dates in words: "2026-11-29 21:40:12 UTC, 3 minutes ago".

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::Number;

/// Reads a length of time with its unit: "90s", "15m", "8h", "1h 30m", "2d".
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = |_| "write a time such as 90s, 15m, 8h or 2d".to_owned();
    let span: Span = text.parse().map_err(wrong)?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    Duration::try_from(length).map_err(wrong)
}

/// Returns now, in seconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Reads a `NumericDate` (RFC 7519 §2): seconds since 1970, perhaps with a fraction.
pub(crate) fn seconds(number: &Number) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "dates that `Timestamp` refuses are refused below"
    )]
    let seconds =
        number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64))?;
    Timestamp::from_second(seconds).ok().map(|_| seconds)
}

/// Returns a date in UTC, or the number where no calendar has such a date.
pub(crate) fn absolute(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(date) => date.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{seconds} seconds since 1970"),
    }
}

/// Returns a date in UTC as RFC 3339 writes it. `None` where no calendar has such a date.
pub(crate) fn rfc3339(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|date| date.to_string())
}

/// Returns a date as seen from another: "in 5 minutes", "3 days ago", "now".
pub(crate) fn relative(seconds: i64, now: i64) -> String {
    match seconds.saturating_sub(now) {
        0 => "now".to_owned(),
        ahead @ 1.. => format!("in {}", span(ahead.unsigned_abs())),
        ago => format!("{} ago", span(ago.unsigned_abs())),
    }
}

/// Returns a length of time in its two largest units: "1 hour 5 minutes".
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (365 * 24 * 3600, "year"),
        (24 * 3600, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let Some(first) = UNITS.iter().position(|(length, _)| seconds >= *length) else {
        return "0 seconds".to_owned();
    };
    let mut rest = seconds;
    let mut words = Vec::with_capacity(2);
    for (length, unit) in UNITS.iter().skip(first).take(2) {
        let count = rest / length;
        rest %= length;
        match count {
            0 => {}
            1 => words.push(format!("1 {unit}")),
            _ => words.push(format!("{count} {unit}s")),
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_of_time_has_its_unit() {
        let seconds = |text| parse_span(text).map(|length| length.as_secs());

        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("1h 30m"), Ok(5_400));
        assert_eq!(seconds("2d"), Ok(172_800));
        for bad in ["", "15", "-5m", "soon", "1y"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn span_has_its_two_largest_units() {
        assert_eq!(span(0), "0 seconds");
        assert_eq!(span(1), "1 second");
        assert_eq!(span(59), "59 seconds");
        assert_eq!(span(60), "1 minute");
        assert_eq!(span(3_905), "1 hour 5 minutes");
        assert_eq!(span(3_605), "1 hour");
        assert_eq!(span(400 * 24 * 3600), "1 year 35 days");
    }

    #[test]
    fn date_is_ahead_ago_or_now() {
        assert_eq!(relative(100, 100), "now");
        assert_eq!(relative(160, 100), "in 1 minute");
        assert_eq!(relative(98, 100), "2 seconds ago");
        assert_eq!(relative(i64::MIN, i64::MAX), span(i64::MIN.unsigned_abs()) + " ago");
    }

    #[test]
    fn date_beyond_the_calendar_is_its_number() {
        assert_eq!(absolute(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(absolute(i64::MAX), format!("{} seconds since 1970", i64::MAX));
    }

    #[test]
    fn number_with_a_fraction_is_a_date() {
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();

        assert_eq!(seconds(&number("1790000000.9")), Some(1_790_000_000));
        assert_eq!(seconds(&number("1e300")), None);
    }
}
