use crate::state::session::{Session, TokenHash};
use crate::state::sql::dialect::{Dialect, Versions, versions};
use crate::state::sql::value::{Columns, Stored, Value};

/// The tables of sessions.
pub(super) struct Tables;

impl Tables {
    pub(super) const TABLE_OF_VERSIONS: Versions = versions!("bearer_schema");
}

/// The statements about sessions in which databases differ.
pub(super) trait SessionTables: Dialect {
    /// Returns the session of a name, which no other transaction then changes.
    const FIND_TO_CHANGE: &'static str;
    /// Removes sessions that have expired among those that are due.
    const REMOVE_EXPIRED: &'static str;
    /// Puts off those that are due and have not expired.
    const PUT_OFF: &'static str;
}

impl From<TokenHash> for Value<'_> {
    fn from(hash: TokenHash) -> Self {
        Self::Hash(Some(*hash.as_bytes()))
    }
}

impl From<Option<TokenHash>> for Value<'_> {
    fn from(hash: Option<TokenHash>) -> Self {
        Self::Hash(hash.map(|hash| *hash.as_bytes()))
    }
}

impl Stored for Session {
    /// Reads a session from a row of [`columns`](super::statements::columns).
    fn read(row: &dyn Columns) -> Result<Self, sqlx::Error> {
        let hash = TokenHash::from_bytes;
        let current = hash(row.hash(8)?);
        let mut session =
            Self::new(row.text(0)?, row.text(1)?, current, row.moment(4)?, row.moment(7)?);
        session.client_id = row.optional_text(2)?;
        session.device = row.optional_text(3)?;
        session.last_seen = row.moment(5)?;
        session.idle_until = row.moment(6)?;
        session.previous = row.optional_hash(9)?.map(hash);
        session.ended = row.flag(10)?;
        Ok(session)
    }
}
