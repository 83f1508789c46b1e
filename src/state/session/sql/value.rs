//! Converts between the values of a session and those of a row.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, Row, Type};

use crate::state::session::{Session, TokenHash};

/// The value of a parameter of a statement.
#[derive(Clone, Copy)]
pub(super) enum Value<'v> {
    Text(Option<&'v str>),
    Number(i64),
    Hash(Option<TokenHash>),
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text)
    }
}

impl From<SystemTime> for Value<'_> {
    fn from(moment: SystemTime) -> Self {
        Self::Number(milliseconds(moment))
    }
}

impl From<TokenHash> for Value<'_> {
    fn from(hash: TokenHash) -> Self {
        Self::Hash(Some(hash))
    }
}

/// Returns a statement with its parameters. `write` is applied to each text.
pub(super) fn bound<'q, D: Database>(
    sql: &'static str,
    values: &[Value<'_>],
    write: impl Fn(&str) -> String,
) -> Query<'q, D, D::Arguments>
where
    for<'e> Option<String>: Encode<'e, D> + Type<D>,
    for<'e> Option<Vec<u8>>: Encode<'e, D> + Type<D>,
    for<'e> i64: Encode<'e, D> + Type<D>,
{
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text.map(&write)),
            Value::Number(number) => query.bind(*number),
            Value::Hash(hash) => query.bind(hash.map(|hash| hash.as_bytes().to_vec())),
        };
    }
    query
}

/// Reads a session from a row of [`columns`](super::statements::columns). `read` is applied to each text.
pub(super) fn session<R: Row>(
    row: &R,
    read: impl Fn(String) -> String,
) -> Result<Session, sqlx::Error>
where
    usize: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let moment = |column: usize| row.try_get(column).map(moment);
    let created_at = moment(4)?;
    let current = hash(&row.try_get::<Vec<u8>, _>(8)?)?;
    let mut session =
        Session::new(read(row.try_get(0)?), read(row.try_get(1)?), current, created_at, moment(7)?);
    session.client_id = row.try_get::<Option<String>, _>(2)?.map(&read);
    session.device = row.try_get::<Option<String>, _>(3)?.map(&read);
    session.last_seen = moment(5)?;
    session.idle_until = moment(6)?;
    session.previous =
        row.try_get::<Option<Vec<u8>>, _>(9)?.map(|bytes| hash(&bytes)).transpose()?;
    session.ended = row.try_get(10)?;
    Ok(session)
}

fn hash(bytes: &[u8]) -> Result<TokenHash, sqlx::Error> {
    let bytes = bytes.try_into().map_err(|_| sqlx::Error::Decode("a hash has 32 bytes".into()))?;
    Ok(TokenHash::from_bytes(bytes))
}

/// Returns the milliseconds since 1970. Moments that no number can tell become the farthest that one can.
pub(super) fn milliseconds(moment: SystemTime) -> i64 {
    match moment.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

fn moment(milliseconds: i64) -> SystemTime {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    let moment = if milliseconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    // Nothing here writes such a number. A session that a hand has spoilt has expired.
    moment.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_is_kept_to_the_millisecond() {
        for number in [0, 1, -1, 1_700_000_000_123, -62_135_596_800_000] {
            assert_eq!(milliseconds(moment(number)), number);
        }
        let fraction = UNIX_EPOCH + Duration::from_nanos(1_999_999);
        assert_eq!(milliseconds(fraction), 1);
    }

    #[test]
    fn hash_of_another_length_is_an_error() {
        assert!(hash(&[7; 31]).is_err());
        assert_eq!(hash(&[7; 32]).unwrap(), TokenHash::from_bytes([7; 32]));
    }
}
