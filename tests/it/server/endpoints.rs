//! Tests endpoints that revoke, mounted as users mount them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tower_bearer::Reason;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup};
use tower_bearer::revocation::{Revocation, RevocationStore, RevocationsUnavailable};

use crate::providers::provider::form_of;
use crate::support::Answer;

mod interop;
mod logout;
mod metadata;
mod resource;
mod revocation;
mod wire;

pub const FORM: &str = "application/x-www-form-urlencoded";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn post(form: &[(&str, &str)]) -> Request<Body> {
    post_raw(FORM, form_of(form))
}

fn post_raw(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post("/").header(CONTENT_TYPE, content_type).body(body.into()).unwrap()
}

/// Records the revocations it is given, and can be away.
#[derive(Clone, Default)]
struct Store {
    written: Arc<Mutex<Vec<Revocation>>>,
    is_away: Arc<AtomicBool>,
    /// Goes away after this many.
    takes: Arc<Mutex<Option<usize>>>,
}

impl Store {
    fn written(&self) -> Vec<Revocation> {
        self.written.lock().unwrap().clone()
    }

    fn set_away(&self, away: bool) {
        self.is_away.store(away, Ordering::Relaxed);
    }

    fn set_away_after(&self, count: usize) {
        *self.takes.lock().unwrap() = Some(count);
    }
}

impl RevocationStore for Store {
    async fn add(&self, revocation: Revocation) -> Result<(), RevocationsUnavailable> {
        if self.is_away.load(Ordering::Relaxed) {
            let error = RevocationsUnavailable::new("the store is away");
            return Err(error.with_retry_after(Duration::from_millis(6001)));
        }
        self.written.lock().unwrap().push(revocation);
        let mut takes = self.takes.lock().unwrap();
        *takes = takes.map(|count| count - 1);
        if *takes == Some(0) {
            *takes = None;
            self.set_away(true);
        }
        Ok(())
    }
}

/// Keys that never come.
struct NoKeys;

impl KeySource for NoKeys {
    fn lookup(&self, _: &Header) -> Lookup {
        Lookup::Refresh
    }

    async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
        Err(KeysUnavailable::new("the provider is away"))
    }
}

#[track_caller]
fn is_done(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""), "{answer:?}");
    assert_eq!((answer.challenge(), answer.reason), (None, None));
    assert_eq!(answer.headers["cache-control"], "no-store");
}

/// Checks status, error and reason, and the fields that go with them.
#[track_caller]
fn is_refused(answer: &Answer, status: u16, error: &str, reason: Option<Reason>) {
    let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let seen = (answer.status.as_u16(), json["error"].as_str().unwrap_or("none"), answer.reason);
    assert_eq!(seen, (status, error, reason), "{answer:?}");
    assert!(json["error_description"].is_string(), "{answer:?}");
    let challenge = "Basic realm=\"clients\", charset=\"UTF-8\"";
    assert_eq!(answer.challenge(), (status == 401).then_some(challenge), "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers.contains_key("retry-after"), status == 503, "{answer:?}");
}
