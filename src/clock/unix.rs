//! Serializes moments as seconds since 1970, for the status of sources.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize as _, Serializer};

#[expect(clippy::ref_option, reason = "serde asks for it")]
pub(crate) fn whole_duration<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs()).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde asks for it")]
pub(crate) fn optional_moment<S: Serializer>(
    at: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    at.map(seconds).serialize(serializer)
}

pub(crate) fn moment<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    seconds(*at).serialize(serializer)
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
