//! Tests roles and scopes as issuers write them: lists, and lists of one as a string.

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::policy::{role, scope};
use tower_bearer::validation::Preset;
use tower_bearer::{BearerLayer, Principal, Reason, Validation, Verifier, require};

use crate::support::{
    AUDIENCE, Answer, NOW, PLAIN, WithBearer, get, key, send, token, validation, verifier_with,
};

fn app(validation: Validation) -> Router {
    Router::new()
        .route("/admin", on_get(|| async { "admin" }).layer(require(role("admin"))))
        .route("/support", on_get(|| async { "support" }).layer(require(role("Support admin"))))
        .route("/read", on_get(|| async { "read" }).layer(require(scope("read"))))
        .layer(BearerLayer::new(verifier_with(key().verifying_key(), validation)))
}

async fn answer(app: &Router, path: &str, claim: &str, value: Value) -> Answer {
    send(app, get(path).bearer(token().claim(claim, value).sign(&key()))).await
}

#[track_caller]
fn is_forbidden(answer: &Answer) {
    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn string_at_a_place_of_roles_is_one_role() {
    // RFC 9068 §2.2.3.1: roles are values of RFC 7643, which may hold spaces
    let app = app(validation());

    for claim in ["role", "roles"] {
        for value in ["not admin", "admin not", "Support admin", " admin", "admin ", "admin\tx"] {
            is_forbidden(&answer(&app, "/admin", claim, json!(value)).await);
        }
        answer(&app, "/admin", claim, json!("admin")).await.is_ok("admin");
        answer(&app, "/support", claim, json!("Support admin")).await.is_ok("support");
    }
}

#[tokio::test]
async fn list_of_one_grants_what_the_string_grants() {
    let app = app(validation());
    let roles = ["admin", "Support admin", "not admin", "admin admin", "", " "];
    for role in roles {
        for path in ["/admin", "/support"] {
            let one = answer(&app, path, "roles", json!(role)).await;
            let list = answer(&app, path, "roles", json!([role])).await;
            assert_eq!((one.status, one.reason), (list.status, list.reason), "{role} {path}");
        }
    }
}

#[tokio::test]
async fn presets_and_pointers_have_no_other_idea_of_a_role() {
    let keycloak = validation().with_preset(Preset::Keycloak);
    let cognito = validation().with_preset(Preset::Cognito);
    let pointer = validation().with_roles_at(["/shop/roles", "groups"]);
    for (validation, claim, nested) in [
        (keycloak, "realm_access", true),
        (cognito, "cognito:groups", false),
        (pointer.clone(), "shop", true),
        (pointer, "groups", false),
    ] {
        let app = app(validation);
        let value = |role: &str| if nested { json!({ "roles": role }) } else { json!(role) };
        let sent = async |role: &str| {
            let token = token().claim("typ", "Bearer").claim("token_use", "access");
            let token = token.claim("client_id", AUDIENCE).claim(claim, value(role)).sign(&key());
            send(&app, get("/admin").bearer(token)).await
        };

        is_forbidden(&sent("not admin").await);
        sent("admin").await.is_ok("admin");
    }
}

#[tokio::test]
async fn string_is_separated_at_spaces_where_that_is_asked_for_by_name() {
    let separated = app(validation().with_separated_at(["roles"]));

    answer(&separated, "/admin", "roles", json!("user admin")).await.is_ok("admin");
    answer(&separated, "/admin", "roles", json!("  admin")).await.is_ok("admin");
    is_forbidden(&answer(&separated, "/admin", "roles", json!("user")).await);
    // Entries of a list stay whole, and so do strings elsewhere.
    is_forbidden(&answer(&separated, "/admin", "roles", json!(["user admin"])).await);
    is_forbidden(&answer(&separated, "/admin", "role", json!("user admin")).await);
    answer(&separated, "/support", "roles", json!(["Support admin"])).await.is_ok("support");

    let nested = validation().with_roles_at(["/shop/roles"]).with_separated_at(["/shop/roles"]);
    let answer = answer(&app(nested), "/admin", "shop", json!({ "roles": "user admin" })).await;
    answer.is_ok("admin");
}

#[tokio::test]
async fn scope_and_scp_are_lists_with_spaces_and_other_places_are_not() {
    // RFC 8693 §4.2: a list of scopes separated by spaces
    let usual = app(validation());
    for claim in ["scope", "scp"] {
        answer(&usual, "/read", claim, json!("write read")).await.is_ok("read");
        answer(&usual, "/read", claim, json!(["write", "read"])).await.is_ok("read");
    }
    let needs = crate::support::challenge("insufficient_scope", "The token lacks a scope")
        + ", scope=\"read\"";
    let named = validation().with_scopes_at(["permissions"]);
    let whole = answer(&app(named.clone()), "/read", "permissions", json!("never read")).await;
    whole.is_refused(403, Some(&needs), Reason::InsufficientScope);
    let own = app(named.clone());
    answer(&own, "/read", "permissions", json!("read")).await.is_ok("read");
    let separated = app(named.with_separated_at(["permissions"]));
    answer(&separated, "/read", "permissions", json!("write read")).await.is_ok("read");
}

#[tokio::test]
async fn scope_that_is_read_as_roles_is_a_list_as_well() {
    let roles = app(validation().with_roles_at(["scope"]));

    answer(&roles, "/admin", "scope", json!("user admin")).await.is_ok("admin");
    is_forbidden(&answer(&roles, "/admin", "scope", json!("user")).await);
}

#[tokio::test]
async fn roles_of_a_string_are_the_same_when_the_token_comes_again() {
    let roles = |principal: Principal| async move {
        principal.grants().roles().map(|role| format!("[{role}]")).collect::<String>()
    };
    let verifier: Verifier<Value> = Verifier::new(key().verifying_key(), validation()).unwrap();
    let verifier = verifier.with_clock(tower_bearer::test_util::TestClock::at(NOW));
    let app = Router::new().route("/", on_get(roles)).layer(BearerLayer::new(verifier));
    let token = token().claim("roles", "a b").claim("role", json!(["c d", "e"])).sign(&key());

    for _ in 0..2 {
        send(&app, get("/").bearer(&token)).await.is_ok("[c d][e][a b]");
    }
}

#[test]
fn place_that_holds_neither_roles_nor_scopes_cannot_be_separated() {
    let error = Verifier::<Value>::new(
        key().verifying_key(),
        validation().with_roles_at(["groups"]).with_separated_at(["roles"]),
    )
    .unwrap_err();

    let text = error.to_string();
    assert!(text.contains("`roles`") && text.contains("neither roles nor scopes"), "{text}");
}
