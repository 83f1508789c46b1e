use std::time::SystemTime;

use serde::Serialize;

use super::manager::IssuedApiKey;
use crate::state::api_key::ApiKeyRecord;

/// A key as its owner sees it. There is no hash in it.
#[derive(Serialize)]
pub(super) struct Shown<'r> {
    id: &'r str,
    owner: &'r str,
    label: &'r str,
    roles: &'r [String],
    scopes: &'r [String],
    created_at: String,
    expires_at: Option<String>,
    last_used: Option<String>,
    state: &'static str,
}

impl<'r> Shown<'r> {
    pub(super) fn new(record: &'r ApiKeyRecord, now: SystemTime) -> Self {
        let state = if record.ended_at.is_some() {
            "ended"
        } else if !record.is_live(now) {
            "expired"
        } else if record.disabled {
            "disabled"
        } else {
            "active"
        };
        Self {
            id: &record.id,
            owner: &record.owner,
            label: &record.label,
            roles: &record.roles,
            scopes: &record.scopes,
            created_at: date(record.created_at),
            expires_at: record.expires_at.map(date),
            last_used: record.last_used.map(date),
            state,
        }
    }
}

/// A new key as its owner sees it, once.
#[derive(Serialize)]
pub(super) struct ShownOnce<'r> {
    key: &'r str,
    #[serde(flatten)]
    record: Shown<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Shown<'r>>,
}

impl<'r> ShownOnce<'r> {
    pub(super) fn new(issued: &'r IssuedApiKey, now: SystemTime) -> Self {
        Self {
            key: issued.key.as_str(),
            record: Shown::new(&issued.record, now),
            replaces: issued.replaced.as_ref().map(|old| Shown::new(old, now)),
        }
    }
}

fn date(moment: SystemTime) -> String {
    humantime::format_rfc3339_seconds(moment).to_string()
}
