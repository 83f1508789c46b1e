//! Tests over real sockets: axum, hyper with HTTP/1 and HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get as on_get;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_bearer::policy::role;
use tower_bearer::{Claims, Principal, render, require};

use crate::support::{PLAIN, User, WithBearer, good, key, layer, token};

/// Serves until the test ends.
async fn serve_axum(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

async fn serve_hyper() -> SocketAddr {
    let service = ServiceBuilder::new()
        .layer(layer().with_rejection(render::ProblemJson))
        .layer(require(role("user")))
        .service_fn(|request: Request<Incoming>| async move {
            let principal = request.extensions().get::<Principal>().unwrap();
            let name = principal.claims::<User>().unwrap().sub.clone().unwrap();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(name)))
        });
    serve(TowerToHyperService::new(service)).await
}

async fn serve<S, B>(service: S) -> SocketAddr
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: std::error::Error + Send + Sync,
    B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let connection = Builder::new(TokioExecutor::new());
                connection.serve_connection(TokioIo::new(socket), service).await.unwrap();
            });
        }
    });
    addr
}

async fn ask(http2: bool, request: Request<Empty<Bytes>>) -> (http::response::Parts, String) {
    let client =
        Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Empty<Bytes>>();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts, String::from_utf8(body.to_vec()).unwrap())
}

fn to(addr: SocketAddr) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{addr}/")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn axum_server_lets_a_token_in_and_refuses_the_rest() {
    let app = Router::new()
        .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
        .layer(layer());
    let addr = serve_axum(app).await;

    let (accepted, body) = ask(false, to(addr).bearer(good())).await;
    let (refused, _) = ask(false, to(addr)).await;
    let (twice, _) = ask(false, to(addr).bearer(good()).bearer(good())).await;

    assert_eq!((accepted.status.as_u16(), &*body), (200, "alice"));
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["www-authenticate"]),
        (401, &PLAIN.parse().unwrap())
    );
    assert_eq!(twice.status, 400);
}

#[tokio::test]
async fn bare_hyper_server_does_the_same_over_http_1_and_http_2() {
    let addr = serve_hyper().await;
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let user = token().claim("roles", "user").sign(&key());

        let (accepted, body) = ask(http2, to(addr).bearer(user)).await;
        let (forbidden, problem) = ask(http2, to(addr).bearer(good())).await;
        let (refused, _) = ask(http2, to(addr)).await;

        assert_eq!(accepted.version, version);
        assert_eq!((accepted.status.as_u16(), &*body), (200, "alice"));
        assert_eq!(forbidden.status, 403);
        assert!(problem.contains("\"status\":403"), "{problem}");
        assert_eq!(refused.status, 401);
    }
}

#[tokio::test]
async fn rendered_refusal_of_a_router_inside_crosses_a_real_socket_whole() {
    let inner = Router::new().route("/", on_get(|| async {}).layer(require(role("x"))));
    let app =
        Router::new().fallback_service(inner).layer(layer().with_rejection(render::ProblemJson));
    let addr = serve_axum(app).await;

    let (refused, body) = ask(false, to(addr).bearer(good())).await;

    assert_eq!(refused.status, 403);
    assert_eq!(refused.headers["content-length"], body.len().to_string());
    assert!(body.contains("\"status\":403"), "{body}");
}

/// Forwards every request, and streams the upstream's bodies back.
async fn serve_proxy(upstream: SocketAddr) -> SocketAddr {
    let client = Client::builder(TokioExecutor::new()).build_http::<Incoming>();
    let service = ServiceBuilder::new()
        .layer(layer().with_rejection(render::Json))
        .layer(require(role("user")))
        .layer(render::any_body())
        .service_fn(move |mut request: Request<Incoming>| {
            *request.uri_mut() = format!("http://{upstream}/").parse().unwrap();
            *request.version_mut() = Version::HTTP_11;
            client.request(request)
        });
    serve(TowerToHyperService::new(service)).await
}

#[tokio::test]
async fn proxy_hands_on_the_bodies_of_its_upstream_and_answers_refusals_itself() {
    let upstream = Router::new().route("/", on_get(|| async { "from behind" }));
    let addr = serve_proxy(serve_axum(upstream).await).await;
    let user = token().claim("roles", "user").sign(&key());

    for http2 in [false, true] {
        let (accepted, body) = ask(http2, to(addr).bearer(&user)).await;
        let (forbidden, problem) = ask(http2, to(addr).bearer(good())).await;
        let (refused, _) = ask(http2, to(addr)).await;

        assert_eq!((accepted.status.as_u16(), &*body), (200, "from behind"));
        assert_eq!(forbidden.status, 403);
        assert_eq!(forbidden.headers["content-length"], problem.len().to_string());
        assert!(problem.starts_with(r#"{"error":"forbidden""#), "{problem}");
        let challenge = &refused.headers["www-authenticate"];
        assert_eq!((refused.status.as_u16(), challenge), (401, &PLAIN.parse().unwrap()));
    }
}
