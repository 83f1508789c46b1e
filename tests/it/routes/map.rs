//! The map as a table, as JSON, and as a check in a test.

use axum::Router;
use serde_json::json;
use tower_bearer::policy::{role, scope};
use tower_bearer::routes::{
    DeclaredMethods, Methods, RouteAccess, RouteKind, Routes, any, get, post,
};

use crate::support::layer;

fn routes() -> Routes {
    Routes::new()
        .route(
            "/orders/{id}",
            post(async || "")
                .requires(scope("orders:write").or(role("admin")).and(scope("api")))
                .merge(get(async || "").requires(scope("orders:read"))),
        )
        .route("/me", get(async || "").signed_in())
        .route("/front", any(async || "").optional_token())
        .route("/health", get(async || "").open())
        .merge_open("the pages of the documentation", Router::new())
        .nest("/admin", Routes::new().merge_guarded("metrics", Router::new(), role("admin")))
        .fallback(any(async || "").open())
}

#[test]
fn table_has_columns_that_are_aligned() {
    let undeclared = routes().route("/forgotten", get(async || ""));

    assert_eq!(
        undeclared.map().to_string(),
        "METHOD  PATH           ACCESS\n\
         GET     /forgotten     UNDECLARED: a token\n\
         any     /front         open, with or without a token\n\
         GET     /health        open\n\
         GET     /me            a token\n\
         GET     /orders/{id}   scope `orders:read`\n\
         POST    /orders/{id}   (scope `orders:write` or role `admin`) and scope `api`\n\
         any     /…             open (the pages of the documentation; its routes are not listed)\n\
         any     /admin/…       role `admin` (metrics; its routes are not listed)\n\
         any     (other paths)  open\n"
    );
}

#[test]
fn two_lists_in_parentheses_keep_them() {
    let routes: Routes = Routes::new().route(
        "/a",
        get(async || "").requires(role("a").or(role("b")).and(role("c").or(role("d")))),
    );

    let map = routes.map();
    assert_eq!(
        map.entries()[0].access().to_string(),
        "(role `a` or role `b`) and (role `c` or role `d`)"
    );
}

#[test]
fn json_is_sorted_by_path_and_method() {
    assert_eq!(
        serde_json::to_value(routes().map()).unwrap(),
        json!([
            { "path": "/front", "method": "any", "access": "optional_token" },
            { "path": "/health", "method": "GET", "access": "open" },
            { "path": "/me", "method": "GET", "access": "signed_in" },
            { "path": "/orders/{id}", "method": "GET", "access": "requires", "policy": "scope `orders:read`" },
            {
                "path": "/orders/{id}",
                "method": "POST",
                "access": "requires",
                "policy": "(scope `orders:write` or role `admin`) and scope `api`",
            },
            { "path": "/", "router": "the pages of the documentation", "access": "open" },
            { "path": "/admin", "router": "metrics", "access": "requires", "policy": "role `admin`" },
            { "path": "/", "fallback": true, "access": "open" },
        ])
    );
}

#[test]
fn map_of_declared_routes_passes_the_check() {
    assert_eq!(routes().map().check(), Ok(()));
}

#[test]
fn check_names_the_routes_without_a_declaration() {
    let routes = routes()
        .route("/forgotten", get(async || "").post(async || ""))
        .merge_open(" ", Router::new());

    let map = routes.map();
    let error = map.check().unwrap_err();

    assert_eq!(
        error.to_string(),
        "nothing is declared about `GET /forgotten`, `POST /forgotten`: write `.requires(policy)`, `.signed_in()`, \
         `.optional_token()` or `.open()` behind its handlers; the router of `any /…` has no description"
    );
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(error.undeclared(), map.undeclared().cloned().collect::<Vec<_>>());
    assert_eq!(error.undeclared().len(), 2);
    assert_eq!(error.without_description().len(), 1);
}

#[test]
fn router_without_a_description_fails_the_check_alone() {
    let error = routes().merge_signed_in("", Router::new()).map().check().unwrap_err();

    assert_eq!(error.to_string(), "the router of `any /…` has no description");
}

#[test]
fn undeclared_fallback_fails_the_check() {
    let error = routes().fallback(any(async || "")).map().check().unwrap_err();

    assert_eq!(*error.undeclared()[0].kind(), RouteKind::Fallback);
}

#[test]
fn fallback_that_is_set_again_stands_once() {
    let routes = routes().fallback(any(async || "").signed_in());

    let map = routes.map();
    let mut fallbacks = map.entries().iter().filter(|entry| *entry.kind() == RouteKind::Fallback);
    assert_eq!(*fallbacks.next().unwrap().access(), RouteAccess::SignedIn);
    assert_eq!(fallbacks.next(), None);
}

#[test]
fn policy_of_the_layer_is_added_where_a_token_is_needed() {
    let map = routes().route("/forgotten", get(async || "")).map();
    let map = map.behind(&layer().with_policy(scope("api")));

    let access = |path: &str| {
        let entry = map.entries().iter().find(|entry| entry.path() == path).unwrap();
        entry.access().to_string()
    };
    assert_eq!(access("/me"), "scope `api`");
    assert_eq!(access("/orders/{id}"), "scope `api` and scope `orders:read`");
    assert_eq!(access("/health"), "open");
    assert_eq!(access("/front"), "open without a token, or with one and scope `api`");
    assert_eq!(access("/forgotten"), "UNDECLARED: a token");
}

#[test]
fn layer_without_a_policy_changes_no_access() {
    assert_eq!(routes().map().behind(&layer()), routes().map());
}

#[test]
fn debug_output_shows_the_declarations_and_no_handlers() {
    let methods: Methods = any(async || "").get(async || "");
    assert_eq!(format!("{methods:?}"), "Methods { names: [GET], any: true, .. }");
    let declared: DeclaredMethods = get(async || "").open().merge(post(async || "").signed_in());
    assert_eq!(format!("{declared:?}"), "[([Some(GET)], Open), ([Some(POST)], SignedIn)]");
    let routes = Routes::new().route("/a", declared).merge(Routes::default());

    assert!(format!("{routes:?}").contains("SignedIn"), "{routes:?}");
    assert_eq!(routes.clone().map(), routes.map());
}
