//! Checks the fields of an answer: its media type and how long it may be kept.

use reqwest::header::{AGE, CACHE_CONTROL, EXPIRES};

use super::finding::Report;
use crate::dates;
use crate::fetch::Answer;
use crate::output::printable;

/// Checks what every document of a provider has.
pub(super) fn check(answer: &Answer, place: &str, report: &mut Report) {
    if let [first, ..] = &answer.redirects[..] {
        report.warning(
            "redirected",
            place,
            format!("{first} redirects to {}, and many verifiers follow no redirect.", answer.url),
            "Answer at the address itself, or configure the address that answers.",
        );
    }
    match answer.media_type().as_deref() {
        Some("application/json" | "application/jwk-set+json") => {}
        Some(kind) => report.warning(
            "content_type",
            place,
            format!("The media type is {}, and some verifiers read JSON only.", printable(kind)),
            "Send `Content-Type: application/json`, or `application/jwk-set+json` for keys.",
        ),
        None => report.warning(
            "content_type",
            place,
            "There is no media type, and some verifiers read JSON only.",
            "Send `Content-Type: application/json`.",
        ),
    }
    if answer.is_cut || answer.body.len() > READ_BYTES {
        report.error(
            "too_large",
            place,
            format!("The document has more than {} KiB, which is the most that verifiers of tower-bearer read.", READ_BYTES / 1024),
            "Publish fewer keys, or leave certificates out.",
        );
    }
}

/// Checks how long keys may be kept.
pub(super) fn check_keys(answer: &Answer, report: &mut Report) {
    let place = "cache headers";
    let fields = answer.headers.get_all(CACHE_CONTROL).iter();
    let fields: Vec<_> = fields.filter_map(|field| field.to_str().ok()).collect();
    let field = fields.join(", ").to_ascii_lowercase();
    let directives: Vec<&str> = field.split(',').map(str::trim).collect();
    let seconds = |name: &str| {
        let value = directives.iter().find_map(|one| one.strip_prefix(name)?.strip_prefix('='))?;
        value.trim_matches('"').parse::<u64>().ok()
    };
    if directives.contains(&"no-store") || directives.contains(&"no-cache") {
        report.warning(
            "not_cacheable",
            place,
            format!("`Cache-Control: {}` forbids to keep the keys, so verifiers that obey ask at each token, or keep \
                     the keys against it.", printable(&field)),
            "Allow some minutes: `Cache-Control: public, max-age=600`.",
        );
        return;
    }
    let age = answer.headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse::<u64>().ok());
    let Some(max_age) = seconds("max-age") else {
        if !answer.headers.contains_key(EXPIRES) {
            report.note(
                "no_cache_headers",
                place,
                "The answer does not say how long the keys may be kept, so each verifier decides (tower-bearer: 10 \
                 minutes).",
                "Send `Cache-Control: public, max-age=600`.",
            );
        }
        return;
    };
    let fresh = max_age.saturating_sub(age.unwrap_or_default());
    if max_age < SHORT {
        report.warning(
            "fresh_too_short",
            place,
            format!("The keys may be kept for {} only, so verifiers fetch them all the time (tower-bearer keeps them \
                     for a minute at least).", dates::span(max_age)),
            "Allow some minutes: `Cache-Control: public, max-age=600`.",
        );
    } else if max_age > LONG {
        report.warning(
            "fresh_too_long",
            place,
            format!("The keys may be kept for {}, so a key that is withdrawn stays in use for that long (tower-bearer \
                     keeps keys for a day at the most).", dates::span(max_age)),
            "Allow at most a day: `Cache-Control: public, max-age=3600`.",
        );
    } else if fresh == 0 {
        report.warning(
            "stale",
            place,
            "The answer of a cache on the way is stale already: `Age` is not below `max-age`.",
            "Check the cache in front of the provider.",
        );
    }
}

/// The most that `HttpFetch` of the library reads by default.
const READ_BYTES: usize = 256 * 1024;
const SHORT: u64 = 60;
const LONG: u64 = 24 * 3600;
