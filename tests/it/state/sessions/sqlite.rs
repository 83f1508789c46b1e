use std::error::Error as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tower_bearer::session::{RotationOutcome, SessionStore as _, SqliteSessions};

use super::at_once::{self, TwoNodes};
use super::{contract, same};

async fn in_memory() -> SqliteSessions {
    SqliteSessions::connect("sqlite::memory:").await.unwrap()
}

#[tokio::test]
async fn sqlite_in_memory_keeps_the_contract_of_a_store() {
    contract::all(in_memory).await;
}

#[tokio::test]
async fn sqlite_in_a_file_keeps_the_contract_of_a_store() {
    let folder = Folder::new();
    let files = AtomicU32::new(0);

    contract::all(async || {
        let number = files.fetch_add(1, Ordering::Relaxed);
        folder.open(&format!("{number}.db")).await
    })
    .await;
}

#[tokio::test]
async fn two_nodes_on_one_file_keep_the_contract_of_a_store() {
    let folder = Folder::new();
    let files = AtomicU32::new(0);

    contract::all(async || {
        let file = format!("{}.db", files.fetch_add(1, Ordering::Relaxed));
        TwoNodes::new(folder.open(&file).await, folder.open(&file).await)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundred_refreshes_at_once_end_with_one_successor() {
    let folder = Folder::new();

    contract::hundred_refreshes_at_once(in_memory().await).await;
    contract::hundred_refreshes_at_once(folder.open("one.db").await).await;
    let nodes = TwoNodes::new(folder.open("two.db").await, folder.open("two.db").await);
    contract::hundred_refreshes_at_once(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_on_one_file_are_one_store() {
    let folder = Folder::new();
    let nodes = async |file| TwoNodes::new(folder.open(file).await, folder.open(file).await);

    at_once::sign_ins_do_not_pass_the_limit(nodes("limit.db").await).await;
    at_once::no_sign_in_gets_past_the_end_of_all(nodes("all.db").await).await;
    at_once::calls_of_every_kind_succeed(nodes("kinds.db").await).await;
}

#[tokio::test]
async fn sqlite_decides_as_the_store_in_memory() {
    for seed in 0..10 {
        same::as_in_memory(in_memory().await, seed).await;
    }
}

#[tokio::test]
async fn sessions_are_there_after_a_restart_and_in_a_clone() {
    let folder = Folder::new();
    let store = folder.open("s.db").await;
    contract::fill(&store, "alice", 2).await;
    store.clone().rotate(contract::rotation("alice-0", 0, 50)).await.unwrap();
    drop(store);

    let store = folder.open("s.db").await;

    assert_eq!(store.of_subject("alice", contract::at(51)).await.unwrap().len(), 2);
    let outcome = store.rotate(contract::rotation("alice-0", 1, 51)).await.unwrap();
    assert!(matches!(&outcome, RotationOutcome::Rotated(_)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_create_the_tables_once() {
    let folder = Folder::new();
    let url = folder.url("s.db");

    let starting: Vec<_> = (0..16)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { SqliteSessions::connect(&url).await })
        })
        .collect();
    for node in starting {
        contract::fill(&node.await.unwrap().unwrap(), "alice", 1).await;
    }

    let pool = folder.pool("s.db").await;
    let versions = sqlx::query("SELECT version FROM bearer_schema").fetch_all(&pool).await.unwrap();
    let versions: Vec<i64> = versions.iter().map(|row| row.get(0)).collect();
    assert_eq!(versions, [1]);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let folder = Folder::new();
    let pool = folder.pool("s.db").await;
    SqliteSessions::from_pool(pool.clone()).await.unwrap();
    execute(&pool, "INSERT INTO bearer_schema VALUES (2)").await;
    execute(&pool, "ALTER TABLE bearer_sessions ADD COLUMN newer TEXT").await;

    let store = SqliteSessions::from_pool(pool).await.unwrap();

    contract::fill(&store, "alice", 1).await;
    assert_eq!(store.of_subject("alice", contract::at(1)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pool_of_the_application_is_used_beside_its_own_tables() {
    let folder = Folder::new();
    let pool = folder.pool("app.db").await;
    // As the migrations of sqlx name theirs.
    execute(&pool, "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY)").await;
    execute(&pool, "CREATE TABLE sessions (id TEXT PRIMARY KEY)").await;

    let store = SqliteSessions::from_pool(pool.clone()).await.unwrap();
    contract::hundred_refreshes_at_once(store).await;

    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let tables = sqlx::query(tables).fetch_all(&pool).await.unwrap();
    let tables: Vec<String> = tables.iter().map(|row| row.get(0)).collect();
    let own = ["bearer_schema", "bearer_sessions", "bearer_subjects"];
    assert_eq!(tables, [&["_sqlx_migrations"], &own[..], &["sessions"]].concat());
}

#[tokio::test]
async fn text_with_a_null_character_is_kept() {
    let store = in_memory().await;
    contract::fill(&store, "a\0b", 1).await;
    contract::fill(&store, "a", 1).await;

    let found = store.of_subject("a\0b", contract::at(1)).await.unwrap();

    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, "a\0b");
}

#[tokio::test]
async fn sweep_removes_what_has_expired_and_nothing_else() {
    let folder = Folder::new();
    let pool = folder.pool("s.db").await;
    let store = SqliteSessions::from_pool(pool.clone()).await.unwrap();
    contract::fill(&store, "alice", 1_500).await;
    store.rotate(contract::rotation("alice-7", 0, 90)).await.unwrap();

    store.sweep(contract::at(99)).await.unwrap();
    assert_eq!(count(&pool, "bearer_sessions").await, 1_500);
    while store.sweep(contract::at(150)).await.unwrap().has_more {}
    assert_eq!(count(&pool, "bearer_sessions").await, 1);
    store.sweep(contract::at(190)).await.unwrap();

    assert_eq!(count(&pool, "bearer_sessions").await, 0);
}

#[tokio::test]
async fn moment_of_the_end_of_all_is_forgotten_when_no_sign_in_can_be_older() {
    let folder = Folder::new();
    let pool = folder.pool("s.db").await;
    let store = SqliteSessions::from_pool(pool.clone()).await.unwrap();
    store.end_all("alice", None, contract::at(0)).await.unwrap();

    store.sweep(contract::at(899)).await.unwrap();
    assert_eq!(count(&pool, "bearer_subjects").await, 1);
    store.sweep(contract::at(900)).await.unwrap();

    assert_eq!(count(&pool, "bearer_subjects").await, 0);
}

#[tokio::test]
async fn call_ends_when_another_program_keeps_the_file_locked() {
    let folder = Folder::new();
    let store = folder.open("s.db").await.with_timeout(Duration::from_millis(200));
    contract::fill(&store, "alice", 1).await;
    let other = folder.pool("s.db").await;
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let refused = store.rotate(contract::rotation("alice-0", 0, 50)).await.unwrap_err();

    let source = refused.source().unwrap().to_string();
    assert!(source.contains("did not answer in 200ms"), "{source}");
    transaction.rollback().await.unwrap();
    // The statement that was given up waits on, so the token may be exchanged already.
    let store = store.with_timeout(Duration::from_secs(60));
    let outcome = store.rotate(contract::rotation("alice-0", 0, 50)).await.unwrap();
    let is_good = matches!(&outcome, RotationOutcome::Rotated(_) | RotationOutcome::Repeated(_));
    assert!(is_good, "{outcome:?}");
}

#[tokio::test]
async fn database_that_cannot_be_used_is_told_with_its_reason() {
    let folder = Folder::new();
    std::fs::write(folder.0.join("text"), "this is no database, and long enough".repeat(100))
        .unwrap();

    for (url, reason) in [
        ("sqlite:///no/such/folder/s.db".to_owned(), "unable to open database file"),
        (folder.url("text"), "file is not a database"),
        ("sqlite://s.db?password=secret".to_owned(), "cannot be read"),
    ] {
        let refused = SqliteSessions::connect(&url).await.unwrap_err();

        let source = refused.source().unwrap().to_string();
        assert!(source.contains(reason), "{source}");
        assert!(!format!("{refused:?}").contains("secret"));
    }
}

/// A folder for files of databases, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-bearer-{}-sqlite-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub fn url(&self, file: &str) -> String {
        format!("sqlite://{}", self.0.join(file).display())
    }

    pub async fn open(&self, file: &str) -> SqliteSessions {
        SqliteSessions::connect(&self.url(file)).await.unwrap()
    }

    /// An application's pool, with options of its own.
    async fn pool(&self, file: &str) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(self.0.join(file));
        // These tests lose no power.
        let options = options.create_if_missing(true).synchronous(SqliteSynchronous::Off);
        SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn execute(pool: &SqlitePool, sql: &'static str) {
    sqlx::query(sql).execute(pool).await.unwrap();
}

async fn count(pool: &SqlitePool, table: &'static str) -> i64 {
    let sql = match table {
        "bearer_sessions" => "SELECT count(*) FROM bearer_sessions",
        _ => "SELECT count(*) FROM bearer_subjects",
    };
    sqlx::query(sql).fetch_one(pool).await.unwrap().get(0)
}
