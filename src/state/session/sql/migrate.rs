use super::dialect::{Dialect, Lock};
use super::operation::{Operation, begin};
use super::statements::{ADD_VERSION, CREATE_VERSIONS, LAST_VERSION};
use super::value::Value;

/// Creates the tables, or brings them to this version. Tables of a newer version are left alone.
pub(super) struct Migrate;

impl<D: Dialect> Operation<D> for Migrate {
    type Answer = ();

    async fn run(&self, connection: &mut D::Connection) -> Result<(), sqlx::Error> {
        // First without a change, which the database may not allow this user.
        if D::number(connection, D::HAS_VERSIONS, &[]).await? == Some(1)
            && version::<D>(connection).await? >= D::MIGRATIONS.len()
        {
            return Ok(());
        }
        let mut transaction = begin::<D>(connection).await?;
        D::lock(&mut transaction, Lock::Tables).await?;
        D::execute(&mut transaction, CREATE_VERSIONS, &[]).await?;
        let done = version::<D>(&mut transaction).await?;
        for (number, migration) in (1..).zip(D::MIGRATIONS).skip(done) {
            for statement in *migration {
                D::execute(&mut transaction, statement, &[]).await?;
            }
            D::execute(&mut transaction, ADD_VERSION, &[Value::Number(number)]).await?;
        }
        transaction.commit().await
    }
}

async fn version<D: Dialect>(connection: &mut D::Connection) -> Result<usize, sqlx::Error> {
    let last = D::number(connection, LAST_VERSION, &[]).await?;
    Ok(last.map_or(0, |version| usize::try_from(version).unwrap_or(0)))
}
