use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tower_bearer::test_util::{Fault, TestKey, TestProvider, TestToken};
use tower_bearer::{Algorithm, Issuers, KeysState, Reason};

use super::{
    Config, app_by_the_clock, ask, config, fetches_of_strangers, is_refused, remote, set, token,
};
use crate::leap::leap;
use crate::support::{AUDIENCE, Answer, WithBearer, get, key_for, send};
use Algorithm::{ES256, ES384, HS256};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The usual configuration with these keys.
fn with(keys: Value) -> Value {
    set(config(), "/issuers/0", "keys", keys)
}

/// What becomes of a good token of this provider.
async fn ask_of(provider: &TestProvider, config: &Value) -> Answer {
    send(&app_by_the_clock(config), get("/").bearer(provider.mint(AUDIENCE))).await
}

#[track_caller]
fn is_unavailable(answer: &Answer) {
    answer.is_refused(503, None, Reason::KeysUnavailable);
}

/// A file that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("options-{name}-{}", std::process::id());
        let file = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
pub async fn jwks_are_the_keys() {
    let other = with(json!({ "jwks": { "keys": [key_for(ES384).to_jwk()] } }));
    let (usual, signed_by_other) = (token().sign(&key_for(ES256)), token().sign(&key_for(ES384)));

    ask(&config(), &usual).await.is_ok("alice");
    ask(&other, &signed_by_other).await.is_ok("alice");
    is_refused(&ask(&other, &usual).await, Reason::AlgorithmNotAllowed);
}

#[tokio::test]
pub async fn discover_finds_the_keys_by_the_metadata() {
    let (provider, elsewhere) = (TestProvider::start().await, TestProvider::start().await);
    provider.set_jwks_uri(elsewhere.jwks_url());
    let config =
        set(remote(&provider, json!({})), "/issuers/0", "keys", json!({ "discover": true }));

    let moved = provider.token(AUDIENCE).sign(&elsewhere.key());

    send(&app_by_the_clock(&config), get("/").bearer(moved)).await.is_ok("alice");
    assert_eq!((provider.requests().jwks, elsewhere.requests().jwks), (0, 1));
}

#[tokio::test]
pub async fn jwks_url_is_where_the_keys_are() {
    let provider = TestProvider::start().await;

    ask_of(&provider, &remote(&provider, json!({}))).await.is_ok("alice");

    assert_eq!((provider.requests().metadata, provider.requests().jwks), (0, 1));
}

#[tokio::test(start_paused = true)]
pub async fn file_is_where_the_keys_are() {
    let file = File::new("file", &key_for(ES384).to_jwk().to_string());
    let config = with(json!({ "file": file.0 }));

    ask(&config, &token().sign(&key_for(ES384))).await.is_ok("alice");
    let refused = ask(&config, &token().sign(&key_for(ES256))).await;
    is_refused(&refused, Reason::AlgorithmNotAllowed);
}

#[tokio::test(start_paused = true)]
pub async fn every_is_how_often_a_file_is_read() {
    let key = || TestKey::generate(ES256).with_key_id("same");
    for (every, at_last) in [(None, 30 * Duration::from_secs(1)), (Some("1h"), HOUR)] {
        let (old, new) = (key(), key());
        let file = File::new("every", &old.to_jwk().to_string());
        let mut keys = json!({ "file": file.0 });
        keys.as_object_mut().unwrap().extend(every.map(|every| ("every".to_owned(), json!(every))));
        let app = super::app_of(&with(keys));
        let accepts = async |key: &TestKey| {
            send(&app, get("/").bearer(token().sign(key))).await.status == 200
        };
        assert!(accepts(&old).await);
        sleep(Duration::from_secs(1)).await;
        file.write(&new.to_jwk().to_string());

        sleep(at_last * 6 / 10 - Duration::from_secs(1)).await;
        assert_eq!(accepts(&old).await, every.is_some(), "{every:?}");
        sleep(at_last * 4 / 10 + Duration::from_secs(1)).await;
        assert!(accepts(&new).await, "{every:?}");
    }
}

#[tokio::test]
pub async fn secret_is_the_key_in_place_or_in_a_file() {
    let secrets = [[1_u8; 32], [2; 32]];
    let [secret, in_file] = secrets.map(|secret| URL_SAFE_NO_PAD.encode(secret));
    let file = File::new("secret", &in_file);
    let configs = [json!({ "secret": secret }), json!({ "secret_file": file.0 })]
        .map(|keys| set(with(keys), "/issuers/0", "algorithms", json!(["HS256"])));
    let [by_secret, by_file] =
        secrets.map(|secret| token().sign(&TestKey::from_secret(HS256, &secret)));

    ask(&configs[0], &by_secret).await.is_ok("alice");
    ask(&configs[1], &by_file).await.is_ok("alice");
    is_refused(&ask(&configs[0], &by_file).await, Reason::InvalidSignature);
    is_refused(&ask(&configs[1], &by_secret).await, Reason::InvalidSignature);
}

#[tokio::test]
pub async fn fetch_of_a_document_takes_no_longer_than_timeout() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::SlowHeaders(Duration::from_millis(300)));

    is_unavailable(&ask_of(&provider, &remote(&provider, json!({ "timeout": "50ms" }))).await);
    ask_of(&provider, &remote(&provider, json!({}))).await.is_ok("alice");
}

#[tokio::test]
pub async fn redirects_are_followed_as_often_as_is_said() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Redirect);

    is_unavailable(&ask_of(&provider, &remote(&provider, json!({}))).await);
    is_unavailable(&ask_of(&provider, &remote(&provider, json!({ "redirects": 0 }))).await);
    ask_of(&provider, &remote(&provider, json!({ "redirects": 1 }))).await.is_ok("alice");
}

#[tokio::test]
pub async fn same_origin_only_rules_out_other_origins() {
    let (provider, elsewhere) = (TestProvider::start().await, TestProvider::start().await);
    provider.set_jwks_uri(elsewhere.jwks_url());
    let moved = provider.token(AUDIENCE).sign(&elsewhere.key());
    let answer = async |same_origin_only: Value| {
        let keys = json!({ "discover": true, "same_origin_only": same_origin_only });
        let config = set(remote(&provider, json!({})), "/issuers/0", "keys", keys);
        send(&app_by_the_clock(&config), get("/").bearer(&moved)).await
    };

    is_unavailable(&answer(json!(true)).await);
    answer(json!(false)).await.is_ok("alice");
    answer(json!(null)).await.is_ok("alice");
}

#[tokio::test]
pub async fn request_waits_for_keys_no_longer_than_wait() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::SlowHeaders(Duration::from_millis(300)));

    is_unavailable(&ask_of(&provider, &remote(&provider, json!({ "wait": "50ms" }))).await);
    ask_of(&provider, &remote(&provider, json!({}))).await.is_ok("alice");
}

#[tokio::test]
pub async fn no_more_requests_wait_than_most_waiting() {
    for (most, served) in [(Some(0), 0), (Some(2), 2), (None, 3)] {
        let provider = TestProvider::start().await;
        provider.set_fault(Fault::SlowHeaders(Duration::from_millis(100)));
        let app = app_by_the_clock(&remote(&provider, json!({ "most_waiting": most })));
        let token = provider.mint(AUDIENCE);

        let ask = || send(&app, get("/").bearer(&token));
        let answers: [Answer; 3] = tokio::join!(ask(), ask(), ask()).into();

        let (good, bad) = answers.iter().partition::<Vec<_>, _>(|answer| answer.status == 200);
        assert_eq!(good.len(), served, "{most:?}");
        bad.into_iter().for_each(is_unavailable);
    }
}

#[tokio::test]
pub async fn budget_bounds_what_unknown_keys_fetch() {
    for (budget, at_once, later) in [
        (json!(null), 3, 3),
        (json!({ "fetches": 2, "one_more_every": "1h" }), 2, 1),
        (json!({ "fetches": 2, "one_more_every": "20m" }), 2, 2),
        (json!({ "fetches": 1, "one_more_every": "10h" }), 1, 0),
    ] {
        let provider = TestProvider::start().await;
        let config = remote(&provider, json!({ "budget": budget }));

        let fetches = fetches_of_strangers(&provider, &config, HOUR).await;

        assert_eq!(fetches, [at_once, later], "{budget}");
    }
}

/// How long after the fetch of the first keys the next one is due, which is at four fifths of what they
/// are fresh for.
async fn due_in(provider: &TestProvider, keys: Value) -> Duration {
    let issuers = issuers(&remote(provider, keys));
    until(|| status(&issuers).is_ready()).await;
    let status = status(&issuers);
    status.next_refresh().unwrap().duration_since(status.last_success().unwrap()).unwrap()
}

fn issuers(config: &Value) -> Issuers {
    Config::from_json(&config.to_string()).unwrap().issuers().unwrap()
}

fn status(issuers: &Issuers) -> tower_bearer::KeysStatus {
    issuers.status().pop().unwrap().1
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.unwrap();
}

#[tokio::test]
pub async fn freshness_lies_between_least_and_most() {
    for (cache_control, keys, fresh_for) in [
        (Some("max-age=1"), json!({}), MINUTE),
        (Some("max-age=1"), json!({ "fresh_at_least": "2h" }), 2 * HOUR),
        (Some("max-age=86400"), json!({}), 24 * HOUR),
        (Some("max-age=86400"), json!({ "fresh_at_most": "3h" }), 3 * HOUR),
        (None, json!({}), 10 * MINUTE),
        (None, json!({ "fresh_by_default": "5h" }), 5 * HOUR),
        (Some("max-age=7200"), json!({ "fresh_by_default": "5h" }), 2 * HOUR),
    ] {
        let provider = TestProvider::start().await;
        provider.set_cache_control(cache_control);

        let share = due_in(&provider, keys.clone()).await.as_secs_f64() / fresh_for.as_secs_f64();

        assert!((0.70..=0.86).contains(&share), "{cache_control:?} {keys}: {share}");
    }
}

#[tokio::test]
pub async fn stale_keys_are_used_for_stale_for() {
    for (keys, hours) in [(json!({}), 4), (json!({ "stale_for": "2h" }), 2)] {
        let provider = TestProvider::start().await;
        let config = remote(&provider, keys);
        let (issuers, token) = (issuers(&config), provider.mint(AUDIENCE));
        until(|| status(&issuers).is_ready()).await;
        provider.set_fault(Fault::Down);

        // They are fresh for ten minutes.
        leap(hours * HOUR + 9 * MINUTE).await;
        assert_eq!(status(&issuers).state(), KeysState::Stale);
        leap(2 * MINUTE).await;
        assert_eq!(status(&issuers).state(), KeysState::Expired);
        drop(token);
    }
}

#[tokio::test]
pub async fn pauses_between_retries_lie_between_least_and_most() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Down);
    let pause = async |keys: Value, failures: u64| {
        let issuers = issuers(&remote(&provider, keys));
        _ = status(&issuers);
        until(|| {
            let status = status(&issuers);
            status.failures() >= failures && status.next_refresh().is_some()
        })
        .await;
        let status = status(&issuers);
        status.next_refresh().unwrap().duration_since(status.last_error().unwrap().at()).unwrap()
    };

    let usual = pause(json!({ "retry_at_least": null }), 1).await;
    assert!(usual <= Duration::from_secs(2), "{usual:?}");
    let least = pause(json!({ "retry_at_least": "40s" }), 1).await;
    assert!((18..=42).contains(&least.as_secs()), "{least:?}");
    let short = json!({ "retry_at_least": "10ms", "retry_at_most": "20ms" });
    // Doubled each time, it would be half a minute.
    let most = pause(short, 12).await;
    assert!(most <= Duration::from_secs(2), "{most:?}");
}

/// A token of a key that nobody publishes.
pub fn strange(provider: &TestProvider) -> String {
    let token: TestToken = provider.token(AUDIENCE);
    token.sign(&TestKey::generate(ES256).with_key_id("stranger"))
}
