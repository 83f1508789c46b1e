//! Tests the answers of authenticators that a layer keeps: for how long, and what ends them before.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use http::{Request, Response};
use tokio::sync::Semaphore;
use tokio::time::advance;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::active_check::ActiveCheck;
use tower_bearer::binding::{Binding, BindingVerdict, Proved};
use tower_bearer::challenge::AuthScheme;
use tower_bearer::claims::ConfirmationMethod;
use tower_bearer::claims::NumericDate;
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::source::Presented;
use tower_bearer::test_util::TestClock;
use tower_bearer::{AuthError, BearerLayer, Issuers, Principal, Reason, Verifier};

use crate::support::{
    Answer, ISSUER, NOW, User, WithBearer, get, good, invalid_token, key, layer, send, token,
    validation, verifier, verifier_with,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A table of keys that counts its look-ups. Clones share it.
#[derive(Clone)]
struct Keys {
    asked: Arc<AtomicUsize>,
    generation: Arc<AtomicU64>,
    owner: Arc<Mutex<Option<&'static str>>>,
    fresh_for: Duration,
}

impl Keys {
    fn kept_for(fresh_for: Duration) -> Self {
        Self {
            asked: Arc::default(),
            generation: Arc::default(),
            owner: Arc::new(Mutex::new(Some("builder"))),
            fresh_for,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Gives all keys to another owner, or ends them.
    fn change(&self, owner: Option<&'static str>) {
        *self.owner.lock().unwrap() = owner;
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn layer(&self, verifier: Verifier<User>) -> BearerLayer<User> {
        BearerLayer::new(verifier).with_authenticator(self.clone(), validation()).unwrap()
    }
}

impl Authenticator for Keys {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"key_")
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let owner = self.owner.lock().unwrap().ok_or(Reason::UnknownKey)?;
        let found = Authenticated::subject(owner).with_claim("jti", token);
        if token == "key_bound" {
            let bound = Authenticated::from_json(r#"{"sub":"x","cnf":{"jkt":"abc"}}"#)?;
            return Ok(bound.with_freshness(self.fresh_for));
        }
        let found = match token.strip_prefix("key_for_") {
            Some(seconds) => {
                let end = i64::try_from(NOW).unwrap() + seconds.parse::<i64>().unwrap();
                found.with_expiry(NumericDate::from_seconds(end))
            }
            None => found,
        };
        Ok(found.with_freshness(self.fresh_for))
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

fn app(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    Router::new().route("/", on_get(name)).layer(layer)
}

async fn ask(app: &Router, token: &str) -> Answer {
    send(app, get("/").bearer(token)).await
}

#[track_caller]
fn is_unknown(answer: &Answer) {
    let challenge = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn answer_is_kept_for_its_time_and_no_longer() {
    let keys = Keys::kept_for(MINUTE);
    let app = app(keys.layer(verifier()));

    ask(&app, "key_1").await.is_ok("builder");
    advance(MINUTE - Duration::from_millis(1)).await;
    ask(&app, "key_1").await.is_ok("builder");
    assert_eq!(keys.asked(), 1);

    advance(Duration::from_millis(1)).await;
    ask(&app, "key_1").await.is_ok("builder");
    assert_eq!(keys.asked(), 2);
}

#[tokio::test]
async fn answer_without_freshness_is_not_kept() {
    let keys = Keys::kept_for(Duration::ZERO);
    let app = app(keys.layer(verifier()));

    ask(&app, "key_1").await.is_ok("builder");
    ask(&app, "key_1").await.is_ok("builder");

    assert_eq!(keys.asked(), 2);
}

#[tokio::test]
async fn answer_is_not_kept_without_a_cache() {
    let keys = Keys::kept_for(MINUTE);
    let app = app(keys.layer(verifier().without_cache()));

    ask(&app, "key_1").await.is_ok("builder");
    ask(&app, "key_1").await.is_ok("builder");

    assert_eq!(keys.asked(), 2);
}

#[tokio::test]
async fn answer_is_kept_beside_a_verifier_of_several_issuers() {
    let (keys, issuers) = (Keys::kept_for(MINUTE), Issuers::new());
    issuers.add(key().verifying_key(), validation()).unwrap();
    let verifier = Verifier::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let app = app(keys.layer(verifier));

    ask(&app, "key_1").await.is_ok("builder");
    ask(&app, "key_1").await.is_ok("builder");
    ask(&app, &good()).await.is_ok("alice");
    assert_eq!(keys.asked(), 1);

    issuers.remove(ISSUER);
    ask(&app, "key_1").await.is_ok("builder");
    assert_eq!(keys.asked(), 1);
}

#[tokio::test]
async fn kept_answer_takes_its_memory_and_not_more() {
    let keys = Keys::kept_for(MINUTE);
    let layer = keys.layer(verifier());
    let app = app(layer.clone());

    ask(&app, "key_1").await.is_ok("builder");
    let one = layer.cache_stats().unwrap().bytes;
    ask(&app, "key_2").await.is_ok("builder");
    let both = layer.cache_stats().unwrap().bytes;

    assert!((300..2_000).contains(&one), "{one}");
    assert_eq!(both, 2 * one);
}

#[tokio::test]
async fn answer_counts_for_one_token_only() {
    let keys = Keys::kept_for(MINUTE);
    let app = app(keys.layer(verifier()));

    ask(&app, "key_1").await.is_ok("builder");
    keys.change(None);

    is_unknown(&ask(&app, "key_2").await);
}

#[tokio::test]
async fn kept_answer_is_counted_as_a_hit_of_the_layers_cache() {
    let keys = Keys::kept_for(MINUTE);
    let layer = keys.layer(verifier());
    let app = app(layer.clone());

    ask(&app, "key_1").await.is_ok("builder");
    ask(&app, "key_1").await.is_ok("builder");

    let stats = layer.cache_stats().unwrap();
    assert_eq!((stats.hits, stats.misses, stats.entries), (1, 1, 1));
}

#[tokio::test]
async fn kept_answer_ends_with_the_expiry_of_its_claims() {
    let (keys, clock) = (Keys::kept_for(10 * MINUTE), TestClock::at(NOW));
    let app = app(keys.layer(verifier().with_clock(clock.clone())));

    ask(&app, "key_for_60").await.is_ok("builder");
    // Leeway.
    clock.advance(MINUTE + Duration::from_secs(59));
    ask(&app, "key_for_60").await.is_ok("builder");
    assert_eq!(keys.asked(), 1);
    clock.advance(Duration::from_secs(1));

    let answer = ask(&app, "key_for_60").await;
    answer.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
}

#[tokio::test]
async fn another_generation_ends_all_answers_at_once() {
    let keys = Keys::kept_for(MINUTE);
    let app = app(keys.layer(verifier()));
    ask(&app, "key_1").await.is_ok("builder");

    keys.change(Some("painter"));
    ask(&app, "key_1").await.is_ok("painter");
    ask(&app, "key_1").await.is_ok("painter");
    assert_eq!(keys.asked(), 2);

    keys.change(None);
    is_unknown(&ask(&app, "key_1").await);
}

#[tokio::test]
async fn revocation_counts_for_new_and_for_kept_answers() {
    for fresh_for in [Duration::ZERO, MINUTE] {
        let keys = Keys::kept_for(fresh_for);
        let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
        let app = app(keys.layer(verifier().with_revocations(view.clone())));
        ask(&app, "key_1").await.is_ok("builder");
        ask(&app, "key_2").await.is_ok("builder");

        let end = UNIX_EPOCH + Duration::from_secs(NOW + 900);
        view.revoke(Revocation::token(ISSUER, "key_1", end));

        let answer = ask(&app, "key_1").await;
        answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
        ask(&app, "key_2").await.is_ok("builder");
    }
}

#[tokio::test]
async fn active_check_counts_for_new_and_for_kept_answers() {
    for fresh_for in [Duration::ZERO, MINUTE] {
        let (keys, inactive) = (Keys::kept_for(fresh_for), Arc::new(Mutex::new("")));
        let check = ActiveCheck::new({
            let inactive = Arc::clone(&inactive);
            move |principal: Principal| {
                let is_active = principal.subject() != Some(*inactive.lock().unwrap());
                async move { Ok::<_, Infallible>(is_active) }
            }
        });
        let app = app(keys.layer(verifier().with_active_check(check)));
        ask(&app, "key_1").await.is_ok("builder");

        *inactive.lock().unwrap() = "builder";

        let answer = ask(&app, "key_1").await;
        let challenge = invalid_token("The token is not active any more");
        answer.is_refused(401, Some(&challenge), Reason::Inactive);
        *inactive.lock().unwrap() = "painter";
        ask(&app, "key_1").await.is_ok("builder");
    }
}

#[tokio::test]
async fn bound_token_is_refused_each_time_also_if_its_answer_may_be_kept() {
    let keys = Keys::kept_for(MINUTE);
    let app = app(keys.layer(verifier()));

    for _ in 0..3 {
        let answer = ask(&app, "key_bound").await;
        let challenge = invalid_token("The token is bound to a key, which bearer tokens are not");
        answer.is_refused(401, Some(&challenge), Reason::BoundToken);
    }
    ask(&app, "key_1").await.is_ok("builder");
}

#[tokio::test]
async fn bound_tokens_are_accepted_where_that_is_allowed_by_name() {
    let accepting = || validation().dangerous().accept_bound_tokens();
    let verifier = verifier_with(key().verifying_key(), accepting());
    let bound = token().claim("cnf", serde_json::json!({"jkt": "abc"})).sign(&key());
    let keys = Keys::kept_for(MINUTE);
    let layer = BearerLayer::new(verifier).with_authenticator(keys, accepting()).unwrap();
    let app = app(layer);

    for _ in 0..2 {
        ask(&app, &bound).await.is_ok("alice");
        ask(&app, "key_bound").await.is_ok("x");
    }
}

#[tokio::test]
async fn layer_without_the_authenticator_does_not_find_its_answers() {
    let (keys, verifier) = (Keys::kept_for(MINUTE), verifier());
    let with = app(keys.layer(verifier.clone()));
    let without = app(BearerLayer::new(verifier.clone()));

    ask(&with, "key_1").await.is_ok("builder");

    let answer = ask(&without, "key_1").await;
    let challenge = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), Reason::Malformed);
    assert!(verifier.verify("key_1").await.is_err());
}

#[tokio::test]
async fn token_that_another_layer_has_verified_is_still_the_authenticators() {
    /// Decides about all tokens, and knows none.
    struct All;
    impl Authenticator for All {
        fn accepts(&self, _: Presented<'_>) -> bool {
            true
        }

        async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
            Err(Reason::UnknownKey.into())
        }
    }
    let verifier = verifier();
    let usual = app(BearerLayer::new(verifier.clone()));
    let layer = BearerLayer::new(verifier).with_authenticator(All, validation()).unwrap();
    let strict = app(layer);

    ask(&usual, &good()).await.is_ok("alice");
    ask(&usual, &good()).await.is_ok("alice");

    is_unknown(&ask(&strict, &good()).await);
}

#[tokio::test]
async fn answer_counts_only_under_the_scheme_that_the_token_came_under() {
    /// Decides about all tokens under a scheme of its own.
    struct ByScheme;
    impl Authenticator for ByScheme {
        fn accepts(&self, presented: Presented<'_>) -> bool {
            presented.scheme() == AuthScheme::new("ApiKey").unwrap()
        }

        async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
            match token {
                "key_1" => Ok(Authenticated::subject("builder").with_freshness(MINUTE)),
                _ => Err(Reason::UnknownKey.into()),
            }
        }
    }
    let scheme = AuthScheme::new("ApiKey").unwrap();
    let layer = layer().with_authenticator(ByScheme, validation()).unwrap();
    let app = app(layer.with_schemes([AuthScheme::BEARER.into(), scheme.into()]));
    let under = async |scheme: &str, token: &str| {
        send(&app, get("/").field("authorization", format!("{scheme} {token}"))).await
    };

    for _ in 0..2 {
        under("ApiKey", "key_1").await.is_ok("builder");
        under("Bearer", &good()).await.is_ok("alice");

        assert_eq!(under("Bearer", "key_1").await.reason, Some(Reason::Malformed));
        let spaced = under("Bearer", "ApiKey key_1").await;
        assert_eq!(spaced.reason, Some(Reason::MalformedAuthorization));
        assert_eq!(under("ApiKey", &good()).await.reason, Some(Reason::UnknownKey));
    }
}

/// Everything that may change while a request waits for the active check or for the inner service.
struct World {
    keys: Keys,
    clock: TestClock,
    revocations: MemoryRevocations,
    /// A call of the active check ends for each permit.
    answers: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    /// The inner service is ready with a permit. The layer gives the first one back when it waits.
    ready: Arc<Semaphore>,
}

impl World {
    fn new(fresh_for: Duration) -> Self {
        let clock = TestClock::at(NOW);
        Self {
            keys: Keys::kept_for(fresh_for),
            revocations: MemoryRevocations::new().with_clock(clock.clone()),
            clock,
            answers: Arc::new(Semaphore::new(0)),
            asked: Arc::default(),
            ready: Arc::new(Semaphore::new(1)),
        }
    }

    /// Starts a request, and returns when it waits for the active check.
    async fn ask(&self) -> tokio::task::JoinHandle<Answer> {
        let (answers, asked) = (Arc::clone(&self.answers), Arc::clone(&self.asked));
        let check = ActiveCheck::new(move |_: Principal| {
            let answers = Arc::clone(&answers);
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                answers.acquire().await.unwrap().forget();
                Ok::<_, Infallible>(true)
            }
        });
        let verifier = verifier()
            .with_clock(self.clock.clone())
            .with_revocations(self.revocations.clone())
            .with_active_check(check);
        let inner = service_fn(async |request: Request<Body>| {
            let subject = request.extensions().get::<Principal>().unwrap().subject();
            Ok::<_, Infallible>(Response::new(Body::from(subject.unwrap().to_owned())))
        });
        let inner =
            GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&self.ready)).layer(inner);
        let service = self.keys.layer(verifier).layer(inner);
        let request = get("/").bearer("key_for_60");
        let waits =
            tokio::spawn(async move { Answer::of(service.oneshot(request).await.unwrap()).await });
        self.wait_for(|| self.asked.load(Ordering::SeqCst) == 1).await;
        self.ready.acquire().await.unwrap().forget();
        waits
    }

    async fn wait_for(&self, what: impl Fn() -> bool) {
        while !what() {
            tokio::task::yield_now().await;
        }
    }

    /// Ends the active check, so that the request waits for the inner service alone.
    async fn answer(&self) {
        self.answers.add_permits(1);
        self.wait_for(|| self.answers.available_permits() == 0).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    fn open(&self) {
        self.answers.add_permits(9);
        self.ready.add_permits(9);
    }

    fn revoke(&self) {
        let end = UNIX_EPOCH + Duration::from_secs(NOW + 900);
        self.revocations.revoke(Revocation::token(ISSUER, "key_for_60", end));
    }
}

#[tokio::test]
async fn answer_that_became_void_during_the_active_check_is_asked_for_again() {
    for fresh_for in [Duration::ZERO, MINUTE] {
        let world = World::new(fresh_for);
        let waits = world.ask().await;

        world.keys.change(Some("painter"));
        world.open();

        waits.await.unwrap().is_ok("painter");
        assert_eq!(world.keys.asked(), 2);
    }
}

#[tokio::test]
async fn answer_that_did_not_change_is_not_asked_for_again() {
    for fresh_for in [Duration::ZERO, MINUTE] {
        let world = World::new(fresh_for);
        let waits = world.ask().await;

        world.answer().await;
        world.open();

        waits.await.unwrap().is_ok("builder");
        assert_eq!(world.keys.asked(), 1);
    }
}

#[tokio::test]
async fn key_that_ended_during_the_active_check_is_refused() {
    let world = World::new(MINUTE);
    let waits = world.ask().await;

    world.keys.change(None);
    world.open();

    is_unknown(&waits.await.unwrap());
}

#[tokio::test]
async fn key_that_was_revoked_or_expired_during_any_wait_is_refused() {
    for is_asked in [false, true] {
        for (is_revoked, reason, words) in [
            (true, Reason::Revoked, "The token was revoked"),
            (false, Reason::Expired, "The token has expired"),
        ] {
            let world = World::new(MINUTE);
            let waits = world.ask().await;
            if is_asked {
                world.answer().await;
            }

            if is_revoked {
                world.revoke();
            } else {
                world.clock.advance(2 * MINUTE);
            }
            world.open();

            waits.await.unwrap().is_refused(401, Some(&invalid_token(words)), reason);
        }
    }
}

#[tokio::test]
async fn answer_that_became_void_during_the_wait_for_the_inner_service_is_503() {
    let world = World::new(MINUTE);
    let waits = world.ask().await;
    world.answer().await;

    world.keys.change(Some("painter"));
    world.open();

    let answer = waits.await.unwrap();
    answer.is_refused(503, None, Reason::AuthenticatorFailed);
    assert_eq!(answer.headers["retry-after"], "5");
}

#[tokio::test]
async fn kept_answer_is_found_for_a_request_whose_proof_takes_time() {
    struct Slow;
    impl Binding for Slow {
        fn check(
            &self,
            _: &http::request::Parts,
            _: Presented<'_>,
            _: &Principal,
        ) -> BindingVerdict {
            BindingVerdict::Pending(
                Proved::by(ConfirmationMethod::Dpop),
                Box::pin(async {
                    tokio::task::yield_now().await;
                    Ok(())
                }),
            )
        }
    }
    let keys = Keys::kept_for(MINUTE);
    let app = app(keys.layer(verifier()).with_binding(Slow));

    ask(&app, "key_1").await.is_ok("builder");
    ask(&app, "key_1").await.is_ok("builder");

    assert_eq!(keys.asked(), 1);
}

#[tokio::test]
async fn proof_counts_only_for_the_answer_that_it_was_begun_for() {
    /// Gives the keys to the painter while it proves those of the builder, and refuses the painter.
    struct Meddling(Keys);
    impl Binding for Meddling {
        fn check(
            &self,
            _: &http::request::Parts,
            _: Presented<'_>,
            principal: &Principal,
        ) -> BindingVerdict {
            if principal.subject() == Some("painter") {
                return BindingVerdict::Refused(Reason::BoundToken.into());
            }
            self.0.change(Some("painter"));
            BindingVerdict::Pending(
                Proved::by(ConfirmationMethod::Dpop),
                Box::pin(async { Ok(()) }),
            )
        }
    }
    let keys = Keys::kept_for(MINUTE);
    let app = app(keys.layer(verifier()).with_binding(Meddling(keys.clone())));

    for _ in 0..2 {
        let answer = ask(&app, "key_1").await;
        assert_ne!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(ask(&app, "key_1").await.reason, Some(Reason::BoundToken));
}

#[tokio::test]
async fn token_that_is_revoked_while_its_proof_is_checked_is_refused() {
    #[derive(Clone)]
    struct Slow(Arc<Semaphore>, Arc<AtomicUsize>);
    impl Binding for Slow {
        fn check(
            &self,
            _: &http::request::Parts,
            _: Presented<'_>,
            _: &Principal,
        ) -> BindingVerdict {
            let Self(gate, asked) = self.clone();
            asked.fetch_add(1, Ordering::SeqCst);
            BindingVerdict::Pending(
                Proved::by(ConfirmationMethod::Dpop),
                Box::pin(async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(())
                }),
            )
        }
    }
    for (token, is_revoked) in [("key_1", true), ("key_1", false), ("jwt", true), ("jwt", false)] {
        let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
        let slow = Slow(Arc::new(Semaphore::new(0)), Arc::default());
        let keys = Keys::kept_for(MINUTE);
        let layer = keys.layer(verifier().with_revocations(view.clone()));
        let app = app(layer.with_binding(slow.clone()));
        let jwt = crate::support::token().claim("jti", "jwt").sign(&key());
        let sent = if token == "jwt" { jwt } else { token.to_owned() };
        let waits = tokio::spawn({
            let app = app.clone();
            async move { ask(&app, &sent).await }
        });
        while slow.1.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }

        if is_revoked {
            let end = UNIX_EPOCH + Duration::from_secs(NOW + 900);
            view.revoke(Revocation::token(ISSUER, token, end));
        }
        slow.0.add_permits(9);

        let answer = waits.await.unwrap();
        if is_revoked {
            answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
        } else {
            assert_eq!(answer.status, 200);
        }
    }
}

#[tokio::test]
async fn principal_of_an_authenticator_has_no_header() {
    let has_header = async |principal: Principal| principal.header().is_some().to_string();
    let layer = layer().with_authenticator(Keys::kept_for(MINUTE), validation()).unwrap();
    let app = Router::new().route("/", on_get(has_header)).layer(layer);

    ask(&app, "key_1").await.is_ok("false");
    ask(&app, &good()).await.is_ok("true");
}
