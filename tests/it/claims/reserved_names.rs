//! Names of members by which serde_json asks itself for what is not in serde's model.
//!
//! The tests run with serde_json's `raw_value` (axum turns it on); `outside/odd_serde_json` turns on what else there is.

use axum::Router;
use axum::routing::get as on_get;
use serde_json::Value;
use tower_bearer::policy::role;
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Claims, Principal, Reason, Verifier, require};

use crate::support::{
    AUDIENCE, ISSUER, NOW, WithBearer, get, invalid_token, key, send, token, validation,
};

/// Shows the roles that the handler sees in its claims to clients that the guard takes for admins.
fn app() -> Router {
    let validation = validation().with_roles_at(["roles", "/x/roles", "/x/x/roles"]);
    let verifier = Verifier::<Value>::new(key().verifying_key(), validation).unwrap();
    let handler = |Claims(claims): Claims<Value>, principal: Principal| async move {
        assert_eq!(claims["sub"], "alice");
        format!("{} {}", principal.has_role("admin"), claims["x"])
    };
    Router::new()
        .route("/", on_get(handler))
        .route("/admin", on_get(handler).layer(require(role("admin"))))
        .route_layer(BearerLayer::new(verifier.with_clock(TestClock::at(NOW))))
}

/// A token with a member `x` of this value.
fn token_with(x: &str) -> String {
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"sub":"alice","x":{x}}}"#,
        NOW + 60
    );
    token().raw_payload(claims).sign(&key())
}

/// The value as it is, and deeper and deeper in lists and objects.
fn at_every_depth(value: &str) -> Vec<String> {
    let (mut texts, mut deeper) = (Vec::new(), value.to_owned());
    // The payload is one level, and the value two.
    for depth in 0..29 {
        texts.push(deeper.clone());
        deeper =
            if depth % 2 == 0 { format!(r#"{{"x":{deeper}}}"#) } else { format!("[1,{deeper}]") };
    }
    texts
}

#[tokio::test]
async fn token_with_a_reserved_name_is_malformed_however_deep_and_however_it_is_written() {
    let app = app();

    for name in [
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
        "$serde_json::",
        "\\u0024serde_json::private::RawValue",
        "$serde_json::private::\\u0052aw\\u0056alue",
        "\\u0024\\u0073erde\\u005Fjson\\u003a:private::Number",
    ] {
        for object in [
            format!(r#"{{"{name}":"{{\"roles\":[\"admin\"]}}"}}"#),
            format!(r#"{{"roles":["user"],"{name}":[{{}}]}}"#),
        ] {
            for x in at_every_depth(&object) {
                let answer = send(&app, get("/").bearer(token_with(&x))).await;
                let challenge = invalid_token("The token cannot be verified");
                answer.is_refused(401, Some(&challenge), Reason::Malformed);
            }
        }
    }
}

#[tokio::test]
async fn name_that_only_resembles_a_reserved_one_is_the_same_to_guards_and_handlers() {
    let app = app();

    for name in
        ["$serde_json", "$serde_json:", "serde_json::private::RawValue", "\\u0024", "$toml::x"]
    {
        for object in [
            format!(r#"{{"{name}":"{{\"roles\":[\"admin\"]}}"}}"#),
            r#"{"a":"$serde_json::private::RawValue"}"#.to_owned(),
        ] {
            for x in at_every_depth(&object) {
                let expected: Value = serde_json::from_str(&x).unwrap();
                let answer = send(&app, get("/").bearer(token_with(&x))).await;
                answer.is_ok(&format!("false {expected}"));
                let answer = send(&app, get("/admin").bearer(token_with(&x))).await;
                assert_eq!(answer.reason, Some(Reason::Forbidden), "{x}");
            }
        }
    }
    let granted = send(&app, get("/admin").bearer(token_with(r#"{"roles":["admin"]}"#))).await;
    granted.is_ok(r#"true {"roles":["admin"]}"#);
}
