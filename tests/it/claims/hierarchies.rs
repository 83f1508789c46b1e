//! Tests roles and scopes that imply others.

use allocation_counter::measure;
use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::claims::Hierarchy;
use tower_bearer::policy::{Access, Policy, all_of, role, scope};
use tower_bearer::test_util::TestToken;
use tower_bearer::{
    BearerLayer, ConfigError, Principal, Reason, Rejection, Require, Requirement, Validation,
    Verifier, require,
};

use crate::support::{
    Answer, PLAIN, User, WithBearer, challenge, get, key, send, token, validation, verifier_with,
};

struct Viewer;

impl Requirement for Viewer {
    fn policy() -> impl Policy {
        role("viewer")
    }
}

fn rules() -> Validation {
    let scopes = Hierarchy::new().with("orders:*", ["orders:read", "orders:write"]);
    validation()
        .with_role_hierarchy("admin > editor > viewer".parse().unwrap())
        .with_scope_hierarchy(scopes)
}

fn app_with(validation: Validation) -> Router {
    Router::new()
        .route("/viewer", on_get(async || "in").layer(require(role("viewer"))))
        .route("/extractor", on_get(async |_: Require<Viewer>| "in"))
        .route(
            "/handler",
            on_get(async |who: Principal| {
                who.check(role("viewer"))?;
                Ok::<_, Rejection>("in")
            }),
        )
        .route("/write", on_get(async || "in").layer(require(scope("orders:read orders:write"))))
        .route(
            "/listed",
            on_get(async |who: Principal| {
                let grants = who.grants();
                let roles: Vec<_> = grants.roles().collect();
                let scopes: Vec<_> = grants.scopes().collect();
                assert!(grants.has_role("viewer") && grants.has_scope("orders:read"));
                format!("{roles:?} {scopes:?}")
            }),
        )
        .layer(BearerLayer::new(verifier_with(key().verifying_key(), validation)))
}

async fn ask(app: &Router, path: &str, token: TestToken) -> Answer {
    send(app, get(path).bearer(token.sign(&key()))).await
}

#[tokio::test]
async fn role_that_implies_another_is_enough_for_every_guard() {
    let (app, plain) = (app_with(rules()), app_with(validation()));

    for path in ["/viewer", "/extractor", "/handler"] {
        for held in ["admin", "editor", "viewer"] {
            // The second answer is that of a hit.
            for _ in 0..2 {
                ask(&app, path, token().claim("roles", [held])).await.is_ok("in");
            }
        }
        for held in ["orders:*", "adm", "Admin", "*", ""] {
            let answer = ask(&app, path, token().claim("roles", [held])).await;
            answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
        }
        let answer = ask(&plain, path, token().claim("roles", ["admin"])).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
}

#[tokio::test]
async fn challenge_lists_the_scopes_that_are_asked_for() {
    // MCP: hierarchies of scopes are accounted for
    let app = app_with(rules());

    ask(&app, "/write", token().claim("scope", "orders:*")).await.is_ok("in");
    let answer = ask(&app, "/write", token().claim("scope", "orders:read orders:")).await;

    let needs = challenge("insufficient_scope", "The token lacks a scope");
    let needs = format!("{needs}, scope=\"orders:read orders:write\"");
    answer.is_refused(403, Some(&needs), Reason::InsufficientScope);
}

#[tokio::test]
async fn scope_that_is_implied_is_not_missing_where_the_cheapest_way_is_asked_for() {
    let needs = |scopes: &str| {
        let start = challenge("insufficient_scope", "The token lacks a scope");
        format!("{start}, scope=\"{scopes}\"")
    };
    let policy = |first: &'static str| {
        let both = scope("orders:read orders:write b").or(scope(first));
        Router::new()
            .route("/", on_get(async || "in").layer(require(both)))
            .layer(BearerLayer::new(verifier_with(key().verifying_key(), rules())))
    };

    // One scope is missing of three, since the other two are implied, and two of two.
    let answer = ask(&policy("x y"), "/", token().claim("scope", "orders:*")).await;
    answer.is_refused(403, Some(&needs("orders:read orders:write b")), Reason::InsufficientScope);
    let answer = ask(&policy("x y"), "/", token()).await;
    answer.is_refused(403, Some(&needs("x y")), Reason::InsufficientScope);
}

#[tokio::test]
async fn lists_of_grants_are_those_of_the_token() {
    let held = token().claim("roles", ["admin"]).claim("scope", "orders:* x");

    let answer = ask(&app_with(rules()), "/listed", held).await;

    answer.is_ok(r#"["admin"] ["orders:*", "x"]"#);
}

#[tokio::test]
async fn roles_and_scopes_have_hierarchies_of_their_own() {
    let app = app_with(rules());

    let answer = ask(&app, "/viewer", token().claim("scope", "admin")).await;
    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    let verifier = verifier_with(key().verifying_key(), rules());
    let held = token().claim("roles", ["orders:*"]).sign(&key());
    let verified = verifier.verify(&held).await.unwrap();
    let access = Access::new(verified.principal());
    assert!(!all_of([scope("orders:read")]).allows(&access));
    assert!(role("orders:*").allows(&access));
}

#[tokio::test]
async fn each_issuer_has_its_own_hierarchy() {
    use tower_bearer::Issuers;
    use tower_bearer::test_util::TestClock;
    let other = "https://other.example.com";
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), rules()).unwrap();
    let plain = Validation::new(other, crate::support::AUDIENCE);
    issuers.add(key().verifying_key(), plain).unwrap();
    let verifier =
        Verifier::<User>::multi_issuer(&issuers).with_clock(TestClock::at(crate::support::NOW));

    for (issuer, is_viewer) in [(crate::support::ISSUER, true), (other, false)] {
        let token = token().claim("iss", issuer).claim("roles", ["admin"]).sign(&key());
        let verified = verifier.verify(&token).await.unwrap();
        assert_eq!(verified.principal().has_role("viewer"), is_viewer, "{issuer}");
    }
}

#[tokio::test]
async fn explanation_counts_implied_grants() {
    let verifier = verifier_with(key().verifying_key(), rules());
    let held = token().claim("roles", ["admin"]).sign(&key());

    assert!(verifier.explain_with_policy(&held, role("viewer")).await.is_accepted());
    let lacks = verifier.explain_with_policy(&held, role("other")).await;
    assert_eq!(lacks.error().unwrap().reason(), Reason::Forbidden);
}

#[test]
fn mistakes_in_a_hierarchy_are_config_errors() {
    let circle = ["a", "b", "a"].map(str::to_owned).to_vec();
    for validation in [
        validation().with_role_hierarchy("a > b > a".parse().unwrap()),
        validation().with_scope_hierarchy("a > b > a".parse().unwrap()),
    ] {
        let error = Verifier::<User>::new(key().verifying_key(), validation).unwrap_err();
        assert_eq!(error, ConfigError::HierarchyCycle { path: circle.clone() });
        assert_eq!(error.to_string(), "the hierarchy goes in a circle: a > b > a");
    }
    let spaced = validation().with_scope_hierarchy(Hierarchy::new().with("a b", ["c"]));
    let error = Verifier::<User>::new(key().verifying_key(), spaced).unwrap_err();
    assert_eq!(error.to_string(), "in the hierarchy, \"a b\" is no scope token");
    let roles = validation().with_role_hierarchy(Hierarchy::new().with("a b", ["c"]));
    assert!(Verifier::<User>::new(key().verifying_key(), roles).is_ok());
}

#[tokio::test]
async fn check_of_an_implied_role_or_scope_allocates_nothing() {
    let verifier: Verifier<User> = verifier_with(key().verifying_key(), rules());
    let token = token().claim("roles", ["admin"]).claim("scope", "orders:*").sign(&key());
    let principal = verifier.verify(&token).await.unwrap().principal().clone();
    let policy = role("viewer").and(scope("orders:read orders:write"));

    let used = measure(|| assert!(policy.allows(&Access::new(&principal))));

    assert_eq!(used.count_total, 0, "{used:?}");
    // What is counted is counted: a list of the roles takes memory.
    let listed = measure(|| assert_eq!(principal.grants().roles().collect::<Vec<_>>(), ["admin"]));
    assert!(listed.count_total > 0, "{listed:?}");
}
