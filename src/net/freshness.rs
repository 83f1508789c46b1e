//! Computes how long a response is fresh (RFC 9111 §4.2), for a cache that belongs to one program.
//!
//! It is own code because it needs three fields and a stated default only: a cache library brings heuristics that
//! must be switched off.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName};

/// Returns how long the response is fresh. `None` if its fields do not tell.
pub(crate) fn of(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let stated = match max_age(headers) {
        Some(max_age) => max_age,
        None => expires_in(headers, now)?,
    };
    Some(stated.saturating_sub(age(headers)))
}

/// Returns the maximum age that `Cache-Control` states. A response that must not be stored, or must
/// be revalidated before each use, is fresh for zero seconds.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|field| field.to_str().ok());
    let mut max_age = None;
    for directive in fields.flat_map(|field| field.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => {
                // RFC 9111 §4.2.1: the first of several counts, and a value that is not a number means stale.
                let seconds = value.trim().trim_matches('"');
                max_age = max_age.or(Some(delta_seconds(seconds).unwrap_or_default()));
            }
            _ => {}
        }
    }
    max_age
}

/// Compares `Expires` with the sender's clock (`Date`), or with ours if that is missing.
fn expires_in(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    headers.get(EXPIRES)?;
    let date = |name: HeaderName| {
        let field = headers.get(name)?.to_str().ok()?;
        httpdate::parse_http_date(field).ok()
    };
    // RFC 9111 §5.3: an invalid date, above all `0`, counts as past.
    let Some(expires) = date(EXPIRES) else { return Some(Duration::ZERO) };
    Some(expires.duration_since(date(DATE).unwrap_or(now)).unwrap_or_default())
}

fn age(headers: &HeaderMap) -> Duration {
    let age = headers.get(AGE).and_then(|age| age.to_str().ok());
    age.and_then(|age| delta_seconds(age.trim())).unwrap_or_default()
}

fn delta_seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // RFC 9111 §1.2.2: a number that is too large counts as the largest one.
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freshness(fields: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        of(&headers, httpdate::parse_http_date(NOW).unwrap()).map(|fresh| fresh.as_secs())
    }

    const NOW: &str = "Fri, 15 Jan 2027 08:00:00 GMT";

    #[test]
    fn max_age_counts_less_the_age() {
        // RFC 9111 §4.2: Cache-Control, Age, Expires
        for (fields, expected) in [
            (&[("cache-control", "max-age=600")][..], Some(600)),
            (&[("cache-control", "public, MAX-AGE=\"600\", must-revalidate")], Some(600)),
            (&[("cache-control", "max-age=600"), ("age", "200")], Some(400)),
            (&[("cache-control", "max-age=600"), ("age", "900")], Some(0)),
            (&[("cache-control", "max-age=600"), ("age", "-1")], Some(600)),
            (&[("cache-control", "max-age=600, max-age=5")], Some(600)),
            (&[("cache-control", "max-age=99999999999999999999")], Some(4_294_967_295)),
            (&[("cache-control", "max-age=ten")], Some(0)),
            (&[("cache-control", "max-age=600, no-cache")], Some(0)),
            (&[("cache-control", "no-store")], Some(0)),
            (&[("cache-control", "s-maxage=600, x-max-age=5")], None),
            (&[("cache-control", "private"), ("age", "5")], None),
            (&[], None),
        ] {
            assert_eq!(freshness(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn expires_counts_where_there_is_no_max_age() {
        let (at_nine, at_seven) =
            ("Fri, 15 Jan 2027 09:00:00 GMT", "Fri, 15 Jan 2027 07:00:00 GMT");
        for (fields, expected) in [
            (&[("expires", at_nine)][..], Some(3600)),
            (&[("expires", at_nine), ("date", at_seven)], Some(7200)),
            (&[("expires", at_nine), ("age", "600")], Some(3000)),
            (&[("expires", at_nine), ("cache-control", "max-age=60")], Some(60)),
            (&[("expires", at_seven)], Some(0)),
            (&[("expires", "0")], Some(0)),
        ] {
            assert_eq!(freshness(fields), expected, "{fields:?}");
        }
    }
}
