//! Problem documents (RFC 9457) of one's own, which name the request that they are about.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::response::Parts;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tower_bearer::policy::{role, scope};
use tower_bearer::render::{ProblemJson, Render, RequestHead};
use tower_bearer::{BearerLayer, Principal, Rejection, require};

use crate::calls::{challenge, get as call, parameter};
use crate::tokens;

const REQUEST_ID: &str = "x-request-id";

/// Cloned for each request: what is the same for all is shared.
#[derive(Clone)]
struct Problem {
    documentation: Arc<str>,
    instance: String,
    request_id: Option<HeaderValue>,
}

impl<B: From<Bytes>> Render<B> for Problem {
    fn see(&mut self, request: RequestHead<'_>) {
        self.instance = format!("{} {}", request.method(), request.uri().path());
        self.request_id = request.headers().get(REQUEST_ID).cloned();
    }

    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        let problem = json!({
            "type": format!("{}#{}", self.documentation, rejection.code()),
            "title": rejection.description(),
            "status": rejection.status().as_u16(),
            "instance": self.instance,
            "request_id": self.request_id.as_ref().and_then(|id| id.to_str().ok()),
        });
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(id) = &self.request_id {
            parts.headers.insert(REQUEST_ID, id.clone());
        }
        B::from(Bytes::from(problem.to_string()))
    }
}

pub async fn check() {
    let ours = Problem {
        documentation: "https://api.example.com/problems".into(),
        instance: String::new(),
        request_id: None,
    };
    let app = Router::new().nest("/inner", routes(ours.clone())).merge(routes(ours));
    let token = tokens::hs256().token_for("alice").with_scopes(["orders:read"]).issue().unwrap();
    let bearer = format!("Bearer {}", token.as_str());
    let admitted = [("authorization", bearer.as_str()), (REQUEST_ID, "id-0")];

    let response = call(&app, "/orders", &admitted).await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "orders"));
    assert!(!response.headers().contains_key(REQUEST_ID));

    let response = call(&app, "/orders?secret=s", &[(REQUEST_ID, "id-1")]).await;
    is_problem(&response, StatusCode::UNAUTHORIZED, "unauthorized", "/orders", "id-1");
    assert_eq!(challenge(&response), r#"Bearer realm="api""#);
    let fields = [("authorization", "Bearer bad"), (REQUEST_ID, "id-2")];
    let response = call(&app, "/orders", &fields).await;
    is_problem(&response, StatusCode::UNAUTHORIZED, "invalid_token", "/orders", "id-2");
    println!("stranger: problem: refusals of the layer name the request");

    for (path, code) in
        [("/write", "insufficient_scope"), ("/admin", "forbidden"), ("/handler", "forbidden")]
    {
        let fields = [("authorization", bearer.as_str()), (REQUEST_ID, path)];
        let response = call(&app, path, &fields).await;
        is_problem(&response, StatusCode::FORBIDDEN, code, path, path);
        let error = (path == "/write").then_some(code);
        assert_eq!(parameter(challenge(&response), "error"), error);
    }
    let response = call(&app, "/teapot", &admitted).await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::IM_A_TEAPOT, "short"));
    println!(
        "stranger: problem: so do those of guards and handlers; other errors stay as they are"
    );

    let response = call(&app, "/inner/orders", &[(REQUEST_ID, "id-3")]).await;
    is_problem(&response, StatusCode::UNAUTHORIZED, "unauthorized", "/orders", "id-3");
    let response = call(&app, "/orders", &[]).await;
    let problem: Value = serde_json::from_str(response.body()).unwrap();
    assert!(problem["request_id"].is_null(), "of the request before: {problem}");
    assert!(!response.headers().contains_key(REQUEST_ID));
    println!("stranger: problem: nothing is left of other requests");

    let own = routes(ProblemJson.with_instance());
    for (app, has_instance) in [(own, true), (routes(ProblemJson), false)] {
        let response = call(&app, "/orders?secret=s", &[(REQUEST_ID, "id-4")]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(problem["status"], 401);
        assert_eq!(problem["instance"] == "/orders", has_instance, "{problem}");
        assert_eq!(problem["request_id"] == "id-4", has_instance, "{problem}");
    }
    println!("stranger: problem: the crate's own document can name the request too");
}

fn is_problem(
    response: &Response<String>,
    status: StatusCode,
    code: &str,
    path: &str,
    request_id: &str,
) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[REQUEST_ID], request_id);
    let problem: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(problem["type"], format!("https://api.example.com/problems#{code}"));
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["instance"], format!("GET {path}"));
    assert_eq!(problem["request_id"], request_id);
    assert!(!problem["title"].as_str().unwrap().is_empty());
}

fn routes<R>(render: R) -> Router
where
    R: Render<axum::body::Body> + Clone,
{
    let orders = async || "orders";
    Router::new()
        .route("/orders", get(orders))
        .route("/write", get(orders).layer(require(scope("orders:write"))))
        .route("/admin", get(orders).layer(require(role("admin"))))
        .route("/handler", get(in_handler))
        .route("/teapot", get(async || (StatusCode::IM_A_TEAPOT, "short")))
        .route_layer(BearerLayer::new(tokens::verifier()).with_rejection(render))
}

async fn in_handler(who: Principal) -> Result<&'static str, Rejection> {
    who.check(role("admin"))?;
    Ok("done")
}
