//! A policy that asks for another sign-in instead of a scope (RFC 9470).

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use tower_bearer::claims::NumericDate;
use tower_bearer::policy::{Access, Policy, PolicyDescription, Remedy, role, scope};
use tower_bearer::{
    BearerLayer, Principal, Reason, Rejection, Require, Requirement, Validation, Verifier, require,
};

use crate::calls::{challenge, get_as, parameter};
use crate::tokens::{self, AUDIENCE, ISSUER};

#[derive(Deserialize)]
struct SignIn {
    acr: Option<String>,
    auth_time: Option<NumericDate>,
}

/// Needs a sign-in with a key that cannot be phished, a short time ago.
struct RecentSignIn;

const CLASSES: [&str; 2] = ["phrh", "phr"];
const MAX_AGE: Duration = Duration::from_secs(300);

impl Policy for RecentSignIn {
    fn allows(&self, access: &Access<'_>) -> bool {
        let Some(SignIn { acr: Some(acr), auth_time: Some(at) }) = access.principal().claims()
        else {
            return false;
        };
        let oldest = NumericDate::from(SystemTime::now() - MAX_AGE);
        CLASSES.contains(&acr.as_str()) && *at >= oldest
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        Some(Remedy::authentication(CLASSES).and(Remedy::recent_authentication(MAX_AGE)))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Custom("a recent sign-in".to_owned())
    }
}

impl Requirement for RecentSignIn {
    fn policy() -> impl Policy {
        Self
    }
}

pub async fn check() {
    let app = app();
    let weak = token("pwd", 0, &["payments"], &[]);
    let old = token("phrh", 600, &["payments"], &[]);
    let unknown = tokens::hs256().token_for("alice").issue().unwrap().into_string();

    for path in ["/transfer", "/extractor", "/handler"] {
        for refused in [&weak, &old, &unknown] {
            let response = get_as(&app, path, &format!("Bearer {refused}")).await;
            is_asked_to_sign_in(&response);
            assert_eq!(response.extensions().get(), Some(&Reason::InsufficientAuthentication));
            let needs_scope = path == "/transfer";
            assert_eq!(parameter(challenge(&response), "scope").is_some(), needs_scope, "{path}");

            let better = signed_in_as_told(&response);
            assert_eq!(get_as(&app, path, &better).await.status(), StatusCode::OK, "{path}");
        }
    }
    println!("stranger: step-up: 401 says which sign-in, and 200 follows it");

    let no_scope = token("phr", 10, &[], &[]);
    let response = get_as(&app, "/transfer", &format!("Bearer {no_scope}")).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(parameter(challenge(&response), "error"), Some("insufficient_scope"));
    assert_eq!(parameter(challenge(&response), "scope"), Some("payments"));
    assert_eq!(parameter(challenge(&response), "acr_values"), None);
    println!("stranger: step-up: 403 insufficient_scope after the sign-in, if a scope is missing");

    for (token, status) in [
        (token("phr", 10, &[], &["clerk"]), StatusCode::OK),
        (token("pwd", 10, &[], &["clerk"]), StatusCode::UNAUTHORIZED),
        (token("pwd", 10, &[], &[]), StatusCode::FORBIDDEN),
        (token("phr", 10, &[], &[]), StatusCode::FORBIDDEN),
    ] {
        let response = get_as(&app, "/clerk", &format!("Bearer {token}")).await;
        assert_eq!(response.status(), status);
        if status == StatusCode::FORBIDDEN {
            assert_eq!(challenge(&response), r#"Bearer realm="api""#);
        }
    }
    println!("stranger: step-up: a missing role asks for no other sign-in");

    for (token, status) in [
        (token("pwd", 600, &[], &["auditor"]), StatusCode::OK),
        (token("phr", 10, &[], &[]), StatusCode::OK),
        (token("phr", 600, &[], &[]), StatusCode::UNAUTHORIZED),
    ] {
        let response = get_as(&app, "/audit", &format!("Bearer {token}")).await;
        assert_eq!(response.status(), status);
    }
    let described = RecentSignIn.or(role("auditor")).describe().to_string();
    assert!(described.contains("a recent sign-in") && described.contains("auditor"), "{described}");
    println!("stranger: step-up: a role may stand in for the sign-in");
}

fn is_asked_to_sign_in(response: &Response<String>) {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenge(response);
    assert_eq!(parameter(challenge, "error"), Some("insufficient_user_authentication"));
    assert_eq!(parameter(challenge, "acr_values"), Some("phrh phr"));
    assert_eq!(parameter(challenge, "max_age"), Some("300"));
}

/// Does what a client does that understands the challenge.
fn signed_in_as_told(response: &Response<String>) -> String {
    let challenge = challenge(response);
    let acr = parameter(challenge, "acr_values").unwrap().split(' ').next().unwrap();
    let scopes: Vec<_> = parameter(challenge, "scope").into_iter().collect();
    format!("Bearer {}", token(acr, 0, &scopes, &[]))
}

fn token(acr: &str, age: i64, scopes: &[&str], roles: &[&str]) -> String {
    #[derive(Serialize)]
    struct SignedIn<'a> {
        acr: &'a str,
        auth_time: i64,
    }
    let auth_time = NumericDate::from(SystemTime::now()).as_seconds() - age;
    tokens::hs256()
        .token_for("alice")
        .with_claims(&SignedIn { acr, auth_time })
        .with_scopes(scopes.iter().copied())
        .with_roles(roles.iter().copied())
        .issue()
        .unwrap()
        .into_string()
}

fn app() -> Router {
    let rules = Validation::new(ISSUER, AUDIENCE);
    let verifier = Verifier::<SignIn>::new(tokens::hs256().verifying_key(), rules).unwrap();
    let done = async || "done";
    Router::new()
        .route("/transfer", get(done).layer(require(RecentSignIn.and(scope("payments")))))
        .route("/extractor", get(|_: Require<RecentSignIn>| async { "done" }))
        .route("/handler", get(in_handler))
        .route("/clerk", get(done).layer(require(RecentSignIn.and(role("clerk")))))
        .route("/audit", get(done).layer(require(RecentSignIn.or(role("auditor")))))
        .route_layer(BearerLayer::new(verifier))
}

async fn in_handler(who: Principal) -> Result<&'static str, Rejection> {
    who.check(RecentSignIn)?;
    Ok("done")
}
