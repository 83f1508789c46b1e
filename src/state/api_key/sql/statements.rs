//! The SQL that all databases understand.
//!
//! Parameters are written `$1`. A boolean column is a condition by itself, and a boolean parameter is 0 or 1.

/// The columns of a key, in the order in which they are read.
macro_rules! columns {
    () => {
        "id, hash, owner, label, roles, scopes, created_at, expires_at, last_used, disabled, \
         ended_at, lifetime"
    };
}

/// The statement that finds a key by its id, and what is added to it.
macro_rules! find {
    ($more:literal) => {
        concat!("SELECT ", columns!(), " FROM bearer_api_keys WHERE id = $1", $more)
    };
}

/// The statement that removes keys, and what is added to its search.
macro_rules! remove_gone {
    ($more:literal) => {
        concat!(
            "DELETE FROM bearer_api_keys WHERE id IN \
             (SELECT id FROM bearer_api_keys WHERE ended_at <= $1 OR expires_at <= $1 LIMIT $2",
            $more,
            ")"
        )
    };
}

pub(super) use {columns, find, remove_gone};

pub(super) const FIND: &str = find!("");

pub(super) const OF_OWNER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM bearer_api_keys WHERE owner = $1 ORDER BY created_at, id"
);

/// Counts the keys of owner `$1` that are live at `$4`, but for two ids.
pub(super) const COUNT_LIVE: &str = "SELECT count(*) FROM bearer_api_keys \
     WHERE owner = $1 AND id <> $2 AND id <> $3 AND ended_at IS NULL \
     AND (expires_at IS NULL OR expires_at > $4)";

pub(super) const INSERT: &str = concat!(
    "INSERT INTO bearer_api_keys (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CAST($10 AS BIGINT) = 1, $11, $12) \
     ON CONFLICT (id) DO NOTHING"
);

/// Writes what a change can change.
pub(super) const WRITE_CHANGED: &str = "UPDATE bearer_api_keys \
     SET expires_at = $2, disabled = CAST($3 AS BIGINT) = 1, ended_at = $4 WHERE id = $1";

pub(super) const RECORD_USE: &str = "UPDATE bearer_api_keys SET last_used = $2 \
     WHERE id = $1 AND (last_used IS NULL OR last_used < $2)";
