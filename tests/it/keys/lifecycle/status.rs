use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{advance, sleep};
use tower_bearer::Reason;
use tower_bearer::keys::{CachedKeys, Fetch, Fetched, KeysState, KeysUnavailable};
use tower_bearer::test_util::{Fault, TestProvider};

use super::{of, source};
use crate::support::scripted::{Answer, Scripted, cached};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn status_before_the_first_fetch_says_that_nothing_is_here() {
    let (keys, _) = source(&Scripted::new());

    let status = keys.status();

    assert_eq!((status.state(), status.keys(), status.is_ready()), (KeysState::Missing, 0, false));
    assert_eq!((status.age(), status.last_success(), status.stale_since()), (None, None, None));
    assert!(status.last_error().is_none() && status.skipped().is_empty());
    assert_eq!((status.fetches(), status.failures()), (0, 0));
    assert_eq!(status.source(), "the script");
}

#[tokio::test(start_paused = true)]
async fn status_follows_the_keys_from_fresh_to_expired_and_back() {
    let provider = Scripted::new();
    let (keys, _) = source(&provider);
    keys.await_ready(MINUTE).await.unwrap();
    let fresh = keys.status();
    assert_eq!((fresh.state(), fresh.keys(), fresh.is_ready()), (KeysState::Fresh, 1, true));
    assert!(fresh.age().unwrap() < MINUTE && fresh.stale_since().is_none());
    let due_in = fresh.next_refresh().unwrap().duration_since(fresh.last_success().unwrap());
    assert!((7 * MINUTE..9 * MINUTE).contains(due_in.as_ref().unwrap()), "{due_in:?}");

    provider.answer(Answer::Failure("no route"));
    sleep(11 * MINUTE).await;
    let stale = keys.status();
    assert_eq!((stale.state(), stale.keys(), stale.is_ready()), (KeysState::Stale, 1, true));
    assert!((11 * MINUTE..12 * MINUTE).contains(&stale.age().unwrap()), "{stale:?}");
    assert!(stale.stale_since().is_some());
    assert_eq!(stale.last_error().unwrap().message(), "no route");
    assert!(stale.last_error().unwrap().at() > stale.last_success().unwrap());
    assert!(stale.failures() >= 1 && stale.fetches() == 1 + stale.failures());

    sleep(4 * HOUR).await;
    let expired = keys.status();
    assert_eq!((expired.state(), expired.is_ready()), (KeysState::Expired, false));

    provider.answer(Answer::Keys);
    sleep(MINUTE).await;
    let back = keys.status();
    assert_eq!((back.state(), back.is_ready()), (KeysState::Fresh, true));
    // It stays, so that an operator who looks afterwards can see it.
    assert_eq!(back.last_error().unwrap().message(), "no route");
}

#[tokio::test(start_paused = true)]
async fn no_refresh_is_next_while_one_runs() {
    let provider = Scripted::new();
    provider.answer(Answer::WhenOpened);
    let (keys, _) = source(&provider);
    keys.await_ready(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(keys.status().next_refresh(), None);

    provider.open();
    keys.await_ready(MINUTE).await.unwrap();

    assert!(keys.status().next_refresh().is_some());
}

#[tokio::test(start_paused = true)]
async fn bounds_of_freshness_and_staleness_can_be_set() {
    let provider = Scripted::new();
    let seconds = Duration::from_secs;
    let keys = cached(&provider)
        .with_freshness_between(seconds(1)..=seconds(100))
        .with_default_freshness(seconds(50))
        .with_stale_if_error(seconds(25));
    let (keys, _) = of(keys);
    keys.await_ready(MINUTE).await.unwrap();
    provider.answer(Answer::Failure("no route"));

    for (pause, state) in [
        (49, KeysState::Fresh),
        (2, KeysState::Stale),
        (23, KeysState::Stale),
        (2, KeysState::Expired),
    ] {
        sleep(seconds(pause)).await;
        assert_eq!(keys.status().state(), state);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_too_old_at_the_very_moment_at_which_they_become_so() {
    let provider = Scripted::new();
    provider.answer(Answer::Failure("no route"));
    let token = provider.mint();
    // Again and again: a clock that counts suspensions may be a few nanoseconds ahead of the test's.
    for _ in 0..20 {
        let keys = cached(&provider).with_initial_keys(provider.keys()).with_stale_if_error(MINUTE);
        let (keys, verifier) = of(keys);
        assert_eq!(keys.status().state(), KeysState::Stale);

        advance(MINUTE - Duration::from_millis(1)).await;
        assert_eq!(keys.status().state(), KeysState::Stale);
        assert!(verifier.verify(&token).await.is_ok());

        advance(Duration::from_millis(1)).await;
        assert_eq!(keys.status().state(), KeysState::Expired);
        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!(error.reason(), Reason::KeysUnavailable);
    }
}

#[test]
fn source_that_does_not_say_where_its_keys_come_from_is_named_by_its_type() {
    struct FromDatabase;

    impl Fetch for FromDatabase {
        async fn fetch(&self) -> Result<Fetched, KeysUnavailable> {
            Err(KeysUnavailable::new("no route"))
        }
    }

    let status = CachedKeys::new(FromDatabase).status();

    assert!(status.source().ends_with("::FromDatabase"), "{status:?}");
}

#[test]
fn state_is_shown_as_its_word() {
    for (state, word) in [
        (KeysState::Missing, "missing"),
        (KeysState::Fresh, "fresh"),
        (KeysState::Stale, "stale"),
        (KeysState::Expired, "expired"),
    ] {
        assert_eq!((state.as_str(), state.to_string().as_str()), (word, word));
    }
}

#[tokio::test(start_paused = true)]
async fn status_is_an_object_of_numbers_and_words() {
    let provider = Scripted::new();
    let (keys, _) = source(&provider);
    keys.await_ready(MINUTE).await.unwrap();
    provider.answer(Answer::Failure("no route"));
    sleep(11 * MINUTE).await;

    let mut status = serde_json::to_value(keys.status()).unwrap();

    // Moments are those of the computer's clock.
    for moment in ["last_success", "stale_since", "next_refresh"] {
        assert!(status[moment].take().as_u64().unwrap() > 1_700_000_000, "{moment}");
    }
    assert!(status["last_error"]["at"].take().as_u64().unwrap() > 1_700_000_000);
    assert!(status["fetches"].take().as_u64() > status["failures"].take().as_u64());
    let expected = json!({
        "source": "the script",
        "state": "stale",
        "keys": 1,
        "skipped": [],
        "age_seconds": 660,
        "last_success": null,
        "last_error": {"at": null, "message": "no route"},
        "stale_since": null,
        "next_refresh": null,
        "fetches": null,
        "failures": null,
    });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn status_names_the_keys_that_were_left_out_and_no_secret() {
    // RFC 7517 §9.2: a secret in a set from a URL is skipped
    let provider = TestProvider::start().await;
    provider.set_jwks_fault(Fault::OddKeys);
    let keys = tower_bearer::RemoteKeys::discover(provider.issuer()).unwrap();
    keys.await_ready(MINUTE).await.unwrap();

    let status = serde_json::to_value(keys.status()).unwrap();

    assert_eq!((&status["keys"], &status["source"]), (&json!(1), &json!(provider.issuer())));
    let skipped: Vec<&str> =
        status["skipped"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(skipped.len(), 7, "{skipped:?}");
    assert!(skipped.iter().any(|key| key.contains("odd-secret")), "{skipped:?}");
    // The beginnings of the secret and of the private key.
    let text = status.to_string();
    assert!(!text.contains("YSBzZWNyZXQ") && !text.contains("870MB6gf"), "{text}");
}
