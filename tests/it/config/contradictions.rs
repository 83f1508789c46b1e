//! Tests configurations that cannot be meant.

use serde_json::json;
use tower_bearer::Config;

use crate::support::named_keys::{named, settled, token_of};
use crate::support::{AUDIENCE, ISSUER, User};

fn config(keys: serde_json::Value) -> String {
    let issuer = json!({ "issuer": ISSUER, "audiences": [AUDIENCE], "keys": keys });
    json!({ "issuers": [issuer] }).to_string()
}

#[test]
fn secret_in_place_of_the_keys_is_not_repeated() {
    let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    let error = Config::from_json(&config(json!(secret))).unwrap_err();

    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(secret) && shown.contains("issuers[0].keys"), "{shown}");
}

#[tokio::test]
async fn budget_of_all_issuers_is_that_of_files_too() {
    let path = std::env::temp_dir().join(format!("tower-bearer-{}-budget", std::process::id()));
    std::fs::write(&path, named("a").to_jwk().to_string()).unwrap();
    let mut config: serde_json::Value =
        serde_json::from_str(&config(json!({ "file": path, "every": "1h" }))).unwrap();
    config["shared_budget"] = json!({ "fetches": 0, "one_more_every": 1 });
    let config = Config::from_json(&config.to_string()).unwrap();
    let issuers = config.issuers().unwrap();
    let verifier = config.verifier::<User>(&issuers).unwrap();
    verifier.verify(&token_of(&named("a"))).await.unwrap();
    settled(|| issuers.status()[0].1.fetches() == 1).await;

    verifier.verify(&token_of(&named("b"))).await.unwrap_err();

    std::fs::remove_file(&path).unwrap();
    assert_eq!(issuers.status()[0].1.fetches(), 1);
}

#[test]
fn settings_that_would_not_be_heeded_are_mistakes() {
    for (keys, place) in [
        (json!({ "discover": true, "fresh_by_default": "30s" }), "fresh_by_default"),
        (json!({ "discover": true, "fresh_by_default": "48h" }), "fresh_by_default"),
        (json!({ "discover": true, "timeout": "45s" }), "timeout"),
        (json!({ "discover": true, "retry_at_least": 0 }), "retry_at_least"),
        (json!({ "discover": true, "fresh_at_least": 0 }), "fresh_at_least"),
        (json!({ "file": "a", "every": 0 }), "every"),
    ] {
        let read = Config::from_json(&config(keys.clone())).unwrap();
        let error = read.issuers().expect_err(&keys.to_string()).to_string();
        assert!(error.starts_with(&format!("issuers[0].keys.{place}: ")), "{keys}\n{error}");
    }
}

#[test]
fn what_is_in_force_can_be_read_again_whatever_is_set() {
    for keys in [
        json!({ "discover": true, "fresh_at_most": "5m" }),
        json!({ "discover": true, "fresh_at_least": "1h" }),
        json!({ "discover": true, "wait": u64::MAX, "stale_for": u64::MAX, "fresh_at_most": u64::MAX }),
    ] {
        let printed = Config::from_json(&config(keys)).unwrap().effective().unwrap().to_toml();
        let again = Config::from_toml(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
        assert_eq!(again.effective().unwrap().to_toml(), printed);
    }
}

#[test]
fn issuer_that_is_no_address_is_what_is_named() {
    let read = config(json!({ "discover": true })).replace("https://", "");

    let error = Config::from_json(&read).unwrap().issuers().unwrap_err().to_string();

    assert!(error.starts_with("issuers[0].issuer: "), "{error}");
}
