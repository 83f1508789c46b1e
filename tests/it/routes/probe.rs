//! The probe finds what does not fit the map.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode};
use tower::service_fn;
use tower_bearer::policy::scope;
use tower_bearer::routes::{RouteMap, Routes, any, get, post};
use tower_bearer::{Principal, Reason};

use crate::support::{PLAIN, get as ask_get, layer, send};

fn routes() -> Routes {
    Routes::new()
        .route("/orders/{id}/lines/{*rest}", get(async || "").requires(scope("orders:read")))
        .route("/me", get(async || "").signed_in().merge(any(async || "").optional_token()))
        .route("/forgotten", post(async || ""))
        .route("/{{literal}}/{id}", get(async || "").signed_in())
        .route("/sign-in", post(async || StatusCode::UNAUTHORIZED).open())
}

fn findings(found: &[tower_bearer::routes::ProbeFinding]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

async fn probe(map: &RouteMap, app: &Router) -> Vec<String> {
    findings(&map.probe(app).await)
}

#[tokio::test]
async fn application_of_the_map_has_no_findings() {
    let app = routes().into_router(layer());

    assert_eq!(routes().map().probe(&app).await, []);
    send(&app, ask_get("/orders/1/lines/1")).await.is_refused(
        401,
        Some(PLAIN),
        Reason::MissingToken,
    );
    send(&app, ask_get("/{literal}/1")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn guarded_route_that_is_open_in_the_application_is_found() {
    let open = Router::new()
        .route("/orders/{id}/lines/{*rest}", axum::routing::get(async || "open"))
        .route("/forgotten", axum::routing::post(async || StatusCode::UNAUTHORIZED));
    let map: RouteMap = Routes::<()>::new()
        .route("/orders/{id}/lines/{*rest}", get(async || "").requires(scope("orders:read")))
        .route("/forgotten", post(async || ""))
        .map();

    let found = map.probe(&open).await;

    assert_eq!(
        findings(&found),
        [
            "POST /forgotten was answered 401; expected: 401 with a challenge",
            "GET /orders/1/lines/1 was answered 200; expected: 401 with a challenge",
        ]
    );
    assert_eq!(found[0].method(), Method::POST);
    assert_eq!(
        (found[1].method(), found[1].path(), found[1].status()),
        (&Method::GET, "/orders/1/lines/1", Some(StatusCode::OK))
    );
}

#[tokio::test]
async fn open_route_behind_a_layer_is_found() {
    let routes: Routes = Routes::new()
        .route("/health", get(async || "").open())
        .route("/me", get(async |_: Principal| "").open())
        .route("/front", get(async || "").optional_token());

    assert_eq!(
        probe(&routes.map(), &routes.clone().into_router(layer())).await,
        ["GET /me was answered 500; expected: an answer of the handler, without a token"]
    );
    assert_eq!(
        probe(&routes.map(), &routes.into_router(layer()).route_layer(layer())).await,
        [
            "GET /front was answered 401; expected: an answer of the handler, without a token",
            "GET /health was answered 401; expected: an answer of the handler, without a token",
            "GET /me was answered 401; expected: an answer of the handler, without a token",
        ]
    );
}

#[tokio::test]
async fn handler_of_any_method_is_asked_by_one_that_has_no_line() {
    let routes: Routes = Routes::new()
        .route("/a", any(async || "").signed_in().merge(get(async || "").post(async || "").open()));
    let open = Router::new().route("/a", axum::routing::any(async || ""));

    assert_eq!(
        probe(&routes.map(), &open).await,
        ["PUT /a was answered 200; expected: 401 with a challenge"]
    );
    assert_eq!(routes.map().probe(&routes.into_router(layer())).await, []);
}

#[tokio::test]
async fn fallback_that_the_map_does_not_know_is_found() {
    let later = routes().into_router(layer()).fallback(async || "page");
    let declared = || routes().fallback(any(async || "page").open());

    assert_eq!(
        probe(&routes().map(), &later).await,
        ["GET /no-such-path was answered 200; expected: 404, because no route has this path"]
    );
    assert_eq!(declared().map().probe(&declared().into_router(layer())).await, []);
    // An unknown path may need a token.
    assert_eq!(routes().map().probe(&routes().into_router(layer()).layer(layer())).await.len(), 2);
}

#[tokio::test]
async fn fallback_that_should_need_a_token_is_asked() {
    let guarded = || routes().fallback(any(async || "page").signed_in());
    let open = routes().fallback(any(async || "page").open()).into_router(layer());

    assert_eq!(
        probe(&guarded().map(), &open).await,
        ["GET /no-such-path was answered 200; expected: 401 with a challenge"]
    );
    assert_eq!(guarded().map().probe(&guarded().into_router(layer())).await, []);
}

#[tokio::test]
async fn path_that_looks_unknown_and_is_known_is_not_asked_for_as_unknown() {
    let routes: Routes = Routes::new().route("/no-such-path", get(async || "").open());

    assert_eq!(routes.map().probe(&routes.into_router(layer())).await, []);
}

#[tokio::test]
async fn application_that_fails_is_found() {
    let failing = service_fn(async |_: Request<Body>| Err::<Response, _>("broken"));
    let map = Routes::<()>::new().route("/me", get(async || "").signed_in()).map();

    let found = map.probe(&failing).await;

    assert_eq!(found.len(), 2);
    assert_eq!(
        findings(&found)[0],
        "GET /me was answered with an error; expected: 401 with a challenge"
    );
    assert_eq!(found[0].status(), None);
    let answering =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    assert_eq!(map.probe(&answering).await.len(), 2);
}
