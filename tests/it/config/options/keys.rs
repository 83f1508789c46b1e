use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tower_bearer::keys::KeysState;
use tower_bearer::test_util::{Fault, TestKey, TestProvider, TestToken};
use tower_bearer::{Algorithm, Issuers, Reason};

use super::{
    Config, app_by_the_clock, ask, config, fetches_of_strangers, is_unverified, mistake, of_issuer,
    remote, set, token,
};
use crate::net::https::{Front, Proxy};
use crate::net::inner_networks::Documents;
use crate::support::jumping_clock::leap;
use crate::support::{AUDIENCE, Answer, WithBearer, get, key_for, send};
use Algorithm::{ES256, ES384, HS256, HS384, PS256};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The usual configuration with these keys.
fn with(keys: Value) -> Value {
    set(config(), "/issuers/0", "keys", keys)
}

/// Returns the answer to a valid token of this provider.
async fn ask_of(provider: &TestProvider, config: &Value) -> Answer {
    send(&app_by_the_clock(config), get("/").bearer(provider.mint(AUDIENCE))).await
}

#[track_caller]
fn is_unavailable(answer: &Answer) {
    answer.is_refused(503, None, Reason::KeysUnavailable);
}

/// A file that is removed after the test.
pub struct File(pub PathBuf);

impl File {
    pub fn new(name: &str, text: &str) -> Self {
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
    is_unverified(&ask(&other, &usual).await, Reason::AlgorithmNotAllowed);
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
pub async fn metadata_issuer_is_the_one_that_the_metadata_names() {
    let provider = TestProvider::start().await;
    let of_tokens = "http://adfs.example.com/adfs/services/trust";
    let token = || provider.token(AUDIENCE).claim("iss", of_tokens).sign(&provider.key());
    let keys = json!({ "discover": true, "metadata_issuer": provider.issuer() });
    let config = of_issuer(of_tokens, keys);

    send(&app_by_the_clock(&config), get("/").bearer(token())).await.is_ok("alice");

    let usual = of_issuer(provider.issuer(), json!({ "discover": true }));
    let answer = send(&app_by_the_clock(&usual), get("/").bearer(token())).await;
    is_unverified(&answer, Reason::WrongIssuer);
}

#[tokio::test]
pub async fn metadata_url_is_where_the_metadata_is() {
    let (provider, elsewhere) = (TestProvider::start().await, Documents::start().await);
    let origin = format!("http://{}", elsewhere.address);
    elsewhere.set(provider.issuer(), &format!("{origin}/jwks"));
    let metadata_url = format!("{origin}/inner/openid-configuration");
    let [there, usual] = [json!({ "metadata_url": metadata_url }), json!({ "discover": true })]
        .map(|keys| app_by_the_clock(&of_issuer(provider.issuer(), keys)));
    let of_key_there = provider.token(AUDIENCE).sign(&key_for(ES256));

    send(&there, get("/").bearer(&of_key_there)).await.is_ok("alice");
    assert_eq!(elsewhere.paths(), ["/inner/openid-configuration", "/jwks"]);
    assert!(provider.received().is_empty());
    send(&usual, get("/").bearer(provider.mint(AUDIENCE))).await.is_ok("alice");
    let answer = send(&usual, get("/").bearer(&of_key_there)).await;
    is_unverified(&answer, Reason::InvalidSignature);
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
    is_unverified(&refused, Reason::AlgorithmNotAllowed);
}

#[tokio::test(start_paused = true)]
pub async fn every_is_how_often_a_file_is_read() {
    let key = || TestKey::generate(ES256).with_key_id("same");
    for (every, at_last) in [(None, Duration::from_secs(5)), (Some("1h"), HOUR)] {
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
        assert!(accepts(&old).await, "{every:?}");
        sleep(at_last * 4 / 10 + Duration::from_secs(1)).await;
        // The old one first: a token that none of the keys verifies may have the file read as well.
        assert!(!accepts(&old).await && accepts(&new).await, "{every:?}");
    }
}

#[tokio::test]
pub async fn secret_is_the_key_in_place_or_in_a_file() {
    let secrets = [[1_u8; 32], [2; 32]];
    let [secret, in_file] = secrets.map(|secret| URL_SAFE_NO_PAD.encode(secret));
    let file = File::new("secret", &format!("{in_file}\n"));
    let configs = [json!({ "secret": secret }), json!({ "secret_file": file.0 })]
        .map(|keys| set(with(keys), "/issuers/0", "algorithms", json!(["HS256"])));
    let [by_secret, by_file] =
        secrets.map(|secret| token().sign(&TestKey::from_secret(HS256, &secret)));

    ask(&configs[0], &by_secret).await.is_ok("alice");
    ask(&configs[1], &by_file).await.is_ok("alice");
    // The token's algorithm is one of those that are set, not always the first.
    let longer = [3_u8; 48];
    let several = set(
        with(json!({ "secret": URL_SAFE_NO_PAD.encode(longer) })),
        "/issuers/0",
        "algorithms",
        json!(["HS256", "HS384"]),
    );
    for algorithm in [HS256, HS384] {
        let token = token().sign(&TestKey::from_secret(algorithm, &longer));
        ask(&several, &token).await.is_ok("alice");
    }
    is_unverified(&ask(&configs[0], &by_file).await, Reason::InvalidSignature);
    is_unverified(&ask(&configs[1], &by_secret).await, Reason::InvalidSignature);
}

#[tokio::test]
pub async fn fetch_of_a_document_takes_no_longer_than_timeout() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::SlowHeaders(Duration::from_millis(300)));

    let app = app_by_the_clock(&remote(&provider, json!({ "timeout": "50ms" })));
    for _ in 0..2 {
        is_unavailable(&send(&app, get("/").bearer(provider.mint(AUDIENCE))).await);
        // The answer that comes later is of no use.
        sleep(Duration::from_millis(400)).await;
    }
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
pub async fn documents_longer_than_max_bytes_are_refused() {
    let provider = TestProvider::start().await;
    let at_most = |bytes: Value| remote(&provider, json!({ "max_bytes": bytes }));
    let length = provider.jwks().len();

    ask_of(&provider, &at_most(json!(length))).await.is_ok("alice");
    is_unavailable(&ask_of(&provider, &at_most(json!(length - 1))).await);
    // 8 MiB
    provider.set_fault(Fault::Huge);
    is_unavailable(&ask_of(&provider, &at_most(json!(null))).await);
    ask_of(&provider, &at_most(json!(16 << 20))).await.is_ok("alice");
}

#[tokio::test]
pub async fn no_more_keys_are_used_than_max_keys() {
    let provider = TestProvider::start().await;
    let keys: Vec<_> = (0..101).map(|_| provider.publish_next()).collect();
    // The first key of the set is the current one.
    for (most, used) in [(json!(null), 100), (json!(102), 102), (json!(101), 101), (json!(2), 2)] {
        let app = app_by_the_clock(&remote(&provider, json!({ "max_keys": most })));
        let ask_by = async |key: &TestKey| {
            send(&app, get("/").bearer(provider.token(AUDIENCE).sign(key))).await
        };

        ask_by(&keys[used - 2]).await.is_ok("alice");
        if let Some(key) = keys.get(used - 1) {
            is_unverified(&ask_by(key).await, Reason::UnknownKey);
        }
    }
}

#[tokio::test]
pub async fn ca_file_names_the_authorities_that_are_trusted() {
    let provider = TestProvider::start().await;
    let (front, stranger) = (Front::of(&provider).await, Front::of(&provider).await);
    let (ours, other) =
        (File::new("ca", &front.certificate), File::new("other-ca", &stranger.certificate));
    let by = |ca_file: Value| {
        let keys = json!({ "jwks_url": front.url("/jwks"), "ca_file": ca_file });
        of_issuer(provider.issuer(), keys)
    };

    ask_of(&provider, &by(json!(ours.0))).await.is_ok("alice");
    is_unavailable(&ask_of(&provider, &by(json!(other.0))).await);
    is_unavailable(&ask_of(&provider, &by(json!(null))).await);
}

#[tokio::test]
pub async fn proxy_is_what_fetches_go_through() {
    let provider = TestProvider::start().await;
    let (front, proxy) = (Front::of(&provider).await, Proxy::start().await);
    let ca = File::new("proxied-ca", &front.certificate);
    let address = format!("http://localhost:{}", proxy.port);
    for (address, times) in [(json!(null), 0), (json!(address), 1)] {
        let keys = json!({ "jwks_url": front.url("/jwks"), "ca_file": ca.0, "proxy": address });

        ask_of(&provider, &of_issuer(provider.issuer(), keys)).await.is_ok("alice");

        assert_eq!(proxy.asked().len(), times, "{address}");
    }
    drop(proxy);
    let keys = json!({ "jwks_url": front.url("/jwks"), "ca_file": ca.0, "proxy": address });
    is_unavailable(&ask_of(&provider, &of_issuer(provider.issuer(), keys)).await);
}

#[tokio::test]
pub async fn bearer_file_holds_the_token_that_is_shown() {
    let file = File::new("bearer", "a.token\n");
    for (bearer_file, expected) in [(json!(file.0), Some("Bearer a.token")), (json!(null), None)] {
        let provider = TestProvider::start().await;

        let config = remote(&provider, json!({ "bearer_file": bearer_file }));
        ask_of(&provider, &config).await.is_ok("alice");

        let received = provider.received();
        let shown = received[0].headers().get("authorization");
        assert_eq!(shown.map(|shown| shown.to_str().unwrap()), expected);
    }
}

#[tokio::test]
pub async fn each_dangerous_switch_allows_one_way_of_fetching() {
    let documents = Documents::start().await;
    let front = Front::named(&["0.0.0.0", "localhost"], documents.address).await;
    let ca = File::new("dangerous-ca", &front.certificate);
    // By its address this is another machine.
    let plain = format!("http://0.0.0.0:{}", documents.address.port());
    let secure = format!("https://0.0.0.0:{}", front.port);
    documents.set(&secure, &format!("https://localhost:{}/jwks", front.port));
    let over_http = |switches: &[&str]| {
        let keys = json!({ "jwks_url": format!("{plain}/jwks"), "dangerous": switches });
        of_issuer(&plain, keys)
    };
    let to_localhost = |switches: &[&str]| {
        of_issuer(&secure, json!({ "discover": true, "ca_file": ca.0, "dangerous": switches }))
    };
    let answer = async |config: Value| {
        let issuer = config["issuers"][0]["issuer"].as_str().unwrap();
        let token = TestToken::new(issuer, AUDIENCE).sign(&key_for(ES256));
        send(&app_by_the_clock(&config), get("/").bearer(token)).await
    };
    let (http, private) = ("allow_plain_http", "allow_private_networks");

    for switches in [&[http][..], &[private, http]] {
        answer(over_http(switches)).await.is_ok("alice");
    }
    for switches in [&[private][..], &[]] {
        let error = mistake(&over_http(switches));
        let is_told = error.starts_with("issuers[0].keys.jwks_url: ") && error.contains(http);
        assert!(is_told, "{error}");
    }
    for switches in [&[private][..], &[http, private]] {
        answer(to_localhost(switches)).await.is_ok("alice");
    }
    for switches in [&[http][..], &[]] {
        is_unavailable(&answer(to_localhost(switches)).await);
    }
}

#[tokio::test]
pub async fn algorithms_are_those_of_rsa_keys_that_name_none() {
    let mut jwk = key_for(PS256).to_jwk();
    jwk.as_object_mut().unwrap().remove("alg").unwrap();
    let set_of_one = json!({ "keys": [jwk] });
    let file = File::new("rsa", &set_of_one.to_string());
    let documents = Documents::with_keys(set_of_one.to_string()).await;
    let jwks_url = format!("http://{}/jwks", documents.address);
    let token = token().sign(&key_for(PS256));
    for keys in
        [json!({ "jwks": set_of_one }), json!({ "file": file.0 }), json!({ "jwks_url": jwks_url })]
    {
        let usual = with(keys);
        let by = |algorithms| set(usual.clone(), "/issuers/0", "algorithms", json!(algorithms));

        ask(&by(["RS256", "PS256"]), &token).await.is_ok("alice");
        for config in [usual.clone(), by(["RS256", "RS384"])] {
            is_unverified(&ask(&config, &token).await, Reason::AlgorithmNotAllowed);
        }
    }
}

#[tokio::test]
pub async fn request_waits_for_keys_no_longer_than_wait() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::SlowHeaders(Duration::from_millis(300)));

    let app = app_by_the_clock(&remote(&provider, json!({ "wait": "50ms" })));
    is_unavailable(&send(&app, get("/").bearer(provider.mint(AUDIENCE))).await);
    // The fetch goes on, and brings keys for later requests.
    until(|| provider.requests().jwks == 1).await;
    sleep(Duration::from_millis(500)).await;
    send(&app, get("/").bearer(provider.mint(AUDIENCE))).await.is_ok("alice");
    assert_eq!(provider.requests().jwks, 1);
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

#[tokio::test(start_paused = true)]
pub async fn budgets_bound_how_often_unknown_keys_have_a_file_read() {
    let key = |name: &str| TestKey::generate(ES256).with_key_id(name);
    let none = json!({ "fetches": 0, "one_more_every": "1s" });
    for (own, shared, is_found) in [
        (json!(null), json!({ "fetches": 60, "one_more_every": "1s" }), true),
        (none.clone(), json!({ "fetches": 60, "one_more_every": "1s" }), false),
        (json!(null), none, false),
    ] {
        let (old, new) = (key("old"), key("new"));
        let file = File::new("budget", &old.to_jwk().to_string());
        let config = with(json!({ "file": file.0, "every": "1h", "budget": own }));
        let app = super::app_of(&set(config, "", "shared_budget", shared));
        let ask_by = async |key: &TestKey| send(&app, get("/").bearer(token().sign(key))).await;

        ask_by(&old).await.is_ok("alice");
        // After the fetch that was due from the start.
        sleep(Duration::from_secs(1)).await;
        file.write(&new.to_jwk().to_string());
        let answer = ask_by(&new).await;

        match is_found {
            true => _ = answer.is_ok("alice"),
            false => is_unavailable(&answer),
        }
    }
}

/// Returns how long after the fetch of the first keys the next one is due, which is at four fifths
/// of their freshness.
async fn due_in(provider: &TestProvider, keys: Value) -> Duration {
    let issuers = issuers(&remote(provider, keys));
    until(|| status(&issuers).is_ready()).await;
    let status = status(&issuers);
    status.next_refresh().unwrap().duration_since(status.last_success().unwrap()).unwrap()
}

fn issuers(config: &Value) -> Issuers {
    Config::from_json(&config.to_string()).unwrap().issuers().unwrap()
}

fn status(issuers: &Issuers) -> tower_bearer::keys::KeysStatus {
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

/// A token of a key that is published nowhere.
pub fn strange(provider: &TestProvider) -> String {
    let token: TestToken = provider.token(AUDIENCE);
    token.sign(&TestKey::generate(ES256).with_key_id("stranger"))
}
