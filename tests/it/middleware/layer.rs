//! Tests the layer around axum routers and plain tower stacks.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::dpop::{DpopClientLayer, DpopKey};
use tower_bearer::mcp::{HostCheck, Mcp, McpSessions, Operations, WithoutToken};
use tower_bearer::mtls::ClientCertificateLayer;
use tower_bearer::policy::role;
use tower_bearer::resource::Resource;
use tower_bearer::source::Presented;
use tower_bearer::{
    Algorithm, BearerLayer, Claims, Principal, Reason, Validation, Verifier, render, require,
};

use crate::support::{
    ISSUER, PLAIN, User, WithBearer, get, good, invalid_token, key, layer, send, token, verifier,
};

async fn subject(Claims(user): Claims<User>) -> String {
    user.sub.clone().unwrap()
}

async fn maybe(user: Option<Claims<User>>) -> String {
    user.map_or("nobody".to_owned(), |user| user.sub.clone().unwrap())
}

#[tokio::test]
async fn layer_covers_routes_added_before_it_and_none_after() {
    let app = Router::new()
        .route("/inside", on_get(subject))
        .layer(layer())
        .route("/outside", on_get(|| async { "open" }));

    send(&app, get("/inside")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, get("/inside").bearer(good())).await.is_ok("alice");
    send(&app, get("/outside")).await.is_ok("open");
}

#[tokio::test]
async fn route_layer_leaves_unknown_paths_to_the_router() {
    let app = Router::new().route("/", on_get(subject)).route_layer(layer());

    assert_eq!(send(&app, get("/nowhere")).await.status, 404);
    send(&app, get("/")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, get("/").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn path_that_does_not_exist_is_not_found_in_whatever_order_routers_are_merged() {
    let guarded = || Router::new().route("/", on_get(subject)).route_layer(layer());
    let open = || Router::new().route("/open", on_get(|| async { "open" }));

    for app in [open().merge(guarded()), guarded().merge(open())] {
        assert_eq!(send(&app, get("/nowhere")).await.status, 404);
        assert_eq!(send(&app, get("/nowhere").bearer(good())).await.status, 404);
        send(&app, get("/open")).await.is_ok("open");
        send(&app, get("/")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        send(&app, get("/").bearer(good())).await.is_ok("alice");
        let mut post = get("/");
        *post.method_mut() = http::Method::POST;
        send(&app, post).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    }
}

#[tokio::test]
async fn fallback_is_covered_by_layer_and_not_by_route_layer() {
    let app = || Router::new().route("/", on_get(subject)).fallback(|| async { "files" });

    let covered = app().layer(layer());
    let open = app().route_layer(layer());

    send(&covered, get("/x")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&covered, get("/x").bearer(good())).await.is_ok("files");
    send(&open, get("/x")).await.is_ok("files");
}

#[tokio::test]
async fn nested_routers_are_covered() {
    let inner = Router::new().route("/me", on_get(subject));
    let app = Router::new().nest("/api", inner).layer(layer());

    send(&app, get("/api/me")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, get("/api/me").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn optional_mode_lets_requests_without_a_token_pass_without_claims() {
    let app = Router::new()
        .route("/maybe", on_get(maybe))
        .route("/must", on_get(subject))
        .layer(layer().with_optional_token());

    send(&app, get("/maybe")).await.is_ok("nobody");
    send(&app, get("/maybe").bearer(good())).await.is_ok("alice");
    send(&app, get("/must")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&app, get("/must").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn optional_mode_still_refuses_a_broken_token() {
    let app = Router::new().route("/", on_get(maybe)).layer(layer().with_optional_token());
    let expired = token().claim("exp", 1).sign(&key());

    let answer = send(&app, get("/").bearer(expired)).await;

    answer.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
    assert_eq!(send(&app, get("/").field("authorization", "Bearer")).await.status, 400);
}

#[tokio::test]
async fn what_an_earlier_layer_left_in_the_extensions_does_not_count() {
    // RFC 9700 §4.13: identities that others left are removed
    let verified = crate::support::verify(&good()).await.unwrap();
    let forge = |mut request: Request<Body>| {
        request.extensions_mut().insert(verified.principal().clone());
        request
    };
    let extensions = |request: Request<Body>| async move {
        let found = request.extensions().get::<Principal>().is_some();
        Ok::<_, Infallible>(Response::new(Body::from(found.to_string())))
    };
    let optional = Router::new()
        .route("/maybe", on_get(maybe))
        .route_service("/raw", service_fn(extensions))
        .layer(layer().with_optional_token());
    let bare = Router::new().route("/", on_get(subject));

    send(&optional, forge(get("/maybe"))).await.is_ok("nobody");
    send(&optional, forge(get("/raw"))).await.is_ok("false");
    // Without any layer it is not believed either.
    send(&bare, forge(get("/"))).await.is_refused(500, None, Reason::LayerMissing);
}

#[tokio::test]
async fn claims_of_an_outer_layer_of_another_type_do_not_count_inside() {
    #[derive(serde::Deserialize)]
    struct Other {}
    let other =
        tower_bearer::Verifier::<Other>::new(key().verifying_key(), crate::support::validation())
            .unwrap()
            .with_clock(tower_bearer::test_util::TestClock::at(crate::support::NOW));
    let handler = |_: Claims<Other>| async { "other" };
    let nested = Router::new()
        .route("/", on_get(handler))
        .layer(layer())
        .layer(BearerLayer::new(other.clone()));
    let twin = Router::new().route("/", on_get(handler)).layer(BearerLayer::new(other));

    let answer = send(&nested, get("/").bearer(good())).await;

    answer.is_refused(500, None, Reason::ClaimsTypeMissing);
    send(&twin, get("/").bearer(good())).await.is_ok("other");
}

#[tokio::test]
async fn plain_tower_stack_finds_the_claims_in_the_extensions() {
    let service =
        ServiceBuilder::new().layer(layer()).service_fn(|request: Request<()>| async move {
            let principal = request.extensions().get::<Principal>().unwrap();
            let claims = principal.claims::<User>().unwrap();
            assert_eq!(principal.subject(), claims.sub.as_deref());
            Ok::<_, Infallible>(Response::new(claims.sub.clone().unwrap()))
        });

    let accepted = service.clone().oneshot(Request::new(()).bearer(good())).await.unwrap();
    let refused = service.oneshot(Request::new(())).await.unwrap();

    assert_eq!(accepted.body(), "alice");
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn principal_is_in_the_response_if_access_logs_ask_for_it() {
    let route = || Router::new().route("/", on_get(|| async {}));
    let app = route().layer(layer().with_principal_in_responses());
    let silent = route().layer(layer());

    assert_eq!(send(&app, get("/").bearer(good())).await.subject.as_deref(), Some("alice"));
    assert_eq!(send(&app, get("/")).await.subject, None);
    assert_eq!(send(&silent, get("/").bearer(good())).await.subject, None);
}

/// Counts which instance was made ready and which was called.
struct Picky {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Picky {
    // A clone is not ready yet.
    fn clone(&self) -> Self {
        Self { ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<()>> for Picky {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Response::new(String::new())))
    }
}

/// Is never ready, or fails.
#[derive(Clone)]
struct Unready(Option<&'static str>);

impl<B> Service<Request<B>> for Unready {
    type Response = Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = std::future::Ready<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.map_or(Poll::Pending, |problem| Poll::Ready(Err(problem.into())))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[test]
fn layers_around_a_service_are_ready_when_the_service_is() {
    fn ready<S>(mut service: S) -> Poll<Result<(), String>>
    where
        S: Service<Request<String>, Error = Box<dyn std::error::Error + Send + Sync>>,
    {
        let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
        ready.map_err(|error| error.to_string())
    }
    let certificates = ClientCertificateLayer::from_connection(|_| None);
    let proofs = DpopClientLayer::new(DpopKey::generate(Algorithm::ES256).unwrap());
    let resource = Resource::new("https://api.example.com/mcp").unwrap();
    let rules = Validation::new(ISSUER, resource.as_str());
    let verifier = Verifier::<User>::new(key().verifying_key(), rules).unwrap();
    let hosts = HostCheck::new(resource.as_str()).unwrap();
    let mcp = Mcp::new(verifier, resource).unwrap();
    let sessions = McpSessions::generate().unwrap();
    for (inner, expected) in
        [(Unready(None), Poll::Pending), (Unready(Some("away")), Poll::Ready(Err("away".into())))]
    {
        assert_eq!(ready(certificates.layer(inner.clone())), expected);
        assert_eq!(ready(proofs.layer(inner.clone())), expected);
        assert_eq!(ready(mcp.layer(inner.clone())), expected);
        assert_eq!(ready(hosts.layer(inner.clone())), expected);
        assert_eq!(ready(sessions.layer(inner.clone())), expected);
        assert_eq!(ready(WithoutToken::new().layer(inner.clone())), expected);
        assert_eq!(ready(Operations::new().layer(inner)), expected);
    }
}

#[tokio::test]
async fn instance_that_was_made_ready_takes_the_call() {
    let calls = Arc::new(AtomicUsize::new(0));
    let mut service = layer().layer(Picky { ready: false, calls: Arc::clone(&calls) });

    for _ in 0..3 {
        let response =
            service.ready().await.unwrap().call(Request::new(()).bearer(good())).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn refused_request_never_reaches_the_inner_service() {
    let calls = Arc::new(AtomicUsize::new(0));
    let service = layer().layer(Picky { ready: false, calls: Arc::clone(&calls) });

    let response = service.oneshot(Request::new(())).await.unwrap();

    assert_eq!(response.status(), 401);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn several_sources_are_asked_and_two_tokens_are_a_bad_request() {
    // RFC 6750 §2: one method for each request
    struct Custom;
    impl tower_bearer::source::TokenSource for Custom {
        fn find<'r>(
            &self,
            request: &'r http::request::Parts,
        ) -> Result<Option<Presented<'r>>, Reason> {
            let field = request.headers.get("x-token");
            Ok(field.map(|value| Presented::bearer(value.as_bytes())))
        }
    }
    let app = Router::new().route("/", on_get(subject)).layer(layer().with_source(Custom));

    send(&app, get("/").field("x-token", good())).await.is_ok("alice");
    send(&app, get("/").bearer(good())).await.is_ok("alice");
    send(&app, get("/").field("x-token", b"\xff")).await.is_refused(
        401,
        Some(&invalid_token("The token cannot be verified")),
        Reason::Malformed,
    );
    let answer = send(&app, get("/").bearer(good()).field("x-token", good())).await;
    answer.is_refused(
        400,
        Some(&crate::support::challenge("invalid_request", "More than one token was sent")),
        Reason::SeveralTokens,
    );
}

#[tokio::test]
async fn errors_of_the_inner_service_pass_through() {
    let inner = service_fn(|_: Request<()>| async { Err::<Response<String>, _>("broken") });
    let service = layer().layer(inner);

    let error = service.oneshot(Request::new(()).bearer(good())).await.unwrap_err();

    assert_eq!(error, "broken");
}

#[test]
fn layer_and_future_can_be_shared_between_threads() {
    fn is_send_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: T) {}
    let layer = layer();
    is_send_sync(&layer);
    let mut service = layer.layer(Router::new());
    is_send_sync(&service.get_ref());
    is_send(Service::call(&mut service, get("/")));
    is_send(async move { verifier().verify("x").await });
    let _ = Mutex::new(0);
}

/// A body that only its service can make.
struct Opaque(Full<Bytes>);

impl http_body::Body for Opaque {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

async fn opaque(_: Request<Body>) -> Result<Response<Opaque>, Infallible> {
    Ok(Response::new(Opaque(Full::from("in"))))
}

#[tokio::test]
async fn body_that_cannot_be_made_fits_behind_the_layer_and_guards_with_any_body() {
    // RFC 9110 §9.3.2: HEAD is answered without a body
    let service = ServiceBuilder::new()
        .layer(layer().with_rejection(render::Json))
        .layer(require(role("admin")))
        .layer(render::any_body())
        .service_fn(opaque);
    let app = Router::new().fallback_service(service);
    let admin = token().claim("roles", "admin").sign(&key());

    let accepted = send(&app, get("/").bearer(&admin)).await;
    let refused = send(&app, get("/")).await;
    let forbidden = send(&app, get("/").bearer(good())).await;
    let mut head = get("/").bearer(good());
    *head.method_mut() = http::Method::HEAD;
    let head = send(&app, head).await;

    accepted.is_ok("in");
    refused.is_refused(401, Some(PLAIN), Reason::MissingToken);
    assert!(refused.body.starts_with(r#"{"error":"unauthorized""#), "{}", refused.body);
    forbidden.is_refused(403, Some(PLAIN), Reason::Forbidden);
    assert!(forbidden.body.starts_with(r#"{"error":"forbidden""#), "{}", forbidden.body);
    head.is_refused(403, Some(PLAIN), Reason::Forbidden);
    assert_eq!(head.body, "");
}

#[tokio::test]
async fn any_body_says_of_each_body_how_long_it_is() {
    let service = ServiceBuilder::new()
        .layer(layer().with_rejection(render::Json))
        .layer(render::any_body())
        .service_fn(opaque);

    let of_service = service.clone().oneshot(get("/").bearer(good())).await.unwrap().into_body();
    let made = service.oneshot(get("/")).await.unwrap().into_body();
    let empty = render::AnyBody::<Opaque>::default();

    assert_eq!(of_service.size_hint().exact(), Some(2));
    assert!(!of_service.is_end_stream() && !made.is_end_stream() && empty.is_end_stream());
    let length = made.size_hint().exact().unwrap();
    assert_eq!(made.collect().await.unwrap().to_bytes().len() as u64, length);
    assert_eq!(empty.size_hint().exact(), Some(0));
}

#[tokio::test]
async fn layers_that_change_the_body_fit_inside_of_the_layer_with_any_body() {
    use tower_http::trace::TraceLayer;
    let layers = || {
        ServiceBuilder::new()
            .layer(layer().with_rejection(render::ProblemJson))
            .layer(render::any_body())
            .layer(TraceLayer::new_for_http())
    };
    let app = Router::new().route("/", on_get(subject)).layer(layers());
    let boxed = layers().map_response(|r: Response<Body>| r.map(BodyExt::boxed_unsync));
    let boxed =
        Router::new().fallback_service(boxed.service(Router::new().route("/", on_get(subject))));

    for app in [app, boxed] {
        send(&app, get("/").bearer(good())).await.is_ok("alice");
        let refused = send(&app, get("/")).await;
        refused.is_refused(401, Some(PLAIN), Reason::MissingToken);
        assert_eq!(refused.headers["content-type"], "application/problem+json");
    }
}
