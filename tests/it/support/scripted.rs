//! A provider in memory, for tests that control time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use serde_json::json;
use tokio::sync::Semaphore;
use tower_bearer::keys::{CachedKeys, Fetch, FetchBudget, Fetched, KeySource, KeysUnavailable};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, BearerLayer, Claims, KeySet};

use crate::support::{User, token, verifier_of};

/// Publishes keys, and answers as it is told to. Clones are the same provider.
#[derive(Clone)]
pub struct Scripted(Arc<Mutex<State>>);

struct State {
    published: VecDeque<TestKey>,
    made: usize,
    answer: Answer,
    latency: Duration,
    fresh_for: Option<Duration>,
    fetches: usize,
    gate: Arc<Semaphore>,
}

/// The outcome of a fetch.
#[derive(Clone, Copy)]
pub enum Answer {
    Keys,
    Failure(&'static str),
    Panic,
    /// Waits until the provider is [opened](Scripted::open).
    WhenOpened,
}

impl Scripted {
    /// A provider with one key, which answers at once.
    pub fn new() -> Self {
        let provider = Self(Arc::new(Mutex::new(State {
            published: VecDeque::new(),
            made: 0,
            answer: Answer::Keys,
            latency: Duration::ZERO,
            fresh_for: None,
            fetches: 0,
            gate: Arc::new(Semaphore::new(0)),
        })));
        provider.rotate();
        provider
    }

    /// Signs with a new key from now on. Earlier keys stay published.
    pub fn rotate(&self) {
        let mut state = self.state();
        state.made += 1;
        let key_id = format!("key-{}", state.made);
        state.published.push_back(TestKey::generate(Algorithm::ES256).with_key_id(key_id));
    }

    /// Signs with this key from now on, and publishes no other.
    pub fn publish_only(&self, key: TestKey) {
        self.state().published = [key].into();
    }

    /// Stops publishing all but the last keys.
    pub fn keep(&self, last: usize) {
        let mut state = self.state();
        let first = state.published.len().saturating_sub(last);
        state.published.drain(..first);
    }

    /// The current signing key.
    pub fn key(&self) -> TestKey {
        self.state().published.back().unwrap().clone()
    }

    /// A valid token of the current signing key.
    pub fn mint(&self) -> String {
        token().sign(&self.key())
    }

    pub fn answer(&self, answer: Answer) {
        self.state().answer = answer;
    }

    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    pub fn set_fresh_for(&self, fresh_for: Duration) {
        self.state().fresh_for = Some(fresh_for);
    }

    /// Lets all fetches pass.
    pub fn open(&self) {
        self.state().gate.add_permits(1000);
    }

    /// The number of fetches that have begun.
    pub fn fetches(&self) -> usize {
        self.state().fetches
    }

    /// The published keys.
    pub fn keys(&self) -> KeySet {
        let published: Vec<_> = self.state().published.iter().map(TestKey::to_jwk).collect();
        KeySet::from_jwks(json!({ "keys": published }).to_string()).unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Fetch for Scripted {
    async fn fetch(&self) -> Result<Fetched, KeysUnavailable> {
        let (answer, latency, fresh_for, gate) = {
            let mut state = self.state();
            state.fetches += 1;
            (state.answer, state.latency, state.fresh_for, Arc::clone(&state.gate))
        };
        // The keys of the moment of the request: an answer on its way may be old already.
        let keys = self.keys();
        tokio::time::sleep(latency).await;
        match answer {
            Answer::Keys => {}
            Answer::Failure(problem) => return Err(KeysUnavailable::new(problem)),
            Answer::Panic => panic!("as the test wants it"),
            Answer::WhenOpened => gate.acquire().await.unwrap().forget(),
        }
        let fetched = Fetched::from(keys);
        Ok(match fresh_for {
            Some(fresh_for) => fetched.with_fresh_for(fresh_for),
            None => fetched,
        })
    }

    fn describe(&self) -> String {
        "the script".to_owned()
    }
}

/// The usual source, apart from a budget that no other test shares.
pub fn cached(provider: &Scripted) -> CachedKeys<Scripted> {
    CachedKeys::new(provider.clone()).with_shared_budget(own_budget())
}

/// As large as the one of the program.
pub fn own_budget() -> FetchBudget {
    FetchBudget::new(60, Duration::from_secs(1))
}

pub fn app(keys: impl KeySource) -> Router {
    Router::new()
        .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
        .layer(BearerLayer::new(verifier_of(keys)))
}
