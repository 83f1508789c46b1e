use std::time::Duration;

use tokio::time::sleep;
use tower_bearer::Reason;

use super::{of, source};
use crate::support::scripted::{Scripted, app, cached};
use crate::support::{WithBearer, get, invalid_token, send, token};

#[tokio::test(start_paused = true)]
async fn dropped_key_is_refused_from_the_next_request_on_until_it_is_restored() {
    let provider = Scripted::new();
    let (keys, _) = source(&provider);
    let app = app(std::sync::Arc::clone(&keys));
    let stolen = provider.mint();
    provider.rotate();
    let other = provider.mint();
    send(&app, get("/").bearer(&stolen)).await.is_ok("alice");

    keys.block_key("key-1");

    let challenge = invalid_token("The token cannot be verified");
    let refused = send(&app, get("/").bearer(&stolen)).await;
    refused.is_refused(401, Some(&challenge), Reason::UnknownKey);
    send(&app, get("/").bearer(&other)).await.is_ok("alice");
    assert_eq!((keys.status().keys(), provider.fetches()), (1, 1));

    keys.unblock_key("key-1");

    send(&app, get("/").bearer(&stolen)).await.is_ok("alice");
    assert_eq!((keys.status().keys(), provider.fetches()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn dropped_key_stays_dropped_whatever_the_provider_publishes() {
    let provider = Scripted::new();
    let (keys, verifier) = source(&provider);
    let stolen = provider.mint();
    keys.block_key("key-1");
    provider.rotate();

    verifier.verify(&provider.mint()).await.unwrap();
    sleep(Duration::from_secs(3600)).await;

    assert!(provider.fetches() > 1);
    assert_eq!(verifier.verify(&stolen).await.unwrap_err().reason(), Reason::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn dropped_key_is_not_found_by_tokens_that_name_none_either() {
    let provider = Scripted::new();
    let (keys, verifier) = of(cached(&provider).with_initial_keys(provider.keys()));
    let nameless = token().without_header("kid").sign(&provider.key());
    verifier.verify(&nameless).await.unwrap();

    keys.block_key("key-1");

    assert!(verifier.verify(&nameless).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_source_that_is_in_use_begin_anew() {
    let provider = Scripted::new();
    let keys = cached(&provider);
    keys.await_ready(Duration::from_secs(1)).await.unwrap();

    let keys = keys.with_wait(Duration::from_secs(1));

    assert!(!keys.status().is_ready());
    keys.await_ready(Duration::from_secs(1)).await.unwrap();
    assert_eq!(provider.fetches(), 2);
}
