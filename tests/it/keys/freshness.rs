//! Tests when keys are fetched again, and which requests are sent for it.

use std::time::Duration;

use tokio::time::sleep;
use tower_bearer::RemoteKeys;
use tower_bearer::keys::KeysState;
use tower_bearer::test_util::{Fault, TestProvider};

use crate::support::jumping_clock::leap;
use crate::support::log::Log;
use crate::support::scripted::{Scripted, cached, own_budget};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The provider's keys, and when the next fetch is due, as a share of `fresh_for`.
async fn share_of(fresh_for: Duration, provider: &TestProvider) -> (RemoteKeys, f64) {
    let keys = from_url(provider);
    keys.await_ready(10 * SECOND).await.unwrap();
    let status = keys.status();
    let due_in = status.next_refresh().unwrap().duration_since(status.last_success().unwrap());
    let share = due_in.unwrap().as_secs_f64() / fresh_for.as_secs_f64();
    (keys, share)
}

fn from_url(provider: &TestProvider) -> RemoteKeys {
    RemoteKeys::from_url(&provider.jwks_url()).unwrap().with_shared_budget(own_budget())
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn provider_says_how_long_its_keys_are_fresh_within_bounds() {
    // OIDC Core §10.1.1: max-age is respected, within bounds
    for (cache_control, fresh_for) in [
        (Some("max-age=3600"), HOUR),
        (Some("public, max-age=19800, must-revalidate"), HOUR * 11 / 2),
        (Some("max-age=1"), MINUTE),
        (Some("max-age=0"), MINUTE),
        (Some("no-store"), MINUTE),
        (Some("max-age=86400"), 24 * HOUR),
        (Some("max-age=31536000"), 24 * HOUR),
        (None, 10 * MINUTE),
    ] {
        let provider = TestProvider::start().await;
        provider.set_cache_control(cache_control);

        let (_, share) = share_of(fresh_for, &provider).await;

        // The fetch itself takes some of it, a moment at the most.
        assert!((0.70..=0.86).contains(&share), "{cache_control:?}: {share}");
    }
}

#[tokio::test]
async fn age_of_an_answer_shortens_how_long_it_is_fresh() {
    let provider = TestProvider::start().await;
    provider.set_cache_control(Some("max-age=7200"));
    provider.set_header("age", "3600");

    let (_, share) = share_of(HOUR, &provider).await;

    assert!((0.70..=0.86).contains(&share), "{share}");
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_before_they_are_stale_without_any_request() {
    let provider = Scripted::new();
    provider.set_fresh_for(100 * MINUTE);
    let keys = cached(&provider);
    keys.await_ready(SECOND).await.unwrap();

    sleep(74 * MINUTE).await;
    assert_eq!(provider.fetches(), 1);

    sleep(12 * MINUTE).await;
    assert_eq!(provider.fetches(), 2);
    assert_eq!(keys.status().state(), KeysState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn sources_that_begin_at_once_do_not_fetch_at_once() {
    let sources = [(); 20].map(|()| {
        let provider = Scripted::new();
        let keys = cached(&provider);
        (provider, keys)
    });
    for (_, keys) in &sources {
        keys.await_ready(SECOND).await.unwrap();
    }

    // Half of the minute in which all are due.
    sleep(8 * MINUTE).await;

    let early = sources.iter().filter(|(provider, _)| provider.fetches() > 1).count();
    assert!((1..20).contains(&early), "{early} of 20");
}

#[tokio::test]
async fn set_that_has_not_changed_is_not_sent_again() {
    let provider = TestProvider::start().await;
    let (keys, _) = share_of(10 * MINUTE, &provider).await;

    leap(9 * MINUTE).await;
    until(|| keys.status().fetches() == 2 && keys.status().next_refresh().is_some()).await;

    assert_eq!((provider.requests().jwks, provider.requests().not_modified), (2, 1));
    assert_eq!(keys.status().failures(), 0);
    assert_eq!((keys.status().state(), keys.status().keys()), (KeysState::Fresh, 1));
    let age = keys.status().age().unwrap();
    assert!(age < MINUTE, "{age:?}");
}

#[tokio::test]
async fn set_that_has_changed_is_sent() {
    let provider = TestProvider::start().await;
    let (keys, _) = share_of(10 * MINUTE, &provider).await;

    provider.rotate();
    leap(9 * MINUTE).await;
    until(|| keys.status().fetches() == 2 && keys.status().next_refresh().is_some()).await;

    assert_eq!((provider.requests().jwks, provider.requests().not_modified), (2, 0));
    assert_eq!(keys.status().keys(), 2);
}

#[tokio::test]
async fn date_of_a_set_will_do_where_it_has_no_tag() {
    let provider = TestProvider::start().await;
    provider.hide_header("etag");
    let (keys, _) = share_of(10 * MINUTE, &provider).await;

    leap(9 * MINUTE).await;
    until(|| keys.status().fetches() == 2 && keys.status().next_refresh().is_some()).await;

    assert_eq!((provider.requests().jwks, provider.requests().not_modified), (2, 1));
    assert_eq!(keys.status().keys(), 1);
}

#[tokio::test]
async fn answer_without_news_counts_for_as_long_as_it_says() {
    let provider = TestProvider::start().await;
    provider.set_cache_control(Some("max-age=600"));
    let (keys, _) = share_of(10 * MINUTE, &provider).await;

    provider.set_cache_control(Some("max-age=7200"));
    leap(9 * MINUTE).await;
    until(|| keys.status().fetches() == 2 && keys.status().next_refresh().is_some()).await;

    let status = keys.status();
    let due_in = status.next_refresh().unwrap().duration_since(status.last_success().unwrap());
    assert_eq!(provider.requests().not_modified, 1);
    assert!(due_in.as_ref().unwrap() > &HOUR, "{due_in:?}");
}

#[tokio::test]
async fn set_that_is_sent_again_unchanged_is_not_read_again_and_counts_for_as_long_as_it_says() {
    let (log, _guard) = Log::of_this_thread();
    let provider = TestProvider::start().await;
    provider.set_jwks_fault(Fault::OddKeys);
    provider.hide_header("etag");
    provider.hide_header("last-modified");
    provider.set_cache_control(Some("max-age=600"));
    let (keys, _) = share_of(10 * MINUTE, &provider).await;
    let told = log.about("key skipped").len();

    provider.set_cache_control(Some("max-age=7200"));
    leap(9 * MINUTE).await;
    until(|| keys.status().fetches() == 2 && keys.status().next_refresh().is_some()).await;

    let status = keys.status();
    let due_in = status.next_refresh().unwrap().duration_since(status.last_success().unwrap());
    assert!(due_in.as_ref().unwrap() > &HOUR, "{due_in:?}");
    assert_eq!((provider.requests().jwks, provider.requests().not_modified), (2, 0));
    // Its odd keys are no news.
    assert!(told > 0 && log.about("key skipped").len() == told, "{told}");
}
