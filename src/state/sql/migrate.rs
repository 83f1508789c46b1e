use std::marker::PhantomData;

use super::dialect::{Dialect, Lock, Schema};
use super::operation::{Operation, begin};
use super::value::Value;

/// Creates the tables of a store, or brings them to this version. Tables of a newer version are left alone.
pub(in crate::state) struct Migrate<S>(PhantomData<S>);

impl<S> Migrate<S> {
    pub(in crate::state) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<D: Dialect, S: Schema<D>> Operation<D> for Migrate<S> {
    type Answer = ();

    async fn run(&self, connection: &mut D::Connection) -> Result<(), sqlx::Error> {
        let versions = S::VERSIONS;
        // First without a change, which the database may not allow this user.
        if D::number(connection, D::HAS_TABLE, &[versions.table.into()]).await? == Some(1)
            && version::<D>(connection, versions.last).await? >= S::MIGRATIONS.len()
        {
            return Ok(());
        }
        let mut transaction = begin::<D>(connection).await?;
        D::lock(&mut transaction, Lock::Tables).await?;
        D::execute(&mut transaction, versions.create, &[]).await?;
        let done = version::<D>(&mut transaction, versions.last).await?;
        for (number, migration) in (1..).zip(S::MIGRATIONS).skip(done) {
            for statement in *migration {
                D::execute(&mut transaction, statement, &[]).await?;
            }
            D::execute(&mut transaction, versions.add, &[Value::Number(number)]).await?;
        }
        transaction.commit().await
    }
}

async fn version<D: Dialect>(
    connection: &mut D::Connection,
    sql: &'static str,
) -> Result<usize, sqlx::Error> {
    let last = D::number(connection, sql, &[]).await?;
    Ok(last.map_or(0, |version| usize::try_from(version).unwrap_or(0)))
}
