use crate::state::api_key::{ApiKeyHash, ApiKeyRecord};
use crate::state::sql::dialect::{Dialect, Versions, versions};
use crate::state::sql::value::{Columns, Stored};

/// The table of API keys.
pub(super) struct Tables;

impl Tables {
    pub(super) const TABLE_OF_VERSIONS: Versions = versions!("bearer_api_keys_schema");
}

/// The statements about API keys in which databases differ.
pub(super) trait ApiKeyTables: Dialect {
    /// Returns the key of an id, which no other transaction then changes.
    const FIND_TO_CHANGE: &'static str;
    /// Removes `$2` of the keys that ended or expired at `$1` or before.
    const REMOVE_GONE: &'static str;
}

impl Stored for ApiKeyRecord {
    /// Reads a key from a row of [`columns`](super::statements::columns).
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        let hash = ApiKeyHash::from_bytes(row.hash(1)?);
        let mut record = Self::new(row.text(0)?, hash, row.text(2)?, row.moment(6)?);
        record.label = row.text(3)?;
        record.roles = list(&row.text(4)?)?;
        record.scopes = list(&row.text(5)?)?;
        record.expires_at = row.optional_moment(7)?;
        record.last_used = row.optional_moment(8)?;
        record.disabled = row.flag(9)?;
        record.ended_at = row.optional_moment(10)?;
        record.lifetime = row.optional_duration(11)?;
        Ok(record)
    }
}

/// Writes a list of names as JSON.
pub(super) fn json(list: &[String]) -> String {
    serde_json::to_string(list).expect("a list of texts")
}

fn list(json: &str) -> Result<Vec<String>, sqlx::Error> {
    serde_json::from_str(json).map_err(|_| sqlx::Error::Decode("a list is no JSON".into()))
}
