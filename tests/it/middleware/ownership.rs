//! Tests permissions that compare a part of the request with a claim.

use axum::Router;
use axum::extract::Path;
use axum::routing::get as on_get;
use http::Request;
use serde_json::{Value, json};
use tower_bearer::policy::{
    Policy, PolicyDescription, RequestPart, header_field, host_label, path, path_segment, role,
};
use tower_bearer::test_util::TestToken;
use tower_bearer::{
    BearerLayer, ConfigError, Principal, Reason, Rejection, Require, Requirement, Validation,
    Verifier, require,
};

use crate::support::{
    Answer, PLAIN, User, WithBearer, get, key, layer, send, token, validation, verifier_with,
};

fn app_of(route: &str, policy: impl Policy) -> Router {
    Router::new().route(route, on_get(async || "in").layer(require(policy))).layer(layer_of_rules())
}

fn layer_of_rules() -> BearerLayer<User> {
    let rules = validation().with_kept_claims(["/tenant", "org", "/deep/er", "client_id"]);
    BearerLayer::new(verifier_with(key().verifying_key(), rules))
}

async fn ask(app: &Router, path: &str, token: TestToken) -> Answer {
    send(app, get(path).bearer(token.sign(&key()))).await
}

#[track_caller]
fn is_forbidden(answer: &Answer) {
    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[track_caller]
fn is_misused(answer: &Answer) {
    answer.is_refused(500, None, Reason::MisusedPolicy);
}

#[tokio::test]
async fn parameter_of_a_route_equals_the_subject() {
    let app = app_of("/users/{user}/orders", path("user").equals_subject());

    for (path, subject) in [
        ("/users/alice/orders", "alice"),
        ("/users/al%69ce/orders", "alice"),
        ("/users/a%2Fb/orders", "a/b"),
        ("/users/%C3%A9/orders", "é"),
        ("/users/a%2520b/orders", "a%20b"),
        ("/users/alice/orders?user=bob", "alice"),
    ] {
        ask(&app, path, token().claim("sub", subject)).await.is_ok("in");
    }
    for (path, subject) in [
        ("/users/bob/orders", json!("alice")),
        ("/users/Alice/orders", json!("alice")),
        ("/users/alice%20/orders", json!("alice")),
        ("/users/alice%00/orders", json!("alice")),
        ("/users/a%252Fb/orders", json!("a/b")),
        ("/users/%FF/orders", json!("alice")),
        ("/users/null/orders", json!(null)),
        ("/users/%20/orders", json!("")),
    ] {
        is_forbidden(&ask(&app, path, token().claim("sub", subject)).await);
    }
}

#[tokio::test]
async fn parameter_is_the_one_that_the_handler_sees() {
    let echo = async |Path(user): Path<String>| user;
    let nested = Router::new()
        .route("/{user}", on_get(echo).layer(require(path("user").equals_subject())))
        .route_layer(axum::middleware::from_fn(
            async |request: axum::extract::Request, next: axum::middleware::Next| {
                next.run(request).await
            },
        ));
    let app = Router::new().nest("/api", nested).layer(layer());

    for subject in ["alice", "a/b", "é", "a%20b", "..", "a b"] {
        let encoded = percent_encoding(subject);
        let path = format!("/api/{encoded}");
        ask(&app, &path, token().claim("sub", subject)).await.is_ok(subject);
        is_forbidden(&ask(&app, &path, token().claim("sub", "other")).await);
    }
}

fn percent_encoding(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

struct Own;

impl Requirement for Own {
    fn policy() -> impl Policy {
        path("user").equals_subject()
    }
}

#[tokio::test]
async fn every_guard_that_knows_the_request_reads_the_parameter() {
    let own = || path("user").equals_subject();
    let app = Router::new()
        .route("/extractor/{user}", on_get(async |_: Require<Own>| "in"))
        .route(
            "/handler/{user}",
            on_get(async |who: Principal, parts: http::request::Parts| {
                let request = tower_bearer::policy::RequestHead::of_parts(&parts);
                who.check_for(request, path("user").equals_subject())?;
                Ok::<_, Rejection>("in")
            }),
        )
        .layer(layer());
    let of_router = Router::new()
        .route("/router/{user}", on_get(async || "in"))
        .route_layer(layer().with_policy(own()));

    for (app, path) in [(&app, "/extractor"), (&app, "/handler"), (&of_router, "/router")] {
        ask(app, &format!("{path}/alice"), token()).await.is_ok("in");
        is_forbidden(&ask(app, &format!("{path}/bob"), token()).await);
    }
}

#[tokio::test]
async fn parameter_that_is_not_there_is_a_mistake_of_the_program() {
    let own = || path("user").equals_subject();
    let misnamed = Router::new()
        .route("/users/{id}", on_get(async || "in").layer(require(own())))
        .route("/users", on_get(async || "in").layer(require(own())))
        .route("/{user}/x/{id}", on_get(async || "in").layer(require(path("id").equals_subject())))
        .layer(layer());
    for path in ["/users/alice", "/users"] {
        is_misused(&ask(&misnamed, path, token()).await);
    }
    ask(&misnamed, "/bob/x/alice", token()).await.is_ok("in");

    // Outside of the router.
    let router = Router::new().route("/users/{user}", on_get(async || "in"));
    let outside = Router::new().fallback_service(router).layer(layer().with_policy(own()));
    is_misused(&ask(&outside, "/users/alice", token()).await);

    // In a handler that does not say which request it is.
    let blind = Router::new()
        .route(
            "/users/{user}",
            on_get(async |who: Principal| {
                who.check(path("user").equals_subject())?;
                Ok::<_, Rejection>("in")
            }),
        )
        .layer(layer());
    is_misused(&ask(&blind, "/users/alice", token()).await);
}

#[tokio::test]
async fn mistake_is_mended_by_its_sentence() {
    let verified = verifier_with(key().verifying_key(), validation())
        .verify(&token().sign(&key()))
        .await
        .unwrap();
    let request = Request::get("/a").body(()).unwrap();
    let head = tower_bearer::policy::RequestHead::of(&request);
    let who = verified.principal();
    let sentence = |policy: Box<dyn Policy>| {
        let refused = who.check_for(head, policy).unwrap_err();
        assert_eq!(refused.reason(), Reason::MisusedPolicy);
        refused.error().detail().unwrap().to_owned()
    };

    for (policy, words) in [
        (Box::new(path("user").equals_subject()) as Box<dyn Policy>, "`route_layer`"),
        (Box::new(path_segment(0).equals_claim("/tenant")), "with_kept_claims([\"/tenant\"])"),
        (Box::new(path_segment(0).equals_claim("/a~2")), "is not a JSON Pointer"),
        (Box::new(path_segment(0).equals_claim("")), "is empty"),
        (Box::new(header_field("x tenant").equals_subject()), "no header field can have it"),
        (Box::new(path_segment(0).equals(|text: &String| text)), "`Verifier`"),
    ] {
        let sentence = sentence(policy);
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[tokio::test]
async fn segment_of_the_path_equals_a_claim() {
    let app = Router::new()
        .fallback(async || "in")
        .layer(require(path_segment(1).equals_claim("/tenant")))
        .layer(layer_of_rules());
    let acme = || token().claim("tenant", "acme");

    for path in ["/t/acme", "/t/acme/", "/t/acme/x", "/t/%61cme"] {
        ask(&app, path, acme()).await.is_ok("in");
    }
    for path in ["/acme", "/t/other", "/t/ACME", "//t/acme", "/t/acme/../other", "/t/acme/%2E%2e/x"]
    {
        is_forbidden(&ask(&app, path, acme()).await);
    }
}

#[tokio::test]
async fn claim_equals_only_as_a_string_that_is_not_empty() {
    for (claim, value, is_equal) in [
        ("tenant", json!("acme"), true),
        ("/tenant", json!("acme"), true),
        ("tenant", json!(["acme"]), false),
        ("tenant", json!({ "acme": 1 }), false),
        ("tenant", json!("acme "), false),
        ("tenant", json!(""), false),
        ("tenant", json!(null), false),
    ] {
        let app = app_of("/{tenant}", path("tenant").equals_claim(claim));
        let answer = ask(&app, "/acme", token().claim("tenant", value)).await;
        if is_equal { _ = answer.is_ok("in") } else { is_forbidden(&answer) }
    }
    let number = app_of("/{tenant}", path("tenant").equals_claim("tenant"));
    is_forbidden(&ask(&number, "/7", token().claim("tenant", 7)).await);
    is_forbidden(&ask(&number, "/acme", token()).await);
    for (claim, token) in [
        ("/org", token().claim("org", "acme")),
        ("/deep/er", token().claim("deep", json!({ "er": "acme" }))),
        ("client_id", token().claim("client_id", "acme")),
        ("/client_id", token().claim("client_id", "acme")),
        ("azp", token().claim("azp", "acme")),
        ("sub", token().claim("sub", "acme")),
        ("/sub", token().claim("sub", "acme")),
    ] {
        ask(&app_of("/{x}", path("x").equals_claim(claim)), "/acme", token).await.is_ok("in");
    }
}

#[tokio::test]
async fn part_equals_what_a_function_reads_from_the_claims() {
    let app = app_of(
        "/{email}",
        path("email").equals(|user: &User| user.email.as_deref().unwrap_or_default()),
    );

    ask(&app, "/a@example.com", token().claim("email", "a@example.com")).await.is_ok("in");
    is_forbidden(&ask(&app, "/a@example.com", token().claim("email", "b@example.com")).await);
    is_forbidden(&ask(&app, "/a@example.com", token()).await);
    let mistyped = app_of("/{email}", path("email").equals(|text: &String| text));
    is_misused(&ask(&mistyped, "/a", token()).await);
}

#[tokio::test]
async fn label_of_the_host_equals_a_claim() {
    let app = app_of("/", host_label(0).equals_claim("/tenant"));
    let ask = async |uri: &str, hosts: &[&str], tenant: Value| {
        let mut request = get(uri).bearer(token().claim("tenant", tenant).sign(&key()));
        for host in hosts {
            request = request.field("host", host);
        }
        send(&app, request).await
    };

    for (uri, hosts) in [
        ("/", &["acme.example.com"][..]),
        ("/", &["ACME.example.com:8443"]),
        ("/", &["acme.example.com."]),
        ("https://acme.example.com/", &[]),
        ("https://acme.example.com/", &["acme.example.com"]),
    ] {
        ask(uri, hosts, json!("acme")).await.is_ok("in");
        ask(uri, hosts, json!("Acme")).await.is_ok("in");
        is_forbidden(&ask(uri, hosts, json!("other")).await);
        is_forbidden(&ask(uri, hosts, json!("")).await);
    }
    for (uri, hosts) in [
        ("/", &[][..]),
        ("/", &["acme.example.com", "acme.example.com"]),
        ("/", &["other.example.com", "acme.example.com"]),
        ("https://other.example.com/", &["acme.example.com"]),
        ("https://acme.example.com/", &["other.example.com"]),
        ("/", &["acme@other.example.com"]),
        ("/", &["acme..example.com"]),
        ("/", &["acme.1"]),
    ] {
        is_forbidden(&ask(uri, hosts, json!("acme")).await);
    }
    is_forbidden(&ask("/", &["127.0.0.1"], json!("127")).await);
    is_forbidden(&ask("/", &["[::1]"], json!("[")).await);
}

#[tokio::test]
async fn header_field_equals_a_claim() {
    let app = app_of("/", header_field("X-Tenant").equals_claim("/tenant").or(role("support")));
    let ask = async |fields: &[&str], token: TestToken| {
        let request = get("/").bearer(token.sign(&key()));
        let request =
            fields.iter().fold(request, |request, field| request.field("x-tenant", field));
        send(&app, request).await
    };
    let acme = || token().claim("tenant", "acme");

    ask(&["acme"], acme()).await.is_ok("in");
    ask(&[], token().claim("roles", ["support"])).await.is_ok("in");
    for fields in [&[][..], &["other"], &["ACME"], &[""], &["acme", "acme"], &["acme, other"]] {
        is_forbidden(&ask(fields, acme()).await);
    }
    is_forbidden(&ask(&[""], token().claim("tenant", "")).await);
}

#[test]
fn claims_that_cannot_be_kept_are_config_errors() {
    for path in ["", "/a~2", "exp", "/exp", "amr", "/sub/x"] {
        let rules = validation().with_kept_claims([path]);
        let error = Verifier::<User>::new(key().verifying_key(), rules).unwrap_err();
        assert!(matches!(error, ConfigError::ClaimPath { .. }), "{path}");
    }
    let good = |rules: Validation| Verifier::<User>::new(key().verifying_key(), rules).is_ok();
    assert!(good(validation().with_kept_claims(["/a/b", "sub", "/sub", "roles"])));
}

#[test]
fn ownership_is_described_as_data() {
    let policy = path("user").equals_subject().and(host_label(0).equals_claim("/tenant"));

    let PolicyDescription::AllOf(parts) = policy.describe() else { panic!("{policy:?}") };
    let part = RequestPart::HostLabel(0);
    assert_eq!(parts[1], PolicyDescription::Equals { part, claim: "/tenant".into() });
    assert_eq!(
        policy.describe().to_string(),
        "(the path parameter `user` that equals the claim `sub` and label 0 of the host that equals the claim \
         `/tenant`)"
    );
    let others = path_segment(2).equals_subject().or(header_field("x-tenant").equals_subject());
    assert_eq!(
        others.describe().to_string(),
        "(segment 2 of the path that equals the claim `sub` or the header field `x-tenant` that equals the claim `sub`)"
    );
}
