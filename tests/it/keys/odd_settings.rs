//! Tests keys of a source of the test's own, with unusual settings and at unusual moments.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_bearer::keys::{CachedKeys, Fetch, Fetched, KeySource, KeysUnavailable, VerifyingKey};
use tower_bearer::{KeySet, Reason, Verifier};

use crate::support::named_keys::{named, settled, token_of};
use crate::support::{User, validation};

/// Loads the keys that the test chooses.
#[derive(Clone, Default)]
struct Source {
    keys: Arc<Mutex<Vec<VerifyingKey>>>,
    fetches: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl Source {
    fn with(keys: &[&str]) -> Self {
        let source = Self::default();
        source.set(keys);
        source
    }

    fn set(&self, keys: &[&str]) {
        *self.keys.lock().unwrap() = keys.iter().map(|id| named(id).verifying_key()).collect();
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Fetch for Source {
    async fn fetch(&self) -> Result<Fetched, KeysUnavailable> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(KeysUnavailable::new("the source is broken"));
        }
        let keys: KeySet = self.keys.lock().unwrap().iter().cloned().collect();
        Ok(keys.into())
    }
}

fn verifier(keys: impl KeySource) -> Verifier<User> {
    Verifier::new(keys, validation()).unwrap()
}

#[tokio::test]
async fn no_length_of_time_is_too_long() {
    let most = Duration::MAX;
    let source = Source::with(&["a"]);
    let keys = Arc::new(
        CachedKeys::new(source)
            .with_wait(most)
            .with_stale_if_error(most)
            .with_freshness_between(most..=most)
            .with_default_freshness(most)
            .with_backoff(most..=most)
            .with_fetch_budget(u32::MAX, most)
            .with_max_waiting(usize::MAX),
    );
    keys.await_ready(most).await.unwrap();
    let verifier = verifier(Arc::clone(&keys));

    verifier.verify(&token_of(&named("a"))).await.unwrap();
    let unknown = verifier.verify(&token_of(&named("b"))).await.unwrap_err();

    assert_eq!(unknown.reason(), Reason::UnknownKey);
    assert!(keys.status().is_ready());
}

#[tokio::test]
async fn no_length_of_time_is_too_short() {
    let none = Duration::ZERO;
    for fails in [false, true] {
        let source = Source::with(&["a"]);
        source.fails.store(fails, Ordering::SeqCst);
        let keys = CachedKeys::new(source.clone())
            .with_freshness_between(none..=none)
            .with_default_freshness(none)
            .with_backoff(none..=none);
        _ = keys.status();

        tokio::time::sleep(Duration::from_millis(300)).await;

        assert!((1..100).contains(&source.fetches()), "{}", source.fetches());
    }
}

#[test]
fn request_outside_of_the_runtime_is_refused_and_does_not_panic() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let verifier = verifier(CachedKeys::new(Source::with(&["a"])));
    runtime.block_on(verifier.verify(&token_of(&named("a")))).unwrap();

    let known = futures::executor::block_on(verifier.verify(&token_of(&named("a"))));
    let unknown = futures::executor::block_on(verifier.verify(&token_of(&named("b"))));

    known.unwrap();
    assert_eq!(unknown.unwrap_err().reason(), Reason::KeysUnavailable);
}

#[tokio::test]
async fn key_is_fetched_although_no_request_may_wait_for_it() {
    let source = Source::with(&["a"]);
    let keys = Arc::new(CachedKeys::new(source.clone()).with_max_waiting(0));
    keys.await_ready(Duration::from_secs(10)).await.unwrap();
    source.set(&["a", "b"]);
    let verifier = verifier(Arc::clone(&keys));

    let first = verifier.verify(&token_of(&named("b"))).await.unwrap_err();

    assert_eq!(first.reason(), Reason::KeysUnavailable);
    settled(|| source.fetches() == 2 && keys.status().keys() == 2).await;
    verifier.verify(&token_of(&named("b"))).await.unwrap();
}

#[tokio::test]
async fn empty_answer_of_any_source_replaces_nothing() {
    let source = Source::with(&["a"]);
    let keys = Arc::new(CachedKeys::new(source.clone()));
    let verifier = verifier(Arc::clone(&keys));
    verifier.verify(&token_of(&named("a"))).await.unwrap();
    source.set(&[]);

    let unknown = verifier.verify(&token_of(&named("b"))).await.unwrap_err();

    assert_eq!((unknown.reason(), source.fetches()), (Reason::KeysUnavailable, 2));
    verifier.verify(&token_of(&named("a"))).await.unwrap();
    assert!(keys.status().last_error().unwrap().message().contains("empty"));
}

#[tokio::test]
async fn initial_set_without_a_key_is_no_set() {
    let source = Source::default();
    source.fails.store(true, Ordering::SeqCst);
    let keys = CachedKeys::new(source).with_initial_keys(KeySet::default());

    keys.await_ready(Duration::from_millis(100)).await.unwrap_err();

    assert!(!keys.status().is_ready());
}

#[tokio::test]
async fn dropped_key_stays_dropped_when_something_is_set_afterwards() {
    let keys = CachedKeys::new(Source::with(&["a"]));
    keys.block_key("a");
    let keys = keys.with_stale_if_error(Duration::from_secs(60));

    let refused = verifier(keys).verify(&token_of(&named("a"))).await.unwrap_err();

    assert_eq!(refused.reason(), Reason::UnknownKey);
}
