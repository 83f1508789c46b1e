//! Tests roles, scopes and other permissions: as extractor, as layer, in a handler.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use futures::FutureExt;
use http::{Request, Response, StatusCode};
use serde_json::json;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::claims::PrincipalKind;
use tower_bearer::policy::{Policy, all_of, any_of, claims_where, role, scope, when};
use tower_bearer::test_util::TestToken;
use tower_bearer::{BearerLayer, Principal, Reason, Rejection, Require, Requirement, require};

use crate::support::{
    PLAIN, User, WithBearer, get, good, key, layer, send, token, validation, verifier,
    verifier_with,
};

struct Admin;

impl Requirement for Admin {
    fn policy() -> impl Policy {
        role("admin")
    }
}

struct Writer;

impl Requirement for Writer {
    fn policy() -> impl Policy {
        scope("orders:write")
    }
}

fn app() -> Router {
    let guarded = |policy| on_get(|| async { "in" }).layer::<_, std::convert::Infallible>(policy);
    Router::new()
        .route("/extractor", on_get(|_: Require<Admin>| async { "in" }))
        .route("/both", on_get(|_: Require<Admin>, _: Require<Writer>| async { "in" }))
        .route("/both-turned", on_get(|_: Require<Writer>, _: Require<Admin>| async { "in" }))
        .route("/role", guarded(require(role("admin"))))
        .route("/scope", guarded(require(scope("orders:write"))))
        .route("/scopes", guarded(require(scope("orders:read orders:write"))))
        .route("/and", guarded(require(scope("orders:read").and(scope("orders:write")))))
        .route("/mixed", guarded(require(scope("orders:write").and(role("admin")))))
        .route("/or", guarded(require(scope("orders:write").or(role("admin")))))
        .route(
            "/cheapest",
            guarded(require(scope("a b c").or(scope("orders:read orders:write")).or(scope("x y")))),
        )
        .route("/people", guarded(require(when(|p: &Principal| p.kind() == PrincipalKind::User))))
        .route(
            "/email",
            guarded(require(claims_where(|user: &User| {
                user.email.as_deref().is_some_and(|email| email.ends_with("@example.com"))
            }))),
        )
        .route("/typo", guarded(require(claims_where(|_: &String| true))))
        .route("/typo-or", guarded(require(claims_where(|_: &String| true).or(role("admin")))))
        .route("/typo-and", guarded(require(role("admin").and(claims_where(|_: &String| true)))))
        .route("/nothing", guarded(require(scope(" "))))
        .route(
            "/handler",
            on_get(|who: Principal| async move {
                who.check(scope("orders:write").or(role("admin")))?;
                Ok::<_, Rejection>("in")
            }),
        )
        .layer(layer())
}

fn with_scope(scope: &str) -> TestToken {
    token().claim("scope", scope)
}

fn with_roles(roles: &[&str]) -> TestToken {
    token().claim("roles", json!(roles))
}

fn missing_scope(scope: &str) -> String {
    let start = crate::support::challenge("insufficient_scope", "The token lacks a scope");
    format!("{start}, scope=\"{scope}\"")
}

#[tokio::test]
async fn tokens_open_the_routes_they_should_and_no_others() {
    let alice = || token();
    let admin = || with_roles(&["user", "admin"]);
    let writer = || with_scope("orders:read orders:write");
    let reader = || with_scope("orders:read");
    let machine = || token().claim("client_id", "alice");
    let employee = || token().claim("email", "alice@example.com");
    let write = missing_scope("orders:write");
    let both = missing_scope("orders:read orders:write");

    // The permission of each route, and the answer to a token without it.
    let needs_abc = missing_scope("a b c");
    let forbidden = || Some((Reason::Forbidden, PLAIN));
    let table = [
        ("/extractor", admin(), None),
        ("/extractor", alice(), forbidden()),
        ("/extractor", writer(), forbidden()),
        ("/role", admin(), None),
        ("/role", with_roles(&["Admin", "admins", "user admin"]), forbidden()),
        ("/role", with_scope("admin"), forbidden()),
        ("/scope", writer(), None),
        // RFC 6750 §3.1: insufficient_scope with the scope that is needed
        ("/scope", reader(), Some((Reason::InsufficientScope, &*write))),
        (
            "/scope",
            with_scope("orders:writes Orders:Write"),
            Some((Reason::InsufficientScope, &*write)),
        ),
        ("/scope", with_roles(&["orders:write"]), Some((Reason::InsufficientScope, &*write))),
        ("/scopes", writer(), None),
        ("/scopes", reader(), Some((Reason::InsufficientScope, &*both))),
        ("/and", with_scope("orders:write orders:read"), None),
        ("/and", reader(), Some((Reason::InsufficientScope, &*both))),
        ("/mixed", writer().claim("roles", "admin"), None),
        ("/mixed", writer(), forbidden()),
        ("/mixed", admin(), Some((Reason::InsufficientScope, &*write))),
        ("/mixed", alice(), forbidden()),
        ("/or", admin(), None),
        ("/or", writer(), None),
        ("/or", alice(), Some((Reason::InsufficientScope, &*write))),
        ("/cheapest", with_scope("x y"), None),
        ("/cheapest", with_scope("a b"), Some((Reason::InsufficientScope, &*needs_abc))),
        ("/cheapest", reader(), Some((Reason::InsufficientScope, &*both))),
        ("/both", writer().claim("roles", "admin"), None),
        ("/both", admin(), Some((Reason::InsufficientScope, &*write))),
        ("/both", writer(), forbidden()),
        ("/both-turned", writer().claim("roles", "admin"), None),
        ("/both-turned", admin(), Some((Reason::InsufficientScope, &*write))),
        ("/both-turned", writer(), forbidden()),
        ("/people", alice(), None),
        ("/people", machine(), forbidden()),
        ("/email", employee(), None),
        ("/email", alice(), forbidden()),
        ("/nothing", admin(), forbidden()),
        ("/handler", writer(), None),
        ("/handler", admin(), None),
        ("/handler", alice(), Some((Reason::InsufficientScope, &*write))),
    ];

    let app = app();
    for (path, token, expected) in table {
        let answer = send(&app, get(path).bearer(token.sign(&key()))).await;
        match expected {
            None => _ = answer.is_ok("in"),
            Some((reason, challenge)) => _ = answer.is_refused(403, Some(challenge), reason),
        }
    }
}

#[tokio::test]
async fn guards_behind_an_optional_layer_ask_for_a_token_first() {
    let app = Router::new()
        .route("/extractor", on_get(|_: Require<Admin>| async { "in" }))
        .route("/layer", on_get(|| async { "in" }).layer(require(role("admin"))))
        .layer(layer().with_optional_token());

    for path in ["/extractor", "/layer"] {
        send(&app, get(path)).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        let answer = send(&app, get(path).bearer(good())).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
        let admin = with_roles(&["admin"]).sign(&key());
        send(&app, get(path).bearer(admin)).await.is_ok("in");
    }
}

#[tokio::test]
async fn guards_without_the_layer_are_a_server_error() {
    let app = Router::new()
        .route("/extractor", on_get(|_: Require<Admin>| async { "in" }))
        .route("/layer", on_get(|| async { "in" }).layer(require(role("admin"))));

    for path in ["/extractor", "/layer"] {
        let admin = with_roles(&["admin"]).sign(&key());
        let answer = send(&app, get(path).bearer(admin)).await;
        answer.is_refused(500, None, Reason::LayerMissing);
    }
}

#[tokio::test]
async fn guard_added_outside_of_the_layer_is_a_server_error() {
    let app =
        Router::new().route("/", on_get(|| async {})).layer(layer()).layer(require(role("user")));

    let answer = send(&app, get("/").bearer(with_roles(&["user"]).sign(&key()))).await;

    answer.is_refused(500, None, Reason::LayerMissing);
}

#[tokio::test]
async fn guard_covers_a_whole_router() {
    let admin = Router::new()
        .route("/a", on_get(|| async { "in" }))
        .route("/b", on_get(|| async { "in" }))
        .layer(require(role("admin")));
    let app = Router::new().nest("/admin", admin).layer(layer());

    for path in ["/admin/a", "/admin/b"] {
        let answer = send(&app, get(path).bearer(good())).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
        send(&app, get(path).bearer(with_roles(&["admin"]).sign(&key()))).await.is_ok("in");
    }
}

#[tokio::test]
async fn policy_of_the_layer_holds_for_every_token() {
    // RFC 9068 §5: access is decided by audience and scope
    let layer = BearerLayer::new(verifier()).with_policy(scope("orders:read"));
    let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer.clone());
    let optional =
        Router::new().route("/", on_get(|| async { "in" })).layer(layer.with_optional_token());

    for app in [&app, &optional] {
        let answer = send(app, get("/").bearer(good())).await;
        let needed = missing_scope("orders:read");
        answer.is_refused(403, Some(&needed), Reason::InsufficientScope);
        send(app, get("/").bearer(with_scope("orders:read").sign(&key()))).await.is_ok("in");
    }
    let needed = format!("{PLAIN}, scope=\"orders:read\"");
    send(&app, get("/")).await.is_refused(401, Some(&needed), Reason::MissingToken);
    send(&optional, get("/")).await.is_ok("in");
}

#[tokio::test]
async fn roles_are_found_where_they_are_configured_and_nowhere_else() {
    // A role of the same name in another client or realm must not pass.
    let keycloak = validation()
        .with_roles_at(["/realm_access/roles", "/resource_access/orders/roles"])
        .with_scopes_at(["permissions"]);
    let verifier = verifier_with(key().verifying_key(), keycloak);
    let app = Router::new()
        .route("/role", on_get(|_: Require<Admin>| async { "in" }))
        .route("/scope", on_get(|_: Require<Writer>| async { "in" }))
        .layer(BearerLayer::new(verifier));
    let access = |client: &str| json!({ client: { "roles": ["admin"] } });

    for (path, token, status) in [
        ("/role", token().claim("realm_access", json!({ "roles": ["admin"] })), 200),
        ("/role", token().claim("resource_access", access("orders")), 200),
        ("/role", token().claim("resource_access", access("other")), 403),
        ("/role", token().claim("resource_access", json!({ "roles": ["admin"] })), 403),
        ("/role", with_roles(&["admin"]), 403),
        ("/scope", token().claim("permissions", json!(["orders:write"])), 200),
        ("/scope", with_scope("orders:write"), 403),
    ] {
        let answer = send(&app, get(path).bearer(token.sign(&key()))).await;
        assert_eq!(answer.status, StatusCode::from_u16(status).unwrap(), "{path}");
    }
}

#[tokio::test]
async fn claim_whose_name_is_a_url_is_one_segment() {
    let auth0 = validation().with_roles_at(["https://example.com/roles"]);
    let verifier = verifier_with(key().verifying_key(), auth0);
    let token = token().claim("https://example.com/roles", json!(["admin"])).sign(&key());

    assert!(verifier.verify(&token).await.unwrap().principal().has_role("admin"));
}

#[tokio::test]
async fn groups_and_permissions_are_no_roles_unless_configured() {
    let token = token()
        .claim("groups", json!(["admin"]))
        .claim("permissions", json!(["admin"]))
        .sign(&key());

    let verified = crate::support::verify(&token).await.unwrap();

    assert!(!verified.principal().has_role("admin"));
}

#[tokio::test]
async fn scopes_come_as_string_or_list_in_scope_or_scp() {
    for token in [
        with_scope("a b"),
        token().claim("scope", json!(["a", "b"])),
        token().claim("scp", "a b"),
        token().claim("scp", json!(["a", "b"])),
    ] {
        let verified = crate::support::verify(&token.sign(&key())).await.unwrap();
        let scopes: Vec<_> = verified.principal().grants().scopes().collect();
        assert_eq!(scopes, ["a", "b"]);
    }
}

#[tokio::test]
async fn permissions_from_a_configuration_are_any_of_or_all_of_a_list() {
    let roles =
        |list: &[&str]| list.iter().map(|name| role((*name).to_owned())).collect::<Vec<_>>();
    let scopes =
        |list: &[&str]| list.iter().map(|name| scope((*name).to_owned())).collect::<Vec<_>>();
    let boxed: Vec<Box<dyn Policy>> = vec![Box::new(role("x")), Box::new(scope("a"))];
    let token = with_scope("a").claim("roles", "user").sign(&key());
    let who = crate::support::verify(&token).await.unwrap().principal().clone();
    let reason = |result: Result<(), Rejection>| result.err().map(|rejection| rejection.reason());
    let needed =
        |result: Result<(), Rejection>| result.unwrap_err().needed_scopes().unwrap().to_owned();

    assert_eq!(reason(who.check(any_of(roles(&["admin", "user"])))), None);
    assert_eq!(reason(who.check(any_of(boxed))), None);
    assert_eq!(reason(who.check(all_of(roles(&["user"])))), None);
    assert_eq!(reason(who.check(any_of(roles(&["admin"])))), Some(Reason::Forbidden));
    assert_eq!(reason(who.check(all_of(roles(&["user", "admin"])))), Some(Reason::Forbidden));
    assert_eq!(needed(who.check(all_of(scopes(&["a", "b"])))), "a b");
    assert_eq!(needed(who.check(any_of(scopes(&["b c", "d"])))), "d");
    assert_eq!(needed(who.check(scope("b b"))), "b");
    // An empty list is a mistake, and a mistake must not open a route.
    assert_eq!(reason(who.check(any_of(roles(&[])))), Some(Reason::Forbidden));
    assert_eq!(reason(who.check(all_of(roles(&[])))), Some(Reason::Forbidden));
}

#[tokio::test]
async fn guard_may_be_optional_where_tokens_are() {
    let handler = |admin: Option<Require<Admin>>| async move { admin.is_some().to_string() };
    let app = Router::new().route("/", on_get(handler)).layer(layer().with_optional_token());

    send(&app, get("/")).await.is_ok("false");
    send(&app, get("/").bearer(with_roles(&["admin"]).sign(&key()))).await.is_ok("true");
    let answer = send(&app, get("/").bearer(good())).await;
    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn guard_is_ready_when_what_it_guards_is() {
    let inner =
        ServiceBuilder::new().concurrency_limit(1).service(service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
    let guarded = require(role("admin")).layer(inner);
    let (mut first, mut second) = (guarded.clone(), guarded);

    first.ready().await.unwrap();
    assert!(second.ready().now_or_never().is_none(), "the only place is taken");
    drop(first);

    second.ready().await.unwrap();
}

#[tokio::test]
async fn policy_about_claims_of_another_type_is_a_mistake_of_the_program() {
    let app = app();
    for (path, is_admin) in
        [("/typo", false), ("/typo", true), ("/typo-or", false), ("/typo-and", true)]
    {
        let roles: &[&str] = if is_admin { &["admin"] } else { &[] };
        let answer = send(&app, get(path).bearer(with_roles(roles).sign(&key()))).await;

        answer.is_refused(500, None, Reason::MisusedPolicy);
    }
    send(&app, get("/typo-or").bearer(with_roles(&["admin"]).sign(&key()))).await.is_ok("in");
}
