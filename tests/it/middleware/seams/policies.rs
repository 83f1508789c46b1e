use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::policy::{
    Access, Policy, PolicyDescription, Remedy, all_of, any_of, role, scope,
};
use tower_bearer::{Reason, require};

use crate::support::{PLAIN, WithBearer, challenge, get, good, key, layer, send, token};

/// Needs a sign-in of a strong class that is no older than five minutes.
struct StrongSignIn;

impl Policy for StrongSignIn {
    fn allows(&self, access: &Access<'_>) -> bool {
        access.principal().has_role("signed-in-just-now")
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        let fresh = Remedy::recent_authentication(Duration::from_secs(300));
        Some(Remedy::authentication(["phr", "phrh"]).and(fresh))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Custom("a strong sign-in".into())
    }
}

fn app(policy: impl Policy) -> Router {
    Router::new().route("/", on_get(async || "in").layer(require(policy))).layer(layer())
}

#[tokio::test]
async fn policy_whose_remedy_is_another_sign_in_asks_for_it() {
    // RFC 9470 §3: insufficient_user_authentication with acr_values and max_age
    let answer = send(&app(StrongSignIn), get("/").bearer(good())).await;

    let challenge =
        challenge("insufficient_user_authentication", "A different authentication is needed");
    let challenge = format!("{challenge}, acr_values=\"phr phrh\", max_age=\"300\"");
    answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
}

#[tokio::test]
async fn policy_whose_remedy_is_another_sign_in_lets_in_who_has_it() {
    let token = token().claim("roles", ["signed-in-just-now"]).sign(&key());

    send(&app(StrongSignIn), get("/").bearer(token)).await.is_ok("in");
}

#[tokio::test]
async fn guard_names_what_the_policy_of_the_layer_needs_as_well() {
    let app = |of_layer: Box<dyn Policy>, of_guard: Box<dyn Policy>| {
        let router = Router::new().route("/", on_get(async || "in").layer(require(of_guard)));
        router.layer(layer().with_policy(of_layer))
    };
    let lacks = challenge("insufficient_scope", "The token lacks a scope");
    let with = |scope: &str| token().claim("scope", scope).claim("roles", "admin").sign(&key());

    // The way of a client that asks for what it is told, and for nothing else.
    let orders = || app(Box::new(scope("api")), Box::new(scope("orders:read")));
    let refused = send(&orders(), get("/").bearer(with("x"))).await;
    refused.is_refused(403, Some(&format!("{lacks}, scope=\"api\"")), Reason::InsufficientScope);
    let refused = send(&orders(), get("/").bearer(with("api"))).await;
    let both = format!("{lacks}, scope=\"api orders:read\"");
    refused.is_refused(403, Some(&both), Reason::InsufficientScope);
    send(&orders(), get("/").bearer(with("api orders:read"))).await.is_ok("in");

    // A scope that the layer could do without, and the token has not, is not asked for.
    let either = || app(Box::new(scope("api").or(role("admin"))), Box::new(scope("orders:read")));
    let refused = send(&either(), get("/").bearer(with("x"))).await;
    let own = format!("{lacks}, scope=\"orders:read\"");
    refused.is_refused(403, Some(&own), Reason::InsufficientScope);
    let refused = send(&either(), get("/").bearer(with("api"))).await;
    refused.is_refused(403, Some(&both), Reason::InsufficientScope);

    // No scope helps where a role is missing.
    let role = app(Box::new(scope("api")), Box::new(role("owner")));
    let refused = send(&role, get("/").bearer(with("api"))).await;
    refused.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

/// A condition of the application that no token changes.
struct IsOpen(bool);

impl Policy for IsOpen {
    fn allows(&self, _: &Access<'_>) -> bool {
        self.0
    }
}

#[tokio::test]
async fn token_helps_where_a_condition_of_the_application_is_met_and_nowhere_else() {
    let refused = send(&app(IsOpen(true).and(scope("pay"))), get("/").bearer(good())).await;
    let lacks = challenge("insufficient_scope", "The token lacks a scope");
    refused.is_refused(403, Some(&format!("{lacks}, scope=\"pay\"")), Reason::InsufficientScope);
    let refused = send(&app(IsOpen(false).and(scope("pay"))), get("/").bearer(good())).await;
    refused.is_refused(403, Some(PLAIN), Reason::Forbidden);

    let pays = || token().claim("scope", "pay").sign(&key());
    send(&app(IsOpen(true).and(scope("pay"))), get("/").bearer(pays())).await.is_ok("in");
    let refused = send(&app(IsOpen(false).and(scope("pay"))), get("/").bearer(pays())).await;
    refused.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn scope_rides_along_with_another_sign_in() {
    let answer = send(&app(StrongSignIn.and(scope("pay"))), get("/").bearer(good())).await;

    let challenge =
        challenge("insufficient_user_authentication", "A different authentication is needed");
    let challenge = format!("{challenge}, scope=\"pay\", acr_values=\"phr phrh\", max_age=\"300\"");
    answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
}

#[tokio::test]
async fn sign_in_that_is_strong_enough_is_not_asked_for_beside_a_missing_scope() {
    let token = token().claim("roles", ["signed-in-just-now"]).sign(&key());
    let challenge =
        format!("{}, scope=\"pay\"", challenge("insufficient_scope", "The token lacks a scope"));
    let list: [Box<dyn Policy>; 2] = [Box::new(StrongSignIn), Box::new(scope("pay"))];

    for app in [app(StrongSignIn.and(scope("pay"))), app(all_of(list))] {
        let answer = send(&app, get("/").bearer(&token)).await;

        answer.is_refused(403, Some(&challenge), Reason::InsufficientScope);
    }
}

#[tokio::test]
async fn scope_is_asked_for_rather_than_another_sign_in() {
    let answer = send(&app(StrongSignIn.or(scope("pay"))), get("/").bearer(good())).await;

    let challenge =
        format!("{}, scope=\"pay\"", challenge("insufficient_scope", "The token lacks a scope"));
    answer.is_refused(403, Some(&challenge), Reason::InsufficientScope);
}

#[tokio::test]
async fn another_sign_in_does_not_help_where_a_role_is_missing() {
    let answer = send(&app(StrongSignIn.and(role("admin"))), get("/").bearer(good())).await;

    answer.is_refused(403, Some("Bearer realm=\"api\""), Reason::Forbidden);
}

#[test]
fn remedies_together_need_the_strictest_of_both() {
    let one =
        Remedy::recent_authentication(Duration::from_secs(60)).and(Remedy::scopes(["a", "b"]));
    let other =
        Remedy::recent_authentication(Duration::from_secs(30)).and(Remedy::scopes(["b", "c"]));

    let both = one.and(other);

    assert_eq!(both.needed_scopes(), ["a", "b", "c"]);
    assert_eq!(both.max_age(), Some(Duration::from_secs(30)));
    assert!(both.acr_values().is_empty());
}

#[test]
fn policies_are_described_as_data() {
    use PolicyDescription::{AllOf, AnyOf, Custom, Role, Scope};

    let policy = role("admin").or(scope("a b").and(StrongSignIn));

    let expected = AnyOf(vec![
        Role("admin".into()),
        AllOf(vec![Scope("a b".into()), Custom("a strong sign-in".into())]),
    ]);
    assert_eq!(policy.describe(), expected);
    assert_eq!(expected.to_string(), "(role `admin` or (scope `a b` and a strong sign-in))");
    let list = any_of(["x", "y"].map(role));
    assert_eq!(list.describe(), AnyOf(vec![Role("x".into()), Role("y".into())]));
}
