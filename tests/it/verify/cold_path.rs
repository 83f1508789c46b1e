//! Tests keys that must be waited for, from a source of the test's own.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup, VerifyingKey};
use tower_bearer::{BearerLayer, Claims, Reason};

use crate::support::{User, WithBearer, get, good, invalid_token, key, send, token, verifier_of};

/// Has its key after a refresh, which takes until the test allows it.
struct Slow {
    key: VerifyingKey,
    loaded: AtomicBool,
    refreshes: AtomicUsize,
    gate: Semaphore,
}

impl Slow {
    fn new() -> Arc<Self> {
        Self::with_key(key().verifying_key())
    }

    fn with_key(key: VerifyingKey) -> Arc<Self> {
        Arc::new(Self {
            key,
            loaded: AtomicBool::new(false),
            refreshes: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        })
    }

    fn open(&self) {
        self.gate.add_permits(100);
    }

    fn refreshes(&self) -> usize {
        self.refreshes.load(Ordering::SeqCst)
    }
}

impl KeySource for Slow {
    fn lookup(&self, header: &Header) -> Lookup {
        if self.loaded.load(Ordering::SeqCst) { self.key.lookup(header) } else { Lookup::Refresh }
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.map_err(KeysUnavailable::new)?.forget();
        self.loaded.store(true, Ordering::SeqCst);
        Ok(self.lookup(header))
    }
}

fn app(keys: &Arc<Slow>) -> Router {
    Router::new()
        .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
        .layer(BearerLayer::new(verifier_of(Arc::clone(keys))))
}

#[tokio::test]
async fn request_waits_for_its_key_and_is_then_served() {
    let keys = Slow::new();
    keys.open();

    send(&app(&keys), get("/").bearer(good())).await.is_ok("alice");
    send(&app(&keys), get("/").bearer(good())).await.is_ok("alice");

    assert_eq!(keys.refreshes(), 1);
}

#[tokio::test]
async fn token_that_is_refused_after_waiting_is_refused_like_any_other() {
    let keys = Slow::new();
    keys.open();
    let expired = token().claim("exp", 1).sign(&key());

    let answer = send(&app(&keys), get("/").bearer(expired)).await;

    answer.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
}

#[tokio::test]
async fn source_is_asked_to_refresh_once_for_a_request() {
    /// Always wants another refresh.
    struct Greedy(AtomicUsize);

    impl KeySource for Greedy {
        fn lookup(&self, _: &Header) -> Lookup {
            Lookup::Refresh
        }

        async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(Lookup::Refresh)
        }
    }
    let keys = Arc::new(Greedy(AtomicUsize::new(0)));
    let app = Router::new()
        .route("/", on_get(|| async {}))
        .layer(BearerLayer::new(verifier_of(Arc::clone(&keys))));

    let answer = send(&app, get("/").bearer(good())).await;

    // There may be such a key: a 401 would make the client throw its token away.
    answer.is_refused(503, None, Reason::KeysUnavailable);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(keys.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn malformed_tokens_never_make_a_request_wait() {
    let keys = Slow::new();

    for token in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.AA"] {
        assert_eq!(send(&app(&keys), get("/").bearer(token)).await.status, 401);
    }

    assert_eq!(keys.refreshes(), 0);
}

#[tokio::test]
async fn waiting_request_holds_no_readiness_of_the_inner_service() {
    // One permit: a request that waited for keys while holding it would block all others.
    let keys = Slow::new();
    let inner =
        ServiceBuilder::new().concurrency_limit(1).service(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(String::from("in")))
        }));
    let waits = BearerLayer::new(verifier_of(Arc::clone(&keys))).layer(inner.clone());
    let waiting = tokio::spawn(waits.oneshot(Request::new(()).bearer(good())));
    while keys.refreshes() == 0 {
        tokio::task::yield_now().await;
    }

    let other = BearerLayer::new(verifier_of(key().verifying_key())).layer(inner);
    let served = tokio::time::timeout(
        Duration::from_secs(5),
        other.oneshot(Request::new(()).bearer(good())),
    );
    assert_eq!(served.await.expect("the permit is free").unwrap().body(), "in");

    keys.open();
    assert_eq!(waiting.await.unwrap().unwrap().body(), "in");
}

#[tokio::test]
async fn clone_that_takes_the_call_was_made_ready() {
    #[derive(Default)]
    struct Picky(bool);

    impl Clone for Picky {
        fn clone(&self) -> Self {
            Self(false)
        }
    }

    impl Service<Request<()>> for Picky {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<String>, Infallible>>;

        fn poll_ready(
            &mut self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            if !std::mem::replace(&mut self.0, true) {
                cx.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.0), "called without being ready");
            std::future::ready(Ok(Response::new("in".to_owned())))
        }
    }
    let keys = Slow::new();
    keys.open();
    let service = BearerLayer::new(verifier_of(keys)).layer(Picky::default());

    let response = service.oneshot(Request::new(()).bearer(good())).await.unwrap();

    assert_eq!(response.body(), "in");
}

#[tokio::test]
async fn client_that_hangs_up_while_waiting_breaks_nothing() {
    let keys = Slow::new();
    let app = app(&keys);
    let request = tokio::spawn({
        let app = app.clone();
        async move { send(&app, get("/").bearer(good())).await }
    });
    while keys.refreshes() == 0 {
        tokio::task::yield_now().await;
    }

    request.abort();
    keys.open();

    send(&app, get("/").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn verifier_used_by_itself_waits_too() {
    let keys = Slow::new();
    keys.open();

    assert!(verifier_of(keys).verify(&good()).await.is_ok());
}
