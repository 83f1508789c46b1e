//! Measures what a refresh costs in each store, beside a bare transaction of the same database, and how large a
//! session is.
//!
//! `cargo bench --bench sessions`; with `DATABASE_URL`, PostgreSQL too, in a schema that is made for it; with
//! `REDIS_PORT`, an empty Redis of this machine, which is emptied again. `-- redis memory` runs these stores alone.
//! `SESSIONS` sets the number of sessions; the default is 100,000. `-- --quick` shows that it runs, and measures
//! nothing.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::cast_precision_loss, reason = "numbers for people")]

use std::fmt::Write as _;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tower_bearer::session::{
    MemorySessions, NewSession, PostgresSessions, RedisSessions, Rotation, RotationOutcome,
    Session, SessionStore, SqliteSessions, TokenHash,
};

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let runs = |store: &str| {
        let mut named = arguments.iter().filter(|argument| *argument != "--quick").peekable();
        named.peek().is_none() || named.any(|argument| argument == store)
    };
    let sessions = std::env::var("SESSIONS").ok().and_then(|number| number.parse().ok());
    let sessions = sessions.unwrap_or(if quick { 1_000 } else { 100_000 });
    let time = if quick { Duration::from_millis(50) } else { Duration::from_secs(5) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system has room for a runtime");
    let bench = Bench { sessions, time };
    println!("{sessions} sessions");
    println!("{:34}{:>12}{:>12}{:>16}", "", "a second", "µs", "bytes a session");
    runtime.block_on(async {
        if runs("memory") {
            bench.memory().await;
        }
        if runs("sqlite") {
            bench.sqlite().await;
        }
        match std::env::var("REDIS_PORT") {
            Ok(port) if runs("redis") => bench.redis(port.parse().expect("a number")).await,
            Err(_) if runs("redis") => println!("set REDIS_PORT for Redis"),
            _ => {}
        }
        match std::env::var("DATABASE_URL") {
            Ok(url) if runs("postgres") => bench.postgres(&url).await,
            Err(_) if runs("postgres") => println!("set DATABASE_URL for PostgreSQL"),
            _ => {}
        }
    });
}

/// The number of the current token of each session.
type Numbers = Arc<[AtomicU64]>;

struct Bench {
    sessions: u64,
    time: Duration,
}

impl Bench {
    async fn memory(&self) {
        let store = MemorySessions::new();
        let before = resident_bytes();
        let numbers = self.fill(&store, 1).await;
        let bytes = resident_bytes().saturating_sub(before);
        let rate = self.rotations(&store, &numbers, 1).await;
        print("memory: rotate", rate, Some(bytes / self.sessions));
        let rate = self.rotations(&store, &numbers, 1).await;
        print("memory: rotate, again", rate, None);
    }

    async fn sqlite(&self) {
        let store = SqliteSessions::connect("sqlite::memory:").await.expect("it opens");
        let numbers = self.fill(&store, 1).await;
        let rate = self.rotations(&store, &numbers, 1).await;
        print("sqlite in memory: rotate", rate, None);
        drop(store);
        let folder =
            std::env::temp_dir().join(format!("tower-bearer-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("there is room");
        self.sqlite_file(&folder.join("s.db")).await;
        std::fs::remove_dir_all(&folder).expect("it is there");
    }

    async fn sqlite_file(&self, file: &Path) {
        // Filled without a wait for the disk, since that is not measured.
        let pool = sqlite_pool(file, SqliteSynchronous::Off).await;
        let store = SqliteSessions::from_pool(pool.clone()).await.expect("it opens");
        let numbers = self.fill(&store, 1).await;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await.expect("it is ours");
        pool.close().await;
        let bytes = std::fs::metadata(file).expect("it was written").len() / self.sessions;

        let url = format!("sqlite://{}", file.display());
        let store = SqliteSessions::connect(&url).await.expect("it opens");
        let rate = self.rotations(&store, &numbers, 1).await;
        print("sqlite file: rotate", rate, Some(bytes));
        let rate = self.rotations(&store, &numbers, 8).await;
        print("sqlite file: rotate, 8 at once", rate, None);
        drop(store);
        let pool = sqlite_pool(file, SqliteSynchronous::Full).await;
        let rate = self.work(1, |n| bare_sqlite(pool.clone(), n % self.sessions)).await;
        print("sqlite file: bare transaction", rate, None);
    }

    async fn redis(&self, port: u16) {
        let mut other = BareRedis::connect(port).await;
        let keys = other.ask(&["DBSIZE"]).await;
        assert_eq!(keys, ":0\r\n", "the Redis of this program must be empty");
        let before = other.used_memory().await;
        let store = RedisSessions::new(&format!("redis://127.0.0.1:{port}")).expect("an address");
        let numbers = self.fill(&store, 8).await;
        let bytes = (other.used_memory().await - before) / self.sessions;
        for tasks in [1, 8] {
            let rate = self.rotations(&store, &numbers, tasks).await;
            print(&format!("redis: rotate, {tasks} at once"), rate, Some(bytes));
            let connections = Arc::new(BareRedis::several(port, tasks).await);
            let rate = self
                .work(tasks, |n| {
                    let connections = Arc::clone(&connections);
                    async move {
                        let of_task = usize::try_from(n % tasks).expect("few");
                        let mut connection = connections[of_task].lock().await;
                        let answer = connection.ask(&["SET", &id(n), &"x".repeat(180)]).await;
                        assert_eq!(answer, "+OK\r\n");
                    }
                })
                .await;
            print(&format!("redis: bare SET, {tasks} at once"), rate, None);
        }
        other.ask(&["FLUSHALL"]).await;
    }

    async fn postgres(&self, url: &str) {
        let name = format!("bearer_bench_{}", std::process::id());
        let admin = PgPool::connect(url).await.expect("DATABASE_URL can be used");
        run(&admin, &format!("CREATE SCHEMA {name}")).await;
        let more = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{more}options[search_path]={name}");
        // Filled without a wait for the disk, since that is not measured.
        let filling = format!("{url}&options[synchronous_commit]=off");
        let store = PostgresSessions::connect(&filling).await.expect("it opens");
        let numbers = self.fill(&store, 8).await;
        let store = PostgresSessions::connect(&url).await.expect("it opens");
        let size = "SELECT pg_total_relation_size('bearer_sessions')";
        let pool = PgPoolOptions::new().test_before_acquire(false).max_connections(10);
        let pool = pool.connect(&url).await.expect("it opens");
        let bytes: i64 = sqlx::query(size).fetch_one(&pool).await.expect("it is there").get(0);
        let bytes = bytes.unsigned_abs() / self.sessions;
        for tasks in [1, 8] {
            let rate = self.rotations(&store, &numbers, tasks).await;
            print(&format!("postgres: rotate, {tasks} at once"), rate, Some(bytes));
            let rate = self.work(tasks, |n| bare_postgres(pool.clone(), n % self.sessions)).await;
            print(&format!("postgres: bare transaction, {tasks} at once"), rate, None);
        }
        run(&admin, &format!("DROP SCHEMA {name} CASCADE")).await;
    }

    async fn fill(&self, store: &(impl SessionStore + Clone), tasks: u64) -> Numbers {
        let next = Arc::new(AtomicU64::new(0));
        let end = self.sessions;
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                let (store, next) = (store.clone(), Arc::clone(&next));
                tokio::spawn(async move {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= end {
                            break;
                        }
                        let new = NewSession::new(session(n), at(0), None);
                        store.create(new).await.expect("it is stored");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no task panics");
        }
        (0..end).map(|_| AtomicU64::new(0)).collect()
    }

    /// Exchanges the current token of one session after the other.
    async fn rotations(
        &self,
        store: &(impl SessionStore + Clone),
        numbers: &Numbers,
        tasks: u64,
    ) -> f64 {
        self.work(tasks, |n| {
            let (store, numbers) = (store.clone(), Arc::clone(numbers));
            let n = n % self.sessions;
            async move {
                let number =
                    numbers[usize::try_from(n).expect("an index")].fetch_add(1, Ordering::Relaxed);
                let id = id(n);
                let (presented, next) = (token(n, number), token(n, number + 1));
                let rotation = Rotation::new(&id, presented, next, at(1), at(900))
                    .with_client_id(Some("shop-web"));
                let outcome = store.rotate(rotation).await.expect("it answers");
                assert!(matches!(outcome, RotationOutcome::Rotated(_)), "{outcome:?}");
            }
        })
        .await
    }

    /// Returns how often the work is done in a second.
    async fn work<F: Future<Output = ()> + Send + 'static>(
        &self,
        tasks: u64,
        work: impl Fn(u64) -> F,
    ) -> f64 {
        let began = Instant::now();
        let mut done = 0;
        while began.elapsed() < self.time {
            // No two of them with the same session.
            if tasks == 1 {
                for _ in 0..64 {
                    work(done).await;
                    done += 1;
                }
                continue;
            }
            let running: Vec<_> = (0..tasks).map(|n| tokio::spawn(work(done + n))).collect();
            for task in running {
                task.await.expect("no task panics");
            }
            done += tasks;
        }
        done as f64 / began.elapsed().as_secs_f64()
    }
}

/// A connection to Redis without a client.
struct BareRedis(TcpStream);

impl BareRedis {
    async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it is there");
        stream.set_nodelay(true).expect("it is open");
        Self(stream)
    }

    async fn several(port: u16, count: u64) -> Vec<Mutex<Self>> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(Mutex::new(Self::connect(port).await));
        }
        connections
    }

    /// Sends a command whose answer is short.
    async fn ask(&mut self, words: &[&str]) -> String {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            write!(command, "${}\r\n{word}\r\n", word.len()).expect("it is a string");
        }
        self.0.write_all(command.as_bytes()).await.expect("it is open");
        let mut answer = vec![0; 4096];
        let bytes = self.0.read(&mut answer).await.expect("it answers");
        String::from_utf8_lossy(&answer[..bytes]).into_owned()
    }

    async fn used_memory(&mut self) -> u64 {
        let memory = self.ask(&["INFO", "memory"]).await;
        let line = memory.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.and_then(|bytes| bytes.trim().parse().ok()).expect("it says")
    }
}

async fn bare_sqlite(pool: SqlitePool, n: u64) {
    let sql = "UPDATE bearer_sessions SET last_seen = last_seen + 1 WHERE id = $1";
    sqlx::query(sql).bind(id(n)).execute(&pool).await.expect("it is ours");
}

async fn bare_postgres(pool: PgPool, n: u64) {
    let sql = "UPDATE bearer_sessions SET last_seen = last_seen + 1 WHERE id = $1";
    sqlx::query(sql).bind(id(n)).execute(&pool).await.expect("it is ours");
}

async fn sqlite_pool(file: &Path, synchronous: SqliteSynchronous) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("it opens")
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.expect("it is allowed");
}

fn print(name: &str, rate: f64, bytes: Option<u64>) {
    let bytes = bytes.map_or(String::new(), |bytes| bytes.to_string());
    println!("{name:34}{rate:>12.0}{:>12.1}{bytes:>16}", 1e6 / rate);
}

fn session(n: u64) -> Session {
    let mut session = Session::new(id(n), subject(n), token(n, 0), at(0), at(1000));
    session.client_id = Some("shop-web".into());
    session.device = Some("Firefox on Linux".into());
    session
}

/// 22 characters, as random as those of the crate.
fn id(n: u64) -> String {
    format!("{:016x}{n:06}", n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Three sessions each.
fn subject(n: u64) -> String {
    format!("user-{:08}", n / 3)
}

fn token(n: u64, number: u64) -> TokenHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    TokenHash::from_bytes(bytes)
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
}

/// What the system says that this program takes; 0 where it does not say.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}
