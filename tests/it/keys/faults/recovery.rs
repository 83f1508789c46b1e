//! Tests outages that end.

use std::time::Duration;

use tokio::time::sleep;
use tower_bearer::keys::KeysState;
use tower_bearer::test_util::{Fault, TestProvider};
use tower_bearer::{KeySet, RemoteKeys, Validation, Verifier};

use crate::support::jumping_clock::{leap, leaping};
use crate::support::scripted::own_budget;
use crate::support::{AUDIENCE, User};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn discovered(provider: &TestProvider) -> RemoteKeys {
    RemoteKeys::discover(provider.issuer()).unwrap().with_shared_budget(own_budget())
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn source_that_was_empty_fills_itself_when_the_provider_is_back() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Down);
    let keys = discovered(&provider);
    keys.await_ready(Duration::ZERO).await.unwrap_err();
    leaping(SECOND / 10, until(|| keys.status().failures() >= 3)).await;
    assert_eq!(keys.status().state(), KeysState::Missing);

    provider.heal();

    leaping(SECOND, keys.await_ready(HOUR)).await.unwrap();
}

#[tokio::test]
async fn source_that_was_stale_is_fresh_within_a_minute_after_the_provider_is_back() {
    let provider = TestProvider::start().await;
    let keys = discovered(&provider);
    keys.await_ready(10 * SECOND).await.unwrap();
    provider.set_fault(Fault::Down);
    leap(HOUR).await;
    leaping(SECOND, until(|| keys.status().failures() >= 10)).await;
    assert_eq!(keys.status().state(), KeysState::Stale);

    provider.heal();
    let before = tokio::time::Instant::now();
    leaping(SECOND, until(|| keys.status().state() == KeysState::Fresh)).await;

    assert!(before.elapsed() < 65 * SECOND, "{:?}", before.elapsed());
}

#[tokio::test]
async fn initial_keys_are_used_while_the_provider_is_down() {
    let provider = TestProvider::start().await;
    let initial = KeySet::from_jwks(provider.jwks()).unwrap();
    let keys = std::sync::Arc::new(discovered(&provider).with_initial_keys(initial));
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<User>::new(std::sync::Arc::clone(&keys), validation).unwrap();
    provider.set_fault(Fault::Down);

    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
    assert_eq!(keys.status().state(), KeysState::Stale);

    leap(4 * HOUR).await;
    assert!(verifier.verify(&provider.mint(AUDIENCE)).await.is_err());
    assert_eq!(keys.status().state(), KeysState::Expired);

    provider.heal();
    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
    assert_eq!(keys.status().state(), KeysState::Fresh);
}

#[tokio::test]
async fn initial_keys_are_replaced_at_once_when_the_provider_is_there() {
    let provider = TestProvider::start().await;
    let initial = KeySet::from_jwks(provider.jwks()).unwrap();
    let keys = std::sync::Arc::new(discovered(&provider).with_initial_keys(initial));
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<User>::new(std::sync::Arc::clone(&keys), validation).unwrap();
    let old = provider.mint(AUDIENCE);
    provider.rotate();
    provider.withdraw("key-1");

    verifier.verify(&old).await.unwrap();
    until(|| keys.status().state() == KeysState::Fresh).await;

    assert!(verifier.verify(&old).await.is_err());
    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
}
