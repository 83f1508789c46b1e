//! Tests nodes that share revocations through Redis, with real servers that these tests start and
//! stop.

mod address;
mod catching_up;
mod clocks;
mod cluster;
mod losses;
mod memory;
mod outages;
pub mod proxy;
mod repetition;
mod restarts;
mod restoring;
pub mod server;
mod sharing;
mod speed;
mod tls;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get as on_get;
use http::header::RETRY_AFTER;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::revocation::{
    RedisRevocations, Revocable, Revocation, RevocationStore as _, Revocations as _,
};
use tower_bearer::test_util::TestToken;
use tower_bearer::{BearerLayer, Reason, Verifier};

use crate::support::{
    AUDIENCE, Answer, ISSUER, User, WithBearer, get, invalid_token, key, send, validation,
};

const HOUR: Duration = Duration::from_secs(3600);
/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node of the service: a view of its own, and an API that uses it.
struct Node {
    revocations: RedisRevocations,
    app: Router,
}

impl Node {
    fn at(url: &str) -> Self {
        Self::of(RedisRevocations::new(url, HOUR).unwrap())
    }

    fn of(revocations: RedisRevocations) -> Self {
        let verifier = Verifier::<User>::new(key().verifying_key(), validation())
            .unwrap()
            .with_revocations(revocations.clone());
        let app =
            Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier));
        Self { revocations, app }
    }

    /// A node that has read everything.
    async fn ready(url: &str) -> Self {
        let node = Self::at(url);
        node.await_ready().await;
        node
    }

    async fn await_ready(&self) {
        self.revocations.await_ready(PATIENCE).await.unwrap();
    }

    async fn revoke(&self, id: &str) {
        self.revocations.add(token_revocation(id)).await.unwrap();
    }

    async fn answer(&self, token: &TestToken) -> Answer {
        send(&self.app, get("/").bearer(token.sign(&key()))).await
    }

    async fn lets_in(&self, id: &str) {
        self.answer(&token(id)).await.is_ok("in");
    }

    async fn refuses(&self, id: &str) {
        is_revoked(&self.answer(&token(id)).await);
    }

    /// 503, since a revocation may be missing.
    async fn cannot_tell(&self, id: &str) {
        let answer = self.answer(&token(id)).await;
        answer.is_refused(503, None, Reason::RevocationsUnavailable);
        assert!(answer.headers.contains_key(RETRY_AFTER));
    }

    fn knows(&self, id: &str) -> bool {
        self.revocations.lookup(ISSUER, Revocable::Token(id)).is_some()
    }

    async fn learns(&self, id: &str) {
        until(|| self.knows(id)).await;
        self.refuses(id).await;
    }
}

fn is_revoked(answer: &Answer) {
    answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
}

fn now() -> u64 {
    SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn in_an_hour() -> SystemTime {
    SystemClock.now() + HOUR
}

/// A valid token of the present; Redis expires entries by its own clock, so there is no other.
fn token(id: &str) -> TestToken {
    TestToken::new(ISSUER, AUDIENCE).at(now()).claim("jti", id)
}

fn token_revocation(id: &str) -> Revocation {
    Revocation::token(ISSUER, id, in_an_hour())
}

/// Waits for a condition that other tasks and programs bring about.
async fn until(mut is_so: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
