//! Tests the metadata of an issuer, and that other services find its keys by them.

use axum::Router;
use axum::routing::get as on_get;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_bearer::endpoints::MetadataService;
use tower_bearer::issue::IssuerKeys;
use tower_bearer::{
    Algorithm, BearerLayer, ConfigError, RemoteKeys, TokenIssuer, Validation, Verifier,
};

use crate::support::{AUDIENCE, ISSUER, User, WithBearer, get, send};

const KEYS: &str = "https://id.example.com/keys";

fn metadata() -> MetadataService {
    MetadataService::new(ISSUER, KEYS).unwrap()
}

async fn ask(service: &MetadataService, method: Method, etag: &str) -> (u16, String, Vec<u8>) {
    let request = Request::builder().method(method).header("if-none-match", etag);
    let answer = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let etag = parts.headers.get("etag").map_or("", |etag| etag.to_str().unwrap()).to_owned();
    if parts.status == 200 {
        assert_eq!(parts.headers["content-type"], "application/json");
        assert_eq!(parts.headers["cache-control"], "public, max-age=600");
    }
    if parts.status == 405 {
        assert_eq!(parts.headers["allow"], "GET, HEAD");
    }
    (parts.status.as_u16(), etag, body.collect().await.unwrap().to_bytes().to_vec())
}

async fn document(service: &MetadataService) -> Value {
    let (status, _, body) = ask(service, Method::GET, "").await;
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn metadata_hold_the_issuer_its_keys_and_what_the_application_adds() {
    // RFC 8414 §3.2: the metadata are a JSON object, answered with 200
    assert_eq!(document(&metadata()).await, json!({ "issuer": ISSUER, "jwks_uri": KEYS }));

    let more = metadata()
        .with_member("token_endpoint", "https://id.example.com/token")
        .and_then(|more| more.with_member("revocation_endpoint", "https://id.example.com/revoke"))
        .and_then(|more| more.with_member("grant_types_supported", ["client_credentials"]))
        .and_then(|more| more.with_member("grant_types_supported", ["password"]))
        .and_then(|more| more.with_member("require_signed_request_object", true));

    let expected = json!({
        "issuer": ISSUER,
        "jwks_uri": KEYS,
        "token_endpoint": "https://id.example.com/token",
        "revocation_endpoint": "https://id.example.com/revoke",
        "grant_types_supported": ["password"],
        "require_signed_request_object": true,
    });
    assert_eq!(document(&more.unwrap()).await, expected);
}

#[tokio::test]
async fn metadata_are_answered_to_get_and_head_and_cached_by_their_entity_tag() {
    let service = metadata();

    let (status, etag, body) = ask(&service, Method::GET, "\"x\"").await;
    assert_eq!((status, body.is_empty()), (200, false));
    assert_eq!(ask(&service, Method::HEAD, "\"x\"").await.0, 200);
    assert_eq!(ask(&service, Method::GET, &etag).await, (304, etag.clone(), vec![]));
    let other = service.clone().with_member("service_documentation", "https://a.example").unwrap();
    assert_ne!(ask(&other, Method::GET, &etag).await.1, etag);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(ask(&service, method, &etag).await, (405, String::new(), vec![]));
    }
}

#[test]
fn path_of_the_metadata_holds_that_of_the_issuer() {
    // RFC 8414 §3: the well-known path of one's own metadata is inserted before the issuer's path
    for (issuer, path) in [
        ("https://id.example.com", ""),
        ("https://id.example.com/", ""),
        ("https://id.example.com/shop", "/shop"),
        ("https://id.example.com:8443/shop/a/", "/shop/a"),
    ] {
        let metadata = MetadataService::new(issuer, KEYS).unwrap();
        assert_eq!(metadata.path(), format!("/.well-known/oauth-authorization-server{path}"));
    }
}

#[test]
fn addresses_that_verifiers_would_refuse_are_config_errors() {
    // RFC 8414 §2: one's own issuer is https, without query and fragment
    let is_address = |result: Result<MetadataService, ConfigError>| {
        matches!(result.unwrap_err(), ConfigError::Address { .. })
    };
    for issuer in [
        "",
        "id.example.com",
        "/shop",
        "http://id.example.com",
        "ftp://id.example.com",
        "https://id.example.com?tenant=a",
        "https://id.example.com/#a",
        "https://user:password@id.example.com",
        "https://id.example.com/.well-known/oauth-authorization-server",
    ] {
        assert!(is_address(MetadataService::new(issuer, KEYS)), "{issuer}");
    }
    for issuer in ["https://{tenant}.example.com", "https://id.example.com "] {
        let error = MetadataService::new(issuer, KEYS).unwrap_err();
        assert!(matches!(error, ConfigError::Name { .. }), "{issuer}");
    }
    for address in ["", "/keys", "http://id.example.com/keys", "https://id.example.com/keys#1"] {
        assert!(is_address(MetadataService::new(ISSUER, address)), "{address}");
        assert!(is_address(metadata().with_member("token_endpoint", address)), "{address}");
        assert!(is_address(metadata().with_member("op_policy_uri", address)), "{address}");
    }
    for local in ["http://127.0.0.1:3000", "http://localhost:3000/a", "http://[::1]:3000"] {
        assert!(MetadataService::new(local, local).is_ok(), "{local}");
        assert!(metadata().with_member("token_endpoint", local).is_ok(), "{local}");
    }
    let shown = MetadataService::new("https://user:password@id.example.com", KEYS).unwrap_err();
    assert!(!shown.to_string().contains("password"), "{shown}");
}

#[test]
fn members_that_say_nothing_or_too_much_are_config_errors() {
    // RFC 8414 §3.2: members without elements are left out
    let is_refused = |name: &str, value: Value| {
        let error = metadata().with_member(name, value).unwrap_err();
        assert!(matches!(error, ConfigError::Metadata { .. }), "{name}: {error}");
    };
    is_refused("", json!("x"));
    is_refused("issuer", json!("https://other.example.com"));
    is_refused("jwks_uri", json!(KEYS));
    is_refused("token_endpoint", json!(1));
    is_refused("token_endpoint", Value::Null);
    is_refused("scopes_supported", json!([]));
    is_refused("scopes_supported", json!("read"));

    assert!(metadata().with_member("scopes_supported", ["read"]).is_ok());
    assert!(metadata().with_member("claims_parameter_supported", false).is_ok());
    assert!(metadata().with_member("x", 1).is_ok());
}

async fn serve(path: &str) -> (TokenIssuer<IssuerKeys>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let issuer = format!("{origin}{path}");
    let keys = IssuerKeys::generate(Algorithm::ES256).unwrap();
    let tokens = TokenIssuer::new(&issuer, AUDIENCE, keys.clone()).unwrap();
    let metadata = tokens.metadata_service(&format!("{origin}/keys")).unwrap();
    let app = Router::new()
        .route_service(&metadata.path(), metadata)
        .route_service("/keys", keys.jwks_service());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (tokens, issuer)
}

#[tokio::test]
async fn another_service_finds_the_keys_by_the_name_of_the_issuer() {
    for path in ["", "/", "/shop"] {
        let (tokens, issuer) = serve(path).await;
        let keys = RemoteKeys::discover(&issuer).unwrap();
        let rules = Validation::new(&issuer, AUDIENCE);
        let verifier = Verifier::<User>::new(keys, rules).unwrap();
        let app =
            Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier));
        let issue = || tokens.token_for("alice").issue().unwrap().into_string();

        send(&app, get("/").bearer(issue())).await.is_ok("in");
        // Known as the next key, and then not known before it signs.
        for _ in 0..2 {
            tokens.keys().rotate_now().unwrap();
            send(&app, get("/").bearer(issue())).await.is_ok("in");
        }
    }
}
