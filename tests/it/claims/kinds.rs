//! Tests access tokens, and other tokens that look like them.

use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::test_util::TestToken;
use tower_bearer::validation::Preset;
use tower_bearer::{BearerLayer, Reason, Validation};

use crate::support::{
    AUDIENCE, Answer, NOW, WithBearer, get, invalid_token, key, reason, send, token, validation,
    verifier_with, verify,
};

async fn reason_with(validation: Validation, token: TestToken) -> Option<Reason> {
    let verifier = verifier_with(key().verifying_key(), validation);
    verifier.verify(&token.sign(&key())).await.err().map(|error| error.reason())
}

/// Returns the answer to a client.
async fn answer_with(validation: Validation, token: TestToken) -> Answer {
    let layer = BearerLayer::new(verifier_with(key().verifying_key(), validation));
    let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
    send(&app, get("/").bearer(token.sign(&key()))).await
}

/// A token as RFC 9068 defines it.
fn rfc_9068() -> TestToken {
    token().claim("client_id", "shop").claim("jti", "t1")
}

#[tokio::test]
async fn marks_of_other_kinds_are_refused_whatever_typ_says() {
    // RFC 8725bis §3.12: ID, logout and refresh tokens are no access tokens
    let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    for (claim, value) in [
        ("nonce", json!("n")),
        ("nonce", json!(null)),
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
        ("events", events),
        ("typ", json!("ID")),
        ("typ", json!("id")),
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
        ("typ", json!("Logout")),
        ("token_use", json!("id")),
        ("token_use", json!("Access")),
        ("token_use", json!(1)),
        ("token_use", json!(null)),
    ] {
        for typ in ["at+jwt", "JWT"] {
            let token = token().header("typ", typ).claim(claim, value.clone()).sign(&key());
            assert_eq!(reason(&token).await, Reason::WrongTokenType, "{claim}: {value}");
        }
    }
}

#[tokio::test]
async fn marks_of_access_tokens_are_accepted() {
    for (claim, value) in [
        ("typ", json!("Bearer")),
        ("typ", json!("JWT")),
        ("typ", json!(1)),
        ("typ", json!(["ID"])),
        ("token_use", json!("access")),
        // Hydra, in introspection answers.
        ("token_use", json!("access_token")),
        ("nonce_", json!("n")),
    ] {
        let token = token().claim(claim, value.clone()).sign(&key());
        assert!(verify(&token).await.is_ok(), "{claim}: {value}");
    }
}

#[tokio::test]
async fn other_kinds_pass_when_that_is_asked_for_by_name() {
    let any = || validation().dangerous().accept_any_kind();

    for token in [token().claim("nonce", "n"), token().header("typ", "id_token")] {
        assert_eq!(reason_with(any(), token.clone()).await, None);
        assert_eq!(reason_with(validation(), token).await, Some(Reason::WrongTokenType));
    }
}

#[tokio::test]
async fn token_bound_to_a_key_is_no_bearer_token() {
    // RFC 7800 §3.1: cnf is not ignored
    // RFC 9449 §7.2: a DPoP-bound token sent as Bearer is refused
    // RFC 7800 §3.1: an unknown confirmation method is refused
    // RFC 7800 §3.1: a cnf that is no object is refused
    // RFC 8705 §3: a certificate-bound token is refused without the certificate
    for cnf in [
        json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        json!({ "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" }),
        json!({ "unknown": 1 }),
        json!({}),
        json!("x"),
        json!(null),
    ] {
        let bound = token().claim("cnf", cnf.clone());
        assert_eq!(reason(&bound.sign(&key())).await, Reason::BoundToken, "{cnf}");
        let accepting = validation().dangerous().accept_bound_tokens();
        assert_eq!(reason_with(accepting, bound).await, None);
    }
}

#[tokio::test]
async fn token_bound_to_a_key_is_refused_where_other_kinds_pass_too() {
    let any_kind = || validation().dangerous().accept_any_kind();
    let bound = || token().claim("nonce", "n").claim("cnf", json!({ "jkt": "x" }));

    let refused = answer_with(any_kind(), bound()).await;
    let challenge = invalid_token("The token is bound to a key, which bearer tokens are not");
    refused.is_refused(401, Some(&challenge), Reason::BoundToken);
    let bound_tokens = validation().dangerous().accept_bound_tokens();
    let refused = answer_with(bound_tokens, bound()).await;
    let challenge = invalid_token("The token is not an access token");
    refused.is_refused(401, Some(&challenge), Reason::WrongTokenType);

    let both = any_kind().dangerous().accept_bound_tokens();
    answer_with(both, bound()).await.is_ok("in");
}

#[tokio::test]
async fn token_that_says_dpop_is_an_access_token_only_if_it_is_bound_to_a_key() {
    let keycloak = || validation().with_preset(Preset::Keycloak);
    let accepting = || keycloak().dangerous().accept_bound_tokens();
    let dpop = || token().claim("typ", "DPoP");
    let bound = || dpop().claim("cnf", json!({ "jkt": "x" }));

    for validation in [keycloak(), accepting()] {
        let refused = answer_with(validation.clone(), dpop()).await;
        let challenge = invalid_token("The token is not an access token");
        refused.is_refused(401, Some(&challenge), Reason::WrongTokenType);
        answer_with(validation, token().claim("typ", "Bearer")).await.is_ok("in");
    }
    let refused = answer_with(keycloak(), bound()).await;
    let challenge = invalid_token("The token is bound to a key, which bearer tokens are not");
    refused.is_refused(401, Some(&challenge), Reason::BoundToken);
    answer_with(accepting(), bound()).await.is_ok("in");
}

#[tokio::test]
async fn nested_token_is_refused() {
    // RFC 7519 §5.2: cty JWT means that another token is inside
    for cty in ["JWT", "jwt", "application/jwt"] {
        let token = token().header("cty", cty).sign(&key());
        assert_eq!(reason(&token).await, Reason::WrongTokenType, "{cty}");
    }
    assert!(verify(&token().header("cty", "json").sign(&key())).await.is_ok());
}

#[tokio::test]
async fn rfc_9068_mode_accepts_at_jwt_and_nothing_else() {
    // RFC 9068 §4: typ is at+jwt, anything else is refused
    let strict = || validation().with_at_jwt_only();

    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(reason_with(strict(), rfc_9068().header("typ", typ)).await, None, "{typ}");
    }
    for typ in ["JWT", "jwt", "application/jwt", "", "at+jwt ", "publication/at+jwt"] {
        let token = rfc_9068().header("typ", typ);
        assert_eq!(reason_with(strict(), token).await, Some(Reason::WrongTokenType), "{typ}");
    }
    let without = rfc_9068().without_header("typ");
    assert_eq!(reason_with(strict(), without).await, Some(Reason::WrongTokenType));
}

#[tokio::test]
async fn rfc_9068_mode_requires_its_claims() {
    // RFC 9068 §2.2: iss, exp, aud, sub, client_id, iat, jti
    let strict = || validation().with_at_jwt_only();

    for claim in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        let token = rfc_9068().without(claim);
        assert_eq!(reason_with(strict(), token).await, Some(Reason::MissingClaim), "{claim}");
    }
    // `azp` is another claim.
    let azp = rfc_9068().without("client_id").claim("azp", "shop");
    assert_eq!(reason_with(strict(), azp).await, Some(Reason::MissingClaim));
}

#[tokio::test]
async fn required_claims_must_be_there_and_not_null() {
    let required = || validation().with_required_claims(["sub", "tenant", "scp"]);
    let good = || token().claim("tenant", "a").claim("scp", "x");

    assert_eq!(reason_with(required(), good()).await, None);
    for value in [json!(0), json!(false), json!([]), json!({}), json!("")] {
        assert_eq!(reason_with(required(), good().claim("tenant", value)).await, None);
    }
    for (claim, value) in [
        ("sub", None),
        ("sub", Some(Value::Null)),
        ("tenant", None),
        ("tenant", Some(Value::Null)),
        ("scp", None),
    ] {
        let token = match value {
            None => good().without(claim),
            Some(value) => good().claim(claim, value),
        };
        assert_eq!(reason_with(required(), token).await, Some(Reason::MissingClaim), "{claim}");
    }
}

#[tokio::test]
async fn client_id_stands_for_an_absent_audience_only_where_that_is_configured() {
    let cognito = || validation().with_client_id_as_audience();
    let without = |client: &str| token().without("aud").claim("client_id", client);

    assert_eq!(reason_with(cognito(), without(AUDIENCE)).await, None);
    assert_eq!(reason_with(cognito(), without("x")).await, Some(Reason::WrongAudience));
    assert_eq!(reason_with(cognito(), token().without("aud")).await, Some(Reason::MissingClaim));
    // A token with `aud` is judged by that.
    let both = token().claim("aud", "x").claim("client_id", AUDIENCE);
    assert_eq!(reason_with(cognito(), both).await, Some(Reason::WrongAudience));
    assert_eq!(reason_with(validation(), without(AUDIENCE)).await, Some(Reason::MissingClaim));
    // `azp` is not `client_id`.
    let azp = token().without("aud").claim("azp", AUDIENCE);
    assert_eq!(reason_with(cognito(), azp).await, Some(Reason::MissingClaim));
}

#[tokio::test]
async fn client_id_stands_for_an_absent_audience_by_no_preset_but_cognitos() {
    let token = || token().without("aud").claim("client_id", AUDIENCE).claim("typ", "Bearer");
    // The issuer of workloads is a trust domain, and those of FAPI 2.0 are bound to a key.
    for preset in
        Preset::ALL.into_iter().filter(|one| ![Preset::Spiffe, Preset::Fapi2].contains(one))
    {
        let validation = validation().with_preset(preset);
        let token = token().claim("token_use", "access");
        let answer = answer_with(validation, token.claim("azp", "x").claim("cid", "x")).await;

        if preset == Preset::Cognito {
            answer.is_ok("in");
        } else {
            let challenge = invalid_token("The token lacks a claim");
            answer.is_refused(401, Some(&challenge), Reason::MissingClaim);
        }
    }
    // A check that was weakened by name stays weakened.
    let any = validation().dangerous().accept_any_audience().with_preset(Preset::Cognito);
    let other = token().claim("token_use", "access").claim("client_id", "x");
    answer_with(any, other).await.is_ok("in");
}

#[tokio::test]
async fn any_audience_passes_when_that_is_asked_for_by_name() {
    let any = || validation().dangerous().accept_any_audience();

    for token in [token().claim("aud", "x"), token().without("aud")] {
        assert_eq!(reason_with(any(), token).await, None);
    }
    let wrong_type = token().claim("aud", 1);
    assert_eq!(reason_with(any(), wrong_type).await, Some(Reason::InvalidClaim));
}

#[tokio::test]
async fn token_made_in_the_future_is_refused_beyond_leeway() {
    // RFC 7519 §4.1.6: refusing a future iat is this crate's choice
    let made = |iat: u64| token().claim("iat", iat);

    assert_eq!(reason_with(validation(), made(NOW + 60)).await, None);
    assert_eq!(reason_with(validation(), made(NOW + 61)).await, Some(Reason::NotYetValid));
}

#[tokio::test]
async fn token_older_than_the_maximum_age_is_refused() {
    let young = || validation().with_max_age(Duration::from_secs(600));
    let made = |iat: u64| token().claim("iat", iat);

    assert_eq!(reason_with(young(), made(NOW - 659)).await, None);
    assert_eq!(reason_with(young(), made(NOW - 660)).await, Some(Reason::TooOld));
    assert_eq!(reason_with(young(), token().without("iat")).await, Some(Reason::MissingClaim));
    assert_eq!(reason_with(validation(), made(0)).await, None);
    let absurd = validation().with_max_age(Duration::MAX);
    assert_eq!(reason_with(absurd, made(0)).await, None);
}

#[test]
fn impossible_rules_are_config_errors() {
    // RFC 9068 §4: leeway is no more than a few minutes
    use tower_bearer::{ConfigError, Verifier};
    let check = |validation| {
        Verifier::<Value>::new(key().verifying_key(), validation).map(drop).unwrap_err()
    };
    let many: Vec<String> = (0..65).map(|n| format!("claim{n}")).collect();

    assert_eq!(check(Validation::new("", AUDIENCE)), ConfigError::EmptyIssuer);
    assert_eq!(check(Validation::new("x", "")), ConfigError::EmptyAudience);
    assert_eq!(check(validation().with_audience("")), ConfigError::EmptyAudience);
    assert_eq!(check(validation().with_algorithms([])), ConfigError::NoAlgorithms);
    assert_eq!(
        check(validation().with_leeway(Duration::from_secs(301))),
        ConfigError::LeewayTooLarge { seconds: 301, most: 300 }
    );
    for impossible in [
        validation().with_roles_at(["aud"]),
        validation().with_roles_at(["/nonce/x"]),
        validation().with_scopes_at(["/a~"]),
        validation().with_scopes_at([""]),
        validation().with_required_claims([""]),
        validation().with_required_claims(many),
    ] {
        assert!(matches!(check(impossible), ConfigError::ClaimPath { .. }));
    }
    assert!(
        Verifier::<Value>::new(
            key().verifying_key(),
            validation().with_leeway(Duration::from_secs(300))
        )
        .is_ok()
    );
}
