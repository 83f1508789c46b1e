//! The SQL that all databases understand.
//!
//! Parameters are written `$1`. A boolean column is a condition by itself.

/// The columns of a session, in the order in which they are read.
macro_rules! columns {
    () => {
        "id, subject, client_id, device, created_at, last_seen, idle_until, expires_at, \
         current_hash, previous_hash, ended"
    };
}

/// The statement that finds a session by its name, and what is added to it.
macro_rules! find {
    ($more:literal) => {
        concat!("SELECT ", columns!(), " FROM bearer_sessions WHERE id = $1", $more)
    };
}

/// The statements that look after sessions that are due, and what is added to their search.
macro_rules! remove_expired {
    ($more:literal) => {
        concat!(
            "DELETE FROM bearer_sessions WHERE (idle_until <= $1 OR expires_at <= $1) AND id IN \
             (SELECT id FROM bearer_sessions WHERE check_at <= $1 ORDER BY check_at LIMIT $2",
            $more,
            ")"
        )
    };
}

macro_rules! put_off {
    ($more:literal) => {
        concat!(
            "UPDATE bearer_sessions SET check_at = \
             CASE WHEN idle_until < expires_at THEN idle_until ELSE expires_at END \
             WHERE idle_until > $1 AND expires_at > $1 AND id IN \
             (SELECT id FROM bearer_sessions WHERE check_at <= $1 ORDER BY check_at LIMIT $2",
            $more,
            ")"
        )
    };
}

pub(super) use {columns, find, put_off, remove_expired};

/// Exchanges the current token: `$1` id, `$2` presented, `$3` next, `$4` client, `$5` now, `$6` idle until.
///
/// This is the first case of `Rotation::apply`. No column of an index changes, so PostgreSQL does not touch the
/// indexes.
pub(super) const ROTATE_CURRENT: &str = concat!(
    "UPDATE bearer_sessions SET previous_hash = current_hash, current_hash = $3, \
     last_seen = CASE WHEN last_seen < $5 THEN $5 ELSE last_seen END, \
     idle_until = CASE WHEN idle_until < $6 THEN $6 ELSE idle_until END \
     WHERE id = $1 AND current_hash = $2 AND client_id IS NOT DISTINCT FROM $4 \
     AND NOT ended AND idle_until > $5 AND expires_at > $5 \
     RETURNING ",
    columns!()
);

/// Writes the outcome of `Rotation::apply`: `$1` id, `$2` last seen, `$3` idle until.
pub(super) const WRITE_REPEATED: &str =
    "UPDATE bearer_sessions SET last_seen = $2, idle_until = $3 WHERE id = $1";

/// Also writes the tokens: `$4` current, `$5` previous.
pub(super) const WRITE_ROTATED: &str = "UPDATE bearer_sessions SET last_seen = $2, idle_until = $3, \
     current_hash = $4, previous_hash = $5 WHERE id = $1";

pub(super) const WRITE_ENDED: &str = "UPDATE bearer_sessions SET ended = TRUE WHERE id = $1";

pub(super) const INSERT: &str = concat!(
    "INSERT INTO bearer_sessions (",
    columns!(),
    ", check_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, FALSE, $11) \
     ON CONFLICT (id) DO NOTHING"
);

/// Returns a number when all sessions of subject `$1` were ended at `$2` or later.
pub(super) const IS_SUPERSEDED: &str =
    "SELECT ended_up_to FROM bearer_subjects WHERE subject = $1 AND ended_up_to >= $2";

/// Ends the oldest live sessions of subject `$1` at `$2`, but for `$4` of the others than `$3`.
pub(super) const END_OLDEST: &str = concat!(
    "UPDATE bearer_sessions SET ended = TRUE WHERE NOT ended AND id IN \
     (SELECT id FROM bearer_sessions WHERE subject = $1 AND NOT ended AND idle_until > $2 \
     AND expires_at > $2 AND id <> $3 ORDER BY created_at DESC, id DESC \
     LIMIT 9223372036854775807 OFFSET $4) RETURNING ",
    columns!()
);

pub(super) const LIVE_OF_SUBJECT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM bearer_sessions WHERE subject = $1 AND NOT ended AND idle_until > $2 \
     AND expires_at > $2 ORDER BY created_at, id"
);

pub(super) const END: &str = concat!(
    "UPDATE bearer_sessions SET ended = TRUE \
     WHERE id = $1 AND (CAST($2 AS TEXT) IS NULL OR subject = $2) RETURNING ",
    columns!()
);

/// Refuses sign-ins of subject `$1` that began at `$2` or before.
pub(super) const SUPERSEDE: &str = "INSERT INTO bearer_subjects (subject, ended_up_to) VALUES ($1, $2) \
     ON CONFLICT (subject) DO UPDATE SET ended_up_to = excluded.ended_up_to \
     WHERE bearer_subjects.ended_up_to < excluded.ended_up_to";

pub(super) const END_ALL: &str = concat!(
    "UPDATE bearer_sessions SET ended = TRUE \
     WHERE subject = $1 AND id IS DISTINCT FROM $2 RETURNING ",
    columns!()
);

pub(super) const REMOVE_ENDED: &str = "DELETE FROM bearer_sessions WHERE id = $1 AND ended";

pub(super) const SOME_ENDED: &str =
    concat!("SELECT ", columns!(), " FROM bearer_sessions WHERE ended LIMIT $1");

pub(super) const FORGET_SUPERSEDED: &str = "DELETE FROM bearer_subjects WHERE ended_up_to <= $1";
