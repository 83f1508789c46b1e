use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::{CacheStats, Reason};

use super::{app_of, ask, config, fetches_of_strangers, is_refused, set, token, verifier_of};
use crate::support::{PLAIN, WithBearer, get, key_for, send};
use tower_bearer::Algorithm::ES256;
use tower_bearer::test_util::TestProvider;

fn good() -> String {
    token().sign(&key_for(ES256))
}

/// The usual configuration with one option of the whole set to this.
fn with(option: &str, value: Value) -> Value {
    set(config(), "", option, value)
}

#[tokio::test]
pub async fn realm_is_in_challenges() {
    let named = with("realm", json!("orders"));

    for (config, challenge) in [(config(), PLAIN), (named, "Bearer realm=\"orders\"")] {
        let answer = send(&app_of(&config), get("/")).await;
        answer.is_refused(401, Some(challenge), Reason::MissingToken);
    }
}

#[tokio::test]
pub async fn sources_are_where_tokens_are_looked_for() {
    let both = app_of(&with("sources", json!(["websocket", "authorization"])));
    let usual = app_of(&with("sources", json!(["authorization"])));
    let socket = || {
        let request = get("/").field("sec-websocket-protocol", format!("bearer, {}", good()));
        request.field("upgrade", "websocket").field("connection", "upgrade")
    };

    send(&both, socket()).await.is_ok("alice");
    send(&usual, socket()).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    for app in [both, usual, app_of(&config())] {
        send(&app, get("/").bearer(good())).await.is_ok("alice");
    }
}

#[tokio::test]
pub async fn optional_lets_requests_without_a_token_pass() {
    let (open, shut) = (app_of(&with("optional", json!(true))), app_of(&config()));

    send(&open, get("/open")).await.is_ok("open");
    send(&shut, get("/open")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    is_refused(&send(&open, get("/open").bearer("x.y.z")).await, Reason::Malformed);
}

#[tokio::test]
pub async fn longer_tokens_than_max_token_bytes_are_refused() {
    let long = token().claim("padding", "x".repeat(20_000)).sign(&key_for(ES256));
    let at_most = |bytes: usize| with("max_token_bytes", json!(bytes));

    is_refused(&ask(&config(), &long).await, Reason::TokenTooLarge);
    ask(&at_most(long.len()), &long).await.is_ok("alice");
    is_refused(&ask(&at_most(long.len() - 1), &long).await, Reason::TokenTooLarge);
}

#[tokio::test]
pub async fn cache_holds_no_more_entries_and_bytes_than_are_given() {
    let filled = async |cache: Value| -> CacheStats {
        let verifier = verifier_of(&with("cache", cache));
        for subject in 0..40 {
            let token = token().claim("sub", subject.to_string()).sign(&key_for(ES256));
            verifier.verify(&token).await.unwrap();
        }
        verifier.cache_stats().unwrap()
    };

    let usual = filled(json!({})).await;
    let few = filled(json!({ "entries": 8 })).await;
    let small = filled(json!({ "bytes": usual.bytes / 2 })).await;

    assert_eq!(usual.entries, 40);
    assert_eq!(few.entries, 8);
    assert!((2..40).contains(&small.entries) && small.bytes <= usual.bytes / 2, "{small:?}");
    let none = verifier_of(&with("cache", json!({ "entries": 0 })));
    assert_eq!(none.cache_stats(), None);
}

#[tokio::test]
pub async fn shared_budget_bounds_what_unknown_keys_fetch() {
    let hour = Duration::from_secs(3600);
    for (budget, at_once, later) in [
        (json!({ "fetches": 60, "one_more_every": "1s" }), 3, 3),
        (json!({ "fetches": 1, "one_more_every": "1h" }), 1, 1),
        (json!({ "fetches": 1, "one_more_every": "10h" }), 1, 0),
    ] {
        let provider = TestProvider::start().await;
        let own = json!({ "fetches": 3, "one_more_every": "20m" });
        let config = super::remote(&provider, json!({ "budget": own }));
        let config = set(config, "", "shared_budget", budget);

        let fetches = fetches_of_strangers(&provider, &config, hour).await;

        assert_eq!(fetches, [at_once, later], "{config}");
    }
}
