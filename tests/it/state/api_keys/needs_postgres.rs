//! API keys in PostgreSQL. `DATABASE_URL` names a database in which these tests may create schemas; each has its own.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _};
use tower_bearer::api_key::{ApiKeySource as _, ApiKeyStore as _, PostgresApiKeys};
use tower_bearer::session::PostgresSessions;

use super::contract;

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn postgres_keeps_the_contract_of_a_store_of_api_keys() {
    contract::all(|| async { PostgresApiKeys::connect(&schema().await).await.unwrap() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn calls_at_once_are_one_after_the_other() {
    let store = PostgresApiKeys::connect(&schema().await).await.unwrap();
    contract::calls_at_once_are_one_after_the_other(store).await;
    for level in ["repeatable read", "serializable"] {
        let url = format!("{}&options[default_transaction_isolation]={level}", schema().await);
        let pool = PgPoolOptions::new().max_connections(8).connect(&url).await.unwrap();
        let store = PostgresApiKeys::from_pool(pool).await.unwrap();
        contract::calls_at_once_are_one_after_the_other(store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn nodes_that_start_at_once_create_the_tables_once_beside_those_of_sessions() {
    let url = schema().await;

    let starting: Vec<_> = (0..8)
        .map(|number| {
            let url = url.clone();
            tokio::spawn(async move {
                PostgresSessions::connect(&url).await.unwrap();
                let store = PostgresApiKeys::connect(&url).await.unwrap();
                contract::fill(&store, &number.to_string(), 1).await;
                store
            })
        })
        .collect();
    let mut stores = Vec::new();
    for node in starting {
        stores.push(node.await.unwrap());
    }

    // Each node sees the keys of the others.
    for store in &stores {
        assert!(store.find("7-0").await.unwrap().is_some());
        assert_eq!(store.of_owner("0").await.unwrap().len(), 1);
    }
}

/// Creates an empty schema, and returns the URL of it.
async fn schema() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("bearer_keys_{}_{number}", std::process::id());
    let url = std::env::var("DATABASE_URL").expect("scripts/interop sets DATABASE_URL");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let sql = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let more = if url.contains('?') { '&' } else { '?' };
    format!("{url}{more}options[search_path]={name}")
}
