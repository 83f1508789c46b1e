//! Tests issuers whose keys are replaced.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_bearer::issue::{IssuedToken, IssuerKeyState, IssuerKeys, KeyRotation};
use tower_bearer::keys::{KeySource, SigningKey};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, BearerLayer, Reason, TokenIssuer, Verifier};

use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, User, WithBearer, get, invalid_token, send, validation,
};

mod claims;
mod files;
mod load;
mod rotation;
mod several_nodes;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// As long as a next key is published by default.
const AHEAD: Duration = Duration::from_secs(15 * 60);

/// An issuer and a layer that have the same keys and the same clock.
struct Node {
    clock: TestClock,
    keys: IssuerKeys,
    tokens: TokenIssuer<IssuerKeys>,
    app: Router,
}

impl Node {
    fn new(clock: &TestClock, keys: IssuerKeys) -> Self {
        let tokens = TokenIssuer::new(ISSUER, AUDIENCE, keys.clone()).unwrap();
        let tokens = tokens.with_clock(clock.clone());
        let app = app(clock, tokens.keys());
        Self { clock: clock.clone(), keys, tokens, app }
    }

    fn generate(algorithm: Algorithm) -> Self {
        let clock = TestClock::at(NOW);
        let keys = rules(&clock).generate(algorithm).unwrap();
        Self::new(&clock, keys)
    }

    fn open(clock: &TestClock, path: &Path) -> Self {
        Self::new(clock, rules(clock).open(path).unwrap())
    }

    fn issue(&self) -> String {
        self.tokens.token_for("alice").issue().unwrap().into_string()
    }

    /// Lets the next key become usable, and rotates.
    fn rotate(&self) {
        self.clock.advance(AHEAD);
        self.keys.rotate().unwrap();
    }

    async fn accepts(&self, token: &str) {
        send(&self.app, get("/").bearer(token)).await.is_ok("in");
    }

    async fn refuses_unknown_key(&self, token: &str) {
        refuses_unknown_key(&send(&self.app, get("/").bearer(token)).await);
    }

    /// The ids of the active, the next and the retired keys.
    fn ids(&self) -> Vec<String> {
        ids(&self.keys)
    }
}

fn app(clock: &TestClock, keys: impl KeySource) -> Router {
    let verifier = Verifier::<User>::new(keys, validation()).unwrap().with_clock(clock.clone());
    Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier))
}

fn rules(clock: &TestClock) -> KeyRotation {
    KeyRotation::new().with_clock(clock.clone())
}

#[track_caller]
fn refuses_unknown_key(answer: &Answer) {
    let challenge = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
}

fn ids(keys: &IssuerKeys) -> Vec<String> {
    keys.status().iter().map(|key| key.key_id().unwrap().to_owned()).collect()
}

fn states(keys: &IssuerKeys) -> Vec<IssuerKeyState> {
    keys.status().iter().map(|key| key.state()).collect()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

fn claims(token: &IssuedToken) -> Value {
    part(token.as_str(), 1)
}

fn new_key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

/// A directory that is removed after the test.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("issuer-keys-{test}-{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of keys for ES256, made at this time.
    fn keys(&self, clock: &TestClock) -> PathBuf {
        let path = self.file("keys.json");
        rules(clock).create(&path, new_key()).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
