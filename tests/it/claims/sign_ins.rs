//! Tests permissions that need a sign-in of some kind (RFC 9470).

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::routing::get as on_get;
use serde_json::{Value, json};
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::policy::{
    Policy, PolicyDescription, acr, all_of, amr, role, scope, signed_in_within,
};
use tower_bearer::source::Presented;
use tower_bearer::test_util::{TestClock, TestToken};
use tower_bearer::{AuthError, Reason, require};

use crate::support::{
    Answer, NOW, PLAIN, WithBearer, challenge, get, key, layer, send, token, validation, verifier,
    verifier_with,
};

fn app(policy: impl Policy) -> Router {
    Router::new().route("/", on_get(async || "in").layer(require(policy))).layer(layer())
}

async fn ask(policy: impl Policy, token: TestToken) -> Answer {
    send(&app(policy), get("/").bearer(token.sign(&key()))).await
}

/// The challenge for another sign-in, with these parameters.
fn step_up(parameters: &str) -> String {
    let start =
        challenge("insufficient_user_authentication", "A different authentication is needed");
    format!("{start}, {parameters}")
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[tokio::test]
async fn sign_in_of_one_of_the_classes_is_enough() {
    // RFC 9470 §6.1: acr in the access token
    for class in ["phrh", "phr"] {
        ask(acr(["phrh", "phr"]), token().claim("acr", class)).await.is_ok("in");
    }
}

#[tokio::test]
async fn sign_in_of_another_class_asks_for_the_classes_in_order_of_preference() {
    // RFC 9470 §3: acr_values in order of preference
    let others = [json!("ph"), json!("PHR"), json!("phr "), json!("phrh phr"), json!("")];
    for other in others.into_iter().chain([json!(["phr"]), json!(1), json!(null)]) {
        let answer = ask(acr(["phrh", "phr"]), token().claim("acr", other)).await;
        let challenge = step_up("acr_values=\"phrh phr\"");
        answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
    }
    let answer = ask(acr(["phr"]), token()).await;
    answer.is_refused(
        401,
        Some(&step_up("acr_values=\"phr\"")),
        Reason::InsufficientAuthentication,
    );
}

#[tokio::test]
async fn class_that_no_challenge_can_name_is_a_mistake_of_the_program() {
    for class in ["", "a b", "a\"b", "a\\b", "é", "a\n"] {
        let answer = ask(acr([class]), token()).await;
        answer.is_refused(500, None, Reason::MisusedPolicy);
        let answer = ask(amr("mfa").by_acr([class]), token()).await;
        answer.is_refused(500, None, Reason::MisusedPolicy);
    }
    let answer = ask(acr([""; 0]), token().claim("acr", "")).await;
    answer.is_refused(500, None, Reason::MisusedPolicy);
    let answer = ask(acr([""]), token().claim("acr", "")).await;
    answer.is_refused(500, None, Reason::MisusedPolicy);
    for nothing in ["", " "] {
        let answer = ask(amr(nothing), token().claim("amr", [""])).await;
        answer.is_refused(500, None, Reason::MisusedPolicy);
    }
}

#[tokio::test]
async fn sign_in_is_recent_up_to_its_age_with_the_leeway() {
    // RFC 9470 §6.1: auth_time in the access token, with leeway
    for at in [json!(NOW), json!(NOW - 360), json!(NOW + 60), json!(1_800_000_059.5)] {
        let answer = ask(signed_in_within(FIVE_MINUTES), token().claim("auth_time", at)).await;
        answer.is_ok("in");
    }
    let late = [json!(NOW - 361), json!(0), json!(-1), json!(1_799_999_639.5)];
    let future = [json!(NOW + 61), json!(u64::MAX), json!(1e300)];
    let odd = [json!(NOW.to_string()), json!([NOW]), json!(true), json!(null)];
    for at in late.into_iter().chain(future).chain(odd) {
        let answer = ask(signed_in_within(FIVE_MINUTES), token().claim("auth_time", at)).await;
        // RFC 9470 §3: max_age
        let challenge = step_up("max_age=\"300\"");
        answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
    }
}

#[tokio::test]
async fn token_without_the_moment_of_the_sign_in_is_not_recent() {
    // RFC 9470 §6: no auth_time is not recent
    let answer = ask(signed_in_within(Duration::MAX), token()).await;

    let challenge = step_up(&format!("max_age=\"{}\"", u64::MAX));
    answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
}

#[tokio::test]
async fn leeway_of_a_sign_in_is_that_of_the_rules() {
    let rules = validation().with_leeway(Duration::from_secs(2));
    let layer = tower_bearer::BearerLayer::new(verifier_with(key().verifying_key(), rules));
    let app = Router::new()
        .route("/", on_get(async || "in"))
        .layer(layer.with_policy(signed_in_within(FIVE_MINUTES)));

    for (at, is_recent) in [(302, true), (303, false)] {
        let token = token().claim("auth_time", NOW - at).sign(&key());
        let answer = send(&app, get("/").bearer(token)).await;
        if is_recent {
            answer.is_ok("in");
        } else {
            let challenge = step_up("max_age=\"300\"");
            answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
        }
    }
}

#[tokio::test]
async fn sign_in_that_was_recent_becomes_old_while_the_token_is_remembered() {
    let clock = TestClock::at(NOW);
    let verifier =
        tower_bearer::Verifier::<crate::support::User>::new(key().verifying_key(), validation());
    let layer = tower_bearer::BearerLayer::new(verifier.unwrap().with_clock(clock.clone()));
    let app = Router::new()
        .route("/", on_get(async || "in").layer(require(signed_in_within(FIVE_MINUTES))))
        .layer(layer.with_realm("api").unwrap());
    let token = token().claim("exp", NOW + 3600).claim("auth_time", NOW).sign(&key());

    send(&app, get("/").bearer(&token)).await.is_ok("in");
    clock.set(NOW + 360);
    send(&app, get("/").bearer(&token)).await.is_ok("in");
    clock.set(NOW + 361);
    let answer = send(&app, get("/").bearer(&token)).await;

    let challenge = step_up("max_age=\"300\"");
    answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
}

#[tokio::test]
async fn challenge_names_class_age_and_scopes_at_once() {
    // RFC 9470 §3: scope may ride along
    let policy =
        || scope("pay").and(acr(["phr"])).and(signed_in_within(FIVE_MINUTES)).and(scope("read"));
    let full = || token().claim("acr", "phr").claim("auth_time", NOW).claim("scope", "read pay");

    ask(policy(), full()).await.is_ok("in");
    let answer = ask(policy(), token()).await;
    let challenge = step_up("scope=\"pay read\", acr_values=\"phr\", max_age=\"300\"");
    answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
}

#[tokio::test]
async fn whole_sign_in_is_named_if_a_part_of_it_is_missing_and_nothing_of_it_if_a_scope_is() {
    let scope_alone = challenge("insufficient_scope", "The token lacks a scope");
    let scope_alone = format!("{scope_alone}, scope=\"pay\"");
    let whole = step_up("scope=\"pay\", acr_values=\"phr\", max_age=\"300\"");
    let recent = || signed_in_within(FIVE_MINUTES);
    let all = || -> [Box<dyn Policy>; 3] {
        [Box::new(scope("pay")), Box::new(acr(["phr"])), Box::new(recent())]
    };
    for grouped in [
        Box::new(scope("pay").and(acr(["phr"])).and(recent())) as Box<dyn Policy>,
        Box::new(scope("pay").and(acr(["phr"]).and(recent()))),
        Box::new(all_of(all())),
    ] {
        let policy = Arc::new(grouped);
        let good = || token().claim("acr", "phr").claim("auth_time", NOW).claim("scope", "pay");

        ask(Arc::clone(&policy), good()).await.is_ok("in");
        let answer = ask(Arc::clone(&policy), good().claim("scope", "read")).await;
        answer.is_refused(403, Some(&scope_alone), Reason::InsufficientScope);
        for lacking in [good().claim("acr", "pwd"), good().claim("auth_time", NOW - 1000)] {
            let answer = ask(Arc::clone(&policy), lacking).await;
            answer.is_refused(401, Some(&whole), Reason::InsufficientAuthentication);
        }
    }
}

#[tokio::test]
async fn methods_have_to_be_all_there() {
    for (wanted, held, is_enough) in [
        ("mfa", json!(["pwd", "mfa"]), true),
        ("mfa", json!("mfa"), true),
        ("mfa otp", json!(["otp", "mfa"]), true),
        ("mfa", json!(["mfa", 1, null]), true),
        ("mfa", json!(["pwd"]), false),
        ("mfa otp", json!(["mfa"]), false),
        ("mfa", json!(["MFA"]), false),
        ("mfa", json!("pwd mfa"), false),
        ("mfa", json!([["mfa"]]), false),
        ("mfa", json!({ "mfa": true }), false),
        ("mfa", json!([]), false),
        ("mfa", json!(null), false),
    ] {
        let answer = ask(amr(wanted), token().claim("amr", held.clone())).await;
        if is_enough {
            answer.is_ok("in");
        } else {
            answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
        }
        let answer = ask(amr(wanted).by_acr(["gold"]), token().claim("amr", held)).await;
        if is_enough {
            answer.is_ok("in");
        } else {
            let challenge = step_up("acr_values=\"gold\"");
            answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
        }
    }
}

#[tokio::test]
async fn guard_behind_optional_tokens_names_its_sign_in_only_if_the_layer_is_asked_to() {
    let app = |layer: tower_bearer::BearerLayer<_>| {
        let guard = require(scope("pay").and(acr(["phr"])));
        let route = on_get(async || "in").layer(guard);
        Router::new().route("/", route).layer(layer.with_optional_token())
    };
    let scope_alone = format!("{PLAIN}, scope=\"pay\"");
    let both = format!("{scope_alone}, acr_values=\"phr\"");

    let answer = send(&app(layer()), get("/")).await;
    answer.is_refused(401, Some(&scope_alone), Reason::MissingToken);
    let answer = send(&app(layer().with_step_up_without_token()), get("/")).await;
    answer.is_refused(401, Some(&both), Reason::MissingToken);
    let enough = token().claim("scope", "pay").claim("acr", "phr").sign(&key());
    send(&app(layer()), get("/").bearer(enough)).await.is_ok("in");
}

#[tokio::test]
async fn request_without_a_token_is_told_the_sign_in_only_if_the_layer_is_asked_to() {
    // RFC 9470 §9: what the policy needs is not told to anonymous callers by default
    let policy = || scope("pay").and(acr(["phr"])).and(signed_in_within(FIVE_MINUTES));
    let app = |layer: tower_bearer::BearerLayer<_>| {
        Router::new().route("/", on_get(async || "in")).layer(layer)
    };

    let silent = app(layer().with_policy(policy()));
    let scope_alone = format!("{PLAIN}, scope=\"pay\"");
    send(&silent, get("/")).await.is_refused(401, Some(&scope_alone), Reason::MissingToken);
    for layer in [
        layer().with_policy(policy()).with_step_up_without_token(),
        layer().with_step_up_without_token().with_policy(policy()),
    ] {
        let challenge = format!("{scope_alone}, acr_values=\"phr\", max_age=\"300\"");
        let answer = send(&app(layer), get("/")).await;
        answer.is_refused(401, Some(&challenge), Reason::MissingToken);
    }
    for enough in [
        Box::new(acr(["phr"]).or(role("admin"))) as Box<dyn Policy>,
        Box::new(role("admin")),
        Box::new(amr("mfa")),
    ] {
        let app = app(layer().with_policy(enough).with_step_up_without_token());
        send(&app, get("/")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    }
    let either = acr(["phr"]).or(amr("mfa").by_acr(["gold"]));
    let app = app(layer().with_policy(either).with_step_up_without_token());
    let challenge = "Bearer realm=\"api\", acr_values=\"phr\"";
    send(&app, get("/")).await.is_refused(401, Some(challenge), Reason::MissingToken);
}

#[tokio::test]
async fn handlers_read_the_sign_in() {
    let claims = token()
        .claim("acr", "phr")
        .claim("amr", json!(["mfa", "hwk"]))
        .claim("auth_time", NOW - 5)
        .sign(&key());

    let verified = verifier().verify(&claims).await.unwrap();

    let who = verified.principal();
    assert_eq!(who.acr(), Some("phr"));
    assert_eq!(who.authentication_methods().collect::<Vec<_>>(), ["mfa", "hwk"]);
    assert_eq!(who.authenticated_at(), Some(UNIX_EPOCH + Duration::from_secs(NOW - 5)));
    let bare = verifier().verify(&token().sign(&key())).await.unwrap();
    let who = bare.principal();
    assert_eq!((who.acr(), who.authenticated_at()), (None, None));
    assert_eq!(who.authentication_methods().count(), 0);
}

#[tokio::test]
async fn principal_without_a_layer_is_judged_by_the_clock_of_the_system() {
    let now = SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let check = async |at: u64| {
        let token = token().claim("auth_time", at).sign(&key());
        let verified = verifier().verify(&token).await.unwrap();
        verified.principal().check(signed_in_within(FIVE_MINUTES)).map_err(|no| no.reason())
    };

    assert_eq!(check(now).await, Ok(()));
    assert_eq!(check(NOW).await, Err(Reason::InsufficientAuthentication));
}

#[tokio::test]
async fn explanation_is_by_the_clock_of_the_verifier() {
    let recent = token().claim("auth_time", NOW).sign(&key());
    let old = token().claim("auth_time", NOW - 3600).sign(&key());
    let policy = || signed_in_within(FIVE_MINUTES);

    assert!(verifier().explain_with_policy(&recent, policy()).await.is_accepted());
    assert!(!verifier().explain_with_policy(&old, policy()).await.is_accepted());
}

/// Answers with the sign-in that the token names.
struct Introspector;

impl Authenticator for Introspector {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"opaque")
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        let acr = token.strip_prefix("opaque_").unwrap_or_default();
        let answer: Value = json!({
            "active": true, "sub": "alice", "acr": acr, "amr": ["mfa"], "auth_time": NOW,
        });
        Authenticated::from_json(&answer.to_string())
    }
}

#[tokio::test]
async fn sign_in_is_read_from_an_introspection_answer() {
    // RFC 9470 §6.2: acr and auth_time in the introspection response
    let layer = layer().with_authenticator(Introspector, validation()).unwrap();
    let policy = acr(["phr"]).and(signed_in_within(FIVE_MINUTES)).and(amr("mfa"));
    let app = Router::new().route("/", on_get(async || "in").layer(require(policy))).layer(layer);

    send(&app, get("/").bearer("opaque_phr")).await.is_ok("in");
    let answer = send(&app, get("/").bearer("opaque_pwd")).await;
    let challenge = step_up("acr_values=\"phr\", max_age=\"300\"");
    answer.is_refused(401, Some(&challenge), Reason::InsufficientAuthentication);
}

#[test]
fn sign_ins_are_described_as_data() {
    let policy =
        acr(["a", "b"]).or(signed_in_within(FIVE_MINUTES)).or(amr("mfa otp").by_acr(["c"]));

    let PolicyDescription::AnyOf(parts) = policy.describe() else { panic!("{policy:?}") };

    let by_method = PolicyDescription::Amr {
        methods: vec!["mfa".into(), "otp".into()],
        by_acr: vec!["c".into()],
    };
    assert_eq!(parts[1], by_method);
    assert_eq!(
        policy.describe().to_string(),
        "((a sign-in of class `a` or `b` or a sign-in within the last 300 seconds) or a sign-in by `mfa` and `otp`)"
    );
}
