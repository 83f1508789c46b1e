//! Tests the metadata of a protected resource, and the challenges that lead to them.

use axum::routing::get as on_get;
use axum::{Extension, Router};
use http::{HeaderName, Method};
use serde_json::{Value, json};
use tower_bearer::binding::{Binding, BindingVerdict};
use tower_bearer::challenge::{AuthScheme, OfferedScheme};
use tower_bearer::dpop::Dpop;
use tower_bearer::mtls::CertificateBinding;
use tower_bearer::policy::{all_of, any_of, role, scope, when};
use tower_bearer::resource::{Resource, ResourceMetadataService};
use tower_bearer::source::{HeaderToken, Presented};
use tower_bearer::{
    BearerLayer, Claims, ConfigError, Issuers, Principal, Reason, Validation, Verifier, render,
    require,
};

use crate::support::log::Log;
use crate::support::{
    AUDIENCE, Answer, ISSUER, PLAIN, User, WithBearer, challenge, get, good, invalid_token, key,
    layer, send, token, verifier,
};

const RESOURCE: &str = "https://api.example.com/mcp";
const PATH: &str = "/.well-known/oauth-protected-resource/mcp";
const METADATA: &str =
    "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/mcp\"";

fn resource() -> Resource {
    Resource::new(RESOURCE).unwrap()
}

fn metadata_of(layer: BearerLayer<User>) -> ResourceMetadataService {
    layer.resource_metadata().unwrap()
}

/// An API whose document stands outside of the layer.
fn app(layer: BearerLayer<User>) -> Router {
    let metadata = metadata_of(layer.clone());
    Router::new()
        .route("/mcp", on_get(|| async { "in" }))
        .route_layer(layer)
        .route_service(&metadata.path(), metadata)
}

async fn ask(app: &Router, method: Method, path: &str) -> Answer {
    let mut request = get(path);
    *request.method_mut() = method;
    send(app, request).await
}

async fn document(layer: BearerLayer<User>) -> Value {
    let answer = ask(&app(layer), Method::GET, PATH).await;
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn document_follows_from_the_settings_of_the_layer() {
    // RFC 9728 §2: the document names the resource
    // RFC 9728 §3.3: the resource is the one that the URL of its metadata was made of
    // MCP: the metadata name an authorization server
    let plain = document(layer().with_resource(resource())).await;

    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!(plain, expected);

    let dpop = Dpop::new("https://api.example.com").unwrap();
    let all = layer()
        .with_resource(resource().with_scopes(["read", "write"]).unwrap())
        .with_binding(CertificateBinding::new())
        .with_dpop(dpop.clone());
    let all = document(all).await;

    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["read", "write"],
        "bearer_methods_supported": ["header"],
        "dpop_bound_access_tokens_required": true,
        "dpop_signing_alg_values_supported": all["dpop_signing_alg_values_supported"],
        "tls_client_certificate_bound_access_tokens": true,
    });
    assert_eq!(all, expected);
    let algorithms = all["dpop_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&json!("ES256")) && !algorithms.contains(&json!("none")));

    let allowed = layer().with_resource(resource()).with_dpop(dpop.with_bearer_allowed());
    assert_eq!(document(allowed).await["dpop_bound_access_tokens_required"], false);
}

#[tokio::test]
async fn layer_that_reads_no_authorization_field_supports_no_method() {
    let source = HeaderToken::new(HeaderName::from_static("x-token"));
    let instead = layer().with_source_instead(source.clone()).with_resource(resource());
    let beside = layer().with_source(source).with_resource(resource());

    assert_eq!(document(instead).await["bearer_methods_supported"], json!([]));
    assert_eq!(document(beside).await["bearer_methods_supported"], json!(["header"]));
}

struct OwnBinding;

impl Binding for OwnBinding {
    fn check(&self, _: &http::request::Parts, _: Presented<'_>, _: &Principal) -> BindingVerdict {
        BindingVerdict::NotApplicable
    }
}

#[tokio::test]
async fn binding_of_the_application_publishes_nothing_unless_it_says_its_method() {
    let own = document(layer().with_resource(resource()).with_binding(OwnBinding)).await;

    assert_eq!(own.get("tls_client_certificate_bound_access_tokens"), None);
}

#[tokio::test]
async fn authorization_servers_are_the_issuers_of_the_moment() {
    let issuers = Issuers::new();
    let add = |issuer: &str| {
        issuers.add(key().verifying_key(), Validation::new(issuer, AUDIENCE)).unwrap();
    };
    add("https://b.example.com");
    // A name that is no URL is no authorization server.
    add("service");
    let app = app(BearerLayer::new(Verifier::multi_issuer(&issuers)).with_resource(resource()));
    let servers = async || -> Value {
        let answer = ask(&app, Method::GET, PATH).await;
        serde_json::from_str::<Value>(&answer.body).unwrap()["authorization_servers"].take()
    };

    assert_eq!(servers().await, json!(["https://b.example.com"]));
    add("https://a.example.com");
    assert_eq!(servers().await, json!(["https://a.example.com", "https://b.example.com"]));
    issuers.remove("https://a.example.com");
    issuers.remove("https://b.example.com");
    // RFC 9728 §3.2: the document is JSON, and members without elements are left out
    assert_eq!(servers().await, Value::Null);
}

#[tokio::test]
async fn authorization_servers_can_be_named_in_place_of_the_issuers() {
    let servers = ["https://login.example.com", "https://other.example.com"];
    let named = resource().with_authorization_servers(servers).unwrap();

    assert_eq!(
        document(layer().with_resource(named)).await["authorization_servers"],
        json!(servers)
    );
}

#[tokio::test]
async fn document_is_open_cacheable_and_readable_across_origins() {
    // RFC 9728 §3.1: the document is read with GET
    // RFC 9728 §5.1: the document is open, cacheable, and readable across origins
    let app = app(layer().with_resource(resource()));

    let answer = ask(&app, Method::GET, PATH).await;
    assert_eq!((answer.status.as_u16(), answer.reason), (200, None));
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "public, max-age=600");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");

    let head = ask(&app, Method::HEAD, PATH).await;
    assert_eq!((head.status.as_u16(), &head.headers["etag"]), (200, &answer.headers["etag"]));

    let known =
        send(&app, get(PATH).field("if-none-match", answer.headers["etag"].to_str().unwrap()))
            .await;
    assert_eq!((known.status.as_u16(), &*known.body), (304, ""));
    assert_eq!(known.headers["access-control-allow-origin"], "*");

    // A browser asks first if a script sends `MCP-Protocol-Version`.
    let preflight = ask(&app, Method::OPTIONS, PATH).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.headers["access-control-allow-origin"], "*");
    assert_eq!(preflight.headers["access-control-allow-headers"], "*");
    assert_eq!(preflight.headers["access-control-allow-methods"], "GET, HEAD, OPTIONS");

    for method in [Method::POST, Method::DELETE] {
        let answer = ask(&app, method, PATH).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (405, ""));
        assert_eq!(answer.headers["allow"], "GET, HEAD, OPTIONS");
    }
}

#[tokio::test]
async fn nothing_of_the_request_comes_into_document_or_challenge() {
    // RFC 9728 §7: nothing comes from the Host field
    let app = app(layer().with_resource(resource()));
    let from =
        |path| get(path).field("host", "evil.example").field("forwarded", "host=evil.example");

    let answer = send(&app, from(PATH)).await;
    let refused = send(&app, from("/mcp")).await;

    assert!(answer.body.contains(RESOURCE) && !answer.body.contains("evil"), "{}", answer.body);
    refused.is_refused(401, Some(&format!("{PLAIN}, {METADATA}")), Reason::MissingToken);
}

#[tokio::test]
async fn query_of_the_resource_is_that_of_its_document() {
    let of = |query: &str| {
        let resource = Resource::new(&format!("{RESOURCE}{query}")).unwrap();
        metadata_of(layer().with_resource(resource))
    };
    let both = of("?tenant=a").with(of("?tenant=b"));
    let app = Router::new().route_service(&both.path(), both);

    for (query, status) in [("?tenant=a", 200), ("?tenant=b", 200), ("?tenant=c", 404), ("", 404)] {
        let answer = ask(&app, Method::GET, &format!("{PATH}{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        assert_eq!(answer.body.contains(&format!("{RESOURCE}{query}\"")), status == 200);
    }
    let plain = Router::new().route_service(PATH, of(""));
    assert_eq!(ask(&plain, Method::GET, &format!("{PATH}?tenant=a")).await.status, 404);
    assert_eq!(ask(&plain, Method::GET, PATH).await.status, 200);
}

#[tokio::test]
async fn two_resources_of_one_host_have_documents_and_challenges_of_their_own() {
    let api = |path: &str| {
        let resource = Resource::new(&format!("https://api.example.com{path}")).unwrap();
        let validation = Validation::new(ISSUER, resource.as_str());
        let verifier = crate::support::verifier_with(key().verifying_key(), validation);
        let layer = BearerLayer::new(verifier).with_resource(resource);
        let metadata = metadata_of(layer.clone());
        Router::new()
            .route(path, on_get(|| async { "in" }))
            .route_layer(layer)
            .route_service(&metadata.path(), metadata)
    };
    let app = api("/orders").merge(api("/files"));
    let token = |audience: &str| token().claim("aud", audience).sign(&key());

    for (path, other) in [("/orders", "/files"), ("/files", "/orders")] {
        let place = format!("/.well-known/oauth-protected-resource{path}");
        let answer = ask(&app, Method::GET, &place).await;
        assert!(answer.body.contains(&format!("\"https://api.example.com{path}\"")));
        let metadata = format!("resource_metadata=\"https://api.example.com{place}\"");
        send(&app, get(path)).await.is_refused(
            401,
            Some(&format!("{PLAIN}, {metadata}")),
            Reason::MissingToken,
        );

        let own = token(&format!("https://api.example.com{path}"));
        send(&app, get(path).bearer(own)).await.is_ok("in");
        let foreign = token(&format!("https://api.example.com{other}"));
        let challenge = invalid_token("The token is for another audience");
        send(&app, get(path).bearer(foreign)).await.is_refused(
            401,
            Some(&format!("{challenge}, {metadata}")),
            Reason::WrongAudience,
        );
    }
}

#[tokio::test]
async fn every_401_and_insufficient_scope_lead_to_the_metadata() {
    // RFC 9728 §5.1: resource_metadata stands in the challenge, of a 403 too
    // MCP: a 401 says where the metadata are
    // MCP: a 403 says where the metadata are
    let app = app(layer().with_resource(resource()).with_policy(scope("read write")));
    let scopes = "scope=\"read write\"";

    // RFC 6750 §3: a client without a token learns which scopes it needs
    // MCP: a 401 says which scopes are needed
    let answer = send(&app, get("/mcp")).await;
    answer.is_refused(401, Some(&format!("{PLAIN}, {scopes}, {METADATA}")), Reason::MissingToken);

    let answer = send(&app, get("/mcp").bearer("x.y.z")).await;
    let expected = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&format!("{expected}, {scopes}, {METADATA}")), Reason::Malformed);

    let reader = token().claim("scope", "read").sign(&key());
    let answer = send(&app, get("/mcp").bearer(reader)).await;
    let expected = challenge("insufficient_scope", "The token lacks a scope");
    let expected = format!("{expected}, {scopes}, {METADATA}");
    answer.is_refused(403, Some(&expected), Reason::InsufficientScope);

    let both = token().claim("scope", "read write").sign(&key());
    send(&app, get("/mcp").bearer(both)).await.is_ok("in");
}

#[tokio::test]
async fn challenge_of_every_scheme_leads_to_the_metadata() {
    let dpop = OfferedScheme::new(AuthScheme::DPOP);
    let layer = layer()
        .with_schemes([AuthScheme::BEARER.into(), dpop])
        .with_policy(scope("read"))
        .with_resource(resource());

    let answer = send(&app(layer), get("/mcp")).await;

    let challenges = answer.headers.get_all("www-authenticate").iter();
    let challenges: Vec<_> = challenges.map(|value| value.to_str().unwrap()).collect();
    let expected = ["Bearer", "DPoP"]
        .map(|scheme| format!("{scheme} realm=\"api\", scope=\"read\", {METADATA}"));
    assert_eq!(challenges, expected);
    assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::MissingToken)));
}

#[tokio::test]
async fn last_resource_of_a_layer_counts() {
    let other = Resource::new("https://api.example.com/other").unwrap();
    let app = app(layer().with_resource(other).with_resource(resource()));

    let answer = send(&app, get("/mcp")).await;

    answer.is_refused(401, Some(&format!("{PLAIN}, {METADATA}")), Reason::MissingToken);
}

#[tokio::test]
async fn scopes_for_strangers_are_those_that_are_needed_in_any_case() {
    let is_anna = || when(|who: &Principal| who.subject() == Some("anna"));
    let table: [(BearerLayer<User>, &str); 8] = [
        (layer().with_policy(scope("a b")), "a b"),
        (layer().with_policy(scope("a").and(role("admin"))), "a"),
        (layer().with_policy(all_of([scope("b a"), scope("a c")])), "b a c"),
        // The alternative that asks for the least.
        (layer().with_policy(scope("a b").or(scope("c"))), "c"),
        (layer().with_policy(any_of([scope("a"), scope("b")])), "a"),
        (layer().with_policy(role("admin").or(scope("a"))), "a"),
        (layer().with_policy(role("admin")), ""),
        (layer().with_policy(is_anna()), ""),
    ];

    for (layer, scopes) in table {
        let scopes =
            if scopes.is_empty() { String::new() } else { format!(", scope=\"{scopes}\"") };
        let app = app(layer.with_resource(resource()));
        let answer = send(&app, get("/mcp")).await;
        let expected = format!("{PLAIN}{scopes}, {METADATA}");
        answer.is_refused(401, Some(&expected), Reason::MissingToken);
    }
}

#[tokio::test]
async fn later_policy_replaces_the_scopes_for_strangers() {
    let app = app(layer().with_policy(scope("a")).with_policy(role("b")).with_resource(resource()));

    let answer = send(&app, get("/mcp")).await;

    answer.is_refused(401, Some(&format!("{PLAIN}, {METADATA}")), Reason::MissingToken);
}

#[tokio::test]
async fn guard_behind_optional_tokens_tells_strangers_its_scopes() {
    let app = |layer: BearerLayer<User>| {
        Router::new()
            .route("/", on_get(|Claims(_): Claims<User>| async { "in" }))
            .route_layer(require(scope("write").and(role("editor"))))
            .route_layer(layer.with_optional_token().with_rejection(render::Json))
    };

    let answer = send(&app(layer()), get("/")).await;
    answer.is_refused(401, Some(&format!("{PLAIN}, scope=\"write\"")), Reason::MissingToken);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&body["error"], &body["scope"]), (&json!("unauthorized"), &json!("write")));

    // The scopes of the layer come with those of the guard.
    let answer = send(&app(layer().with_policy(scope("read write"))), get("/")).await;
    answer.is_refused(401, Some(&format!("{PLAIN}, scope=\"write read\"")), Reason::MissingToken);

    let editor = token().claim("scope", "write").claim("roles", json!(["editor"])).sign(&key());
    send(&app(layer()), get("/").bearer(editor)).await.is_ok("in");
}

#[tokio::test]
async fn extractor_behind_optional_tokens_tells_strangers_the_scopes_of_the_layer() {
    let app = Router::new()
        .route("/", on_get(|Claims(_): Claims<User>| async { "in" }))
        .route_layer(layer().with_optional_token().with_policy(scope("read")));

    let answer = send(&app, get("/")).await;
    answer.is_refused(401, Some(&format!("{PLAIN}, scope=\"read\"")), Reason::MissingToken);
    let reader = token().claim("scope", "read").sign(&key());
    send(&app, get("/").bearer(reader)).await.is_ok("in");
}

#[tokio::test]
async fn refusal_that_no_token_would_resolve_names_no_scope() {
    let app = app(layer().with_policy(scope("read").and(role("admin"))).with_resource(resource()));

    let reader = token().claim("scope", "read").sign(&key());
    let answer = send(&app, get("/mcp").bearer(reader)).await;
    answer.is_refused(403, Some(&format!("{PLAIN}, {METADATA}")), Reason::Forbidden);

    let answer = send(&app, get("/mcp").field("authorization", "Bearer")).await;
    let expected = challenge("invalid_request", "The Authorization field is malformed");
    let expected = format!("{expected}, {METADATA}");
    answer.is_refused(400, Some(&expected), Reason::MalformedAuthorization);
}

#[tokio::test]
async fn members_for_people_come_in_several_languages() {
    // RFC 9728 §2: the optional members can be set
    // RFC 9728 §2: scopes_supported and resource_name
    // RFC 9728 §2.1: names in several languages
    let resource = resource()
        .with_scopes(["read"])
        .unwrap()
        .with_name("Orders")
        .and_then(|resource| resource.with_member("resource_name#de-AT", "Bestellungen"))
        .and_then(|resource| resource.with_documentation("https://docs.example.com/"))
        .and_then(|resource| resource.with_member("resource_policy_uri", "https://example.com/p"))
        .and_then(|resource| resource.with_member("resource_tos_uri", "https://example.com/t"))
        .and_then(|resource| resource.with_member("jwks_uri", "https://api.example.com/keys"))
        .and_then(|resource| {
            let types = ["payment_initiation"];
            resource.with_member("authorization_details_types_supported", types)
        })
        .and_then(|resource| {
            resource.with_member("resource_signing_alg_values_supported", ["ES256"])
        })
        .and_then(|resource| resource.with_member("signed_metadata", "a.b.c"))
        .and_then(|resource| resource.with_member("x_region", json!({ "eu": true })))
        .unwrap();

    let document = document(layer().with_resource(resource)).await;

    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read"],
        "resource_name": "Orders",
        "resource_name#de-AT": "Bestellungen",
        "resource_documentation": "https://docs.example.com/",
        "resource_policy_uri": "https://example.com/p",
        "resource_tos_uri": "https://example.com/t",
        "jwks_uri": "https://api.example.com/keys",
        "authorization_details_types_supported": ["payment_initiation"],
        "resource_signing_alg_values_supported": ["ES256"],
        "signed_metadata": "a.b.c",
        "x_region": { "eu": true },
    });
    assert_eq!(document, expected);
}

#[test]
fn members_that_no_client_could_use_are_refused() {
    let table = [
        ("", json!("x"), "has no name"),
        ("#de", json!("x"), "has no name"),
        ("resource", json!(RESOURCE), "follows from the settings of the layer"),
        ("bearer_methods_supported", json!(["query"]), "follows from the settings of the layer"),
        ("dpop_bound_access_tokens_required", json!(true), "follows from the settings"),
        ("dpop_signing_alg_values_supported", json!(["ES256"]), "follows from the settings"),
        ("tls_client_certificate_bound_access_tokens", json!(true), "follows from the settings"),
        ("scopes_supported", json!(["read"]), "`Resource::with_scopes`"),
        ("authorization_servers", json!([ISSUER]), "`Resource::with_authorization_servers`"),
        ("resource_name", json!(null), "is null"),
        ("resource_name", json!(""), "is empty"),
        ("resource_name", json!(7), "is not a text"),
        ("resource_name#", json!("x"), "has no language"),
        ("resource_name#de_AT", json!("x"), "has no language"),
        ("resource_name#7", json!("x"), "has no language"),
        ("jwks_uri#de", json!("https://api.example.com/keys"), "has no language"),
        ("resource_policy_uri", json!("http://example.com"), "is not HTTPS"),
        ("resource_policy_uri#de", json!("example.com"), "is not a URL"),
        ("jwks_uri", json!(["https://api.example.com"]), "is not a text"),
        ("signed_metadata", json!({}), "is not a text"),
        ("x", json!([]), "is an empty list"),
        ("resource_signing_alg_values_supported", json!("ES256"), "is not a list"),
        // RFC 9728 §2: `none` is not among the algorithms
        ("resource_signing_alg_values_supported", json!(["none"]), "has `none`"),
        ("authorization_details_types_supported", json!([1]), "is not a list"),
    ];

    for (name, value, problem) in table {
        let error = resource().with_member(name, &value).expect_err(name).to_string();
        assert!(error.contains(problem), "{name} {value}: {error}");
    }
}

#[test]
fn scopes_that_clients_must_not_ask_for_are_refused() {
    // MCP: offline_access is not advertised
    for (scopes, problem) in [
        (vec!["read", "offline_access"], "has `offline_access`"),
        (vec!["a b"], "has a name that is no scope"),
        (vec![""], "has a name that is no scope"),
        (vec!["a\""], "has a name that is no scope"),
        (vec!["a", "b", "a"], "has a scope twice"),
        (vec![], "is an empty list"),
    ] {
        let error = resource().with_scopes(scopes.clone()).expect_err("refused").to_string();
        assert!(error.contains(problem), "{scopes:?}: {error}");
    }
    assert!(resource().with_scopes(["a", "b:*", "https://x/y"]).is_ok());
}

#[test]
fn authorization_servers_are_urls_without_a_query() {
    for (servers, problem) in [
        (vec![], "is an empty list"),
        (vec!["https://id.example.com?x=1"], "has a query"),
        (vec!["http://id.example.com"], "is not HTTPS"),
        (vec!["https://login.example.com/{tenantid}"], "has a placeholder"),
    ] {
        let error = resource().with_authorization_servers(servers.clone());
        let error = error.expect_err("refused").to_string();
        assert!(error.contains(problem), "{servers:?}: {error}");
    }
}

#[test]
fn layer_without_a_resource_has_no_metadata() {
    let error = layer().resource_metadata().unwrap_err();

    assert!(matches!(error, ConfigError::Metadata { .. }));
    assert!(error.to_string().contains("`BearerLayer::with_resource`"), "{error}");
}

#[tokio::test]
async fn document_behind_the_layer_is_reported_when_it_is_asked_for() {
    let layer = layer().with_resource(resource());
    let metadata = metadata_of(layer.clone());
    let app = Router::new()
        .route("/mcp", on_get(|| async { "in" }))
        .route_service(&metadata.path(), metadata.clone())
        .route_layer(layer);

    let (log, _guard) = Log::of_this_thread();
    let answer = send(&app, get("/mcp")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(log.about("mount it outside of the layer"), []);
    let answer = send(&app, get(PATH)).await;
    assert_eq!(answer.status, 401);
    assert_eq!(log.about("mount it outside of the layer").len(), 1);

    assert!(!metadata.is_served_by(app).await);
    assert_eq!(log.about("the answer is 401 Unauthorized").len(), 1);
}

#[tokio::test]
async fn application_can_be_asked_whether_clients_can_read_the_document() {
    let layer = layer().with_resource(resource());
    let metadata = metadata_of(layer.clone());
    let (log, _guard) = Log::of_this_thread();

    assert!(metadata.is_served_by(app(layer)).await);
    assert_eq!(log.about("metadata"), []);

    assert!(!metadata.is_served_by(Router::new()).await);
    assert_eq!(log.about("the answer is 404 Not Found").len(), 1);
    let other = Router::new().fallback(async || "<html>");
    assert!(!metadata.is_served_by(other).await);
    assert_eq!(log.about("another document is in its place").len(), 1);
}

#[tokio::test]
async fn handlers_behind_the_layer_see_the_principal_as_before() {
    let app = Router::new()
        .route(
            "/",
            on_get(|Extension(who): Extension<Principal>| async move { who.issuer().to_owned() }),
        )
        .route_layer(BearerLayer::new(verifier()).with_resource(resource()));

    send(&app, get("/").bearer(good())).await.is_ok(ISSUER);
}

mod needs_resource_client {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use tokio::net::TcpListener;

    use super::*;

    /// Resources whose metadata are easy to put or to look for in the wrong place.
    const AWKWARD: [&str; 24] = [
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com/mcp",
        "https://api.example.com/mcp/",
        "https://api.example.com/a/b/c",
        "https://api.example.com/a//b",
        "https://api.example.com:8443",
        "https://api.example.com:8443/mcp",
        "https://api.example.com:443/mcp",
        "HTTPS://API.EXAMPLE.COM/Mcp",
        "https://[2001:db8::1]/mcp",
        "https://[2001:DB8::1]:8443",
        "https://192.0.2.1/mcp",
        "http://localhost:3000/mcp",
        "http://127.0.0.1:80",
        "https://xn--bcher-kva.example/mcp",
        "https://api.example.com/a%2Fb",
        "https://api.example.com/%7Euser",
        "https://api.example.com/a;v=1",
        "https://api.example.com/a+b",
        "https://api.example.com/~user/mcp",
        "https://api.example.com?tenant=a",
        "https://api.example.com/mcp?tenant=a",
        "https://api.example.com/mcp/?tenant=a&b=%2F",
    ];

    #[tokio::test]
    #[ignore = "needs oauth4webapi: scripts/interop"]
    async fn oauth4webapi_reads_every_document_and_challenge() {
        let mut requests = String::new();
        for url in AWKWARD {
            let resource = Resource::new(url).unwrap().with_scopes(["read", "write"]).unwrap();
            let app = any_path(
                layer()
                    .with_schemes([AuthScheme::BEARER.into(), AuthScheme::DPOP.into()])
                    .with_policy(scope("read write"))
                    .with_resource(resource.clone()),
            );
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, app).await });
            requests +=
                &format!("{}\n", json!({ "resource": resource.as_str(), "server": server }));
        }

        let answers = tokio::task::spawn_blocking(move || meet(&requests)).await.unwrap();

        assert_eq!(answers.len(), AWKWARD.len());
        for (url, answer) in AWKWARD.iter().zip(&answers) {
            let resource = Resource::new(url).unwrap();
            assert_eq!(answer["document"]["resource"], resource.as_str(), "{url}: {answer}");
            assert_eq!(answer["document"]["authorization_servers"], json!([ISSUER]), "{url}");
            let challenges = answer["challenges"].as_array().unwrap();
            let schemes: Vec<_> = challenges.iter().map(|one| one["scheme"].as_str()).collect();
            assert_eq!(schemes, [Some("bearer"), Some("dpop")], "{url}: {answer}");
            for challenge in challenges {
                let parameters = &challenge["parameters"];
                assert_eq!(parameters["resource_metadata"], resource.metadata_url(), "{url}");
            }
            let parameters = &challenges[0]["parameters"];
            assert_eq!(parameters["error"], "invalid_token", "{url}: {answer}");
            assert_eq!(parameters["scope"], "read write", "{url}: {answer}");
        }
    }

    /// An API with its document at one place, and the guarded path everywhere else.
    fn any_path(layer: BearerLayer<User>) -> Router {
        let metadata = metadata_of(layer.clone());
        let guarded = Router::new().fallback(async || "in").layer(layer);
        Router::new().route_service(&metadata.path(), metadata).fallback_service(guarded)
    }

    /// Asks the program to meet these resources, and returns its answers.
    fn meet(requests: &str) -> Vec<Value> {
        let line = std::env::var("OAUTH4WEBAPI_RESOURCE").expect("run scripts/interop");
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(requests.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
