//! Tests keys of a provider that rotates, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use tower_bearer::keys::KeysState;
use tower_bearer::test_util::TestProvider;
use tower_bearer::{Reason, RemoteKeys, Validation, Verifier};

use crate::support::{AUDIENCE, User};

async fn discovered(provider: &TestProvider) -> (Arc<RemoteKeys>, Verifier<User>) {
    let keys = Arc::new(RemoteKeys::discover(provider.issuer()).unwrap());
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    (Arc::clone(&keys), Verifier::new(keys, validation).unwrap())
}

#[tokio::test]
async fn first_token_is_accepted_and_fetches_the_keys_once() {
    let provider = TestProvider::start().await;
    let (keys, verifier) = discovered(&provider).await;

    for _ in 0..3 {
        verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
    }

    let requests = provider.requests();
    assert_eq!((requests.metadata, requests.jwks), (1, 1));
    assert_eq!(keys.status().state(), KeysState::Fresh);
    assert_eq!(keys.status().keys(), 1);
}

#[tokio::test]
async fn first_token_of_a_new_key_is_accepted() {
    // OIDC Core §10.1.1: an unfamiliar kid has the keys fetched again
    let provider = TestProvider::start().await;
    let (_, verifier) = discovered(&provider).await;
    let old = provider.mint(AUDIENCE);
    verifier.verify(&old).await.unwrap();

    provider.rotate();

    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
    verifier.verify(&old).await.unwrap();
    assert_eq!(provider.requests().jwks, 2);
}

#[tokio::test]
async fn withdrawn_key_is_gone_with_the_next_fetch() {
    let provider = TestProvider::start().await;
    let (_, verifier) = discovered(&provider).await;
    let old = provider.mint(AUDIENCE);
    verifier.verify(&old).await.unwrap();

    provider.withdraw("key-1");
    provider.rotate();
    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();

    assert_eq!(verifier.verify(&old).await.unwrap_err().reason(), Reason::UnknownKey);
}

#[tokio::test]
async fn program_that_would_not_start_without_keys_waits_for_them() {
    let provider = TestProvider::start().await;
    let (keys, _) = discovered(&provider).await;

    keys.await_ready(Duration::from_secs(10)).await.unwrap();

    assert!(keys.status().is_ready());
}
