//! Documents an API with utoipa, whose macros say nothing of security, and adds it from the map of the routes.

use axum::Json;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_bearer::policy::{role, scope};
use tower_bearer::routes::{Routes, get, post};
use utoipa::{OpenApi, ToSchema};

#[derive(Deserialize, Serialize, ToSchema)]
struct Order {
    id: u64,
}

#[utoipa::path(get, path = "/orders/{id}", params(("id" = u64, Path)), responses((status = 200, body = Order)))]
async fn read(Path(id): Path<u64>) -> Json<Order> {
    Json(Order { id })
}

#[utoipa::path(post, path = "/orders", request_body = Order, responses((status = 201, body = Order)))]
async fn create(Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

#[utoipa::path(get, path = "/health", responses((status = 200)))]
async fn health() {}

#[derive(OpenApi)]
#[openapi(paths(read, create, health), info(title = "Orders", version = "1"))]
struct Document;

fn routes() -> Routes {
    Routes::new()
        .route("/orders/{id}", get(read).requires(scope("orders:read")))
        .route("/orders", post(create).requires(scope("orders:write").or(role("admin"))))
        .route("/health", get(health).open())
}

fn document() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).expect("the document is JSON");
    let map = routes().map();
    let openapi = map.openapi();
    let openapi =
        openapi.with_open_id_connect("https://id.example.com/.well-known/openid-configuration");

    let report = openapi.add_to(&mut document);

    assert!(report.is_empty(), "{report:?}");
    document
}

fn main() {
    let document = document();

    let paths = &document["paths"];
    assert_eq!(
        paths["/orders/{id}"]["get"]["security"],
        json!([{ "openIdConnect": ["orders:read"] }])
    );
    assert_eq!(
        paths["/orders"]["post"]["security"],
        json!([{ "openIdConnect": ["orders:write"] }, { "openIdConnect": [] }])
    );
    assert_eq!(paths["/health"]["get"]["security"], json!([]));
    assert!(document["components"]["securitySchemes"]["openIdConnect"].is_object());
    // utoipa understands what was added.
    let read: utoipa::openapi::OpenApi =
        serde_json::from_value(document.clone()).expect("utoipa reads the document");
    let operation = read.paths.paths["/orders"].post.as_ref().expect("the operation is there");
    assert!(operation.responses.responses.contains_key("403"));
    assert!(read.components.expect("components").security_schemes.contains_key("openIdConnect"));

    if std::env::args().any(|argument| argument == "--print") {
        println!("{document:#}");
    } else {
        println!("openapi: the document of utoipa has the policies of the routes");
    }
}
