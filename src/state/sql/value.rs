//! Converts between the values of a record and those of a row.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, Row, Type};

/// The value of a parameter of a statement.
#[derive(Clone, Copy)]
pub(in crate::state) enum Value<'v> {
    Text(Option<&'v str>),
    Number(i64),
    #[cfg(feature = "api-keys")]
    OptionalNumber(Option<i64>),
    Hash(Option<[u8; HASH_BYTES]>),
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

#[cfg(feature = "api-keys")]
impl From<Option<SystemTime>> for Value<'_> {
    fn from(moment: Option<SystemTime>) -> Self {
        Self::OptionalNumber(moment.map(milliseconds))
    }
}

#[cfg(feature = "api-keys")]
impl From<Option<Duration>> for Value<'_> {
    fn from(duration: Option<Duration>) -> Self {
        let number = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::OptionalNumber(duration.map(number))
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
    for<'e> Option<i64>: Encode<'e, D> + Type<D>,
    for<'e> i64: Encode<'e, D> + Type<D>,
{
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text.map(&write)),
            Value::Number(number) => query.bind(*number),
            #[cfg(feature = "api-keys")]
            Value::OptionalNumber(number) => query.bind(*number),
            Value::Hash(hash) => query.bind(hash.map(|hash| hash.to_vec())),
        };
    }
    query
}

/// A record that is read from a row.
pub(in crate::state) trait Stored: Sized + Send {
    /// Reads the columns of the row, counted from 0.
    fn read(columns: &dyn Columns) -> Result<Self, sqlx::Error>;
}

/// The columns of a row.
pub(in crate::state) trait Columns {
    fn optional_text(&self, column: usize) -> Result<Option<String>, sqlx::Error>;
    fn optional_number(&self, column: usize) -> Result<Option<i64>, sqlx::Error>;
    fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error>;
    fn flag(&self, column: usize) -> Result<bool, sqlx::Error>;
}

impl dyn Columns + '_ {
    pub(in crate::state) fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        self.optional_text(column)?.ok_or_else(is_null)
    }

    pub(in crate::state) fn moment(&self, column: usize) -> Result<SystemTime, sqlx::Error> {
        self.optional_number(column)?.map(moment).ok_or_else(is_null)
    }

    #[cfg(feature = "api-keys")]
    pub(in crate::state) fn optional_moment(
        &self,
        column: usize,
    ) -> Result<Option<SystemTime>, sqlx::Error> {
        Ok(self.optional_number(column)?.map(moment))
    }

    #[cfg(feature = "api-keys")]
    pub(in crate::state) fn optional_duration(
        &self,
        column: usize,
    ) -> Result<Option<Duration>, sqlx::Error> {
        let number = self.optional_number(column)?;
        Ok(number.map(|number| Duration::from_millis(number.unsigned_abs())))
    }

    pub(in crate::state) fn hash(&self, column: usize) -> Result<[u8; HASH_BYTES], sqlx::Error> {
        self.optional_hash(column)?.ok_or_else(is_null)
    }

    pub(in crate::state) fn optional_hash(
        &self,
        column: usize,
    ) -> Result<Option<[u8; HASH_BYTES]>, sqlx::Error> {
        self.optional_bytes(column)?.map(|bytes| hash(&bytes)).transpose()
    }
}

/// The columns of one row. `read` is applied to each text.
pub(super) struct RowColumns<'r, R> {
    pub(super) row: &'r R,
    pub(super) read: fn(String) -> String,
}

impl<R: Row> Columns for RowColumns<'_, R>
where
    usize: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn optional_text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        Ok(self.row.try_get::<Option<String>, _>(column)?.map(self.read))
    }

    fn optional_number(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        self.row.try_get(column)
    }

    fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
        self.row.try_get(column)
    }

    fn flag(&self, column: usize) -> Result<bool, sqlx::Error> {
        self.row.try_get(column)
    }
}

fn hash(bytes: &[u8]) -> Result<[u8; HASH_BYTES], sqlx::Error> {
    bytes.try_into().map_err(|_| sqlx::Error::Decode("a hash has 32 bytes".into()))
}

fn is_null() -> sqlx::Error {
    sqlx::Error::Decode("a column is empty that never is".into())
}

/// Returns the milliseconds since 1970. Moments that no number can tell become the farthest that one can.
pub(in crate::state) fn milliseconds(moment: SystemTime) -> i64 {
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
    // Nothing here writes such a number. A record that a hand has spoilt has expired.
    moment.unwrap_or(UNIX_EPOCH)
}

const HASH_BYTES: usize = 32;

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
        assert_eq!(hash(&[7; 32]).unwrap(), [7; 32]);
    }
}
