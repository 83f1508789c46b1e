//! Tests that a policy is told the request, wherever it is asked.

use std::borrow::Cow;

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use http::Request;
use http::request::Parts;
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::policy::{
    Access, Policy, PolicyDescription, RequestHead, all_of, any_of, role, scope,
};
use tower_bearer::source::Presented;
use tower_bearer::{
    AuthError, BearerLayer, Principal, Reason, Rejection, Require, Requirement, require,
};

use crate::support::scripted::{Scripted, cached};
use crate::support::{PLAIN, User, WithBearer, get, good, layer, send, validation, verifier_of};

/// Allows a request whose field, path and extensions are those of the tests.
struct Wanted;

#[derive(Clone)]
struct Door(&'static str);

impl Policy for Wanted {
    fn allows(&self, access: &Access<'_>) -> bool {
        access.request().is_some_and(|request| {
            assert!(request.uri().path().starts_with('/'));
            request.method() == "GET"
                && request.headers().get("x-door").is_some_and(|door| door == "front")
                && request.extensions().get::<Door>().is_some_and(|door| door.0 == "open")
        })
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        access.request().is_none().then(|| "tell `Wanted` the request".into())
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Custom("the front door".into())
    }
}

impl Requirement for Wanted {
    fn policy() -> impl Policy {
        Self
    }
}

/// Vouches for everything, after a wait.
struct Slow;

impl Authenticator for Slow {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"slow_")
    }

    async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
        tokio::task::yield_now().await;
        Ok(Authenticated::subject("slow"))
    }
}

fn ask(path: &str, token: &str, door: &str) -> Request<Body> {
    let mut request = get(path).bearer(token).field("x-door", door);
    request.extensions_mut().insert(Door("open"));
    request
}

fn routes() -> Router {
    Router::new()
        .route("/layer", on_get(async || "in"))
        .route("/require", on_get(async || "in").layer(require(Wanted)))
        .route("/extractor", on_get(async |_: Require<Wanted>| "in"))
        .route(
            "/handler",
            on_get(async |who: Principal, parts: Parts| {
                who.check_for(RequestHead::of_parts(&parts), Wanted)?;
                Ok::<_, Rejection>("in")
            }),
        )
        .route(
            "/blind",
            on_get(async |who: Principal| {
                who.check(Wanted)?;
                Ok::<_, Rejection>("in")
            }),
        )
}

#[tokio::test]
async fn guards_tell_a_policy_the_request() {
    let app = routes().layer(layer());

    for path in ["/require", "/extractor", "/handler"] {
        send(&app, ask(path, &good(), "front")).await.is_ok("in");
        let answer = send(&app, ask(path, &good(), "back")).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
}

#[tokio::test]
async fn layer_tells_a_policy_the_request_whether_it_waits_or_not() {
    let provider = Scripted::new();
    let token = provider.mint();
    let waits_for_keys = || BearerLayer::<User>::new(verifier_of(cached(&provider)));
    let with_ways = || layer().with_authenticator(Slow, validation()).unwrap();
    let cases = [
        (layer(), good()),
        (with_ways(), good()),
        (with_ways(), "slow_1".to_owned()),
        (waits_for_keys(), token),
    ];

    for (layer, token) in cases {
        // The second request is a hit.
        for door in ["front", "back", "front", "back"] {
            let app = routes().layer(layer.clone().with_policy(Wanted));
            let answer = send(&app, ask("/layer", &token, door)).await;

            match door {
                "front" => _ = answer.is_ok("in"),
                _ => _ = answer.is_refused(403, Some(PLAIN), Reason::Forbidden),
            }
        }
    }
}

#[tokio::test]
async fn policy_that_cannot_decide_is_a_mistake_of_the_program() {
    let app = routes().layer(layer());

    let answer = send(&app, ask("/blind", &good(), "front")).await;

    answer.is_refused(500, None, Reason::MisusedPolicy);
}

#[tokio::test]
async fn combinators_pass_the_mistake_on_and_only_after_a_refusal() {
    type Boxed = Box<dyn Policy>;
    let boxed = |policy: Boxed| policy;
    let list = || [boxed(Box::new(role("admin"))), boxed(Box::new(Wanted))];
    let allows = crate::support::verify(&good()).await.unwrap();
    let check = |policy: Boxed| allows.principal().check(policy).map_err(|no| no.reason());

    for misused in [
        boxed(Box::new(Wanted)),
        boxed(Box::new(Wanted.and(scope("a")))),
        boxed(Box::new(scope("a").and(Wanted))),
        boxed(Box::new(Wanted.or(scope("a")))),
        boxed(Box::new(scope("a").or(Wanted))),
        boxed(Box::new(any_of(list()))),
        boxed(Box::new(all_of(list()))),
        boxed(Box::new(std::sync::Arc::new(Wanted))),
    ] {
        assert_eq!(check(misused), Err(Reason::MisusedPolicy));
    }
    let anyone = || tower_bearer::policy::when(|_: &Principal| true);
    assert_eq!(check(Box::new(anyone().or(Wanted))), Ok(()));
    assert_eq!(check(Box::new(scope("a").or(role("b")))), Err(Reason::InsufficientScope));
}

#[tokio::test]
async fn mistake_says_what_to_change_in_the_error_and_not_to_the_client() {
    let verified = crate::support::verify(&good()).await.unwrap();

    let rejection = verified.principal().check(Wanted).unwrap_err();

    assert_eq!(rejection.error().detail(), Some("tell `Wanted` the request"));
    assert_eq!(rejection.description(), "The server is set up wrongly");
    assert!(rejection.challenges().is_empty());
}
