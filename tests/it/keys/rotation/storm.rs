//! Tests ten thousand tokens with made-up keys in a minute, against the usual budget.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, Reason};

use super::random::Random;
use crate::support::scripted::{Answer, Scripted, cached};
use crate::support::{token, verifier_of};

const STRANGERS: u32 = 10_000;
const MINUTE: Duration = Duration::from_secs(60);
const LATENCY: Duration = Duration::from_millis(100);

/// A stranger that signs with a key of its own, under another name each time.
struct Stranger {
    key: TestKey,
    random: Random,
}

impl Stranger {
    fn new(seed: u64) -> Self {
        Self { key: TestKey::generate(Algorithm::ES256), random: Random(seed) }
    }

    fn token(&mut self) -> String {
        token().header("kid", format!("{:016x}", self.random.next())).sign(&self.key)
    }
}

async fn storm(seed: u64) {
    let mut stranger = Stranger::new(seed);
    let provider = Scripted::new();
    provider.set_latency(LATENCY);
    let verifier = verifier_of(cached(&provider));
    verifier.verify(&provider.mint()).await.unwrap();
    let (began, before) = (Instant::now(), provider.fetches());

    let customer = tokio::spawn({
        let (provider, verifier) = (provider.clone(), verifier.clone());
        let rotates_at = began + stranger.random.millis(0..45_000);
        async move {
            let old = provider.mint();
            sleep_until(rotates_at).await;
            provider.rotate();
            let new = provider.mint();
            while let Err(error) = verifier.verify(&new).await {
                // Never "unknown": it was not looked for.
                assert_eq!(error.reason(), Reason::KeysUnavailable);
                verifier.verify(&old).await.unwrap();
                sleep(Duration::from_millis(20)).await;
            }
            rotates_at.elapsed()
        }
    });
    let mut strangers = JoinSet::new();
    for number in 0..STRANGERS {
        sleep_until(began + MINUTE * number / STRANGERS).await;
        let (verifier, token) = (verifier.clone(), stranger.token());
        strangers.spawn(async move { verifier.verify(&token).await.unwrap_err().reason() });
    }

    let fetches = provider.fetches() - before;
    assert!((3..=9).contains(&fetches), "{fetches}");
    let picked_up = customer.await.unwrap();
    assert!(picked_up <= Duration::from_secs(10) + 2 * LATENCY, "{picked_up:?}");
    // Tokens whose key was looked for are refused as unknown.
    let reasons = strangers.join_all().await;
    let unknown = reasons.iter().filter(|reason| **reason == Reason::UnknownKey).count();
    assert!((1..1000).contains(&unknown), "{unknown}");
    let others = reasons.iter().filter(|reason| **reason == Reason::KeysUnavailable).count();
    assert_eq!(unknown + others, STRANGERS as usize);
}

#[tokio::test(start_paused = true)]
async fn storm_of_unknown_keys_costs_nine_fetches_and_hides_no_rotation() {
    storm(1).await;
}

#[tokio::test(start_paused = true)]
async fn other_storm_costs_nine_fetches_and_hides_no_rotation_either() {
    storm(2).await;
}

#[tokio::test(start_paused = true)]
async fn storm_during_an_outage_costs_other_requests_nothing() {
    let mut stranger = Stranger::new(3);
    let provider = Scripted::new();
    let verifier = verifier_of(cached(&provider));
    let good = provider.mint();
    verifier.verify(&good).await.unwrap();
    let (began, before) = (Instant::now(), provider.fetches());

    provider.answer(Answer::Failure("no route"));
    for number in 0..STRANGERS {
        sleep_until(began + MINUTE * number / STRANGERS).await;
        let error = verifier.verify(&stranger.token()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::KeysUnavailable);
        if number % 100 == 0 {
            verifier.verify(&good).await.unwrap();
        }
    }

    // Nine, and the repetitions of a failed fetch: after a second at the most, and then twice as
    // much each time, less the jitter.
    let fetches = provider.fetches() - before;
    assert!((3..=9 + 7).contains(&fetches), "{fetches}");

    provider.answer(Answer::Keys);
    provider.rotate();
    sleep(MINUTE).await;
    verifier.verify(&provider.mint()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn storm_of_unknown_keys_keeps_no_client_of_a_withdrawn_key_from_a_new_token() {
    let mut stranger = Stranger::new(4);
    let provider = Scripted::new();
    provider.set_latency(LATENCY);
    let verifier = verifier_of(cached(&provider));
    let withdrawn = provider.mint();
    verifier.verify(&withdrawn).await.unwrap();
    provider.rotate();
    provider.keep(1);
    verifier.verify(&provider.mint()).await.unwrap();
    let began = Instant::now();
    let mut strangers = JoinSet::new();

    for number in 0..STRANGERS {
        sleep_until(began + MINUTE * number / STRANGERS).await;
        let (asked, token) = (verifier.clone(), stranger.token());
        strangers.spawn(async move { drop(asked.verify(&token).await) });
        if number % 100 == 50 {
            let error = verifier.verify(&withdrawn).await.unwrap_err();
            assert_eq!(error.reason(), Reason::UnknownKey, "{number}");
        }
    }

    verifier.verify(&provider.mint()).await.unwrap();
}
