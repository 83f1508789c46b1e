use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::policy::role;
use tower_bearer::{Principal, Rejection, render, require};

use crate::support::{WithBearer, get, good, layer, send};

fn app<R>(renderer: R) -> Router
where
    R: render::Render<Body> + Clone,
{
    let check = async |principal: Principal| -> Result<&'static str, Rejection> {
        principal.check(role("admin"))?;
        Ok("in")
    };
    Router::new()
        .route("/guarded", on_get(async || "in").layer(require(role("admin"))))
        .route("/checked", on_get(check))
        .layer(layer().with_rejection(renderer))
}

#[tokio::test]
async fn problem_document_names_the_path_and_the_request_for_layer_guard_and_handler() {
    let app = app(render::ProblemJson.with_instance());

    for (path, token, status) in
        [("/guarded", None, 401), ("/guarded", Some(good()), 403), ("/checked", Some(good()), 403)]
    {
        let mut request = get(&format!("{path}?secret=1")).field("x-request-id", "r-17");
        if let Some(token) = token {
            request = request.bearer(token);
        }
        let answer = send(&app, request).await;

        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&body["status"], &body["instance"]), (&json!(status), &json!(path)));
        assert_eq!(body["request_id"], "r-17");
    }
}

#[tokio::test]
async fn problem_document_names_no_request_unless_it_is_asked_to() {
    let answer =
        send(&app(render::ProblemJson), get("/guarded").field("x-request-id", "r-17")).await;

    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((body.get("instance"), body.get("request_id")), (None, None));
}

#[tokio::test]
async fn closure_sees_method_address_and_headers() {
    let app = app(render::from_fn_with_request(|rejection, request, _| {
        let agent = request.headers()["user-agent"].to_str().unwrap();
        let (method, uri) = (request.method(), request.uri());
        Body::from(format!("{method} {uri} {agent} {}", rejection.code()))
    }));

    let answer = send(&app, get("/guarded?a=b").field("user-agent", "test").bearer(good())).await;

    assert_eq!(answer.body, "GET /guarded?a=b test forbidden");
}
