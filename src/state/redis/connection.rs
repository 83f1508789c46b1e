//! Keeps one connection to Redis, which all calls share.
//!
//! A task connects, and connects again when a call or a `PING` finds the connection broken. Calls wait for it while
//! an attempt is under way, and fail at once after an attempt that failed, until the next one succeeds.
//!
//! A call that found a broken connection is made once more on the next one. So each call of a store must be such that
//! it can be repeated.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::{Value, cmd, pipe};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::script::ScriptCall;
use super::{ConnectSettings, Connector, KEEPS_ALL, Link, RedisError, eviction_policy, text};
use crate::observe::trace;
use crate::task::{Backoff, Job, NotHere, Worker, jitter};

/// The connection of a store.
pub(in crate::state) struct RedisConnection {
    shared: Arc<Shared>,
    worker: Worker<ConnectJob>,
}

/// The settings of a connection, and what a store does with it.
#[derive(Clone)]
pub(in crate::state) struct ConnectionSettings {
    pub(in crate::state) connect: ConnectSettings,
    /// A key, by which the server is found that keeps all keys.
    pub(in crate::state) key: String,
    /// The longest time that a call takes.
    pub(in crate::state) timeout: Duration,
    /// The scripts that the store calls.
    pub(in crate::state) scripts: &'static [&'static str],
    /// The name of what is lost when Redis deletes keys.
    pub(in crate::state) kept: &'static str,
}

struct Shared {
    settings: ConnectionSettings,
    state: watch::Sender<State>,
    /// Counts the connections.
    count: AtomicU64,
    /// Set when the log says that Redis cannot be reached.
    is_reported: AtomicBool,
}

#[derive(Clone)]
enum State {
    /// An attempt to connect is under way or about to begin.
    Connecting,
    Connected(Connected),
    /// The last attempt has failed.
    Away(RedisError),
}

#[derive(Clone)]
struct Connected {
    number: u64,
    link: Link,
    /// The hashes of the scripts, in their order. Empty if Redis did not store them.
    hashes: Arc<[String]>,
}

impl RedisConnection {
    pub(in crate::state) fn new(settings: ConnectionSettings) -> Self {
        let shared = Arc::new(Shared {
            settings,
            state: watch::Sender::new(State::Connecting),
            count: AtomicU64::new(0),
            is_reported: AtomicBool::new(false),
        });
        let worker = Worker::new(ConnectJob(Arc::clone(&shared)));
        Self { shared, worker }
    }

    pub(in crate::state) fn settings(&self) -> &ConnectionSettings {
        &self.shared.settings
    }

    /// Calls a script.
    pub(in crate::state) async fn call(&self, call: &ScriptCall) -> Result<Value, RedisError> {
        self.repeated(Some(call)).await
    }

    /// Checks that Redis answers.
    pub(in crate::state) async fn ping(&self) -> Result<(), RedisError> {
        self.repeated(None).await.map(drop)
    }

    /// Calls a script, or else sends `PING`; once more if the connection was broken.
    async fn repeated(&self, call: Option<&ScriptCall>) -> Result<Value, RedisError> {
        // Asked first, since a timer panics in a runtime that has none.
        self.worker.runtime().map_err(not_here)?;
        let asking = async {
            match self.once(call).await {
                Err(RedisError::Broken(_) | RedisError::Elsewhere { .. }) => self.once(call).await,
                answer => answer,
            }
        };
        let longest = self.shared.settings.timeout;
        timeout(longest, asking).await.unwrap_or_else(|_| {
            let problem = format!("Redis has not answered within {} ms", longest.as_millis());
            Err(RedisError::Broken(problem))
        })
    }

    async fn once(&self, call: Option<&ScriptCall>) -> Result<Value, RedisError> {
        let mut connected = self.connected().await?;
        let answer = match call {
            Some(call) => connected.call(call).await,
            None => connected.link.ask(&cmd("PING")).await,
        };
        if let Err(RedisError::Broken(_) | RedisError::Elsewhere { .. }) = answer {
            self.shared.lost(connected.number);
        }
        answer
    }

    /// Waits for the connection.
    async fn connected(&self) -> Result<Connected, RedisError> {
        let mut state = self.shared.state.subscribe();
        loop {
            self.worker.ensure().map_err(not_here)?;
            match &*state.borrow_and_update() {
                State::Connected(connected) => return Ok(connected.clone()),
                State::Away(problem) => return Err(RedisError::Refused(problem.to_string())),
                State::Connecting => {}
            }
            // `shared` holds the sender, so this cannot fail.
            _ = state.changed().await;
        }
    }
}

fn not_here(reason: NotHere) -> RedisError {
    let problem = match reason {
        NotHere::NoRuntime => "Redis is asked through tokio, and no runtime is here",
        NotHere::NoTimers => "the timers of this tokio runtime are not enabled",
        NotHere::Panicked => "the task that connects to Redis has panicked",
    };
    RedisError::Refused(problem.to_owned())
}

impl Connected {
    async fn call(&mut self, call: &ScriptCall) -> Result<Value, RedisError> {
        if let Some(hash) = self.hashes.get(call.number()) {
            match self.link.ask(&call.by_hash(hash)).await {
                // Redis has forgotten its scripts.
                Err(RedisError::UnknownScript) => {}
                answer => return answer.map_err(unless_replica),
            }
        }
        self.link.ask(&call.by_text()).await.map_err(unless_replica)
    }
}

/// A replica refuses to write, before Redis 7 with a sentence of the script. The master is elsewhere.
fn unless_replica(error: RedisError) -> RedisError {
    match error {
        RedisError::Refused(problem) if problem.contains("READONLY") => RedisError::Broken(problem),
        error => error,
    }
}

impl Shared {
    async fn connect(&self) -> Result<Connected, RedisError> {
        // Less than a call may take, so that a call finds out that a connection is broken.
        let patience = self.settings.timeout * 3 / 4;
        let connector = Connector::new(&self.settings.connect, patience)?;
        let (host, mut link) = connector.connect(&self.settings.key).await?;
        let source = self.source();
        if let Some(policy) = eviction_policy(&mut link).await?
            && *policy != *KEEPS_ALL
        {
            trace::redis_evicts(&source, self.settings.kept, &policy);
        }
        let hashes = load(&mut link, self.settings.scripts).await?;
        if self.is_reported.swap(false, Ordering::Relaxed) {
            trace::redis_reached(&source, &host.to_string());
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Connected { number, link, hashes })
    }

    /// Waits until a connection is found broken.
    async fn keep(&self, connected: &Connected) {
        let (number, mut link) = (connected.number, connected.link.clone());
        let mut state = self.state.subscribe();
        let is_lost = |state: &State| match state {
            State::Connected(connected) => connected.number != number,
            _ => true,
        };
        let pinging = async {
            loop {
                sleep(PING_EVERY).await;
                if let Err(RedisError::Broken(_)) = link.ask(&cmd("PING")).await {
                    break;
                }
            }
        };
        tokio::select! {
            () = pinging => {}
            _ = state.wait_for(is_lost) => {}
        }
    }

    /// Records that a connection is broken.
    fn lost(&self, number: u64) {
        self.state.send_if_modified(|state| match state {
            State::Connected(connected) if connected.number == number => {
                *state = State::Connecting;
                true
            }
            _ => false,
        });
    }

    fn report(&self, problem: &RedisError) {
        if !self.is_reported.swap(true, Ordering::Relaxed) {
            trace::redis_not_reached(&self.source(), &problem.to_string());
        }
    }

    fn source(&self) -> String {
        self.settings.connect.address.to_string()
    }
}

/// Has Redis store the scripts. Returns their hashes, or none if this client may not store scripts.
async fn load(link: &mut Link, scripts: &[&str]) -> Result<Arc<[String]>, RedisError> {
    let mut commands = pipe();
    for script in scripts {
        commands.cmd("SCRIPT").arg("LOAD").arg(*script);
    }
    let answers = match link.ask_all(&commands).await {
        Ok(answers) => answers,
        Err(RedisError::Refused(_)) => return Ok(Arc::default()),
        Err(problem) => return Err(problem),
    };
    let hashes: Option<Arc<[String]>> =
        answers.iter().map(|answer| text(answer).map(str::to_owned)).collect();
    hashes.ok_or_else(|| RedisError::unreadable("the hash of a script"))
}

/// Connects, again and again.
struct ConnectJob(Arc<Shared>);

impl Job for ConnectJob {
    async fn run(&self) -> Infallible {
        let shared = &*self.0;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match shared.connect().await {
                Ok(connected) => {
                    let began = Instant::now();
                    shared.state.send_replace(State::Connected(connected.clone()));
                    shared.keep(&connected).await;
                    shared.state.send_replace(State::Connecting);
                    if began.elapsed() > GOOD_CONNECTION {
                        backoff.reset();
                        continue;
                    }
                }
                Err(problem) => {
                    shared.report(&problem);
                    shared.state.send_replace(State::Away(problem));
                }
            }
            sleep(backoff.next(jitter())).await;
        }
    }

    fn ended(&self) {
        self.0.state.send_replace(State::Connecting);
    }

    fn wake_waiting(&self) {
        self.0.state.send_replace(State::Connecting);
    }
}

/// Middle boxes forget connections that are silent for longer.
const PING_EVERY: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Longer than the longest pause: a shorter connection that breaks again and again is no success.
const GOOD_CONNECTION: Duration = Duration::from_secs(2);
