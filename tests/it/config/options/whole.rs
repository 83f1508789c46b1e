use std::collections::BTreeSet;
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use serde_json::{Value, json};
use tower_bearer::Reason;
use tower_bearer::verify::CacheStats;

use super::keys::File;
use super::{
    HEEDED, app_by_the_clock, app_of, ask, config, fetches_of_five_strangers, fetches_of_strangers,
    is_unverified, read, set, token, verifier_of,
};
use crate::support::sealed::encryption_key;
use crate::support::{PLAIN, WithBearer, get, key_for, send};
use tower_bearer::Algorithm::ES256;
use tower_bearer::test_util::TestProvider;

const HOUR: Duration = Duration::from_secs(3600);

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
pub async fn decryption_keys_are_those_in_the_file() {
    let jwk =
        json!({ "kty": "oct", "alg": "dir", "k": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" });
    let file = File::new("decryption-keys", &json!({ "keys": [jwk] }).to_string());
    let encrypted = token().sign_and_encrypt(&key_for(ES256), &encryption_key());
    let decrypting = with("decryption_keys_file", json!(file.0));

    ask(&decrypting, &encrypted).await.is_ok("alice");
    ask(&decrypting, &good()).await.is_ok("alice");
    is_unverified(&ask(&config(), &encrypted).await, Reason::Encrypted);
    for (path, says) in [("/nowhere/keys.json", "/nowhere/keys.json"), ("Cargo.toml", "JSON")] {
        let config = read(&with("decryption_keys_file", json!(path)));
        let error = config.verifier::<Value>(&config.issuers().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("decryption_keys_file: ") && error.contains(says), "{error}");
    }
}

#[tokio::test]
pub async fn require_encryption_refuses_plain_tokens() {
    let jwk =
        json!({ "kty": "oct", "alg": "dir", "k": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" });
    let file = File::new("required-decryption-keys", &jwk.to_string());
    let encrypted = token().sign_and_encrypt(&key_for(ES256), &encryption_key());
    let strict =
        set(with("decryption_keys_file", json!(file.0)), "", "require_encryption", json!(true));

    is_unverified(&ask(&strict, &good()).await, Reason::NotEncrypted);
    ask(&strict, &encrypted).await.is_ok("alice");
    let keyless = read(&with("require_encryption", json!(true)));
    let error = keyless.verifier::<Value>(&keyless.issuers().unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("require_encryption: ") && error.contains("decryption_keys_file"));
}

#[tokio::test]
pub async fn optional_lets_requests_without_a_token_pass() {
    let (open, shut) = (app_of(&with("optional", json!(true))), app_of(&config()));

    send(&open, get("/open")).await.is_ok("open");
    send(&shut, get("/open")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    is_unverified(&send(&open, get("/open").bearer("x.y.z")).await, Reason::Malformed);
}

#[tokio::test]
pub async fn longer_tokens_than_max_token_bytes_are_refused() {
    let long = token().claim("padding", "x".repeat(20_000)).sign(&key_for(ES256));
    let at_most = |bytes: usize| with("max_token_bytes", json!(bytes));

    is_unverified(&ask(&config(), &long).await, Reason::TokenTooLarge);
    ask(&at_most(long.len()), &long).await.is_ok("alice");
    is_unverified(&ask(&at_most(long.len() - 1), &long).await, Reason::TokenTooLarge);
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
    // A source that has not fetched for ten seconds may do so although the budget is spent.
    for (budget, at_once, later) in [
        (json!({ "fetches": 60, "one_more_every": "1s" }), 3, 3),
        (json!({ "fetches": 2, "one_more_every": "20m" }), 2, 2),
        (json!({ "fetches": 2, "one_more_every": "10h" }), 2, 1),
        (json!({ "fetches": 1, "one_more_every": "20m" }), 1, 1),
        (json!({ "fetches": 0, "one_more_every": "1s" }), 0, 0),
    ] {
        let provider = TestProvider::start().await;
        let config = set(by_own_budget(&provider), "", "shared_budget", budget);

        let fetches = fetches_of_strangers(&provider, &config, HOUR).await;

        assert_eq!(fetches, [at_once, later], "{config}");
    }
}

#[tokio::test]
pub async fn shared_budget_is_one_of_all_issuers_together() {
    for (budget, first, second) in [
        (json!({ "fetches": 60, "one_more_every": "1s" }), 3, 3),
        (json!({ "fetches": 4, "one_more_every": "10h" }), 3, 1),
        // The second has not fetched yet.
        (json!({ "fetches": 3, "one_more_every": "10h" }), 3, 1),
        (json!({ "fetches": 0, "one_more_every": "1s" }), 0, 0),
    ] {
        let providers = [TestProvider::start().await, TestProvider::start().await];
        let mut config = set(by_own_budget(&providers[0]), "", "shared_budget", budget);
        let other = by_own_budget(&providers[1])["issuers"][0].take();
        config["issuers"].as_array_mut().unwrap().push(other);
        let app = app_by_the_clock(&config);

        for (provider, fetches) in providers.iter().zip([first, second]) {
            assert_eq!(fetches_of_five_strangers(provider, &app).await, fetches, "{config}");
        }
    }
}

/// Keys of this provider. Unknown keys cause three fetches and one more every 20 minutes.
fn by_own_budget(provider: &TestProvider) -> Value {
    let budget = json!({ "fetches": 3, "one_more_every": "20m" });
    super::remote(provider, json!({ "budget": budget }))
}

#[test]
fn every_option_is_printed_as_it_was_set() {
    let authority = generate_simple_self_signed(["proxy".to_owned()]).unwrap().cert.pem();
    let (ca, bearer) = (File::new("full-ca", &authority), File::new("full-bearer", "a.token"));
    let full = full(&ca, &bearer);

    let heeded = HEEDED.iter().map(|(option, _)| *option);
    let expected: BTreeSet<_> =
        heeded.filter(|option| !NOT_FULL.contains(option)).map(str::to_owned).collect();
    assert_eq!(names_in(&full, ""), expected);

    let effective = read(&full).effective().unwrap();
    assert_eq!(serde_json::to_value(effective).unwrap(), full);
}

/// The names of all members and words below this one, as in the table.
fn names_in(value: &Value, before: &str) -> BTreeSet<String> {
    let named = |name: &str| format!("{before} {name}").trim().to_owned();
    match value {
        // Their members are claims, roles and scopes.
        Value::Object(_) if ["trust", "role_hierarchy", "scope_hierarchy"].contains(&before) => {
            BTreeSet::new()
        }
        Value::Object(members) => {
            let below = members.iter().flat_map(|(name, value)| {
                let name = named(name);
                let mut names = names_in(value, if name == "issuers" { "" } else { &name });
                names.insert(name);
                names
            });
            below.collect()
        }
        Value::Array(entries) => entries.iter().flat_map(|entry| names_in(entry, before)).collect(),
        Value::String(word) if WORDS_OF.contains(&before) => [named(word)].into(),
        _ => BTreeSet::new(),
    }
}

/// The options whose values are words.
const WORDS_OF: [&str; 3] = ["sources", "dangerous", "keys dangerous"];

/// Options that exclude or change another option of [`full`].
const NOT_FULL: [&str; 13] = [
    // Then no claim is the audience.
    "dangerous accept_any_audience",
    "dangerous accept_short_secret",
    "keys discover",
    "keys every",
    "keys file",
    "keys jwks",
    "keys jwks_url",
    "keys secret",
    "keys secret_file",
    "preset",
    // Need a template for the issuer, which excludes tokens without `iss`.
    "tenants",
    // Adds required claims.
    "token_type",
    "token_type at+jwt",
];

/// Every option, none as it is by default, with different values wherever two could be mixed up.
fn full(ca: &File, bearer: &File) -> Value {
    let keys = json!({
        "metadata_url": "https://keycloak:8443/metadata",
        "metadata_issuer": "https://keycloak:8443",
        "timeout": "2s",
        "redirects": 3,
        "same_origin_only": true,
        "max_bytes": 4,
        "max_keys": 5,
        "ca_file": ca.0,
        "proxy": "http://proxy:3128",
        "bearer_file": bearer.0,
        "dangerous": ["allow_plain_http", "allow_private_networks"],
        "wait": "6s",
        "most_waiting": 7,
        "budget": { "fetches": 8, "one_more_every": "9s" },
        "fresh_at_least": "10s",
        "fresh_by_default": "11s",
        "fresh_at_most": "12s",
        "stale_for": "13s",
        "retry_at_least": "14s",
        "retry_at_most": "15s",
    });
    json!({
        "realm": "orders",
        "sources": ["websocket", "authorization"],
        "optional": true,
        "decryption_keys_file": "decryption.jwks.json",
        "require_encryption": true,
        "max_token_bytes": 16,
        "cache": { "entries": 17, "bytes": 18 },
        "shared_budget": { "fetches": 19, "one_more_every": "20s" },
        "issuers": [{
            "issuer": "https://id.example.com",
            "audiences": ["a", "b"],
            "keys": keys,
            "algorithms": ["ES256", "EdDSA"],
            "leeway": "21s",
            "revocation_leeway": "22s",
            "max_age": "23s",
            "required_claims": ["tenant"],
            "client_id_as_audience": true,
            "roles_at": ["/a/roles"],
            "scopes_at": ["/a/scopes"],
            "separated_at": ["/a/roles"],
            "role_keys_at": "/b/roles",
            "kept_claims": ["/tenant/id"],
            "role_hierarchy": { "admin": ["editor", "auditor"], "editor": ["viewer"] },
            "scope_hierarchy": { "orders:*": ["orders:read"] },
            "allowed_parties": ["c", "d"],
            "trust": [{ "e": "f", "g": "h" }],
            "dangerous": [
                "accept_any_kind",
                "accept_bound_tokens",
                "accept_missing_issuer",
                "accept_missing_expiry",
                "accept_unrevocable_tokens",
            ],
        }],
    })
}
