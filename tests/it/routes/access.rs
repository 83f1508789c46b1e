//! A route does what is declared about it.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::routing::MethodFilter;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, Request, StatusCode};
use serde_json::json;
use tower::service_fn;
use tower_bearer::policy::{role, scope};
use tower_bearer::routes::{Routes, any, any_service, delete, get, on, post, put};
use tower_bearer::{BearerLayer, Claims, Principal, Reason, render};
use tower_http::cors::CorsLayer;

use crate::support::{
    Answer, NOW, PLAIN, User, WithBearer, get as ask_get, good, invalid_token, key, layer, send,
    token, verifier,
};

fn ask(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

fn with_scope(scope: &str) -> String {
    token().claim("scope", json!(scope)).sign(&key())
}

fn lacking(scope: &str) -> String {
    let description = "The token lacks a scope";
    format!(
        "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"{description}\", scope=\"{scope}\""
    )
}

fn routes() -> Routes {
    Routes::new()
        .route(
            "/orders",
            get(async || "list")
                .requires(scope("orders:read"))
                .merge(post(async || "create").requires(scope("orders:write").or(role("admin"))))
                .merge(delete(async || "delete")),
        )
        .route("/me", get(async |me: Principal| me.subject().unwrap().to_owned()).signed_in())
        .route("/health", get(async || "healthy").open())
        .route("/mixed", get(async || "read").open().merge(put(async || "write").signed_in()))
        .route("/undeclared", get(async || "undeclared"))
        .route("/any", any(async || "any").requires(scope("any")))
        .route(
            "/front",
            get(async |user: Option<Claims<User>>| if user.is_some() { "user" } else { "guest" })
                .optional_token(),
        )
}

fn app() -> Router {
    routes().into_router(layer())
}

#[tokio::test]
async fn required_permission_is_checked_per_method() {
    let app = app();

    send(&app, ask_get("/orders")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, ask_get("/orders").bearer(with_scope("orders:write"))).await.is_refused(
        403,
        Some(&lacking("orders:read")),
        Reason::InsufficientScope,
    );
    send(&app, ask_get("/orders").bearer(with_scope("orders:read"))).await.is_ok("list");

    let create = |scope| ask(Method::POST, "/orders").bearer(with_scope(scope));
    send(&app, create("orders:read")).await.is_refused(
        403,
        Some(&lacking("orders:write")),
        Reason::InsufficientScope,
    );
    send(&app, create("orders:write")).await.is_ok("create");
    let admin = token().claim("roles", json!(["admin"])).sign(&key());
    send(&app, ask(Method::POST, "/orders").bearer(admin)).await.is_ok("create");
}

#[tokio::test]
async fn route_for_signed_in_principals_needs_a_token_and_no_permission() {
    let app = app();

    send(&app, ask_get("/me")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    let expired = token().claim("exp", NOW - 3600).sign(&key());
    let challenge = invalid_token("The token has expired");
    send(&app, ask_get("/me").bearer(expired)).await.is_refused(
        401,
        Some(&challenge),
        Reason::Expired,
    );
    send(&app, ask_get("/me").bearer(token().claim("sub", json!("alice")).sign(&key())))
        .await
        .is_ok("alice");
}

#[tokio::test]
async fn route_without_a_declaration_needs_a_token() {
    let app = app();

    send(&app, ask_get("/undeclared")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, ask(Method::DELETE, "/orders")).await.is_refused(
        401,
        Some(PLAIN),
        Reason::MissingToken,
    );
    send(&app, ask_get("/undeclared").bearer(good())).await.is_ok("undeclared");
    send(&app, ask(Method::DELETE, "/orders").bearer(good())).await.is_ok("delete");
}

#[tokio::test]
async fn open_route_does_not_ask_the_layer() {
    let app = app();

    send(&app, ask_get("/health")).await.is_ok("healthy");
    send(&app, ask_get("/health").bearer("broken")).await.is_ok("healthy");
    send(&app, ask_get("/mixed")).await.is_ok("read");
}

#[tokio::test]
async fn guarded_method_of_a_path_with_an_open_one_needs_a_token() {
    let app = app();

    let write = || ask(Method::PUT, "/mixed");
    send(&app, write()).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, write().bearer(good())).await.is_ok("write");
}

#[tokio::test]
async fn optional_token_may_be_absent_and_must_be_good() {
    let app = app();

    send(&app, ask_get("/front")).await.is_ok("guest");
    send(&app, ask_get("/front").bearer(good())).await.is_ok("user");
    let expired = token().claim("exp", NOW - 3600).sign(&key());
    let challenge = invalid_token("The token has expired");
    send(&app, ask_get("/front").bearer(expired)).await.is_refused(
        401,
        Some(&challenge),
        Reason::Expired,
    );
}

#[tokio::test]
async fn layer_with_optional_tokens_opens_no_route() {
    let app = routes().into_router(layer().with_optional_token());

    for path in ["/orders", "/me", "/undeclared", "/any"] {
        send(&app, ask_get(path)).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        let other = ask(Method::TRACE, path);
        send(&app, other).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    }
    send(&app, ask_get("/undeclared").bearer(good())).await.is_ok("undeclared");
}

#[tokio::test]
async fn methods_of_a_path_may_come_from_several_lists() {
    let app = Routes::new()
        .route("/a", get(async || "read").open())
        .route("/a", post(async || "create").signed_in())
        .merge(Routes::new().route("/a", put(async || "write").requires(scope("write"))))
        .into_router(layer());

    send(&app, ask_get("/a")).await.is_ok("read");
    for (method, body) in [(Method::POST, "create"), (Method::PUT, "write")] {
        let request = || ask(method.clone(), "/a");
        send(&app, request()).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        send(&app, request().bearer(with_scope("write"))).await.is_ok(body);
    }
    send(&app, ask(Method::PUT, "/a").bearer(good())).await.is_refused(
        403,
        Some(&lacking("write")),
        Reason::InsufficientScope,
    );
}

#[tokio::test]
async fn handler_of_any_method_is_guarded_for_each() {
    let app = app();

    for method in
        [Method::GET, Method::POST, Method::OPTIONS, Method::from_bytes(b"PURGE").unwrap()]
    {
        send(&app, ask(method.clone(), "/any")).await.is_refused(
            401,
            Some(PLAIN),
            Reason::MissingToken,
        );
        send(&app, ask(method.clone(), "/any").bearer(good())).await.is_refused(
            403,
            Some(&lacking("any")),
            Reason::InsufficientScope,
        );
        send(&app, ask(method, "/any").bearer(with_scope("any"))).await.is_ok("any");
    }
}

#[tokio::test]
async fn method_beside_any_has_its_own_declaration() {
    let app = Routes::new()
        .route("/a", any(async || "any").signed_in().merge(post(async || "post").open()))
        .into_router(layer());

    send(&app, ask(Method::POST, "/a")).await.is_ok("post");
    send(&app, ask_get("/a")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, ask_get("/a").bearer(good())).await.is_ok("any");
}

#[tokio::test]
async fn head_has_the_policy_of_get() {
    let app = app();

    let head = |token: Option<String>| {
        let request = ask(Method::HEAD, "/orders");
        token.into_iter().fold(request, |request, token| request.bearer(token))
    };
    send(&app, head(None)).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, head(Some(good()))).await.is_refused(
        403,
        Some(&lacking("orders:read")),
        Reason::InsufficientScope,
    );
    send(&app, head(Some(with_scope("orders:read")))).await.is_ok("");
}

#[tokio::test]
async fn path_that_does_not_exist_is_404_for_all() {
    let app = app();

    for request in [ask_get("/nothing"), ask_get("/nothing").bearer("broken"), ask_get("/orders/1")]
    {
        let answer = send(&app, request).await;
        assert_eq!((answer.status, answer.challenge()), (StatusCode::NOT_FOUND, None));
    }
}

#[tokio::test]
async fn method_without_a_handler_is_401_on_a_guarded_path_and_405_on_one_with_an_open_method() {
    let app = app();

    let patch = |path| ask(Method::PATCH, path);
    send(&app, patch("/orders")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    // A token without the permission of a neighbour is no reason for a 403.
    for request in
        [patch("/orders").bearer(good()), patch("/mixed"), patch("/health"), patch("/front")]
    {
        let answer = send(&app, request).await;
        assert_eq!((answer.status, answer.reason), (StatusCode::METHOD_NOT_ALLOWED, None));
    }
}

#[tokio::test]
async fn preflight_needs_no_token_if_cors_is_outside() {
    let app = app().layer(CorsLayer::permissive());

    let preflight = ask(Method::OPTIONS, "/orders")
        .field(ORIGIN.as_str(), "https://app.example.com")
        .field(ACCESS_CONTROL_REQUEST_METHOD.as_str(), "POST");
    send(&app, preflight).await.is_ok("");
    let answer =
        send(&app, ask_get("/orders").field(ORIGIN.as_str(), "https://app.example.com")).await;
    answer.is_refused(401, Some(PLAIN), Reason::MissingToken);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn fallback_does_what_is_declared_about_it() {
    let with = |fallback: fn() -> Routes| fallback().into_router(layer());
    let open = with(|| routes().fallback(any(async || "page").open()));
    let guarded = with(|| routes().fallback(any(async || "page").requires(scope("pages"))));
    let optional = with(|| routes().fallback(any(async || "page").optional_token()));
    let undeclared = with(|| routes().fallback(any(async || "page")));

    for app in [&open, &optional] {
        send(app, ask_get("/nothing")).await.is_ok("page");
    }
    for app in [&guarded, &undeclared] {
        send(app, ask_get("/nothing")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    }
    send(&undeclared, ask_get("/nothing").bearer(good())).await.is_ok("page");
    send(&guarded, ask_get("/nothing").bearer(with_scope("pages"))).await.is_ok("page");
    send(&guarded, ask_get("/nothing").bearer(good())).await.is_refused(
        403,
        Some(&lacking("pages")),
        Reason::InsufficientScope,
    );
    let broken = send(&optional, ask_get("/nothing").bearer("broken")).await;
    assert_eq!((broken.status, broken.reason), (StatusCode::UNAUTHORIZED, Some(Reason::Malformed)));
}

#[tokio::test]
async fn router_is_merged_with_one_declaration_for_all_of_its_routes() {
    let plain = |path: &str| {
        Router::new()
            .route(path, axum::routing::get(async || "plain"))
            .fallback(async || "fallback of the router")
    };
    let app = routes()
        .merge_open("open", plain("/plain/open"))
        .merge_signed_in("signed in", plain("/plain/signed-in"))
        .merge_guarded("guarded", plain("/plain/guarded"), scope("plain"))
        .into_router(layer());

    send(&app, ask_get("/plain/open")).await.is_ok("plain");
    for path in ["/plain/signed-in", "/plain/guarded"] {
        send(&app, ask_get(path)).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        send(&app, ask_get(path).bearer(with_scope("plain"))).await.is_ok("plain");
    }
    send(&app, ask_get("/plain/signed-in").bearer(good())).await.is_ok("plain");
    send(&app, ask_get("/plain/guarded").bearer(good())).await.is_refused(
        403,
        Some(&lacking("plain")),
        Reason::InsufficientScope,
    );
    assert_eq!(send(&app, ask_get("/nothing")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn router_without_routes_is_merged() {
    let app = routes()
        .merge_open("nothing", Router::new())
        .merge_guarded("nothing", Router::new(), scope("nothing"))
        .into_router(layer());

    send(&app, ask_get("/health")).await.is_ok("healthy");
}

#[tokio::test]
async fn refusals_have_the_body_of_the_renderer() {
    let app = routes().into_router(layer().with_rejection(render::Json));

    let missing = send(&app, ask_get("/orders")).await;
    let lacking = send(&app, ask_get("/orders").bearer(good())).await;

    assert!(missing.body.contains("\"error\""), "{missing:?}");
    assert!(lacking.body.contains("insufficient_scope"), "{lacking:?}");
}

#[tokio::test]
async fn state_and_parameters_reach_handlers() {
    async fn greet(State(greeting): State<&'static str>, Path(name): Path<String>) -> String {
        format!("{greeting} {name}")
    }
    let routes: Routes<&'static str> = Routes::new()
        .route("/open/{name}", get(greet).open())
        .route("/guarded/{name}", get(greet).signed_in())
        .fallback(any(async |State(greeting): State<&'static str>| greeting).open());
    let app: Router = routes.with_state("hello").into_router(layer());

    send(&app, ask_get("/open/alice")).await.is_ok("hello alice");
    send(&app, ask_get("/guarded/alice").bearer(good())).await.is_ok("hello alice");
    send(&app, ask_get("/nothing")).await.is_ok("hello");
}

#[tokio::test]
async fn services_are_handlers_too() {
    let service = service_fn(async |request: Request<Body>| {
        Ok(axum::response::Response::new(Body::from(request.uri().path().to_owned())))
    });
    let routes: Routes = Routes::new()
        .route("/service", any_service(service).signed_in())
        .nest_service("/files", any_service(service).open())
        .nest_service("/reports", any_service(service).requires(scope("reports")));
    let app = routes.into_router(layer());

    send(&app, ask_get("/service")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, ask_get("/service").bearer(good())).await.is_ok("/service");
    send(&app, ask_get("/files")).await.is_ok("/");
    send(&app, ask_get("/files/")).await.is_ok("/");
    send(&app, ask_get("/files/a/b.txt")).await.is_ok("/a/b.txt");
    for path in ["/reports", "/reports/", "/reports/2030"] {
        send(&app, ask_get(path)).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    }
    send(&app, ask_get("/reports/2030").bearer(with_scope("reports"))).await.is_ok("/2030");
}

#[tokio::test]
async fn layers_stand_inside_of_the_guard() {
    let mark = |name: &'static str| {
        axum::middleware::map_response(async move |mut response: axum::response::Response| {
            response.headers_mut().append("mark", name.parse().unwrap());
            response
        })
    };
    let routes: Routes = Routes::new()
        .route("/guarded", get(async || "in").layer(mark("method")).signed_in())
        .route("/any", any(async || "in").layer(mark("any")).signed_in())
        .route("/open", get(async || "in").open())
        .route_layer(mark("routes"))
        .route("/later", get(async || "in").open());
    let app = routes.into_router(layer());

    let marks = |answer: &Answer| {
        let marks = answer.headers.get_all("mark").iter();
        marks.map(|mark| mark.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let refused = send(&app, ask_get("/guarded")).await;
    refused.is_refused(401, Some(PLAIN), Reason::MissingToken);
    assert_eq!(marks(&refused), Vec::<String>::new());
    assert_eq!(marks(&send(&app, ask_get("/guarded").bearer(good())).await), ["method", "routes"]);
    assert_eq!(marks(&send(&app, ask_get("/any").bearer(good())).await), ["any", "routes"]);
    assert_eq!(marks(&send(&app, ask_get("/open")).await), ["routes"]);
    assert_eq!(marks(&send(&app, ask_get("/later")).await), Vec::<String>::new());
}

#[tokio::test]
async fn handler_of_several_methods_has_one_declaration() {
    let filter = MethodFilter::PUT.or(MethodFilter::PATCH);
    let routes: Routes =
        Routes::new().route("/a", on(filter, async || "in").delete(async || "gone").signed_in());
    assert_eq!(
        routes.map().entries().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["DELETE /a", "PATCH /a", "PUT /a"]
    );
    let app = routes.into_router(layer());

    for (method, body) in [(Method::PUT, "in"), (Method::PATCH, "in"), (Method::DELETE, "gone")] {
        send(&app, ask(method.clone(), "/a")).await.is_refused(
            401,
            Some(PLAIN),
            Reason::MissingToken,
        );
        send(&app, ask(method, "/a").bearer(good())).await.is_ok(body);
    }
}

#[tokio::test]
async fn policy_of_the_layer_comes_before_that_of_the_route() {
    let app = routes().into_router(BearerLayer::new(verifier()).with_policy(scope("api")));

    send(&app, ask_get("/me").bearer(good())).await.is_refused(
        403,
        Some(&lacking("api")),
        Reason::InsufficientScope,
    );
    send(&app, ask_get("/orders").bearer(with_scope("api orders:read"))).await.is_ok("list");
    send(&app, ask_get("/health")).await.is_ok("healthy");
}

#[test]
#[should_panic(expected = "Overlapping method route")]
fn method_that_is_declared_twice_is_an_error_when_the_router_is_built() {
    let routes: Routes =
        Routes::new().route("/a", get(async || "a").open().merge(get(async || "b").signed_in()));

    _ = routes.into_router(layer());
}

#[test]
#[should_panic(expected = "the handlers of a fallback have one declaration")]
fn fallback_with_two_declarations_is_an_error() {
    let both = get(async || "a").open().merge(post(async || "b").signed_in());

    _ = Routes::<()>::new().fallback(both);
}

#[tokio::test]
async fn merged_routes_have_the_fallback_of_either() {
    let with = || Routes::new().fallback(any(async || "page").open());
    let without = || Routes::new().route("/a", get(async || "a").open());

    for routes in [with().merge(without()), without().merge(with())] {
        let app = routes.into_router(layer());
        send(&app, ask_get("/a")).await.is_ok("a");
        send(&app, ask_get("/b")).await.is_ok("page");
    }
}

#[test]
#[should_panic(expected = "both have a fallback")]
fn two_fallbacks_are_an_error() {
    let one = || Routes::<()>::new().fallback(any(async || "a").open());

    _ = one().merge(one());
}

#[test]
#[should_panic(expected = "/{*rest}")]
fn nested_fallback_is_an_error() {
    _ = routes().nest("/a", Routes::new().fallback(any(async || "a").open()));
}
