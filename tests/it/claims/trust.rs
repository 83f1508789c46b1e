//! Tests allowed parties, trust policies, and roles that are the names of members.

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::policy::role;
use tower_bearer::test_util::TestToken;
use tower_bearer::validation::{Preset, TrustPolicy};
use tower_bearer::{BearerLayer, ConfigError, Reason, Validation, Verifier, require};

use crate::support::{
    AUDIENCE, Answer, ISSUER, WithBearer, get, invalid_token, key, send, token, validation,
    verifier_with,
};

const APP: &str = "https://app.example.com";

async fn answer(validation: Validation, token: TestToken) -> Answer {
    let layer = BearerLayer::new(verifier_with(key().verifying_key(), validation));
    let admin = on_get(|| async { "admin" }).layer(require(role("admin")));
    let app = Router::new().route("/", on_get(|| async { "in" })).route("/admin", admin);
    send(&app.layer(layer), get("/").bearer(token.sign(&key()))).await
}

#[track_caller]
fn is_not_trusted(answer: &Answer) {
    let challenge = invalid_token("The token is not trusted by this service");
    answer.is_refused(401, Some(&challenge), Reason::NotTrusted);
}

#[track_caller]
fn lacks_a_claim(answer: &Answer) {
    let challenge = invalid_token("The token lacks a claim");
    answer.is_refused(401, Some(&challenge), Reason::MissingClaim);
}

#[tokio::test]
async fn token_of_an_allowed_party_is_accepted_and_of_another_or_of_none_refused() {
    let rules = || validation().with_allowed_parties(["other", APP]);
    for party in [APP, "other"] {
        answer(rules(), token().claim("azp", party)).await.is_ok("in");
    }
    for party in ["https://app.example.com/", "https://APP.example.com", "", "oth", "others"] {
        is_not_trusted(&answer(rules(), token().claim("azp", party)).await);
    }
    lacks_a_claim(&answer(rules(), token()).await);
    lacks_a_claim(&answer(rules(), token().claim("azp", Value::Null)).await);
    // No other claim stands for it.
    lacks_a_claim(&answer(rules(), token().claim("client_id", APP)).await);
    answer(validation(), token().claim("azp", "other")).await.is_ok("in");
}

#[tokio::test]
async fn allowed_party_does_not_replace_the_audience_unless_the_validation_is_for_parties() {
    let of_app = || token().claim("azp", APP);
    let without = || of_app().without("aud");
    let for_parties = || Validation::for_parties(ISSUER, [APP]);

    lacks_a_claim(&answer(validation().with_allowed_parties([APP]), without()).await);
    for audience in [Value::Null, json!([])] {
        answer(for_parties(), of_app().claim("aud", audience)).await.is_ok("in");
    }
    answer(for_parties(), without()).await.is_ok("in");
    lacks_a_claim(&answer(for_parties(), token().without("aud")).await);
    is_not_trusted(&answer(for_parties(), without().claim("azp", "other")).await);
}

#[tokio::test]
async fn token_that_names_an_audience_must_name_this_one_where_the_validation_is_for_parties() {
    let of_app = || token().claim("azp", APP);
    let for_parties = || Validation::for_parties(ISSUER, [APP]);
    let wrong = invalid_token("The token is for another audience");

    let refused = answer(for_parties(), of_app()).await;
    refused.is_refused(401, Some(&wrong), Reason::WrongAudience);
    answer(for_parties().with_audience(AUDIENCE), of_app()).await.is_ok("in");
    is_not_trusted(
        &answer(for_parties().with_audience(AUDIENCE), token().claim("azp", "other")).await,
    );
}

#[tokio::test]
async fn token_is_trusted_if_it_has_all_values_of_one_policy() {
    let main = TrustPolicy::new("repository_id", "74").and("ref", "refs/heads/main");
    let release = TrustPolicy::new("repository_id", "74").and("environment", "production");
    let rules = || validation().with_trust_policies([main.clone(), release.clone()]);
    let of = |claims: Value| {
        let claims = claims.as_object().unwrap().clone().into_iter();
        claims.fold(token(), |token, (name, value)| token.claim(&name, value))
    };
    for good in [
        json!({ "repository_id": "74", "ref": "refs/heads/main" }),
        json!({ "repository_id": "74", "environment": "production", "ref": "refs/tags/1" }),
        json!({ "repository_id": "74", "environment": "production", "ref": 1 }),
    ] {
        answer(rules(), of(good)).await.is_ok("in");
    }
    for bad in [
        json!({}),
        json!({ "repository_id": "74" }),
        json!({ "ref": "refs/heads/main", "environment": "production" }),
        json!({ "repository_id": "75", "ref": "refs/heads/main" }),
        json!({ "repository_id": "74", "ref": "refs/heads/main2" }),
        json!({ "repository_id": "74", "ref": "refs/heads/MAIN" }),
        json!({ "repository_id": 74, "ref": "refs/heads/main" }),
        json!({ "repository_id": ["74"], "ref": "refs/heads/main" }),
        json!({ "repository_id": { "74": "74" }, "ref": "refs/heads/main" }),
        json!({ "repository_id": null, "ref": "refs/heads/main" }),
    ] {
        is_not_trusted(&answer(rules(), of(bad)).await);
    }
}

#[tokio::test]
async fn trust_policy_reads_names_of_the_token_and_places_below_a_claim() {
    let account = "system:serviceaccount:shop:cart";
    let nested = |namespace: &str| {
        token().claim("sub", account).claim("kubernetes.io", json!({ "namespace": namespace }))
    };
    let policy = TrustPolicy::new("/kubernetes.io/namespace", "shop").and("sub", account);
    let rules = || validation().with_trust_policies([policy.clone()]);

    answer(rules(), nested("shop")).await.is_ok("in");
    is_not_trusted(&answer(rules(), nested("other")).await);
    is_not_trusted(&answer(rules(), nested("shop").claim("sub", "another")).await);
    is_not_trusted(&answer(rules(), nested("shop").claim("kubernetes.io", "shop")).await);
    for claim in ["sub", "azp", "client_id", "cid", "appid"] {
        let rules = validation().with_trust_policies([TrustPolicy::new(claim, "x")]);
        answer(rules.clone(), token().claim(claim, "x")).await.is_ok("in");
        is_not_trusted(&answer(rules, token().claim(claim, "y")).await);
    }
}

#[tokio::test]
async fn claim_of_a_policy_may_hold_roles_or_be_required_too() {
    let rules = || {
        validation()
            .with_trust_policies([TrustPolicy::new("level", "admin")])
            .with_roles_at(["level"])
            .with_required_claims(["level"])
    };
    let layer = BearerLayer::new(verifier_with(key().verifying_key(), rules()));
    let admin = on_get(|| async { "admin" }).layer(require(role("admin")));
    let app = Router::new().route("/", admin).layer(layer);

    send(&app, get("/").bearer(token().claim("level", "admin").sign(&key()))).await.is_ok("admin");
    is_not_trusted(&answer(rules(), token().claim("level", "user")).await);
    // A list is no text, though it grants.
    is_not_trusted(&answer(rules(), token().claim("level", json!(["admin"]))).await);
}

#[test]
fn trust_that_fits_nothing_or_everything_is_a_config_error() {
    let none: [&str; 0] = [];
    let policy = |claim, value| validation().with_trust_policies([TrustPolicy::new(claim, value)]);
    for (validation, says) in [
        (validation().with_allowed_parties(none), "allowed parties is empty"),
        (Validation::for_parties(ISSUER, none), "allowed parties is empty"),
        (validation().with_allowed_parties([""]), "is empty"),
        (validation().with_allowed_parties(["<your app>"]), "placeholder"),
        (validation().with_trust_policies([]), "trust policies is empty"),
        (policy("ref", ""), "empty value"),
        (policy("ref", "refs/heads/*"), "compared to the letter"),
        (validation().with_trust_policies([TrustPolicy::new("ref", "a").and("ref", "b")]), "twice"),
        (Validation::for_parties(ISSUER, [APP]).with_client_id_as_audience(), "audience is empty"),
        (policy("", "x"), "is empty"),
        (policy("/a~2", "x"), "JSON Pointer"),
        (policy("aud", "x"), "checked in any case"),
        (policy("iss", "x"), "checked in any case"),
        (policy("exp", "x"), "checked in any case"),
        (policy("/sub/x", "x"), "another meaning"),
    ] {
        let error = Verifier::<Value>::new(key().verifying_key(), validation).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn names_of_members_are_roles_only_at_the_path_that_is_named_for_it() {
    let place = "urn:zitadel:iam:org:project:roles";
    let roles = json!({ "admin": { "2001": "shop.example.com" }, "none": {} });
    let keyed = || validation().with_role_keys_at(place);
    let layer = |rules| BearerLayer::new(verifier_with(key().verifying_key(), rules));
    let ask = async |rules: Validation, token: TestToken| {
        let admin = on_get(|| async { "admin" }).layer(require(role("admin")));
        let app = Router::new().route("/", admin).layer(layer(rules));
        send(&app, get("/").bearer(token.sign(&key()))).await
    };
    let granted = || token().claim(place, roles.clone());

    ask(keyed(), granted()).await.is_ok("admin");
    // The usual places of roles stay.
    ask(keyed(), token().claim("roles", json!(["admin"]))).await.is_ok("admin");
    let nested = validation().with_role_keys_at("/shop/roles");
    ask(nested, token().claim("shop", json!({ "roles": roles }))).await.is_ok("admin");

    for (rules, token) in [
        (validation(), granted()),
        (validation().with_roles_at([place]), granted()),
        (keyed(), token().claim("roles", roles.clone())),
        (keyed(), token().claim(place, "admin")),
        (keyed(), token().claim(place, json!(["admin"]))),
        (keyed(), token().claim(place, json!({ "admin": {} }))),
        (keyed(), token().claim(place, json!({ "admin": true }))),
        (keyed(), token().claim(place, json!({ "admin": null }))),
        (keyed(), token().claim(place, json!({ "admin": [{ "a": 1 }] }))),
        (keyed(), token().claim(place, json!({ "x": { "admin": { "a": 1 } } }))),
        (keyed(), token().claim(place, json!([{ "admin": { "a": 1 } }]))),
    ] {
        let refused = ask(rules, token).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
}

#[test]
fn path_whose_members_are_roles_holds_no_other_place_below() {
    let policy = TrustPolicy::new("/shop/project", "1");
    for rules in
        [validation().with_roles_at(["/shop/roles"]), validation().with_trust_policies([policy])]
    {
        let rules = rules.with_role_keys_at("/shop");
        let error = Verifier::<Value>::new(key().verifying_key(), rules).unwrap_err();
        assert!(
            matches!(error, ConfigError::ClaimPath { ref path, .. } if path == "/shop"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn names_of_members_are_no_scopes_where_scopes_are_too() {
    let rules = validation().with_role_keys_at("granted").with_scopes_at(["granted"]);
    let verifier = verifier_with(key().verifying_key(), rules);
    let keyed = token().claim("granted", json!({ "admin": { "2001": "shop" } })).sign(&key());
    let listed = token().claim("granted", json!(["read"])).sign(&key());

    let [keyed, listed] =
        [verifier.verify(&keyed).await.unwrap(), verifier.verify(&listed).await.unwrap()];

    assert!(keyed.principal().has_role("admin") && !keyed.principal().has_scope("admin"));
    assert!(listed.principal().has_scope("read") && !listed.principal().has_role("read"));
}

#[tokio::test]
async fn workload_of_the_trust_domain_is_accepted_without_an_issuer() {
    let domain = "spiffe://shop.example.com";
    let rules = || Validation::new(domain, AUDIENCE).with_preset(Preset::Spiffe);
    let of = |subject: &str| token().without("iss").claim("sub", subject);

    for subject in ["spiffe://shop.example.com/cart", "spiffe://shop.example.com/ns/shop/sa/Cart_1"]
    {
        answer(rules(), of(subject)).await.is_ok("in");
        answer(rules(), of(subject).header("typ", "JOSE")).await.is_ok("in");
    }
    let elsewhere = invalid_token("The token is from another issuer");
    for subject in [
        "spiffe://other.example.com/cart",
        "spiffe://shop.example.com",
        "spiffe://shop.example.com.evil.example/cart",
        "SPIFFE://shop.example.com/cart",
        "alice",
        "",
    ] {
        let refused = answer(rules(), of(subject)).await;
        refused.is_refused(401, Some(&elsewhere), Reason::WrongIssuer);
    }
    let invalid = invalid_token("A claim of the token is invalid");
    for path in ["", "/", "cart/", "a//b", "a/../b", "a/./b", "a b", "a?b", "ä"] {
        let refused = answer(rules(), of(&format!("{domain}/{path}"))).await;
        refused.is_refused(401, Some(&invalid), Reason::InvalidClaim);
    }
    let cart = "spiffe://shop.example.com/cart";
    lacks_a_claim(&answer(rules(), token().without("iss").without("sub")).await);
    let refused = answer(rules(), of(cart).claim("iss", "https://other.example.com")).await;
    refused.is_refused(401, Some(&elsewhere), Reason::WrongIssuer);
    // Without the preset, neither the type nor the absence of `iss` is usual.
    lacks_a_claim(&answer(Validation::new(domain, AUDIENCE), of(cart)).await);
    let typed = of(cart).claim("iss", domain).header("typ", "JOSE");
    let refused = answer(Validation::new(domain, AUDIENCE), typed).await;
    assert_eq!(
        (refused.status, refused.reason),
        (401.try_into().unwrap(), Some(Reason::WrongTokenType))
    );
}

#[test]
fn issuer_of_workloads_is_a_trust_domain() {
    for issuer in [
        "https://shop.example.com",
        "spiffe://",
        "spiffe://shop.example.com/",
        "spiffe://Shop.example.com",
        "spiffe://shop.example.com:443",
    ] {
        let rules = Validation::new(issuer, AUDIENCE).with_preset(Preset::Spiffe);
        let error = Verifier::<Value>::new(key().verifying_key(), rules).unwrap_err();
        assert!(matches!(error, ConfigError::Name { member: "issuer", .. }), "{issuer}: {error}");
    }
}
