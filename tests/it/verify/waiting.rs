//! Tests requests that have waited, for keys, for an answer or for the inner service: changes in
//! the meantime count.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::{BoxFuture, Ready, ready};
use futures::task::AtomicWaker;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt};
use tower_bearer::active_check::ActiveCheck;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, Lookup, VerifyingKey};
use tower_bearer::policy::role;
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::test_util::TestClock;
use tower_bearer::{AuthError, BearerLayer, Issuers, Principal, Reason, Verified, Verifier};

use crate::support::{
    AUDIENCE, ISSUER, NOW, PLAIN, User, WithBearer, good, invalid_token, key, token, validation,
};

/// A key source that the test changes.
#[derive(Clone)]
struct Keys(Arc<Mutex<Held>>);

enum Held {
    Key(VerifyingKey),
    Nothing,
    /// Wants to fetch.
    Stale,
}

impl Keys {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Held::Key(key().verifying_key()))))
    }

    fn set(&self, held: Held) {
        *self.0.lock().unwrap() = held;
    }
}

impl KeySource for Keys {
    fn lookup(&self, header: &Header) -> Lookup {
        match &*self.0.lock().unwrap() {
            Held::Key(key) => key.lookup(header),
            Held::Nothing => Lookup::Unknown,
            Held::Stale => Lookup::Refresh,
        }
    }
}

/// Everything that may change while a request waits, and everything it may wait for.
struct World {
    clock: TestClock,
    keys: Keys,
    issuers: Issuers,
    revocations: MemoryRevocations,
    /// A call of the active check ends for each permit.
    answers: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    inner: Slow,
    cached: bool,
}

impl World {
    fn new(cached: bool) -> Self {
        let (clock, keys, issuers) = (TestClock::at(NOW), Keys::new(), Issuers::new());
        issuers.add(keys.clone(), validation()).unwrap();
        Self {
            revocations: MemoryRevocations::new().with_clock(clock.clone()),
            clock,
            keys,
            issuers,
            answers: Arc::new(Semaphore::new(0)),
            asked: Arc::default(),
            inner: Slow::default(),
            cached,
        }
    }

    fn verifier(&self) -> Verifier<User> {
        let (answers, asked) = (Arc::clone(&self.answers), Arc::clone(&self.asked));
        let check = ActiveCheck::new(move |_: Principal| {
            let answers = Arc::clone(&answers);
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                answers.acquire().await.unwrap().forget();
                Ok::<_, Infallible>(true)
            }
        });
        let verifier = Verifier::multi_issuer(&self.issuers)
            .with_clock(self.clock.clone())
            .with_revocations(self.revocations.clone())
            .with_active_check(check.with_timeout(Duration::from_secs(3600)));
        if self.cached { verifier } else { verifier.without_cache() }
    }

    fn layer(&self) -> BearerLayer<User> {
        BearerLayer::new(self.verifier())
    }

    fn ask(&self, layer: &BearerLayer<User>) -> BoxFuture<'static, Response<String>> {
        let service = layer.layer(self.inner.clone());
        Box::pin(async move { service.oneshot(Request::new(()).bearer(good())).await.unwrap() })
    }
}

/// Is ready when the test says so. At first it is.
#[derive(Clone, Default)]
struct Slow(Arc<SlowState>);

#[derive(Default)]
struct SlowState {
    busy: std::sync::atomic::AtomicBool,
    waker: AtomicWaker,
}

impl Slow {
    fn is_busy(&self, busy: bool) {
        self.0.busy.store(busy, Ordering::SeqCst);
        self.0.waker.wake();
    }
}

impl Service<Request<()>> for Slow {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.waker.register(cx.waker());
        if self.0.busy.load(Ordering::SeqCst) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let principal = request.extensions().get::<Principal>().unwrap();
        let role = if principal.has_role("boss") { "boss" } else { "no boss" };
        ready(Ok(Response::new(role.to_owned())))
    }
}

/// A change that may happen while a request waits, with its outcome.
type Change = (&'static str, fn(&World), Option<(u16, &'static str, Reason)>);

const CHANGES: [Change; 8] = [
    ("nothing", |_| (), None),
    ("it is revoked", revoke, Some((401, "The token was revoked", Reason::Revoked))),
    (
        "it expires",
        |world| world.clock.advance(Duration::from_secs(7200)),
        Some((401, "The token has expired", Reason::Expired)),
    ),
    ("a moment passes", |world| world.clock.advance(Duration::from_secs(1)), None),
    (
        "its key is withdrawn",
        |world| world.keys.set(Held::Nothing),
        Some((401, "The token cannot be verified", Reason::UnknownKey)),
    ),
    (
        "its keys are too old",
        |world| world.keys.set(Held::Stale),
        Some((503, "", Reason::KeysUnavailable)),
    ),
    (
        "its issuer goes",
        |world| _ = world.issuers.remove(ISSUER),
        Some((401, "The token cannot be verified", Reason::WrongIssuer)),
    ),
    ("its issuer comes back", |world| come_back(world, &[AUDIENCE]), None),
];

fn revoke(world: &World) {
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    world.revocations.revoke(Revocation::subject(ISSUER, "alice", now));
}

fn come_back(world: &World, audiences: &[&str]) {
    world.issuers.remove(ISSUER);
    let rules = tower_bearer::Validation::new(ISSUER, audiences[0]);
    world.issuers.add(world.keys.clone(), rules).unwrap();
}

#[track_caller]
fn is_answered(
    response: &Response<String>,
    refused: Option<(u16, &str, Reason)>,
    what: impl std::fmt::Debug,
) {
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
    let seen = (response.status().as_u16(), challenge, response.extensions().get().copied());
    match refused {
        None => assert_eq!(seen, (200, None, None), "{what:?}"),
        Some((503, _, reason)) => {
            assert_eq!(seen, (503, None, Some(reason)), "{what:?}");
            assert!(response.headers().contains_key("retry-after"), "{what:?}");
        }
        Some((status, description, reason)) => {
            let challenge = invalid_token(description);
            assert_eq!(seen, (status, Some(&*challenge), Some(reason)), "{what:?}");
        }
    }
}

#[tokio::test]
async fn change_while_the_answer_about_a_subject_is_awaited_counts() {
    for cached in [true, false] {
        for (name, change, refused) in CHANGES {
            // With the first request the token is new, with the second it was verified before.
            let world = World::new(cached);
            let layer = world.layer();
            for asked in 1..=2 {
                let mut waiting = world.ask(&layer);
                assert!((&mut waiting).now_or_never().is_none());
                assert_eq!(world.asked.load(Ordering::SeqCst), asked);
                if asked == 2 {
                    change(&world);
                }

                world.answers.add_permits(1);

                let expected = if asked == 2 { refused } else { None };
                is_answered(&waiting.await, expected, (name, cached, asked));
            }
        }
    }
}

#[tokio::test]
async fn change_while_the_answer_about_the_subject_of_a_new_token_is_awaited_counts() {
    for cached in [true, false] {
        for (name, change, refused) in CHANGES {
            let world = World::new(cached);
            let mut waiting = world.ask(&world.layer());
            assert!((&mut waiting).now_or_never().is_none());
            change(&world);

            world.answers.add_permits(1);

            is_answered(&waiting.await, refused, (name, cached));
        }
    }
}

#[tokio::test]
async fn change_while_the_inner_service_is_not_ready_counts() {
    for cached in [true, false] {
        for (name, change, refused) in CHANGES {
            let world = World::new(cached);
            let mut waiting = world.ask(&world.layer());
            assert!((&mut waiting).now_or_never().is_none());
            world.inner.is_busy(true);
            world.answers.add_permits(1);
            assert!((&mut waiting).now_or_never().is_none());
            assert_eq!(world.answers.available_permits(), 0, "the answer has come");
            change(&world);

            world.inner.is_busy(false);

            is_answered(&waiting.await, refused, (name, cached));
        }
    }
}

#[tokio::test]
async fn verifier_used_by_itself_judges_again_after_waiting_too() {
    for cached in [true, false] {
        for (name, change, refused) in CHANGES {
            let world = World::new(cached);
            let (verifier, token) = (world.verifier(), good());
            let mut waiting = Box::pin(verifier.verify(&token));
            assert!((&mut waiting).now_or_never().is_none());
            change(&world);

            world.answers.add_permits(1);

            let verdict: Result<Verified<User>, AuthError> = waiting.await;
            let reason = verdict.err().map(|error| error.reason());
            assert_eq!(reason, refused.map(|(.., reason)| reason), "{name} {cached}");
        }
    }
}

#[tokio::test]
async fn issuer_that_comes_back_with_other_rules_judges_by_these() {
    let world = World::new(true);
    let mut waiting = world.ask(&world.layer());
    assert!((&mut waiting).now_or_never().is_none());
    come_back(&world, &["https://other.example.com"]);

    world.answers.add_permits(1);

    let refused = Some((401, "The token is for another audience", Reason::WrongAudience));
    is_answered(&waiting.await, refused, "another audience");
}

#[tokio::test]
async fn roles_and_policy_are_those_of_the_rules_that_count_at_last() {
    for (boss, reads_roles_at) in [(true, "/title"), (false, "/roles")] {
        let world = World::new(true);
        let layer = world.layer().with_policy(role("user").or(role("boss")));
        let titled = token().claim("roles", "user").claim("title", "boss").sign(&key());
        let service = layer.layer(world.inner.clone());
        let mut waiting = Box::pin(service.oneshot(Request::new(()).bearer(titled)));
        assert!((&mut waiting).now_or_never().is_none());
        world.issuers.remove(ISSUER);
        let rules = validation().with_roles_at([reads_roles_at]);
        world.issuers.add(world.keys.clone(), rules).unwrap();

        world.answers.add_permits(1);

        let expected = if boss { "boss" } else { "no boss" };
        assert_eq!(waiting.await.unwrap().body(), expected);
    }
}

#[tokio::test]
async fn policy_that_the_new_rules_do_not_meet_refuses() {
    let world = World::new(true);
    let layer = world.layer().with_policy(role("user"));
    let user = token().claim("roles", "user").sign(&key());
    let service = layer.layer(world.inner.clone());
    let mut waiting = Box::pin(service.oneshot(Request::new(()).bearer(user)));
    assert!((&mut waiting).now_or_never().is_none());
    world.issuers.remove(ISSUER);
    let rules = validation().with_roles_at(["/title"]);
    world.issuers.add(world.keys.clone(), rules).unwrap();

    world.answers.add_permits(1);

    let refused = waiting.await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let reason = refused.extensions().get::<Reason>().copied();
    assert_eq!(
        (refused.status().as_u16(), challenge, reason),
        (403, PLAIN, Some(Reason::Forbidden))
    );
}

#[tokio::test]
async fn waiting_is_no_second_look_in_the_counts_of_the_cache() {
    let world = World::new(true);
    let (verifier, token) = (world.verifier(), good());
    world.answers.add_permits(3);

    for _ in 0..3 {
        verifier.verify(&token).await.unwrap();
    }

    let stats = verifier.cache_stats().unwrap();
    assert_eq!((stats.hits, stats.misses), (2, 1));
}

/// Finds its key each time it is waited for, and keeps nothing.
struct Forgetful(AtomicUsize);

impl KeySource for Forgetful {
    fn lookup(&self, _: &Header) -> Lookup {
        Lookup::Refresh
    }

    async fn refresh(
        &self,
        header: &Header,
    ) -> Result<Lookup, tower_bearer::keys::KeysUnavailable> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(key().verifying_key().lookup(header))
    }
}

#[tokio::test]
async fn source_that_keeps_nothing_is_asked_once_more_after_the_answer_about_the_subject() {
    let (world, keys) = (World::new(true), Arc::new(Forgetful(AtomicUsize::new(0))));
    world.issuers.remove(ISSUER);
    world.issuers.add(Arc::clone(&keys), validation()).unwrap();
    let mut waiting = world.ask(&world.layer());
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(keys.0.load(Ordering::SeqCst), 1);

    world.answers.add_permits(1);

    is_answered(&waiting.await, None, "in");
    assert_eq!(keys.0.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn source_that_keeps_nothing_is_503_after_waiting_for_the_inner_service() {
    let (world, keys) = (World::new(true), Forgetful(AtomicUsize::new(0)));
    world.issuers.remove(ISSUER);
    world.issuers.add(keys, validation()).unwrap();
    let mut waiting = world.ask(&world.layer());
    assert!((&mut waiting).now_or_never().is_none());
    world.inner.is_busy(true);
    world.answers.add_permits(1);
    assert!((&mut waiting).now_or_never().is_none());

    world.inner.is_busy(false);

    is_answered(&waiting.await, Some((503, "", Reason::KeysUnavailable)), "too late");
}
