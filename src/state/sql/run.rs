use std::fmt;
use std::time::Duration;

use sqlx::Pool;
use tokio::time::{Instant, sleep, timeout_at};

use super::dialect::{Dialect, Trouble};
use super::operation::Operation;
use super::problem::Problem;

/// Runs operations on the connections of a pool, each within a time limit.
pub(in crate::state) struct Runner<D: Dialect> {
    pool: Pool<D>,
    timeout: Duration,
}

impl<D: Dialect> Runner<D> {
    pub(in crate::state) fn new(pool: Pool<D>) -> Self {
        Self { pool, timeout: TIMEOUT }
    }

    pub(in crate::state) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs an operation. It is repeated, until the time is up, when another transaction was in the way or its
    /// connection was broken: after a restart of the database, every connection of a pool is.
    pub(in crate::state) async fn run<O: Operation<D>>(
        &self,
        operation: O,
    ) -> Result<O::Answer, Problem> {
        let deadline = Instant::now() + self.timeout;
        let mut last = None;
        let silent =
            |last: Option<sqlx::Error>| last.map_or(Problem::Silent(self.timeout), Problem::from);
        loop {
            let error = match timeout_at(deadline, self.pool.acquire()).await {
                Err(_) => return Err(silent(last)),
                Ok(Err(sqlx::Error::PoolTimedOut)) if last.is_some() => return Err(silent(last)),
                Ok(Err(error)) => error,
                Ok(Ok(mut connection)) => {
                    match timeout_at(deadline, operation.run(&mut connection)).await {
                        Ok(Ok(answer)) => return Ok(answer),
                        Ok(Err(error)) => {
                            if D::trouble(&error) == Trouble::Broken {
                                connection.close_on_drop();
                            }
                            error
                        }
                        Err(_) => {
                            // The server may be gone without a word, and the next request must not wait for it.
                            if D::CLOSES_SILENT_CONNECTIONS {
                                connection.close_on_drop();
                            }
                            return Err(silent(last));
                        }
                    }
                }
            };
            if D::trouble(&error) == Trouble::Other {
                return Err(error.into());
            }
            last = Some(error);
            if timeout_at(deadline, sleep(PAUSE)).await.is_err() {
                return Err(silent(last));
            }
        }
    }
}

impl<D: Dialect> Clone for Runner<D> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), timeout: self.timeout }
    }
}

impl<D: Dialect> fmt::Debug for Runner<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("connections", &self.pool.size())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The longest time that a call takes, unless the store is told another.
pub(in crate::state) const TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before a repetition.
const PAUSE: Duration = Duration::from_millis(10);
