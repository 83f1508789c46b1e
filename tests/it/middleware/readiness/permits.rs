//! Counts the permits of a service, and its calls.

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt;
use http::Response;
use tower::layer::layer_fn;

use super::*;

/// Reserves a permit when it is made ready, uses it up when it is called, and gives it back when it
/// is dropped.
struct Counted {
    has_permit: bool,
    reserved: Arc<AtomicUsize>,
}

impl Counted {
    fn new(reserved: &Arc<AtomicUsize>) -> Self {
        Self { has_permit: false, reserved: Arc::clone(reserved) }
    }

    fn give_back(&mut self) {
        if std::mem::take(&mut self.has_permit) {
            self.reserved.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(&self.reserved)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Service<Call> for Counted {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !std::mem::replace(&mut self.has_permit, true) {
            self.reserved.fetch_add(1, Ordering::SeqCst);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Call) -> Self::Future {
        assert!(self.has_permit, "called without being ready");
        self.give_back();
        ready(Ok(Response::new("in".to_owned())))
    }
}

#[tokio::test]
async fn refused_request_gives_its_permit_back_though_the_service_is_kept() {
    let reserved = Arc::default();
    let mut service =
        BearerLayer::new(verifier_of(key().verifying_key())).layer(Counted::new(&reserved));

    let refused = service.ready().await.unwrap().call(Call::default());
    assert_eq!(reserved.load(Ordering::SeqCst), 0, "before the answer is even asked for");

    assert_eq!(refused.await.unwrap().status(), 401);
    assert_eq!(reserved.load(Ordering::SeqCst), 0);
    let accepted = service.ready().await.unwrap().call(Call::default().bearer(good()));
    assert_eq!(accepted.await.unwrap().body(), "in");
}

#[tokio::test]
async fn guard_that_refuses_gives_its_permit_back_though_the_service_is_kept() {
    let reserved = Arc::default();
    let guard = layer_fn(|inner| require(role("admin")).layer(inner));
    let mut service = ServiceBuilder::new()
        .layer(BearerLayer::new(verifier_of(key().verifying_key())))
        .layer(guard)
        .service(Counted::new(&reserved));
    let admin = token().claim("roles", ["admin"].as_slice()).sign(&key());

    let refused =
        service.ready().await.unwrap().call(Call::default().bearer(good())).await.unwrap();

    assert_eq!(refused.status(), 403);
    assert_eq!(reserved.load(Ordering::SeqCst), 0);
    let accepted = service.ready().await.unwrap().call(Call::default().bearer(admin));
    assert_eq!(accepted.await.unwrap().body(), "in");
}

#[tokio::test]
async fn request_that_waits_reserves_nothing_until_it_is_let_in() {
    let (reserved, keys) = (Arc::default(), LateKeys::new());
    let mut service =
        BearerLayer::new(verifier_of(Arc::clone(&keys))).layer(Counted::new(&reserved));

    let mut waiting = Box::pin(service.ready().await.unwrap().call(Call::default().bearer(good())));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!((keys.waiting(), reserved.load(Ordering::SeqCst)), (1, 0));

    keys.come();
    assert_eq!(waiting.await.unwrap().body(), "in");
    assert_eq!(reserved.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn request_that_goes_away_while_it_waits_leaves_nothing_reserved() {
    let (reserved, keys) = (Arc::default(), LateKeys::new());
    let mut service =
        BearerLayer::new(verifier_of(Arc::clone(&keys))).layer(Counted::new(&reserved));
    let mut waiting = Box::pin(service.ready().await.unwrap().call(Call::default().bearer(good())));
    assert!((&mut waiting).now_or_never().is_none());

    drop(waiting);

    assert_eq!(reserved.load(Ordering::SeqCst), 0);
    keys.come();
    let next = service.ready().await.unwrap().call(Call::default().bearer(good()));
    assert_eq!(next.await.unwrap().body(), "in");
}
