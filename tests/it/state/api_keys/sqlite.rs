use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::SqlitePoolOptions;
use tower_bearer::api_key::{ApiKeySource as _, ApiKeyStore as _, SqliteApiKeys};
use tower_bearer::session::SqliteSessions;

use super::contract;
use crate::state::sessions::sqlite::Folder;

async fn in_memory() -> SqliteApiKeys {
    SqliteApiKeys::connect("sqlite::memory:").await.unwrap()
}

async fn open(folder: &Folder, file: &str) -> SqliteApiKeys {
    SqliteApiKeys::connect(&folder.url(file)).await.unwrap()
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
        open(&folder, &format!("{number}.db")).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_once_are_one_after_the_other() {
    let folder = Folder::new();

    contract::calls_at_once_are_one_after_the_other(in_memory().await).await;
    contract::calls_at_once_are_one_after_the_other(open(&folder, "k.db").await).await;
}

#[tokio::test]
async fn keys_are_there_after_a_restart() {
    let folder = Folder::new();
    let store = open(&folder, "k.db").await;
    contract::fill(&store, "alice", 2).await;
    drop(store);

    let store = open(&folder, "k.db").await;

    assert_eq!(store.of_owner("alice").await.unwrap().len(), 2);
}

#[tokio::test]
async fn one_file_holds_keys_and_sessions() {
    let folder = Folder::new();
    let pool = SqlitePoolOptions::new().max_connections(1);
    let url = format!("{}?mode=rwc", folder.url("app.db"));
    let pool = pool.connect(&url).await.unwrap();

    let keys = SqliteApiKeys::from_pool(pool.clone()).await.unwrap();
    SqliteSessions::from_pool(pool.clone()).await.unwrap();
    SqliteApiKeys::from_pool(pool.clone()).await.unwrap();
    contract::fill(&keys, "alice", 1).await;

    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let tables = sqlx::query(tables).fetch_all(&pool).await.unwrap();
    let tables: Vec<String> = tables.iter().map(|row| row.get(0)).collect();
    let own = ["bearer_api_keys", "bearer_api_keys_schema"];
    let others = ["bearer_schema", "bearer_sessions", "bearer_subjects"];
    assert_eq!(tables, [&own[..], &others].concat());
}

#[tokio::test]
async fn sweep_works_in_steps() {
    let store = in_memory().await;
    for number in 0..1_001 {
        let mut key = contract::key(&number.to_string(), "alice");
        key.expires_at = Some(contract::at(1));
        contract::create(&store, key).await;
    }

    assert!(store.sweep(contract::at(1)).await.unwrap());
    assert_eq!(store.of_owner("alice").await.unwrap().len(), 1);
    assert!(!store.sweep(contract::at(1)).await.unwrap());
    assert!(store.of_owner("alice").await.unwrap().is_empty());
}

#[tokio::test]
async fn call_ends_when_another_program_keeps_the_file_locked() {
    let folder = Folder::new();
    let store = open(&folder, "k.db").await.with_timeout(Duration::from_millis(200));
    contract::fill(&store, "alice", 1).await;
    let other = SqlitePoolOptions::new().connect(&folder.url("k.db")).await.unwrap();
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let use_of_it = [("alice-0".to_owned(), contract::at(1))];
    let refused = store.record_uses(&use_of_it).await.unwrap_err();

    let source = refused.source().unwrap().to_string();
    assert!(source.contains("did not answer in 200ms"), "{source}");
    transaction.rollback().await.unwrap();
    let store = store.with_timeout(Duration::from_secs(60));
    store.record_uses(&use_of_it).await.unwrap();
}

#[tokio::test]
async fn database_that_cannot_be_used_is_told_with_its_reason() {
    for (url, reason) in [
        ("sqlite:///no/such/folder/k.db", "unable to open database file"),
        ("sqlite://k.db?password=secret", "cannot be read"),
    ] {
        let refused = SqliteApiKeys::connect(url).await.unwrap_err();

        let source = refused.source().unwrap().to_string();
        assert!(source.contains(reason), "{source}");
        assert!(!format!("{refused:?}").contains("secret"));
    }
}
