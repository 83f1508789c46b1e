//! The map has the paths that axum has.

use axum::Router;
use axum::extract::MatchedPath;
use http::StatusCode;
use tower_bearer::Reason;
use tower_bearer::policy::scope;
use tower_bearer::routes::{RouteKind, Routes, get};

use crate::support::{PLAIN, WithBearer, get as ask_get, good, layer, send};

async fn matched(path: MatchedPath) -> String {
    path.as_str().to_owned()
}

fn routes() -> Routes {
    let users = Routes::new()
        .route("/", get(matched).open())
        .route("/{id}", get(matched).signed_in())
        .route("/{id}/files/{*path}", get(matched).optional_token());
    let tenants = Routes::new().nest("/{tenant}/users", users.clone());
    Routes::new()
        .route("/", get(matched).open())
        .route("/{{literal}}", get(matched).open())
        .route("/static/{*rest}", get(matched).signed_in())
        .nest("/users", users.clone())
        .nest("/slash/", users)
        .nest("/tenants", tenants)
        .merge(Routes::new().route("/merged", get(matched).signed_in()))
}

#[tokio::test]
async fn paths_of_the_map_are_those_that_axum_matches() {
    let app = routes().into_router(layer());
    let map = routes().map();
    assert_eq!(map.entries().len(), 13);

    for entry in map.entries() {
        let path = entry.path().replace("{id}", "1").replace("{tenant}", "acme");
        let path = path.replace("{*path}", "a/b").replace("{*rest}", "a/b");
        let path = path.replace("{{literal}}", "{literal}");
        send(&app, ask_get(&path).bearer(good())).await.is_ok(entry.path());
    }
}

#[tokio::test]
async fn nested_routes_keep_their_declarations() {
    let app = routes().into_router(layer());

    send(&app, ask_get("/users")).await.is_ok("/users");
    send(&app, ask_get("/tenants/acme/users")).await.is_ok("/tenants/{tenant}/users");
    for path in ["/users/1", "/slash/1", "/tenants/acme/users/1", "/merged"] {
        send(&app, ask_get(path)).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        assert_eq!(send(&app, ask_get(path).bearer(good())).await.status, StatusCode::OK);
    }
    assert_eq!(send(&app, ask_get("/users/1/nothing")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn router_that_is_nested_is_shown_with_its_prefix() {
    let pages = Router::new().route("/pages", axum::routing::get(async || "page"));
    let inner = Routes::new().merge_guarded("pages of admins", pages, scope("admin"));
    let routes: Routes = Routes::new().nest("/admin", inner);

    let map = routes.map();
    let entry = &map.entries()[0];
    assert_eq!(entry.path(), "/admin");
    assert_eq!(*entry.kind(), RouteKind::Router("pages of admins".into()));
    let app = routes.into_router(layer());
    send(&app, ask_get("/admin/pages")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
}
