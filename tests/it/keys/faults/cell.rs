use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use tokio::time::{Instant, sleep};
use tower_bearer::keys::KeysState;
use tower_bearer::test_util::{Fault, TestProvider};
use tower_bearer::{BearerLayer, Claims, Reason, RemoteKeys, Validation, Verifier};

use crate::support::jumping_clock::{leap, leaping};
use crate::support::scripted::own_budget;
use crate::support::{AUDIENCE, User, WithBearer, get, invalid_token, send};

/// The state of the keys when the provider breaks.
#[derive(Clone, Copy)]
pub enum State {
    Cold,
    Warm,
    Stale,
    Expired,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Cold, Self::Warm, Self::Stale, Self::Expired];
}

#[derive(Clone, Copy)]
pub struct Expected {
    pub outcome: Outcome,
    pub fetches: u64,
}

/// The outcome of a valid token.
#[derive(Clone, Copy)]
pub enum Outcome {
    Served,
    Unavailable,
    Unknown,
}

/// A fault in a state: a provider that breaks, a source that depends on it, and the observations.
pub struct Cell {
    provider: TestProvider,
    keys: Arc<RemoteKeys>,
    app: Router,
    /// Set when the provider takes longer than any test has time for.
    leaps: bool,
    expected: Expected,
    /// The time of the slowest valid request: with a known key, and with an unknown one.
    known: Option<Duration>,
    other: Duration,
}

impl Cell {
    pub async fn run(state: State, fault: Option<Fault>, expected: Expected) -> Self {
        let provider = TestProvider::start().await;
        let keys = RemoteKeys::discover(provider.issuer())
            .unwrap()
            .with_shared_budget(own_budget())
            // So that no fetch is repeated while fetches are counted.
            .with_backoff(HOUR..=HOUR);
        let keys = Arc::new(keys);
        let validation = Validation::new(provider.issuer(), AUDIENCE);
        let verifier = Verifier::<User>::new(Arc::clone(&keys), validation).unwrap();
        let app = Router::new()
            .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
            .layer(BearerLayer::new(verifier));
        let (leaps, other) = (fault.is_some_and(takes_too_long), Duration::ZERO);
        let mut cell = Self { provider, keys, app, leaps, expected, known: None, other };
        match state {
            State::Cold => cell.cold(fault).await,
            State::Warm => cell.warm(fault).await,
            State::Stale => cell.stale(fault).await,
            State::Expired => cell.expired(fault).await,
        }
        cell
    }

    async fn cold(&mut self, fault: Option<Fault>) {
        self.breaks(fault);
        let token = self.provider.mint(AUDIENCE);

        self.other(&token).await;
        self.until_fetched(self.expected.fetches).await;

        self.is_in(KeysState::Missing);
        self.heals(&token).await;
    }

    async fn warm(&mut self, fault: Option<Fault>) {
        let old = self.loaded().await;
        self.breaks(fault);
        self.provider.rotate();
        let new = self.provider.mint(AUDIENCE);

        self.known(&old).await;
        assert_eq!(self.keys.status().fetches(), 1);
        self.other(&new).await;
        self.known(&old).await;
        self.until_fetched(1 + self.expected.fetches).await;

        self.known(&old).await;
        assert_eq!(self.keys.status().state(), KeysState::Fresh);
        self.heals(&new).await;
    }

    async fn stale(&mut self, fault: Option<Fault>) {
        let old = self.loaded().await;
        self.breaks(fault);
        self.provider.rotate();
        let new = self.provider.mint(AUDIENCE);

        leap(11 * MINUTE).await;
        assert_eq!(self.keys.status().state(), KeysState::Stale);
        self.known(&old).await;
        while self.keys.status().fetches() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        self.known(&old).await;
        self.until_fetched(2).await;
        self.known(&old).await;
        self.other(&new).await;
        self.known(&old).await;
        self.until_fetched(1 + self.expected.fetches).await;

        self.known(&old).await;
        self.is_in(KeysState::Stale);
        self.heals(&new).await;
    }

    async fn expired(&mut self, fault: Option<Fault>) {
        let token = self.loaded().await;
        self.breaks(fault);

        leap(5 * HOUR).await;
        assert_eq!(self.keys.status().state(), KeysState::Expired);
        self.other(&token).await;
        self.until_fetched(1 + self.expected.fetches).await;

        self.is_in(KeysState::Expired);
        self.heals(&token).await;
    }

    async fn loaded(&self) -> String {
        let token = self.provider.mint(AUDIENCE);
        send(&self.app, get("/").bearer(&token)).await.is_ok("alice");
        token
    }

    fn breaks(&self, fault: Option<Fault>) {
        fault.into_iter().for_each(|fault| self.provider.set_fault(fault));
    }

    /// A token of a known key is accepted, even if the provider fails.
    async fn known(&mut self, token: &str) {
        let before = Instant::now();
        send(&self.app, get("/").bearer(token)).await.is_ok("alice");
        self.known = self.known.max(Some(before.elapsed()));
    }

    /// A token that needs a fetch.
    async fn other(&mut self, token: &str) {
        let before = Instant::now();
        let sent = send(&self.app, get("/").bearer(token));
        let answer = match self.leaps {
            true => leaping(Duration::from_millis(100), sent).await,
            false => sent.await,
        };
        self.other = before.elapsed();
        match self.expected.outcome {
            Outcome::Served => _ = answer.is_ok("alice"),
            Outcome::Unavailable => {
                answer.is_refused(503, None, Reason::KeysUnavailable);
                let retry_after = answer.headers["retry-after"].to_str().unwrap();
                assert!((1..=60).contains(&retry_after.parse().unwrap()), "{retry_after}");
            }
            Outcome::Unknown => {
                let challenge = invalid_token("The token cannot be verified");
                answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
            }
        }
    }

    /// Waits for this number of fetches, and checks that there are no more.
    async fn until_fetched(&self, fetches: u64) {
        let ended = async {
            while self.keys.status().next_refresh().is_none() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        match self.leaps {
            true => leaping(Duration::from_secs(1), ended).await,
            false => ended.await,
        }
        assert_eq!(self.keys.status().fetches(), fetches);
    }

    /// Failed fetches change nothing, and others make the keys fresh.
    fn is_in(&self, state: KeysState) {
        let status = self.keys.status();
        let expected = match self.expected.outcome {
            Outcome::Unavailable => state,
            Outcome::Served | Outcome::Unknown => KeysState::Fresh,
        };
        assert_eq!(status.state(), expected, "{status:?}");
    }

    async fn heals(&self, token: &str) {
        self.provider.heal();
        send(&self.app, get("/").bearer(token)).await.is_ok("alice");
    }
}

fn takes_too_long(fault: Fault) -> bool {
    match fault {
        Fault::Hang => true,
        Fault::SlowHeaders(time) | Fault::SlowBody(time) => time > Duration::from_secs(10),
        _ => false,
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Expected { outcome, fetches } = self.expected;
        let status = match outcome {
            Outcome::Served => 200,
            Outcome::Unavailable => 503,
            Outcome::Unknown => 401,
        };
        let millis = |time: Duration| time.as_micros() as f64 / 1000.0;
        if let Some(known) = self.known {
            write!(f, "known key 200 in {:.1} ms, new key ", millis(known))?;
        }
        let s = if fetches == 1 { "" } else { "es" };
        write!(f, "{status} in {:.1} ms, {fetches} fetch{s}", millis(self.other))
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
