use std::time::SystemTime;

use super::statements::{COUNT_LIVE, FIND, INSERT, OF_OWNER, RECORD_USE, WRITE_CHANGED};
use super::tables::{ApiKeyTables, json};
use crate::state::api_key::{
    ApiKeyChange, ApiKeyCreation, ApiKeyRecord, ApiKeyRotation, ApiKeyRotationOutcome,
    NewApiKeyRecord,
};
use crate::state::sql::dialect::{Dialect, Lock};
use crate::state::sql::operation::{Operation, begin};
use crate::state::sql::value::Value;

/// Finds one key.
pub(super) struct Find<'o>(pub(super) &'o str);

impl<D: Dialect> Operation<D> for Find<'_> {
    type Answer = Option<ApiKeyRecord>;

    async fn run(&self, connection: &mut D::Connection) -> Result<Self::Answer, sqlx::Error> {
        Ok(D::rows(connection, FIND, &[self.0.into()]).await?.pop())
    }
}

/// Finds the keys of an owner.
pub(super) struct OfOwner<'o>(pub(super) &'o str);

impl<D: Dialect> Operation<D> for OfOwner<'_> {
    type Answer = Vec<ApiKeyRecord>;

    async fn run(&self, connection: &mut D::Connection) -> Result<Self::Answer, sqlx::Error> {
        D::rows(connection, OF_OWNER, &[self.0.into()]).await
    }
}

/// Records uses of keys.
pub(super) struct RecordUses<'o>(Vec<&'o (String, SystemTime)>);

impl<'o> RecordUses<'o> {
    pub(super) fn new(uses: &'o [(String, SystemTime)]) -> Self {
        // All transactions lock rows in the same order.
        let mut uses: Vec<_> = uses.iter().collect();
        uses.sort_unstable();
        Self(uses)
    }
}

impl<D: Dialect> Operation<D> for RecordUses<'_> {
    type Answer = ();

    async fn run(&self, connection: &mut D::Connection) -> Result<(), sqlx::Error> {
        for uses in self.0.chunks(AT_ONCE) {
            let mut transaction = begin::<D>(connection).await?;
            for (id, at) in uses {
                let values = [id.as_str().into(), (*at).into()];
                D::execute(&mut transaction, RECORD_USE, &values).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}

impl<D: Dialect> Operation<D> for NewApiKeyRecord {
    type Answer = ApiKeyCreation;

    async fn run(&self, connection: &mut D::Connection) -> Result<ApiKeyCreation, sqlx::Error> {
        let mut transaction = begin::<D>(connection).await?;
        // Of two keys at once, the second counts the first.
        D::lock(&mut transaction, Lock::Owner(&self.record.owner)).await?;
        if is_full::<D>(&mut transaction, &self.record, self.max_per_owner, "").await? {
            transaction.rollback().await?;
            return Ok(ApiKeyCreation::TooMany);
        }
        insert::<D>(&mut transaction, &self.record).await?;
        transaction.commit().await?;
        Ok(ApiKeyCreation::Created)
    }
}

/// Changes a key.
pub(super) struct Change<'o> {
    pub(super) id: &'o str,
    pub(super) owner: Option<&'o str>,
    pub(super) by: ApiKeyChange,
}

impl<D: ApiKeyTables> Operation<D> for Change<'_> {
    type Answer = Option<ApiKeyRecord>;

    async fn run(&self, connection: &mut D::Connection) -> Result<Self::Answer, sqlx::Error> {
        let mut transaction = begin::<D>(connection).await?;
        let found: Vec<ApiKeyRecord> =
            D::rows(&mut transaction, D::FIND_TO_CHANGE, &[self.id.into()]).await?;
        let found = found.into_iter().next();
        let found = found.filter(|record| self.owner.is_none_or(|owner| record.owner == owner));
        let Some(mut record) = found else {
            transaction.rollback().await?;
            return Ok(None);
        };
        self.by.apply(&mut record);
        write::<D>(&mut transaction, &record).await?;
        transaction.commit().await?;
        Ok(Some(record))
    }
}

impl<D: ApiKeyTables> Operation<D> for ApiKeyRotation<'_> {
    type Answer = ApiKeyRotationOutcome;

    async fn run(&self, connection: &mut D::Connection) -> Result<Self::Answer, sqlx::Error> {
        let mut transaction = begin::<D>(connection).await?;
        // Before the row, as in `NewApiKeyRecord`.
        D::lock(&mut transaction, Lock::Owner(&self.new.owner)).await?;
        let found: Vec<ApiKeyRecord> =
            D::rows(&mut transaction, D::FIND_TO_CHANGE, &[self.id.into()]).await?;
        let found = found.into_iter().next();
        let Some(mut old) = found.filter(|old| self.is_possible(old)) else {
            transaction.rollback().await?;
            return Ok(ApiKeyRotationOutcome::Unknown);
        };
        if is_full::<D>(&mut transaction, &self.new, self.max_per_owner, self.id).await? {
            transaction.rollback().await?;
            return Ok(ApiKeyRotationOutcome::TooMany);
        }
        self.apply(&mut old);
        write::<D>(&mut transaction, &old).await?;
        insert::<D>(&mut transaction, &self.new).await?;
        transaction.commit().await?;
        Ok(ApiKeyRotationOutcome::Rotated(Box::new(old)))
    }
}

/// Removes keys that have been gone for long.
pub(super) struct Sweep(pub(super) SystemTime);

impl<D: ApiKeyTables> Operation<D> for Sweep {
    /// Whether there may be more.
    type Answer = bool;

    async fn run(&self, connection: &mut D::Connection) -> Result<bool, sqlx::Error> {
        let values = [self.0.into(), Value::Number(BATCH)];
        let removed = D::execute(connection, D::REMOVE_GONE, &values).await?;
        Ok(removed >= BATCH.unsigned_abs())
    }
}

/// Returns whether one more live key is too many, beside those of two ids.
async fn is_full<D: Dialect>(
    connection: &mut D::Connection,
    new: &ApiKeyRecord,
    max: Option<usize>,
    old: &str,
) -> Result<bool, sqlx::Error> {
    let Some(max) = max else { return Ok(false) };
    let owner = new.owner.as_str().into();
    let values = [owner, new.id.as_str().into(), old.into(), new.created_at.into()];
    let others = D::number(connection, COUNT_LIVE, &values).await?.unwrap_or_default();
    Ok(usize::try_from(others).unwrap_or(usize::MAX) >= max)
}

async fn insert<D: Dialect>(
    connection: &mut D::Connection,
    record: &ApiKeyRecord,
) -> Result<(), sqlx::Error> {
    let (roles, scopes) = (json(&record.roles), json(&record.scopes));
    let values = [
        record.id.as_str().into(),
        Value::Hash(Some(*record.hash.as_bytes())),
        record.owner.as_str().into(),
        record.label.as_str().into(),
        roles.as_str().into(),
        scopes.as_str().into(),
        record.created_at.into(),
        record.expires_at.into(),
        record.last_used.into(),
        Value::Number(record.disabled.into()),
        record.ended_at.into(),
        record.lifetime.into(),
    ];
    D::execute(connection, INSERT, &values).await?;
    Ok(())
}

async fn write<D: Dialect>(
    connection: &mut D::Connection,
    record: &ApiKeyRecord,
) -> Result<(), sqlx::Error> {
    let disabled = Value::Number(record.disabled.into());
    let id = record.id.as_str().into();
    let values = [id, record.expires_at.into(), disabled, record.ended_at.into()];
    D::execute(connection, WRITE_CHANGED, &values).await?;
    Ok(())
}

/// The number of uses that one transaction records.
const AT_ONCE: usize = 100;
/// The number of keys that one transaction removes.
const BATCH: i64 = 1_000;
