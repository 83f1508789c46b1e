use std::future::Future;

use sqlx::{Connection as _, Transaction};

use super::dialect::Dialect;

/// One call of a store: a transaction that can be repeated.
pub(in crate::state) trait Operation<D: Dialect>: Sync {
    /// The answer of the call.
    type Answer;

    /// Runs the transaction to its end.
    fn run(
        &self,
        connection: &mut D::Connection,
    ) -> impl Future<Output = Result<Self::Answer, sqlx::Error>> + Send;
}

/// Begins a transaction, which is rolled back unless it is committed.
// Not called directly: the compiler would forget that the statement is `'static`.
pub(in crate::state) fn begin<D: Dialect>(
    connection: &mut D::Connection,
) -> impl Future<Output = Result<Transaction<'_, D>, sqlx::Error>> + Send {
    connection.begin_with(D::BEGIN)
}
