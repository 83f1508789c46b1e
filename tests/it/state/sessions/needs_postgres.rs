//! Sessions in PostgreSQL. `DATABASE_URL` names a database in which these tests may create schemas; each has its own.

use std::error::Error as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tower_bearer::session::{PostgresSessions, RotationOutcome, SessionStore as _};

use super::at_once::{self, TwoNodes};
use super::{contract, killed, same};

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn postgres_keeps_the_contract_of_a_store() {
    contract::all(|| async { Schema::create().await.open().await }).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn two_nodes_keep_the_contract_of_a_store() {
    contract::all(|| async { Schema::create().await.nodes().await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn hundred_refreshes_at_once_end_with_one_successor() {
    contract::hundred_refreshes_at_once(Schema::create().await.open().await).await;
    contract::hundred_refreshes_at_once(Schema::create().await.nodes().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn two_nodes_are_one_store() {
    at_once::sign_ins_do_not_pass_the_limit(Schema::create().await.nodes().await).await;
    at_once::no_sign_in_gets_past_the_end_of_all(Schema::create().await.nodes().await).await;
    at_once::calls_of_every_kind_succeed(Schema::create().await.nodes().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn database_of_a_stricter_isolation_level_is_one_store_too() {
    for level in ["repeatable read", "serializable"] {
        let open = async |schema: &Schema| {
            let url = format!("{}&options[default_transaction_isolation]={level}", schema.url);
            let pool = PgPoolOptions::new().max_connections(8).connect(&url).await.unwrap();
            PostgresSessions::from_pool(pool).await.unwrap().with_timeout(PATIENCE)
        };

        let schema = Schema::create().await;
        let nodes = TwoNodes::new(open(&schema).await, open(&schema).await);
        contract::hundred_refreshes_at_once(nodes).await;
        let schema = Schema::create().await;
        let nodes = TwoNodes::new(open(&schema).await, open(&schema).await);
        at_once::sign_ins_do_not_pass_the_limit(nodes).await;
        let schema = Schema::create().await;
        let nodes = TwoNodes::new(open(&schema).await, open(&schema).await);
        at_once::no_sign_in_gets_past_the_end_of_all(nodes).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn postgres_decides_as_the_store_in_memory() {
    for seed in 0..4 {
        same::as_in_memory(Schema::create().await.open().await, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn nodes_that_start_at_once_create_the_tables_once() {
    let schema = Schema::create().await;

    let starting: Vec<_> = (0..16)
        .map(|_| {
            let url = schema.url.clone();
            tokio::spawn(async move { PostgresSessions::connect(&url).await })
        })
        .collect();
    for node in starting {
        contract::fill(&node.await.unwrap().unwrap(), "alice", 1).await;
    }

    assert_eq!(schema.number("SELECT sum(version)::bigint FROM bearer_schema").await, 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn pool_of_the_application_is_used_beside_its_own_tables() {
    let schema = Schema::create().await;
    let pool = schema.pool().await;
    for table in ["_sqlx_migrations", "sessions", "subjects"] {
        execute(&pool, &format!("CREATE TABLE {table} (id TEXT PRIMARY KEY)")).await;
    }

    let store = PostgresSessions::from_pool(pool.clone()).await.unwrap();
    contract::fill(&store, "alice", 1).await;

    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    assert_eq!(schema.number(tables).await, 6);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn user_without_the_right_to_create_tables_uses_those_that_are_there() {
    let schema = Schema::create().await;
    let owner = schema.pool().await;
    PostgresSessions::from_pool(owner.clone()).await.unwrap();
    let name = &schema.name;
    for sql in [
        format!("CREATE ROLE {name}"),
        format!("GRANT USAGE ON SCHEMA {name} TO {name}"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {name}"),
    ] {
        execute(&owner, &sql).await;
    }
    let url = format!("{}&options[role]={name}", schema.url);

    let store = PostgresSessions::connect(&url).await.unwrap();

    contract::fill(&store, "alice", 1).await;
    execute(&owner, "DROP TABLE bearer_schema").await;
    let refused = PostgresSessions::connect(&url).await.unwrap_err();
    assert!(refused.source().unwrap().to_string().contains("permission denied"), "{refused:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn any_text_is_kept_that_the_database_cannot_store_itself() {
    let store = Schema::create().await.open().await;
    for subject in ["a\0b", "\u{FFFF}0", "a"] {
        contract::fill(&store, subject, 1).await;

        let found = store.of_subject(subject, contract::at(1)).await.unwrap();

        assert_eq!(found.len(), 1);
        assert_eq!(found[0].subject, subject);
        // The client is named by strangers.
        let rotation = contract::rotation(&found[0].id, 0, 50).with_client_id(Some("\0"));
        let outcome = store.rotate(rotation).await.unwrap();
        assert!(matches!(&outcome, RotationOutcome::WrongClient), "{outcome:?}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn connections_that_the_server_has_closed_cost_no_call() {
    let schema = Schema::create().await;
    let url = format!("{}&application_name={}", schema.url, schema.name);
    let store = PostgresSessions::connect(&url).await.unwrap();
    contract::fill(&store, "alice", 1).await;
    let close = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '{}'",
        schema.name
    );

    for number in 0..5 {
        assert!(schema.number(&close).await > 0);
        let outcome = store.rotate(contract::rotation("alice-0", number, 50)).await.unwrap();

        let is_good =
            matches!(&outcome, RotationOutcome::Rotated(_) | RotationOutcome::Repeated(_));
        assert!(is_good, "{outcome:?}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn node_that_is_killed_leaves_every_session_whole() {
    killed::killed_nodes_leave_every_session_whole(&Schema::create().await.url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn connections_that_break_at_any_moment_lose_no_exchange() {
    let schema = Schema::create().await;
    let url = format!("{}&application_name={}", schema.url, schema.name);
    let store = PostgresSessions::connect(&url).await.unwrap().with_timeout(PATIENCE);
    let mut other = PgConnection::connect(&schema.url).await.unwrap();
    let other = tokio::sync::Mutex::new(&mut other);

    at_once::broken_connections_lose_no_exchange(store, async || {
        let close = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{}'",
            schema.name
        );
        let query = sqlx::query(AssertSqlSafe(close));
        query.execute(&mut **other.lock().await).await.unwrap();
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn exchange_is_made_although_its_process_is_ended_in_the_middle() {
    let schema = Schema::create().await;
    let url = format!("{}&application_name={}", schema.url, schema.name);
    let store = PostgresSessions::connect(&url).await.unwrap().with_timeout(PATIENCE);
    contract::fill(&store, "alice", 1).await;
    let pool = schema.pool().await;
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = '{}' AND wait_event_type = 'Lock'",
        schema.name
    );
    let close = waiting.replace("count(*)", "count(pg_terminate_backend(pid))");

    for number in 0..3 {
        let mut transaction = pool.begin().await.unwrap();
        let lock = "SELECT id FROM bearer_sessions WHERE id = 'alice-0' FOR UPDATE";
        sqlx::query(lock).execute(&mut *transaction).await.unwrap();
        let rotating = store.clone();
        let rotating = tokio::spawn(async move {
            rotating.rotate(contract::rotation("alice-0", number, 50)).await
        });
        // Its statement has begun, and waits for the row.
        while schema.number(&waiting).await == 0 {
            assert!(!rotating.is_finished());
        }
        assert_eq!(schema.number(&close).await, 1);
        transaction.rollback().await.unwrap();

        let outcome = rotating.await.unwrap().unwrap();
        assert!(matches!(&outcome, RotationOutcome::Rotated(_)), "{outcome:?}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn call_ends_when_a_row_stays_locked() {
    let schema = Schema::create().await;
    let store = schema.open().await.with_timeout(Duration::from_millis(300));
    contract::fill(&store, "alice", 2).await;
    let pool = schema.pool().await;
    let mut transaction = pool.begin().await.unwrap();
    let lock = "SELECT id FROM bearer_sessions WHERE id = 'alice-0' FOR UPDATE";
    sqlx::query(lock).execute(&mut *transaction).await.unwrap();
    let began = Instant::now();

    let refused = store.rotate(contract::rotation("alice-0", 0, 50)).await.unwrap_err();
    let store = store.with_timeout(PATIENCE);
    let other = store.rotate(contract::rotation("alice-1", 0, 50)).await.unwrap();

    assert!(began.elapsed() < PATIENCE);
    assert!(refused.source().unwrap().to_string().contains("did not answer"), "{refused:?}");
    assert!(matches!(&other, RotationOutcome::Rotated(_)), "{other:?}");
    transaction.rollback().await.unwrap();
    let outcome = store.rotate(contract::rotation("alice-0", 0, 50)).await.unwrap();
    let is_good = matches!(&outcome, RotationOutcome::Rotated(_) | RotationOutcome::Repeated(_));
    assert!(is_good, "{outcome:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn refusal_of_the_server_is_told_without_the_password() {
    let schema = Schema::create().await;
    let wrong = schema.url.replacen("://", "://nobody:s3cret@", 1);
    let wrong = match wrong.split_once("s3cret@") {
        Some((start, rest)) => {
            let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
            format!("{start}s3cret@{rest}")
        }
        None => wrong,
    };

    for url in
        [wrong, "postgres://u:s3cret@127.0.0.1:1/db".into(), "postgres://u:s3cret@h:x".into()]
    {
        let refused = PostgresSessions::connect(&url).await.unwrap_err();

        let told = format!("{refused} {refused:?} {}", refused.source().unwrap());
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn sweep_removes_what_has_expired_and_nothing_else() {
    let schema = Schema::create().await;
    let store = schema.open().await;
    contract::fill(&store, "alice", 1_500).await;
    store.rotate(contract::rotation("alice-7", 0, 90)).await.unwrap();
    let count = "SELECT count(*) FROM bearer_sessions";

    store.sweep(contract::at(99)).await.unwrap();
    assert_eq!(schema.number(count).await, 1_500);
    while store.sweep(contract::at(150)).await.unwrap().has_more {}
    assert_eq!(schema.number(count).await, 1);
    store.sweep(contract::at(190)).await.unwrap();

    assert_eq!(schema.number(count).await, 0);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/interop"]
async fn refresh_changes_no_index() {
    let schema = Schema::create().await;
    let store = schema.open().await;
    contract::fill(&store, "alice", 1).await;

    for number in 0..20 {
        store.rotate(contract::rotation("alice-0", number, 50)).await.unwrap();
    }

    // The statistics of a connection are told when it has been idle for a second, or is closed.
    drop(store);
    let changed = "SELECT n_tup_upd FROM pg_stat_user_tables \
                   WHERE schemaname = current_schema() AND relname = 'bearer_sessions'";
    let began = Instant::now();
    while schema.number(changed).await < 20 {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(schema.number(&changed.replace("n_tup_upd", "n_tup_hot_upd")).await, 20);
}

/// A schema for one test.
struct Schema {
    name: String,
    url: String,
}

impl Schema {
    async fn create() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("bearer_{}_{number}", std::process::id());
        let url = std::env::var("DATABASE_URL").expect("scripts/interop sets DATABASE_URL");
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let sql = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let more = if url.contains('?') { '&' } else { '?' };
        Self { url: format!("{url}{more}options[search_path]={name}"), name }
    }

    async fn open(&self) -> PostgresSessions {
        PostgresSessions::connect(&self.url).await.unwrap()
    }

    async fn nodes(&self) -> TwoNodes<PostgresSessions> {
        TwoNodes::new(self.open().await, self.open().await)
    }

    async fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(4).connect(&self.url).await.unwrap()
    }

    async fn number(&self, sql: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let number = query.fetch_one(&mut connection).await.unwrap().get(0);
        connection.close().await.unwrap();
        number
    }
}

async fn execute(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
