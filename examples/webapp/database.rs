//! Opens the database: SQLite or PostgreSQL, with the same tables and nearly the same SQL.

use std::time::{Duration, SystemTime};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tower_bearer::clock::{Clock as _, SystemClock};

use crate::settings::wrong;

/// The database of users, and of the secrets that all instances share.
#[derive(Clone)]
pub enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same lines for each kind of pool. Both databases understand `$1`.
macro_rules! with_pool {
    ($database:expr, $pool:ident => $lines:expr) => {
        match $database {
            Database::Sqlite($pool) => $lines,
            Database::Postgres($pool) => $lines,
        }
    };
}
pub(crate) use with_pool;

impl Database {
    /// Opens the database, and creates the tables if they are not there.
    pub async fn open(url: &str) -> Result<Self, String> {
        let opened = if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url).await
        } else {
            return Err(wrong("DATABASE_URL", "begins neither with sqlite: nor with postgres:"));
        };
        // The message does not hold the URL, which may hold a password.
        opened.map_err(|error| wrong("DATABASE_URL", error))
    }

    async fn open_sqlite(url: &str) -> Result<Self, sqlx::Error> {
        let options: SqliteConnectOptions = url.parse()?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A refresh that a power failure took back would look like theft.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        // The file holds the keys that sign tokens: it is made before SQLite makes it, for its owner alone.
        #[cfg(unix)]
        if !is_in_memory(url) {
            use std::os::unix::fs::OpenOptionsExt as _;
            let mut file = std::fs::OpenOptions::new();
            // SQLite says what is wrong with it.
            drop(file.create(true).append(true).mode(0o600).open(options.get_filename()));
        }
        // One connection, for ever: SQLite has one writer, and a database in memory ends with it.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        for table in TABLES {
            sqlx::query(table).execute(&pool).await?;
        }
        Ok(Self::Sqlite(pool))
    }

    async fn open_postgres(url: &str) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.options([("statement_timeout", "4s")]);
        let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(5));
        let pool = pool.connect_with(options).await?;
        // Two instances that start together do not both create the tables.
        let mut transaction = pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(7519)").execute(&mut *transaction).await?;
        for table in TABLES {
            sqlx::query(table).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(Self::Postgres(pool))
    }

    /// Returns a value that all instances share. The first instance makes it.
    pub async fn shared(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<String, String>,
    ) -> Result<String, String> {
        let problem = |error| wrong("DATABASE_URL", error);
        if let Some(value) = self.find_shared(name).await.map_err(problem)? {
            return Ok(value);
        }
        let insert = "INSERT INTO shared (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let new = make()?;
        with_pool!(self, pool => {
            sqlx::query(insert).bind(name).bind(new).execute(pool).await.map(drop)
        })
        .map_err(problem)?;
        // Not the value that was made here: another instance may have been first.
        let value = self.find_shared(name).await.map_err(problem)?;
        value.ok_or_else(|| wrong("DATABASE_URL", "a row that was written is not there"))
    }

    async fn find_shared(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
        let select = "SELECT value FROM shared WHERE name = $1";
        with_pool!(self, pool => {
            sqlx::query_scalar(select).bind(name).fetch_optional(pool).await
        })
    }

    /// Returns whether the database answers.
    pub async fn is_ready(&self) -> bool {
        with_pool!(self, pool => sqlx::query("SELECT 1").execute(pool).await.is_ok())
    }
}

/// Returns whether the database of this address ends with the program.
pub fn is_in_memory(url: &str) -> bool {
    url == "sqlite::memory:" || url.contains("mode=memory")
}

/// Returns the seconds since 1970.
pub fn now() -> i64 {
    let since = SystemClock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Sessions have tables of their own, which `SqliteSessions` and `PostgresSessions` create.
const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS users (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        compared_name TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        roles TEXT NOT NULL,
        created_at BIGINT NOT NULL
    )",
    "CREATE TABLE IF NOT EXISTS shared (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
];
