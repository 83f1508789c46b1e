//! Tests tokens by which a party acts for another one (`act`, RFC 8693).

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::policy::{Policy, acting_for_user, actor, no_delegation, role};
use tower_bearer::test_util::TestToken;
use tower_bearer::{Principal, Reason, require};

use crate::support::{
    Answer, ISSUER, PLAIN, WithBearer, get, invalid_token, key, layer, send, token, verify,
};

fn app(policy: impl Policy) -> Router {
    Router::new().route("/", on_get(async || "in").layer(require(policy))).layer(layer())
}

async fn ask(policy: impl Policy, token: TestToken) -> Answer {
    send(&app(policy), get("/").bearer(token.sign(&key()))).await
}

fn by(act: Value) -> TestToken {
    token().claim("act", act)
}

#[tokio::test]
async fn actors_are_read_with_the_current_one_first() {
    // RFC 8693 §4.1: the outermost act is the current actor, nested ones acted before
    let act = json!({
        "sub": "agent-7", "iss": "https://agents.example.com", "client_id": "c1", "x": [{}],
        "act": { "sub": "gateway" },
    });
    let verified = verify(&by(act).sign(&key())).await.unwrap();

    let who = verified.principal();
    let said: Vec<_> =
        who.actors().map(|one| (one.subject(), one.issuer(), one.client_id())).collect();

    let current = ("agent-7", Some("https://agents.example.com"), Some("c1"));
    assert_eq!(said, [current, ("gateway", None, None)]);
    assert_eq!(who.actor().unwrap().subject(), "agent-7");
    assert!(!format!("{who:?} {:?}", who.actor()).contains("agent-7"));
}

#[tokio::test]
async fn malformed_actor_is_refused_and_never_ignored() {
    let refused = invalid_token("A claim of the token is invalid");
    let deep = |depth: usize| {
        (1..depth).fold(json!({ "sub": "a" }), |act, _| json!({ "sub": "b", "act": act }))
    };
    let app = Router::new().route("/", on_get(async || "in")).layer(layer());

    for good in [json!({ "sub": "a" }), deep(8), json!(null)] {
        send(&app, get("/").bearer(by(good).sign(&key()))).await.is_ok("in");
    }
    for bad in [
        json!({}),
        json!([]),
        json!("agent-7"),
        json!(["agent-7"]),
        json!(7),
        json!(true),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": ["a"] }),
        json!({ "iss": ISSUER }),
        json!({ "sub": "a", "iss": 1 }),
        json!({ "sub": "a", "act": "b" }),
        json!({ "sub": "a", "act": {} }),
        deep(9),
        deep(25),
    ] {
        let answer = send(&app, get("/").bearer(by(bad.clone()).sign(&key()))).await;
        answer.is_refused(401, Some(&refused), Reason::InvalidClaim);
        let error = verify(&by(bad).sign(&key())).await.unwrap_err();
        assert_eq!(error.claim(), Some("act"));
    }
}

#[tokio::test]
async fn subject_that_acts_itself_has_no_actor() {
    ask(no_delegation(), token()).await.is_ok("in");
    ask(no_delegation(), by(json!(null))).await.is_ok("in");

    let answer = ask(no_delegation(), by(json!({ "sub": "agent-7" }))).await;
    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn party_acts_for_a_user_or_for_a_client() {
    let act = || by(json!({ "sub": "agent-7" }));
    ask(acting_for_user(), act()).await.is_ok("in");

    for other in [token(), act().claim("sub", "shop").claim("client_id", "shop")] {
        let answer = ask(acting_for_user(), other).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
}

#[tokio::test]
async fn only_the_current_actor_counts() {
    // RFC 8693 §4.1: prior actors are not considered in access control decisions
    for act in [
        json!({ "sub": "agent-7" }),
        json!({ "sub": "agent-7", "iss": ISSUER }),
        json!({ "sub": "agent-7", "act": { "sub": "other" } }),
    ] {
        ask(actor("agent-7"), by(act)).await.is_ok("in");
    }
    for act in [
        json!(null),
        json!({ "sub": "other", "act": { "sub": "agent-7" } }),
        json!({ "sub": "agent-70" }),
        json!({ "sub": "Agent-7" }),
        json!({ "sub": "agent-7", "iss": "https://agents.example.com" }),
        json!({ "sub": "agent-7", "iss": "" }),
    ] {
        let answer = ask(actor("agent-7"), by(act)).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
}

#[tokio::test]
async fn actor_of_another_issuer_counts_where_that_issuer_is_named() {
    let of_agents = || actor("agent-7").of_issuer("https://agents.example.com");

    let act = json!({ "sub": "agent-7", "iss": "https://agents.example.com" });
    ask(of_agents(), by(act)).await.is_ok("in");
    for act in [json!({ "sub": "agent-7" }), json!({ "sub": "agent-7", "iss": ISSUER })] {
        let answer = ask(of_agents(), by(act)).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
}

#[tokio::test]
async fn refusal_names_the_actors_in_the_log() {
    let act = json!({ "sub": "agent-7", "act": { "sub": "gate\nway" } });
    let verified = verify(&by(act).sign(&key())).await.unwrap();

    let refused = verified.principal().check(role("admin")).unwrap_err();

    let expected = "needs role `admin`; `agent-7` acts for the subject, after `gate\\nway`";
    assert_eq!(refused.error().detail(), Some(expected));
    let alone = verify(&token().sign(&key())).await.unwrap();
    let refused = alone.principal().check(role("admin")).unwrap_err();
    assert_eq!(refused.error().detail(), Some("needs role `admin`"));
}

#[tokio::test]
async fn actors_are_in_the_extensions_of_responses_with_their_principal() {
    use tower::ServiceExt as _;
    let app = Router::new()
        .route("/", on_get(async || "in"))
        .layer(layer().with_principal_in_responses());
    let request = get("/").bearer(by(json!({ "sub": "agent-7" })).sign(&key()));

    let response = app.oneshot(request).await.unwrap();

    let who = response.extensions().get::<Principal>().unwrap();
    assert_eq!(who.actor().unwrap().subject(), "agent-7");
}

#[test]
fn delegation_is_described_as_data() {
    let policy = no_delegation().or(acting_for_user().and(actor("agent-7")));

    assert_eq!(
        policy.describe().to_string(),
        "(no party that acts for the subject or (a party that acts for a user and `agent-7` as the party that acts for the subject))"
    );
}
