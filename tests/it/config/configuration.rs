//! Tests the configuration from data.

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::policy::{role, scope};
use tower_bearer::test_util::{TestKey, TestProvider, TestToken};
use tower_bearer::{Algorithm, Claims, Config, ConfigError, Reason, require};

use crate::support::{AUDIENCE, ISSUER, User, WithBearer, get, invalid_token, key_for, send};

/// One issuer with a key of its own, and the members that a test adds.
fn config(add: &Value) -> Value {
    let key = key_for(Algorithm::ES256);
    let mut issuer = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "keys": { "jwks": { "keys": [key.to_jwk()] } },
    });
    issuer.as_object_mut().unwrap().extend(add.as_object().unwrap().clone());
    json!({ "issuers": [issuer] })
}

fn app(config: &Config) -> Router {
    let issuers = config.issuers().unwrap();
    Router::new()
        .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
        .route("/admin", on_get(|| async { "admin" }).layer(require(role("admin"))))
        .route("/read", on_get(|| async { "read" }).layer(require(scope("read"))))
        .layer(config.layer::<User>(&issuers).unwrap())
}

fn token() -> TestToken {
    TestToken::new(ISSUER, AUDIENCE)
}

/// Returns the error of a configuration when it is read or used.
fn mistake(config: &Value) -> ConfigError {
    let read = Config::from_json(&config.to_string());
    read.and_then(|config| {
        let issuers = config.issuers()?;
        config.layer::<User>(&issuers).map(|_| ())
    })
    .expect_err(&config.to_string())
}

#[tokio::test]
async fn configuration_in_json_or_toml_verifies_tokens() {
    let json = config(&json!({ "roles_at": ["/shop/roles"], "scopes_at": ["may"] }));
    let toml = toml_of(&json);
    let key = key_for(Algorithm::ES256);

    for config in [Config::from_json(&json.to_string()), Config::from_toml(&toml)] {
        let app = app(&config.unwrap());
        let admin = token().claim("shop", json!({ "roles": ["admin"] })).sign(&key);
        let reader = token().claim("may", "read").sign(&key);

        send(&app, get("/").bearer(&admin)).await.is_ok("alice");
        send(&app, get("/admin").bearer(&admin)).await.is_ok("admin");
        send(&app, get("/read").bearer(&reader)).await.is_ok("read");
        assert_eq!(send(&app, get("/admin").bearer(&reader)).await.status, 403);
        let expired = send(&app, get("/").bearer(token().claim("exp", 1).sign(&key))).await;
        expired.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
    }
}

#[tokio::test]
async fn rules_of_the_configuration_are_those_that_are_checked() {
    let key = key_for(Algorithm::ES256);
    let strict = config(&json!({ "token_type": "at+jwt", "required_claims": ["tenant"] }));
    let strict = app(&Config::from_json(&strict.to_string()).unwrap());
    let full = token().claim("client_id", "app").claim("jti", "1").claim("tenant", "a");

    send(&strict, get("/").bearer(full.clone().sign(&key))).await.is_ok("alice");
    let untyped =
        send(&strict, get("/").bearer(full.clone().header("typ", "JWT").sign(&key))).await;
    assert_eq!(untyped.reason, Some(Reason::WrongTokenType));
    let without = send(&strict, get("/").bearer(full.without("tenant").sign(&key))).await;
    assert_eq!(without.reason, Some(Reason::MissingClaim));

    let open = config(&json!({ "dangerous": ["accept_any_audience"] }));
    let open = app(&Config::from_json(&open.to_string()).unwrap());
    send(&open, get("/").bearer(token().without("aud").sign(&key))).await.is_ok("alice");
}

#[tokio::test]
async fn strings_are_separated_where_the_configuration_says_so() {
    let key = key_for(Algorithm::ES256);
    let both = token().claim("roles", "user admin").sign(&key);
    for (add, status) in [(json!({}), 403), (json!({ "separated_at": ["roles"] }), 200)] {
        let config = Config::from_json(&config(&add).to_string()).unwrap();
        assert_eq!(send(&app(&config), get("/admin").bearer(&both)).await.status, status);

        let printed = config.effective().unwrap();
        assert_eq!(printed.to_toml().contains("separated_at"), status == 200);
        assert_eq!(send(&app(&printed), get("/admin").bearer(&both)).await.status, status);
    }
}

#[tokio::test]
async fn missing_issuer_and_expiry_are_accepted_where_the_configuration_says_so() {
    let key = key_for(Algorithm::ES256);
    for (switch, claim) in [("accept_missing_issuer", "iss"), ("accept_missing_expiry", "exp")] {
        let usual = Config::from_json(&config(&json!({})).to_string()).unwrap();
        let open =
            Config::from_json(&config(&json!({ "dangerous": [switch] })).to_string()).unwrap();
        let token = token().without(claim).sign(&key);

        let refused = send(&app(&usual), get("/").bearer(&token)).await;
        assert_eq!((refused.status.as_u16(), refused.reason), (401, Some(Reason::MissingClaim)));
        send(&app(&open), get("/").bearer(&token)).await.is_ok("alice");
        let printed = open.effective().unwrap();
        assert!(printed.to_toml().contains(switch));
        send(&app(&printed), get("/").bearer(&token)).await.is_ok("alice");
    }
}

#[test]
fn only_one_of_several_issuers_has_the_tokens_that_name_none() {
    let mut config = config(&json!({ "dangerous": ["accept_missing_issuer"] }));
    let mut other = config["issuers"][0].clone();
    other["issuer"] = json!("https://other.example.com");
    config["issuers"].as_array_mut().unwrap().push(other);

    let error = mistake(&config).to_string();

    assert!(error.starts_with("issuers[1].dangerous: ") && error.contains(ISSUER), "{error}");
}

#[tokio::test]
async fn several_issuers_with_keys_from_everywhere_stand_in_one_configuration() {
    let provider = TestProvider::start().await;
    let file =
        std::env::temp_dir().join(format!("tower-bearer-{}-config.json", std::process::id()));
    std::fs::write(&file, key_for(Algorithm::ES384).to_jwk().to_string()).unwrap();
    let config = json!({ "issuers": [
        { "issuer": provider.issuer(), "audiences": [AUDIENCE], "keys": { "discover": true } },
        { "issuer": "https://file.example.com", "audiences": [AUDIENCE], "keys": { "file": file } },
        {
            "issuer": "https://secret.example.com",
            "audiences": [AUDIENCE],
            "algorithms": ["HS256"],
            "keys": { "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" },
        },
    ] });
    let app = app(&Config::from_json(&config.to_string()).unwrap());
    let secret: Vec<u8> = (0..32).collect();
    let of_secret = TestKey::from_secret(Algorithm::HS256, &secret);

    send(&app, get("/").bearer(provider.mint(AUDIENCE))).await.is_ok("alice");
    for (issuer, key) in [
        ("https://file.example.com", key_for(Algorithm::ES384)),
        ("https://secret.example.com", of_secret.clone()),
    ] {
        let token = TestToken::new(issuer, AUDIENCE).sign(&key);
        send(&app, get("/").bearer(token)).await.is_ok("alice");
    }
    let crossed = TestToken::new("https://file.example.com", AUDIENCE).sign(&of_secret);
    let crossed = send(&app, get("/").bearer(crossed)).await;
    assert_eq!(crossed.reason, Some(Reason::AlgorithmNotAllowed));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn every_mistake_names_its_place() {
    let with = |name: &str, value: Value| config(&json!({ name: value }));
    let keys = |keys: Value| config(&json!({ "keys": keys }));
    let top = |name: &str, value: Value| {
        let mut config = config(&json!({}));
        config[name] = value;
        config
    };
    for (config, place, problem) in [
        (top("realms", json!("x")), "realms", "unknown field"),
        (top("realm", json!("a\"b")), "realm", "printable"),
        (top("realm", json!(1)), "realm", "expected a string"),
        (top("sources", json!(["query"])), "sources[0]", "unknown variant"),
        (top("sources", json!(["websocket"])), "sources", "cannot be left out"),
        (top("issuers", json!([])), "issuers", "no issuer"),
        (top("issuers", json!(null)), "issuers", "expected a sequence"),
        (with("leewey", json!(1)), "issuers[0].leewey", "unknown field"),
        (with("leeway", json!("an hour")), "issuers[0].leeway", "an hour"),
        (with("leeway", json!(-1)), "issuers[0].leeway", "duration"),
        (with("leeway", json!(3600)), "issuers[0].leeway", "300 s is the most"),
        (
            with("revocation_leeway", json!("1h")),
            "issuers[0].revocation_leeway",
            "300 s is the most",
        ),
        (with("issuer", json!("")), "issuers[0].issuer", "empty"),
        (with("audiences", json!([])), "issuers[0].audiences", "empty"),
        (with("audiences", json!("a")), "issuers[0].audiences", "expected a sequence"),
        (with("algorithms", json!([])), "issuers[0].algorithms", "empty"),
        (with("algorithms", json!(["ES256", "none"])), "issuers[0].algorithms[1]", "none"),
        (with("preset", json!("keyclock")), "issuers[0].preset", "keyclock"),
        (with("token_type", json!("JWT")), "issuers[0].token_type", "at+jwt"),
        (with("roles_at", json!(["/a~2"])), "issuers[0].roles_at", "JSON Pointer"),
        (with("scopes_at", json!([""])), "issuers[0].scopes_at", "empty"),
        (with("required_claims", json!([""])), "issuers[0].required_claims", "empty"),
        (with("separated_at", json!(["groups"])), "issuers[0].separated_at", "neither roles nor"),
        (with("role_keys_at", json!("/a~2")), "issuers[0].role_keys_at", "JSON Pointer"),
        (with("kept_claims", json!(["/a~2"])), "issuers[0].kept_claims", "JSON Pointer"),
        (with("kept_claims", json!(["exp"])), "issuers[0].kept_claims", "is no text"),
        (with("kept_claims", json!(["/exp"])), "issuers[0].kept_claims", "is no text"),
        (with("role_hierarchy", json!("admin")), "issuers[0].role_hierarchy", "no chain"),
        (with("role_hierarchy", json!(7)), "issuers[0].role_hierarchy", "a table of names"),
        (with("role_hierarchy", json!({ "a": "b" })), "issuers[0].role_hierarchy.a", "a sequence"),
        (with("role_hierarchy", json!({ "a": [""] })), "issuers[0].role_hierarchy", "is empty"),
        (
            with("role_hierarchy", json!("a > b > a")),
            "issuers[0].role_hierarchy",
            "in a circle: a > b > a",
        ),
        (
            with("scope_hierarchy", json!({ "a": ["b c"] })),
            "issuers[0].scope_hierarchy",
            "\"b c\" is no scope token",
        ),
        (with("allowed_parties", json!([])), "issuers[0].allowed_parties", "empty"),
        (with("allowed_parties", json!([""])), "issuers[0].allowed_parties", "empty"),
        (with("allowed_parties", json!(["{app}"])), "issuers[0].allowed_parties", "placeholder"),
        (with("trust", json!([])), "issuers[0].trust", "empty"),
        (with("trust", json!([{}])), "issuers[0].trust", "asks for no claim"),
        (
            config(&json!({
                "audiences": [], "allowed_parties": ["app"], "client_id_as_audience": true,
            })),
            "issuers[0].audiences",
            "empty",
        ),
        (with("trust", json!([{ "ref": "*" }])), "issuers[0].trust", "to the letter"),
        (with("trust", json!([{ "/a~2": "x" }])), "issuers[0].trust", "JSON Pointer"),
        (with("trust", json!([{ "ref": 1 }])), "issuers[0].trust[0].ref", "expected a string"),
        (
            keys(
                json!({ "jwks_url": "https://x.example", "metadata_issuer": "https://x.example" }),
            ),
            "issuers[0].keys.metadata_issuer",
            "means nothing",
        ),
        (with("dangerous", json!(["everything"])), "issuers[0].dangerous[0]", "unknown variant"),
        (keys(json!({})), "issuers[0].keys", "give one of"),
        (keys(json!({ "discover": false })), "issuers[0].keys", "give one of"),
        (keys(json!({ "discover": true, "file": "a" })), "issuers[0].keys", "leave one out"),
        (keys(json!({ "url": "x" })), "issuers[0].keys.url", "unknown field"),
        (keys(json!({ "jwks_url": "http://x.example" })), "issuers[0].keys.jwks_url", "not HTTPS"),
        (keys(json!(true)), "issuers[0].keys", "where the keys are"),
        (keys(json!({ "file": "/nowhere" })), "issuers[0].keys.file", "/nowhere"),
        (keys(json!({ "secret_file": "/nowhere" })), "issuers[0].keys.secret_file", "/nowhere"),
        (keys(json!({ "jwks": { "keys": [] } })), "issuers[0].keys.jwks", "empty"),
        (keys(json!({ "secret": "AAAA" })), "issuers[0].keys.secret", "`alg`"),
        (
            keys(json!({ "discover": true, "every": "5s" })),
            "issuers[0].keys.every",
            "means nothing",
        ),
        (
            keys(json!({ "file": "a", "stale_for": "5s" })),
            "issuers[0].keys.stale_for",
            "means nothing",
        ),
        (
            keys(json!({ "discover": true, "fresh_at_most": "5s" })),
            "issuers[0].keys.fresh_at_least",
            "more than",
        ),
        (
            keys(json!({ "discover": true, "budget": { "fetches": 1 } })),
            "issuers[0].keys.budget",
            "missing field",
        ),
    ] {
        let error = mistake(&config).to_string();
        assert!(error.starts_with(&format!("{place}: ")), "{config}\n{error}");
        assert!(error.contains(problem), "{config}\n{error}");
    }
}

#[test]
fn mistake_about_keys_that_are_an_object_is_not_taken_for_another() {
    let text = config(&json!({ "keys": { "discover": true } })).to_string();
    let twice = text.replace("\"discover\":true", "\"discover\":true,\"discover\":true");

    let error = Config::from_json(&twice).unwrap_err().to_string();

    assert!(error.starts_with("issuers[0].keys") && error.contains("duplicate field"), "{error}");
}

#[test]
fn mistake_in_toml_names_its_place_too() {
    for (text, place, problem) in [
        ("realm = \"a\"\nissuers = [", ".", "in line 2"),
        ("realm = \"a\"", ".", "issuers"),
        ("[[issuers]]\nissuer = 1\naudiences = []\nkeys = {}", "issuers[0].issuer", "string"),
        ("[[issuers]]\nissuer = \"a\"\nx = 1", "issuers[0].x", "unknown field"),
    ] {
        let error = Config::from_toml(text).expect_err(text).to_string();
        assert!(error.starts_with(&format!("{place}: ")), "{text}\n{error}");
        assert!(error.contains(problem), "{text}\n{error}");
    }
}

#[test]
fn issuer_that_stands_there_twice_is_a_mistake() {
    let mut config = config(&json!({}));
    let again = config["issuers"][0].clone();
    config["issuers"].as_array_mut().unwrap().push(again);

    let error = mistake(&config).to_string();

    assert!(error.starts_with("issuers[1].issuer: ") && error.contains(ISSUER), "{error}");
}

#[test]
fn what_is_in_force_is_printed_with_its_defaults_and_reads_as_the_same_again() {
    let config = config(&json!({
        "preset": "keycloak",
        "keys": { "discover": true, "stale_for": "1h" },
    }));
    let config = Config::from_json(&config.to_string()).unwrap();

    let printed = config.effective().unwrap().to_toml();

    for line in [
        "realm = \"api\"",
        "sources = [\"authorization\"]",
        "max_token_bytes = 16384",
        "entries = 4096",
        "bytes = 16777216",
        "\nleeway = \"1m\"",
        "\"/realm_access/roles\"",
        "\"/resource_access/https:~1~1api.example.com/roles\"",
        "stale_for = \"1h\"",
        "fresh_at_least = \"1m\"",
        "fresh_at_most = \"1day\"",
        "wait = \"5s\"",
        "timeout = \"10s\"",
        "one_more_every = \"10s\"",
        "redirects = 0",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    let again = Config::from_toml(&printed).unwrap().effective().unwrap();
    assert_eq!(again.to_toml(), printed);
}

#[test]
fn rules_that_follow_from_others_are_printed_and_read_as_the_same_again() {
    for (add, lines) in [
        (
            json!({}),
            &["\nleeway = \"1m\"", "revocation_leeway = \"1m\"", "required_claims = []"][..],
        ),
        (json!({ "leeway": 5 }), &["\nleeway = \"5s\"", "revocation_leeway = \"5s\""]),
        (json!({ "token_type": "at+jwt" }), &["\"sub\"", "\"client_id\"", "\"iat\"", "\"jti\""]),
        (json!({ "preset": "okta" }), &["\"scp\"", "\"scope\""]),
    ] {
        let config = Config::from_json(&config(&add).to_string()).unwrap();

        let printed = config.effective().unwrap().to_toml();

        for line in lines {
            assert!(printed.contains(line), "{line}\n{printed}");
        }
        let again = Config::from_toml(&printed).unwrap().effective().unwrap();
        assert_eq!(again.to_toml(), printed);
    }
}

#[test]
fn fetch_may_be_given_as_long_as_it_takes_at_the_most() {
    let with = |timeout: &str| config(&json!({ "keys": { "discover": true, "timeout": timeout } }));

    assert!(Config::from_json(&with("30s").to_string()).unwrap().issuers().is_ok());
    let error = mistake(&with("31s")).to_string();
    assert!(error.starts_with("issuers[0].keys.timeout: is more than the 30s"), "{error}");
}

#[test]
fn client_id_as_audience_is_printed_as_it_is_in_force() {
    for (add, expected) in [
        (json!({}), false),
        (json!({ "client_id_as_audience": true }), true),
        (json!({ "preset": "cognito" }), true),
        (json!({ "preset": "keycloak" }), false),
    ] {
        let config = Config::from_json(&config(&add).to_string()).unwrap();

        let printed = config.effective().unwrap().to_toml();

        assert!(printed.contains(&format!("client_id_as_audience = {expected}")), "{printed}");
    }
}

#[test]
fn cache_is_of_the_size_that_is_given_and_off_without_entries() {
    let stats_of = |cache: serde_json::Value| {
        let mut whole = config(&json!({}));
        whole["cache"] = cache;
        let config = Config::from_json(&whole.to_string()).unwrap();
        config.verifier::<User>(&config.issuers().unwrap()).unwrap().cache_stats()
    };

    assert!(stats_of(json!({ "bytes": 1_000_000 })).is_some());
    assert!(stats_of(json!({ "entries": 0 })).is_none());
}

#[test]
fn secrets_are_in_nothing_that_is_shown() {
    let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let by_secret = config(&json!({ "algorithms": ["HS256"], "keys": { "secret": secret } }));
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": secret });
    let by_set = config(&json!({ "keys": { "jwks": { "keys": [jwk] } } }));
    let by_key = config(&json!({ "keys": { "jwks": jwk } }));

    for config in [by_secret, by_set, by_key] {
        let config = Config::from_json(&config.to_string()).unwrap();
        let effective = config.effective().unwrap();
        let issuers = config.issuers().unwrap();
        let shown = [
            format!("{config:?}{effective:?}{issuers:?}"),
            config.to_toml(),
            effective.to_toml(),
            serde_json::to_string(&effective).unwrap(),
        ];
        assert!(shown.iter().all(|text| !text.contains(secret)), "{shown:?}");
    }
    for wrong in [json!(12_345_678), json!([secret]), json!({ "a": secret })] {
        let error = mistake(&config(&json!({ "keys": { "secret": wrong } })));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("12345678") && !shown.contains(secret), "{shown}");
    }
    for rest in [", x = 1 }", ", timeout = true }", ", }}", ", 0"] {
        let text = format!(
            "[[issuers]]\nissuer = \"a\"\naudiences = []\nkeys = {{ secret = \"{secret}\"{rest}",
        );
        let error = Config::from_toml(&text).unwrap_err().to_string();
        assert!(!error.contains(secret), "{error}");
    }
}

#[test]
fn debug_output_says_where_something_is_not_shown() {
    let jwk =
        json!({ "kty": "oct", "alg": "HS256", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" });
    let proxy = json!({ "discover": true, "proxy": "http://user:word@proxy.example.com:3128" });
    for (keys, shown) in [
        (
            json!({ "secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" }),
            "secret: Some((not shown))",
        ),
        (json!({ "jwks": jwk }), "jwks: Some((not shown))"),
        (proxy, "proxy: Some((not shown)@proxy.example.com:3128)"),
    ] {
        let config = config(&json!({ "keys": keys }));

        let debug = format!("{:?}", Config::from_json(&config.to_string()).unwrap());

        assert!(debug.contains(shown), "{debug}");
    }
}

#[test]
fn file_is_read_by_what_its_name_ends_with() {
    let path = |name: &str| {
        std::env::temp_dir().join(format!("tower-bearer-{}-{name}", std::process::id()))
    };
    let config = config(&json!({}));
    let (json, toml, other) = (path("c.json"), path("c.toml"), path("c.yaml"));
    std::fs::write(&json, config.to_string()).unwrap();
    std::fs::write(&toml, toml_of(&config)).unwrap();
    std::fs::write(&other, config.to_string()).unwrap();

    let read = [&json, &toml, &other].map(|path| Config::from_file(path).map(|_| ()));
    [json, toml, other].iter().for_each(|path| std::fs::remove_file(path).unwrap());

    assert_eq!(read[0], Ok(()));
    assert_eq!(read[1], Ok(()));
    assert!(matches!(&read[2], Err(ConfigError::UnreadableFile { .. })));
    assert!(Config::from_file(path("c.none")).is_err());
}

/// The same configuration as TOML.
fn toml_of(config: &Value) -> String {
    Config::from_json(&config.to_string()).unwrap().to_toml()
}

#[tokio::test]
async fn every_configuration_in_the_guide_is_read() {
    let guide = include_str!("../../../src/guide/configuration.md");
    let blocks = guide.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut count = 0;

    for block in blocks {
        let config = Config::from_toml(block).unwrap_or_else(|error| panic!("{error}\n{block}"));
        let issuers = config.issuers().unwrap_or_else(|error| panic!("{error}\n{block}"));
        assert!(config.layer::<User>(&issuers).is_ok(), "{block}");
        count += 1;
    }

    assert!(count >= 3, "{count}");
}
