//! Measures the worst of the faults: no request with a known key waits for a provider that hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::keys::{CachedKeys, HttpFetch};
use tower_bearer::test_util::{Fault, TestProvider};
use tower_bearer::{BearerLayer, Claims, RemoteKeys, Validation, Verifier};

use crate::support::scripted::own_budget;
use crate::support::{AUDIENCE, User, WithBearer, get, send};

const REQUESTS: usize = 300;
const A_LONG_TIME: Duration = Duration::from_secs(30);

/// A provider, a source whose keys are fresh, and an application.
async fn warm() -> (TestProvider, Arc<RemoteKeys>, Router) {
    let provider = TestProvider::start().await;
    let fetch = HttpFetch::discover(provider.issuer()).unwrap().with_timeout(A_LONG_TIME);
    let keys = CachedKeys::new(fetch).with_wait(A_LONG_TIME).with_shared_budget(own_budget());
    let keys = Arc::new(keys);
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<User>::new(Arc::clone(&keys), validation).unwrap();
    let app = Router::new()
        .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
        .layer(BearerLayer::new(verifier));
    send(&app, get("/").bearer(provider.mint(AUDIENCE))).await.is_ok("alice");
    (provider, keys, app)
}

async fn time_of(app: &Router, token: &str) -> Duration {
    let before = Instant::now();
    send(app, get("/").bearer(token)).await.is_ok("alice");
    before.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_a_known_key_are_as_fast_as_with_a_provider_that_is_well() {
    let (well, _, well_app) = warm().await;
    let (hanging, keys, hanging_app) = warm().await;
    let (well_token, hanging_token) = (well.mint(AUDIENCE), hanging.mint(AUDIENCE));
    hanging.set_fault(Fault::Hang);
    hanging.rotate();
    let waiting = tokio::spawn({
        let (app, token) = (hanging_app.clone(), hanging.mint(AUDIENCE));
        async move { send(&app, get("/").bearer(token)).await }
    });
    while hanging.requests().jwks < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let (mut while_well, mut while_hanging) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        while_well.push(time_of(&well_app, &well_token).await);
        while_hanging.push(time_of(&hanging_app, &hanging_token).await);
    }

    let (while_well, while_hanging) = (median(while_well), median(while_hanging));
    let ratio = while_hanging.as_secs_f64() / while_well.as_secs_f64();
    println!("well: {while_well:?}, hanging: {while_hanging:?}, ratio {ratio:.2}");
    assert!(ratio < 5.0, "{while_well:?}, and {while_hanging:?} while the provider hangs");
    assert_eq!(keys.status().next_refresh(), None, "the fetch ended before the measurement did");

    hanging.heal();
    waiting.abort();
}
