//! Tests audiences: empty lists, and claims that are `null`.

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::test_util::TestToken;
use tower_bearer::validation::Preset;
use tower_bearer::{BearerLayer, Reason, Validation};

use crate::support::{
    AUDIENCE, Answer, WithBearer, get, invalid_token, key, send, token, validation, verifier_with,
};

async fn answer(validation: Validation, token: TestToken) -> Answer {
    let layer = BearerLayer::new(verifier_with(key().verifying_key(), validation));
    let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
    send(&app, get("/").bearer(token.sign(&key()))).await
}

/// A token of a client, with this audience.
fn for_audience(audience: Value) -> TestToken {
    token().claim("client_id", AUDIENCE).claim("aud", audience)
}

#[tokio::test]
async fn empty_list_of_audiences_is_the_wrong_audience() {
    // RFC 7519 §4.1.3: an empty list names no audience
    let expected = invalid_token("The token is for another audience");

    let refused = answer(validation(), for_audience(json!([]))).await;
    refused.is_refused(401, Some(&expected), Reason::WrongAudience);

    answer(validation(), for_audience(json!([AUDIENCE]))).await.is_ok("in");
}

#[tokio::test]
async fn audience_of_null_is_a_missing_claim() {
    let expected = invalid_token("The token lacks a claim");

    let refused = answer(validation(), for_audience(json!(null))).await;
    refused.is_refused(401, Some(&expected), Reason::MissingClaim);

    answer(validation(), for_audience(json!(AUDIENCE))).await.is_ok("in");
}

#[tokio::test]
async fn empty_list_and_null_are_accepted_where_any_audience_is() {
    let any = || validation().dangerous().accept_any_audience();

    for audience in [json!([]), json!(null), json!("x"), json!(["x"])] {
        answer(any(), for_audience(audience)).await.is_ok("in");
    }
    let expected = invalid_token("A claim of the token is invalid");
    for audience in [json!(1), json!([1]), json!([null]), json!({}), json!(false)] {
        let refused = answer(any(), for_audience(audience)).await;
        refused.is_refused(401, Some(&expected), Reason::InvalidClaim);
    }
}

#[tokio::test]
async fn empty_list_and_null_are_no_audience_where_the_client_stands_for_it() {
    let wrong = invalid_token("The token is for another audience");
    let missing = invalid_token("The token lacks a claim");
    for rules in
        [validation().with_client_id_as_audience(), validation().with_preset(Preset::Cognito)]
    {
        for audience in [json!([]), json!(null)] {
            let token = || for_audience(audience.clone()).claim("token_use", "access");
            answer(rules.clone(), token()).await.is_ok("in");

            let other = answer(rules.clone(), token().claim("client_id", "x")).await;
            other.is_refused(401, Some(&wrong), Reason::WrongAudience);
            for none in [token().without("client_id"), token().claim("client_id", json!(null))] {
                let none = answer(rules.clone(), none).await;
                none.is_refused(401, Some(&missing), Reason::MissingClaim);
            }
        }
        let other = answer(rules, for_audience(json!(["x"])).claim("token_use", "access")).await;
        other.is_refused(401, Some(&wrong), Reason::WrongAudience);
    }
}

#[tokio::test]
async fn names_that_are_null_count_as_absent() {
    for claim in ["sub", "jti", "client_id", "azp", "sid"] {
        answer(validation(), token().claim(claim, json!(null))).await.is_ok("in");

        let required = || validation().with_required_claims([claim]);
        let missing = answer(required(), token().claim(claim, json!(null))).await;
        let expected = invalid_token("The token lacks a claim");
        missing.is_refused(401, Some(&expected), Reason::MissingClaim);
        answer(required(), token().claim(claim, "x")).await.is_ok("in");
    }
}

#[tokio::test]
async fn issuer_and_dates_are_never_null() {
    let expected = invalid_token("A claim of the token is invalid");
    for claim in ["iss", "exp", "nbf", "iat"] {
        let refused = answer(validation(), token().claim(claim, json!(null))).await;
        refused.is_refused(401, Some(&expected), Reason::InvalidClaim);
    }
    answer(validation(), token()).await.is_ok("in");
}

#[tokio::test]
async fn mark_of_an_access_token_that_is_null_is_none() {
    let kind = invalid_token("The token is not an access token");
    for (preset, claims) in [
        (Preset::Auth0, ["azp", "client_id"]),
        (Preset::Entra, ["azp", "appid"]),
        (Preset::Okta, ["cid", "scp"]),
    ] {
        for claim in claims {
            let rules = || validation().with_preset(preset);
            let refused = answer(rules(), token().claim(claim, json!(null))).await;
            refused.is_refused(401, Some(&kind), Reason::WrongTokenType);
            answer(rules(), token().claim(claim, "x")).await.is_ok("in");
        }
    }
}

#[tokio::test]
async fn proof_of_possession_that_is_null_is_no_bound_token_and_no_required_claim() {
    let bound = || validation().dangerous().accept_bound_tokens();
    let required = || bound().with_required_claims(["cnf"]);
    let expected = invalid_token("The token lacks a claim");

    let refused = answer(required(), token().claim("cnf", json!(null))).await;
    refused.is_refused(401, Some(&expected), Reason::MissingClaim);
    answer(required(), token().claim("cnf", json!({ "jkt": "x" }))).await.is_ok("in");
}

#[tokio::test]
async fn empty_list_reaches_the_handler_as_an_empty_audience() {
    async fn count(principal: tower_bearer::Principal) -> String {
        let audience = principal.registered().audience();
        audience.map_or("none".to_owned(), |audience| {
            format!("{} {}", audience.is_empty(), audience.iter().count())
        })
    }
    let rules = validation().dangerous().accept_any_audience();
    let layer = BearerLayer::new(verifier_with(key().verifying_key(), rules));
    let app = Router::new().route("/", on_get(count)).layer(layer);
    let sent = async |token: TestToken| send(&app, get("/").bearer(token.sign(&key()))).await;

    sent(for_audience(json!([]))).await.is_ok("true 0");
    sent(for_audience(json!(null))).await.is_ok("none");
    sent(for_audience(json!(["x"]))).await.is_ok("false 1");
    // Sent twice: the second time from the cache.
    sent(for_audience(json!([]))).await.is_ok("true 0");
}
